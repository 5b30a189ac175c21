#include "base/secret_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"

// A file is judged by its descriptor, so that no other can be put in its place between the look and
// the read. What is in a folder that only its owner can change needs no such care.

namespace waypost::base {
namespace {

constexpr mode_t kOthersWrite = S_IWGRP | S_IWOTH;

absl::Status CheckSecret(const struct stat& info, const std::string& path, bool as_administrator) {
  if (!S_ISREG(info.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat(path, " is not a regular file"));
  }
  if (info.st_uid != geteuid() && !(as_administrator && geteuid() == 0)) {
    return absl::FailedPreconditionError(absl::StrCat(
        path, " belongs to another user: run the service as its owner, or chown the data folder"));
  }
  if ((info.st_mode & 077) != 0) {
    return absl::FailedPreconditionError(absl::StrCat(path, " can be read by others: chmod 600 ",
                                                      path, ", and make a new one if it was so"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckSecretFile(int fd, const std::string& path) {
  struct stat info;
  if (fstat(fd, &info) != 0) return ErrnoStatus(errno, path);
  return CheckSecret(info, path, /*as_administrator=*/false);
}

absl::StatusOr<std::string> ReadSecretFile(const std::string& path, std::size_t max_bytes,
                                           bool as_administrator) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) {
    if (errno != ELOOP) return ErrnoStatus(errno, path);
    return absl::FailedPreconditionError(
        absl::StrCat(path, " is a link: put the file itself here"));
  }
  const absl::Cleanup closer = [fd] { close(fd); };
  struct stat info;
  if (fstat(fd, &info) != 0) return ErrnoStatus(errno, path);
  RETURN_IF_ERROR(CheckSecret(info, path, as_administrator));
  std::string text(max_bytes + 1, '\0');
  std::size_t have = 0;
  while (have < text.size()) {
    const ssize_t got = read(fd, text.data() + have, text.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, path);
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  if (have > max_bytes) return absl::OutOfRangeError(absl::StrCat(path, " is too large"));
  text.resize(have);
  return text;
}

absl::Status CheckOwnFolder(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return ErrnoStatus(errno, path);
  if (!S_ISDIR(info.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat(path, " is no folder"));
  }
  if (info.st_uid != geteuid()) {
    return absl::FailedPreconditionError(absl::StrCat(
        path, " belongs to another user: run the service as its owner, or chown -R it"));
  }
  if ((info.st_mode & kOthersWrite) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " can be written by others: chmod go-w ", path,
                     ", and look for files in it that are not yours"));
  }
  return absl::OkStatus();
}

absl::Status CheckTrustedFile(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) {
    return errno == ENOENT ? absl::OkStatus() : ErrnoStatus(errno, path);
  }
  const bool foreign = info.st_uid != geteuid() && info.st_uid != 0;
  if (!foreign && (info.st_mode & kOthersWrite) == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(path, foreign ? " belongs to" : " can be written by",
                   " another user: chown or chmod it, after a look at what it says"));
}

}  // namespace waypost::base
