#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "base/status.h"
#include "base/thread.h"
#include "service/cli/commands.h"
#include "service/cli/print.h"
#include "service/cli/put_sources.h"

// Putting what was found. Several files are sent at once, so that the service makes them durable
// with one fsync; one that fails does not keep the others from going, unless the service is gone or
// full.

namespace waypost::service {
namespace {

// Uploads at once: the service makes many durable with one fsync.
constexpr std::size_t kUploads = 8;

absl::Status CheckArgs(const PutArgs& args) {
  if (args.group.empty() && (!args.key.empty() || !args.prefix.empty())) {
    return UsageError("--key and --prefix need --group");
  }
  if (!args.key.empty() && (args.paths.size() != 1 || args.recursive)) {
    return UsageError("--key is for one file; use --prefix for several");
  }
  return absl::OkStatus();
}

// Two files under one key would silently keep the later one.
absl::Status CheckKeys(const std::vector<PutItem>& items) {
  std::map<std::string, std::string> by_key;
  for (const PutItem& item : items) {
    if (item.key.empty()) continue;
    const auto added = by_key.emplace(item.key, item.path);
    if (!added.second) {
      return absl::InvalidArgumentError(absl::StrCat("the key \"", item.key, "\" is of both ",
                                                     added.first->second, " and ", item.path));
    }
  }
  return absl::OkStatus();
}

// Hands items to the uploading threads and keeps what came of them.
class Uploads {
 public:
  Uploads(std::vector<PutItem> items, std::string group)
      : items_(std::move(items)), group_(std::move(group)), results_(items_.size()) {
    for (const PutItem& item : items_) total_bytes_ += item.size;
  }

  void Run(Client& client) {
    std::vector<std::unique_ptr<Client>> clients;
    std::vector<base::Thread> threads;
    for (std::size_t i = 0; i + 1 < std::min(kUploads, items_.size()); ++i) {
      clients.push_back(client.Another());
      Client* mine = clients.back().get();
      threads.emplace_back("put", [this, mine] { Work(*mine); });
    }
    Work(client);
    for (base::Thread& thread : threads) thread.Join();
    progress_.Finish();
  }

  const std::vector<PutItem>& items() const { return items_; }
  // Where a put was not reached because an earlier one failed for good, the status is kCancelled.
  const std::vector<absl::StatusOr<Json>>& results() const { return results_; }

 private:
  void Work(Client& client) {
    while (true) {
      const std::size_t i = next_.fetch_add(1);
      if (i >= items_.size()) return;
      if (gave_up_.load()) {
        results_[i] = absl::CancelledError("not tried");
        continue;
      }
      results_[i] = Upload(client, items_[i]);
      // Without a service, or space, the rest fails as well.
      const absl::Status& status = results_[i].status();
      if (ExitOf(status) == kExitNotReachable || base::IsNoSpace(status)) gave_up_.store(true);
      files_.fetch_add(1);
      Draw();
    }
  }

  absl::StatusOr<Json> Upload(Client& client, const PutItem& item) {
    std::unique_ptr<PutReader> reader;
    ASSIGN_OR_RETURN(reader, PutReader::Open(item));
    http::AppClient::Call call{.method = "POST", .target = "/v1/blobs"};
    call.content_type = "application/octet-stream";
    if (!group_.empty()) {
      absl::StrAppend(&call.target, "?group=", http::EscapeSegment(group_),
                      "&key=", http::EscapeSegment(item.key));
    }
    uint64_t told = 0;
    call.upload_bytes = reader->size();
    call.upload = [&](std::span<char> buffer) { return reader->Read(buffer); };
    call.on_sent = [&](uint64_t sent) {
      bytes_.fetch_add(sent - told);
      told = sent;
      Draw();
    };
    http::AppClient::Reply reply;
    ASSIGN_OR_RETURN(reply, client.Must(call));
    Json answer = Json::parse(reply.body, nullptr, /*allow_exceptions=*/false);
    if (TextOf(answer, "id").empty())
      return absl::DataLossError("the service answered without an id");
    Json result = {{"path", item.path},
                   {"id", TextOf(answer, "id")},
                   {"size", reader->size()},
                   {"created", reply.status == 201}};
    if (!group_.empty()) result["key"] = item.key;
    return result;
  }

  void Draw() {
    progress_.Show(bytes_.load(), total_bytes_,
                   absl::StrCat(files_.load(), " of ", items_.size(), " files"));
  }

  const std::vector<PutItem> items_;
  const std::string group_;
  uint64_t total_bytes_ = 0;
  std::vector<absl::StatusOr<Json>> results_;  // each written by the thread that took its item
  std::atomic<std::size_t> next_{0};
  std::atomic<bool> gave_up_{false};
  std::atomic<uint64_t> bytes_{0}, files_{0};
  Progress progress_{"put"};
};

}  // namespace

Exit Put(const Common& common, Client& client, const PutArgs& args) {
  RETURN_IF_ERROR(CheckArgs(args));
  std::string group;
  if (!args.group.empty()) {
    ASSIGN_OR_RETURN(group, client.ResolveGroup(args.group));
  }
  PutSources found;
  ASSIGN_OR_RETURN(found, CollectSources(args, common.data));
  RETURN_IF_ERROR(CheckKeys(found.items));
  Uploads uploads(std::move(found.items), group);
  uploads.Run(client);

  absl::Status first_error;
  std::size_t failed = 0;
  Json list = Json::array();
  for (std::size_t i = 0; i < uploads.items().size(); ++i) {
    const auto& result = uploads.results()[i];
    const std::string& path = uploads.items()[i].path;
    if (!result.ok()) {
      ++failed;
      if (absl::IsCancelled(result.status())) continue;
      if (first_error.ok()) first_error = result.status();
      PrintError(absl::StrCat(path, ": ", std::string(result.status().message())));
      continue;
    }
    if (common.json) {
      list.push_back(*result);
    } else {
      PrintLine(absl::StrCat(TextOf(*result, "id"), "  ", path));
    }
  }
  if (common.json) PrintJson(list);
  if (!group.empty()) {
    if (const auto info = client.Get(GroupPath(group)); info.ok()) SayWithoutServer(*info);
  }
  if (found.unreadable != 0) {
    PrintError(absl::StrCat(found.unreadable, " left out, for they cannot be read"));
  }
  if (failed == 0) return found.unreadable == 0 ? kExitOk : kExitError;
  PrintError(absl::StrCat(failed, " of ", uploads.items().size(), " were not put"));
  return ExitOf(first_error) == kExitNotReachable ? kExitNotReachable : kExitError;
}

}  // namespace waypost::service
