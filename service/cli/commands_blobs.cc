#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/sha256.h"
#include "base/status.h"
#include "base/units.h"
#include "service/cli/commands.h"
#include "service/cli/download.h"
#include "service/cli/output_file.h"
#include "service/cli/print.h"
#include "service/cli/progress.h"
#include "service/cli/tree_writer.h"

// Commands about blobs: get, fetch, ls, why. What is written to a file or to standard output is
// hashed on the way, and a file gets its name only when its bytes are the blob's.

namespace waypost::service {
namespace {

// As the service has it where nothing is said.
constexpr base::Millis kGetWait{30'000};

}  // namespace

Exit Get(const Common& common, Client& client, const GetArgs& args) {
  std::string id;
  ASSIGN_OR_RETURN(id, client.ResolveBlob(args.what));
  const auto blob = base::BlobId::FromHex(id);
  if (!blob) return absl::DataLossError("the service answered with a bad id: " + id);
  Progress progress("get " + (args.what.size() == 2 ? args.what[1] : Abbreviated(id)));
  // Who sits at a terminal stops it when it has been long enough.
  std::optional<base::Millis> wait = args.timeout;
  if (!wait && !OnTerminal()) wait = kGetWait;
  Download download(
      {.blob = *blob, .wait = wait, .watch = OnTerminal()},
      {.ask = [&](const auto& call) { return client.Any(call); },
       .show = [&](uint64_t bytes, uint64_t total,
                   const std::string& state) { progress.Show(bytes, total, state); }});
  const auto fill = [&](uint64_t from, Take take) { return download.Run(from, take); };
  if (!args.output.empty() && args.output != "-") {
    OutputOptions options{.force = args.force, .name = id, .resume = true};
    if (args.what.size() == 2) options.name = args.what[1].substr(args.what[1].rfind('/') + 1);
    RETURN_IF_ERROR(CheckRelativePath(options.name));
    RETURN_IF_ERROR(WriteOutput(args.output, *blob, options, fill));
    progress.Finish();
    if (common.json) PrintJson({{"id", id}, {"file", args.output}});
    return kExitOk;
  }
  base::Sha256 hash;
  RETURN_IF_ERROR(fill(0, [&](std::string_view data) {
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

Exit Ls(const Common& common, Client& client, const std::string& of_group) {
  std::string target = "/v1/blobs";
  if (!of_group.empty()) {
    std::string group;
    ASSIGN_OR_RETURN(group, client.ResolveGroup(of_group));
    absl::StrAppend(&target, "?group=", http::EscapeSegment(group));
  }
  Json list = Json::array();
  RETURN_IF_ERROR(client.ForEach(target, [&](const Json& item) {
    if (common.json) {
      list.push_back(item);
    } else if (common.whole) {
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
