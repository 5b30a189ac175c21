#include "base/status.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

// Our own facts about an error travel as payloads beside its code, so that no caller has to read
// messages: full, digest mismatch, stay away for so long. Annotate keeps them.

namespace waypost::base {
namespace {

// Payload names: a marker beside the code, so that callers need not read messages.
constexpr char kNoSpace[] = "waypost/no-space";
constexpr char kFileTooLarge[] = "waypost/file-too-large";
constexpr char kNoMemory[] = "waypost/no-memory";
constexpr char kNoDescriptor[] = "waypost/no-descriptor";
constexpr char kReadOnly[] = "waypost/read-only";
constexpr char kDigestMismatch[] = "waypost/digest-mismatch";
constexpr char kRetryAfter[] = "waypost/retry-after-ms";

// Whatever has one open gives it back soon.
constexpr std::chrono::milliseconds kDescriptorAgain{1000};
// Somebody has to mount it.
constexpr std::chrono::milliseconds kReadOnlyAgain{30'000};

absl::Status Marked(absl::StatusCode code, std::string_view message, const char* marker) {
  absl::Status status(code, Abs(message));
  status.SetPayload(marker, absl::Cord("1"));
  return status;
}

// Made at the start: when it is needed there is no memory to make it. Never destroyed, for threads
// may run while the process ends.
const absl::Status& no_memory =
    *new absl::Status(Marked(absl::StatusCode::kUnavailable, "memory ran out", kNoMemory));

}  // namespace

absl::Status Annotate(absl::Status status, std::string_view context) {
  if (status.ok()) return status;
  absl::Status annotated(status.code(), absl::StrCat(Abs(context), ": ", status.message()));
  status.ForEachPayload([&](absl::string_view name, const absl::Cord& payload) {
    annotated.SetPayload(name, payload);
  });
  return annotated;
}

absl::Status ErrnoStatus(int error, std::string_view context) {
  char buffer[128];
  const std::string message =
      absl::StrCat(Abs(context), ": ", strerror_r(error, buffer, sizeof(buffer)));
  switch (error) {
    case ENOSPC:
      return NoSpaceError(absl::StrCat(message, "; make room on the disk of the data folder"));
    case EDQUOT:
      return NoSpaceError(absl::StrCat(message, "; the quota of the service's user is used up"));
    case EFBIG: {
      absl::Status status =
          NoSpaceError(absl::StrCat(message, "; raise the service's limit on file sizes"));
      status.SetPayload(kFileTooLarge, absl::Cord("1"));
      return status;
    }
    case ENOENT:
      return absl::NotFoundError(message);
    case EEXIST:
      return absl::AlreadyExistsError(message);
    case EMFILE:
    case ENFILE:
      return Marked(absl::StatusCode::kUnavailable,
                    absl::StrCat(message, "; raise the service's limit of descriptors"),
                    kNoDescriptor);
    case EROFS:
      return ReadOnlyError(message);
    case EXDEV:
      return absl::UnimplementedError(message);
    default:
      return absl::InternalError(message);
  }
}

absl::Status NoSpaceError(std::string_view message) {
  return Marked(absl::StatusCode::kResourceExhausted, message, kNoSpace);
}
bool IsNoSpace(const absl::Status& status) { return status.GetPayload(kNoSpace).has_value(); }

bool IsFileTooLarge(const absl::Status& status) {
  return status.GetPayload(kFileTooLarge).has_value();
}

bool IsNoDescriptor(const absl::Status& status) {
  return status.GetPayload(kNoDescriptor).has_value();
}

absl::Status ReadOnlyError(std::string_view message) {
  return Marked(
      absl::StatusCode::kUnavailable,
      absl::StrCat(Abs(message), "; see why its disk takes no writes, and mount it again"),
      kReadOnly);
}
bool IsReadOnly(const absl::Status& status) { return status.GetPayload(kReadOnly).has_value(); }

absl::Status DigestMismatchError(std::string_view message) {
  return Marked(absl::StatusCode::kInvalidArgument, message, kDigestMismatch);
}
bool IsDigestMismatch(const absl::Status& status) {
  return status.GetPayload(kDigestMismatch).has_value();
}

absl::Status WithRetryAfter(absl::Status status, std::chrono::milliseconds retry_after) {
  status.SetPayload(kRetryAfter, absl::Cord(absl::StrCat(retry_after.count())));
  return status;
}
std::optional<std::chrono::milliseconds> RetryAfterOf(const absl::Status& status) {
  if (IsNoDescriptor(status)) return kDescriptorAgain;
  if (IsReadOnly(status)) return kReadOnlyAgain;
  const auto payload = status.GetPayload(kRetryAfter);
  int64_t ms = 0;
  if (!payload || !absl::SimpleAtoi(std::string(*payload), &ms)) return std::nullopt;
  return std::chrono::milliseconds(ms);
}

absl::Status NoMemoryError() { return no_memory; }
bool IsNoMemory(const absl::Status& status) { return status.GetPayload(kNoMemory).has_value(); }

void CheckFailed(const char* file, int line, const char* condition) {
  std::fprintf(stderr, "%s:%d: broken invariant: %s\n", file, line, condition);
  std::abort();
}

}  // namespace waypost::base
