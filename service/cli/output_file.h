#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "base/ids.h"

// Files that commands write for the user. What was there is not lost by a slip: a file that differs
// is overwritten only when that was asked for, and keeps its mode and owner.
namespace waypost::service {

// Takes the next bytes.
using Take = absl::FunctionRef<absl::Status(std::string_view)>;
// Hands all bytes to what it is given, but for the first `from`: they are there.
using Fill = absl::FunctionRef<absl::Status(uint64_t from, Take)>;

struct OutputOptions {
  bool force = false;  // overwrite a file with other bytes
  mode_t mode = 0666;  // of a new file, less the umask
  std::string name;    // of the file, where the path is a folder
  // Where it fails, what came stays in a file beside, ".waypost-part-" with the first digits of the
  // blob's id, and the next call for that blob goes on behind it. Bytes that are wrong never stay.
  bool resume = false;
};

// `name` in the open folder `parent`, never through a link. The bytes go to a temporary file
// beside, which gets the name only if they hash to `blob`, and is durable then. A file that has
// these bytes already is left alone, without calling `fill`. kAlreadyExists for one that differs,
// and for a link, which is replaced with `force`; kFailedPrecondition for what is no file.
absl::Status WriteFileIn(int parent, const std::string& name, const base::BlobId& blob,
                         const OutputOptions& options, Fill fill);

// The same for a path that the user named, so links are followed. A folder: into it. A device or
// pipe: into it, so that the bytes are gone when the error says that they were wrong.
absl::Status WriteOutput(const std::string& path, const base::BlobId& blob,
                         const OutputOptions& options, Fill fill);

}  // namespace waypost::service
