#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "service/cli/output_file.h"

namespace waypost::service {

// A key's path below a folder; an error for keys that would lie elsewhere or have no one place:
// absolute ones, empty segments, "." and "..", segments over 255 bytes, control characters.
absl::Status CheckRelativePath(std::string_view key);

// The regular file at `path` below the open folder, for reading; the caller closes it. No symbolic
// link on the way is followed, whenever it was put there, nor is a pipe waited for.
absl::StatusOr<int> OpenFileBelow(int folder, std::string_view path);

// Writes files below one folder and nowhere else: no symbolic link below it is ever followed. One
// thread.
class TreeWriter {
 public:
  // Makes the folder when it is not there.
  static absl::StatusOr<std::unique_ptr<TreeWriter>> Open(const std::string& dir);
  ~TreeWriter();
  TreeWriter(const TreeWriter&) = delete;
  TreeWriter& operator=(const TreeWriter&) = delete;

  // True when a regular file is at `key` whose bytes hash to `blob`.
  absl::StatusOr<bool> Holds(std::string_view key, const base::BlobId& blob);
  // As WriteFileIn.
  absl::Status Write(std::string_view key, const base::BlobId& blob, const OutputOptions& options,
                     Fill fill);

 private:
  explicit TreeWriter(int fd) : fd_(fd) {}
  // The folder of `key` opened, and its last segment.
  absl::StatusOr<int> OpenParent(std::string_view key, bool make, std::string& name);
  const int fd_;
};

}  // namespace waypost::service
