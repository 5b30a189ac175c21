#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

// What `put` reads: files, trees, standard input. Nothing here talks to the service.
namespace waypost::service {

// A descriptor that closes itself.
class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd();
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

// One file on its way. An empty `key` means: no reference.
struct PutItem {
  std::string path;  // what people see
  std::string key;
  uint64_t size = 0;            // when it was found; for progress alone
  std::shared_ptr<Fd> spooled;  // the bytes of standard input; else opened when its turn comes
  // The folder that is put, held open, and the file's path below it: by then somebody may have put
  // a link where the walk saw a file. Null: the user named this file.
  std::shared_ptr<Fd> folder;
  std::string below;
};

struct PutSources {
  std::vector<PutItem> items;
  // Left out and named on standard error: what cannot be read; and what is not put, such as links,
  // pipes and data folders.
  std::size_t unreadable = 0, others = 0;
  std::size_t excluded = 0;  // by a pattern; a folder counts once
};

struct PutArgs;
// The files that `args` name, those of trees without following links unless that is asked for. What
// cannot be read is left out, and the rest is there; so are data folders in a tree, be it `data`,
// that of the service, or another. What is named and is one, or lies in one, is kInvalidArgument: a
// peer's key and tokens, once in a group, are everybody's there.
absl::StatusOr<PutSources> CollectSources(const PutArgs& args, const std::string& data);

// An item opened for reading from its beginning to its end, once. One thread.
class PutReader {
 public:
  // A file that calls itself empty and has bytes, as those of /proc, is read to its end first.
  static absl::StatusOr<std::unique_ptr<PutReader>> Open(const PutItem& item);
  uint64_t size() const { return static_cast<uint64_t>(opened_.st_size); }
  // The bytes of what has no size of its own, to be read again; null for other files.
  std::shared_ptr<Fd> spooled() const { return spooled_; }
  // The next bytes, at least one; `size` of them in all. kAborted, with the last ones at the
  // latest, when the file was changed since it was opened: its bytes were at no time a file.
  absl::StatusOr<std::size_t> Read(std::span<char> buffer);

 private:
  PutReader(std::shared_ptr<Fd> fd, std::string path)
      : fd_(std::move(fd)), path_(std::move(path)) {}
  absl::Status CheckUnchanged() const;

  std::shared_ptr<Fd> fd_;
  const std::string path_;
  std::shared_ptr<Fd> spooled_;
  struct stat opened_ {};
  uint64_t offset_ = 0;
};

}  // namespace waypost::service
