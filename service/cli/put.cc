#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "base/status.h"
#include "base/thread.h"
#include "service/cli/commands.h"
#include "service/cli/print.h"
#include "service/cli/tree_writer.h"

// Putting files and trees. A tree is walked without following links, and standard input, which has
// no length, goes to a file without a name first. Several files are sent at once, so that the
// service makes them durable with one fsync; one that fails does not keep the others from going,
// unless the service is gone or full.

namespace waypost::service {
namespace {

namespace fs = std::filesystem;

// Uploads at once: the service makes many durable with one fsync.
constexpr std::size_t kUploads = 8;

// A descriptor that closes itself.
class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

// One file on its way. `path` is what people see; an empty `key` means: no reference.
struct Item {
  std::string path, key;
  uint64_t size = 0;
  int fd = -1;  // of standard input, spooled; -1: opened when its turn comes
  // The folder that is put, held open, and the file's path below it: by then somebody may have put
  // a link where the walk saw a file. Null: the user named this file.
  std::shared_ptr<Fd> folder;
  std::string below;

  absl::StatusOr<int> Open() const {
    if (folder != nullptr) return OpenFileBelow(folder->get(), below);
    const int opened = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (opened < 0) return base::ErrnoStatus(errno, path);
    return opened;
  }
};

// Standard input has no length: it goes to a file without a name first.
absl::StatusOr<Item> Spool() {
  const char* dir = std::getenv("TMPDIR");
  const int fd = open(dir != nullptr ? dir : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0) return base::ErrnoStatus(errno, "a temporary file for standard input");
  Item item{.path = "-", .fd = fd};
  char bytes[64 * 1024];
  while (true) {
    const ssize_t got = read(STDIN_FILENO, bytes, sizeof(bytes));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return base::ErrnoStatus(errno, "standard input");
    if (got == 0) return item;
    for (ssize_t done = 0; done < got;) {
      const ssize_t wrote = write(fd, bytes + done, static_cast<std::size_t>(got - done));
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote < 0) return base::ErrnoStatus(errno, "a temporary file for standard input");
      done += wrote;
    }
    item.size += static_cast<uint64_t>(got);
  }
}

absl::Status AddFolder(const PutArgs& args, const std::string& dir, std::vector<Item>& items) {
  const auto folder = std::make_shared<Fd>(open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder->get() < 0) return base::ErrnoStatus(errno, dir);
  std::error_code error;
  fs::recursive_directory_iterator it(dir, error), end;
  for (; !error && it != end; it.increment(error)) {
    const fs::file_status status = it->symlink_status(error);
    if (error) break;
    if (fs::is_directory(status)) continue;
    const std::string path = it->path().string();
    if (!fs::is_regular_file(status)) {
      PrintError(absl::StrCat("left out, no regular file: ", path));
      continue;
    }
    Item item{.path = path, .size = it->file_size(error), .folder = folder};
    if (error) break;
    item.below = it->path().lexically_relative(dir).generic_string();
    if (!args.group.empty()) item.key = args.prefix + item.below;
    items.push_back(std::move(item));
  }
  if (error) return absl::InternalError(absl::StrCat(dir, ": ", error.message()));
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Item>> Collect(const PutArgs& args) {
  std::vector<Item> items;
  for (const std::string& path : args.paths) {
    if (path == "-") {
      if (!args.group.empty() && args.key.empty())
        return UsageError("standard input needs --key with --group");
      Item item;
      ASSIGN_OR_RETURN(item, Spool());
      item.key = args.key;
      items.push_back(std::move(item));
      continue;
    }
    struct stat info {};
    if (stat(path.c_str(), &info) != 0) return base::ErrnoStatus(errno, path);
    if (S_ISDIR(info.st_mode)) {
      if (!args.recursive) return UsageError(path + " is a folder: use -r");
      RETURN_IF_ERROR(AddFolder(args, path, items));
      continue;
    }
    if (!S_ISREG(info.st_mode)) return absl::InvalidArgumentError(path + " is no regular file");
    Item item{.path = path, .size = static_cast<uint64_t>(info.st_size)};
    if (!args.key.empty()) {
      item.key = args.key;
    } else if (!args.group.empty()) {
      item.key = args.prefix + fs::path(path).filename().string();
    }
    items.push_back(std::move(item));
  }
  return items;
}

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
absl::Status CheckKeys(const std::vector<Item>& items) {
  std::map<std::string, std::string> by_key;
  for (const Item& item : items) {
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
  Uploads(std::vector<Item> items, std::string group)
      : items_(std::move(items)), group_(std::move(group)), results_(items_.size()) {
    for (const Item& item : items_) total_bytes_ += item.size;
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

  const std::vector<Item>& items() const { return items_; }
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

  absl::StatusOr<Json> Upload(Client& client, const Item& item) {
    int fd = item.fd;
    if (fd < 0) {
      ASSIGN_OR_RETURN(fd, item.Open());
    }
    const Fd opened(item.fd < 0 ? fd : -1);
    http::AppClient::Call call{.method = "POST", .target = "/v1/blobs"};
    call.content_type = "application/octet-stream";
    if (!group_.empty()) {
      absl::StrAppend(&call.target, "?group=", group_, "&key=", http::EscapeSegment(item.key));
    }
    uint64_t offset = 0, told = 0;
    call.upload_bytes = item.size;
    call.upload = [&](std::span<char> buffer) -> absl::StatusOr<std::size_t> {
      const ssize_t got = pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(offset));
      if (got < 0) return base::ErrnoStatus(errno, item.path);
      if (got == 0) return absl::AbortedError(item.path + " became shorter while it was read");
      offset += static_cast<uint64_t>(got);
      return static_cast<std::size_t>(got);
    };
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
                   {"size", item.size},
                   {"created", reply.status == 201}};
    if (!group_.empty()) result["key"] = item.key;
    return result;
  }

  void Draw() {
    progress_.Show(bytes_.load(), total_bytes_,
                   absl::StrCat(files_.load(), " of ", items_.size(), " files"));
  }

  const std::vector<Item> items_;
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
  std::vector<Item> items;
  ASSIGN_OR_RETURN(items, Collect(args));
  RETURN_IF_ERROR(CheckKeys(items));
  Uploads uploads(std::move(items), group);
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
  if (failed == 0) return kExitOk;
  PrintError(absl::StrCat(failed, " of ", uploads.items().size(), " were not put"));
  return ExitOf(first_error) == kExitNotReachable ? kExitNotReachable : kExitError;
}

}  // namespace waypost::service
