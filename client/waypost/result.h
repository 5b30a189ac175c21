#pragma once

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>

// What calls of the Waypost client give back. Nothing is thrown across the API, but for
// std::bad_alloc.
namespace waypost::client {

enum class ErrorKind {
  kUsage,       // an argument that can never be right; nothing was sent
  kFile,        // a file or stream on this side could not be read or written
  kConnection,  // no connection, or it ended before there was an answer
  kDeadline,    // the time that the caller gave was over
  kStopped,     // the caller's stop token was used
  kRefused,     // the service answered no: see http_status, code and message
  kIntegrity,   // an answer that must not be believed: cut short, malformed, or not the id's bytes
};

struct Error {
  ErrorKind kind = ErrorKind::kConnection;
  // Of an answer, where one came; else 0.
  int http_status = 0;
  // The service's own word, as docs/openapi.yaml lists them: "not_found". Of kRefused only.
  std::string code;
  // For people. Of kRefused what the service said.
  std::string message;
  // What the service's log calls the request; of an answer of a proxy between, its X-Request-Id.
  std::string request_id;
  // When the service says that it may be worth another try.
  std::optional<std::chrono::milliseconds> retry_after;
};

inline const char* NameOf(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kUsage:
      return "usage";
    case ErrorKind::kFile:
      return "file";
    case ErrorKind::kConnection:
      return "connection";
    case ErrorKind::kDeadline:
      return "deadline";
    case ErrorKind::kStopped:
      return "stopped";
    case ErrorKind::kRefused:
      return "refused";
    case ErrorKind::kIntegrity:
      return "integrity";
  }
  return "?";
}

// A value or an error. To take the value of an error ends the program with the error's words.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}      // NOLINT: a value is a result
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: so is an error

  bool ok() const { return value_.has_value(); }
  explicit operator bool() const { return ok(); }
  // Only of what is not ok().
  const Error& error() const { return error_; }

  const T& operator*() const& { return Checked(); }
  T& operator*() & { return Checked(); }
  T&& operator*() && { return std::move(Checked()); }
  const T* operator->() const { return &Checked(); }
  T* operator->() { return &Checked(); }

 private:
  const T& Checked() const {
    if (!ok()) Die();
    return *value_;
  }
  T& Checked() {
    if (!ok()) Die();
    return *value_;
  }
  [[noreturn]] void Die() const {
    std::fprintf(stderr, "waypost::client: the value of an error was taken: %s: %s\n",
                 NameOf(error_.kind), error_.message.c_str());
    std::abort();
  }

  std::optional<T> value_;
  Error error_;
};

// Of calls that have nothing to tell but that it was done.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: an error is a result

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  // Only of what is not ok().
  const Error& error() const { return *error_; }

 private:
  std::optional<Error> error_;
};

}  // namespace waypost::client
