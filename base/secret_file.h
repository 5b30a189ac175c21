#pragma once

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"

// Whose a file or folder is, before what is in it is believed or a secret is put there. Errors are
// kFailedPrecondition and say what to do.
namespace waypost::base {

// Of an open file: a regular one, ours, that nobody else can read or write. `path` is for errors.
absl::Status CheckSecretFile(int fd, const std::string& path);
// The whole of such a file, which is no link; kNotFound, kOutOfRange over `max_bytes`.
// `as_administrator`: root may read another user's, to act for it.
absl::StatusOr<std::string> ReadSecretFile(const std::string& path, std::size_t max_bytes,
                                           bool as_administrator = false);
// Ours, and no one else can put, rename or remove something in it. Links are followed.
absl::Status CheckOwnFolder(const std::string& path);
// What nobody but us and root can have written. Links are followed; what is not there is fine.
absl::Status CheckTrustedFile(const std::string& path);

}  // namespace waypost::base
