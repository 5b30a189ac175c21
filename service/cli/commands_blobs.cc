#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/sha256.h"
#include "base/status.h"
#include "base/units.h"
#include "service/cli/commands.h"
#include "service/cli/output_file.h"
#include "service/cli/print.h"
#include "service/cli/tree_writer.h"

// Commands about blobs: get, fetch, ls, why. What is written to a file or to standard output is
// hashed on the way, and a file gets its name only when its bytes are the blob's.

namespace waypost::service {
namespace {

// How far a fetch is, for people.
std::string FetchLine(const Json& line) {
  std::string text = TextOf(line, "state");
  const std::string source = TextOf(line, "source");
  if (!source.empty()) absl::StrAppend(&text, " from ", Abbreviated(source));
  for (const char* key : {"until", "error", "next_attempt"}) {
    std::string value = TextOf(line, key);
    if (value.empty() && line.contains(key) && line[key].is_object())
      value = TextOf(line[key], "class");
    if (!value.empty()) absl::StrAppend(&text, ", ", key, " ", value);
  }
  return text;
}

}  // namespace

Exit Get(const Common&, Client& client, const GetArgs& args) {
  std::string id;
  ASSIGN_OR_RETURN(id, client.ResolveBlob(args.what));
  const auto blob = base::BlobId::FromHex(id);
  if (!blob) return absl::DataLossError("the service answered with a bad id: " + id);
  Progress progress("get " + Abbreviated(id));
  uint64_t total = 0, received = 0;
  http::AppClient::Call call{.target = BlobPath(id)};
  if (!args.timeout.empty())
    absl::StrAppend(&call.target, "?timeout=", http::EscapeSegment(args.timeout));
  call.on_head = [&](int, std::optional<uint64_t> bytes) {
    total = bytes.value_or(0);
    return absl::OkStatus();
  };
  // `take` gets the bytes as they arrive.
  const auto fill = [&](Take take) {
    call.sink = [&, take](std::string_view data) {
      received += data.size();
      progress.Show(received, total, "");
      return take(data);
    };
    return client.Must(call).status();
  };
  if (!args.output.empty() && args.output != "-") {
    OutputOptions options{.force = args.force, .name = id};
    if (args.what.size() == 2) options.name = args.what[1].substr(args.what[1].rfind('/') + 1);
    RETURN_IF_ERROR(CheckRelativePath(options.name));
    RETURN_IF_ERROR(WriteOutput(args.output, *blob, options, fill));
    return kExitOk;
  }
  base::Sha256 hash;
  RETURN_IF_ERROR(fill([&](std::string_view data) {
    hash.Update(data);
    return PrintBytes(data);
  }));
  RETURN_IF_ERROR(FlushOutput());
  if (hash.Finish() != *blob) return base::DigestMismatchError("what came does not hash to " + id);
  return kExitOk;
}

Exit Fetch(const Common& common, Client& client, const std::vector<std::string>& what) {
  std::string id;
  ASSIGN_OR_RETURN(id, client.ResolveBlob(what));
  Progress progress("fetch " + Abbreviated(id));
  Json last;
  http::AppClient::Call call{.method = "POST", .target = BlobPath(id, "/fetch")};
  call.body = "";
  call.line_sink = [&](std::string_view line) {
    Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) return absl::OkStatus();
    last = std::move(json);
    if (common.json) PrintLine(line);
    progress.Show(NumberOf(last, "received"), NumberOf(last, "total"), TextOf(last, "state"));
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(client.Must(call).status());
  progress.Finish();
  if (!common.json) PrintLine(FetchLine(last));
  return TextOf(last, "state") == "done" ? kExitOk : kExitNotComplete;
}

Exit Ls(const Common& common, Client& client, const LsArgs& args) {
  std::string target = "/v1/blobs";
  if (!args.group.empty()) {
    std::string group;
    ASSIGN_OR_RETURN(group, client.ResolveGroup(args.group));
    absl::StrAppend(&target, "?group=", http::EscapeSegment(group));
  }
  Json list = Json::array();
  RETURN_IF_ERROR(client.ForEach(target, [&](const Json& item) {
    if (common.json) {
      list.push_back(item);
    } else if (args.details) {
      PrintLine(absl::StrCat(TextOf(item, "id"), "  ", base::HumanSize(NumberOf(item, "size"))));
    } else {
      PrintLine(TextOf(item, "id"));
    }
    return absl::OkStatus();
  }));
  if (common.json) PrintJson(list);
  return kExitOk;
}

}  // namespace waypost::service
