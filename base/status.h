#pragma once

#include <chrono>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

// Debian's Abseil has its own string_view: this carries ours across.
namespace waypost::base {

inline absl::string_view Abs(std::string_view s) { return {s.data(), s.size()}; }
inline std::string_view Std(absl::string_view s) { return {s.data(), s.size()}; }

// The same code with "context: " before the message. OK stays OK.
absl::Status Annotate(absl::Status status, std::string_view context);

// The status of the calling thread's errno: ENOSPC and EDQUOT become kResourceExhausted marked with
// the no-space payload, EMFILE and EROFS kUnavailable with payloads of their own, ENOENT kNotFound,
// EEXIST kAlreadyExists, the rest kInternal.
absl::Status ErrnoStatus(int error, std::string_view context);

// An error by which the disk or the index is full. The API answers it with 507, the fetcher pauses.
absl::Status NoSpaceError(std::string_view message);
bool IsNoSpace(const absl::Status& status);
// EFBIG: the file is larger than files of this process may be. It is IsNoSpace too, but others fit:
// 413, and the fetcher goes on with others.
bool IsFileTooLarge(const absl::Status& status);
// This process, or the machine, has no further descriptor: 503, to be tried again soon.
bool IsNoDescriptor(const absl::Status& status);
// The file system takes no writes: 503.
absl::Status ReadOnlyError(std::string_view message);
bool IsReadOnly(const absl::Status& status);
// Bytes that do not hash to the expected id: 422 digest_mismatch.
absl::Status DigestMismatchError(std::string_view message);
bool IsDigestMismatch(const absl::Status& status);

// How long the one who answered with this error asks the caller to stay away (HTTP's Retry-After).
absl::Status WithRetryAfter(absl::Status status, std::chrono::milliseconds retry_after);
std::optional<std::chrono::milliseconds> RetryAfterOf(const absl::Status& status);

// Memory ran out: kUnavailable.
absl::Status NoMemoryError();
bool IsNoMemory(const absl::Status& status);

// What `call` returns, a Status or a StatusOr; NoMemoryError where memory runs out in it. Whoever
// works for others does each piece of that work inside it, so that one who asks for too much ends
// alone. What `call` began must end with its scope.
template <class Call>
auto WithinMemory(Call&& call) -> decltype(call()) {
  try {
    return call();
  } catch (const std::bad_alloc&) {
  } catch (const std::length_error&) {
    // A size that no memory could have.
  }
  return NoMemoryError();
}

[[noreturn]] void CheckFailed(const char* file, int line, const char* condition);

}  // namespace waypost::base

// Broken invariants only, never the state of the world: the process ends.
#define CHECK(condition) \
  ((condition) ? (void)0 : ::waypost::base::CheckFailed(__FILE__, __LINE__, #condition))

#define WAYPOST_CONCAT_INNER(a, b) a##b
#define WAYPOST_CONCAT(a, b) WAYPOST_CONCAT_INNER(a, b)

#define RETURN_IF_ERROR(expr)                        \
  do {                                               \
    ::absl::Status waypost_status = (expr);          \
    if (!waypost_status.ok()) return waypost_status; \
  } while (false)

#define ASSIGN_OR_RETURN(lhs, expr) \
  ASSIGN_OR_RETURN_IMPL(WAYPOST_CONCAT(waypost_statusor_, __LINE__), lhs, expr)
#define ASSIGN_OR_RETURN_IMPL(tmp, lhs, expr) \
  auto tmp = (expr);                          \
  if (!tmp.ok()) return tmp.status();         \
  lhs = std::move(tmp).value()
