#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"

namespace waypost::http {

// Takes a body apart that comes in chunks (RFC 9112, 7.1). As strict as the heads are: sizes are
// hexadecimal digits alone, lines end with CR LF, and what has no use is bounded; so nobody else
// sees another end of the body. Pure; one thread.
class ChunkedDecoder {
 public:
  // Of a line with a size, extensions included, and of all trailers together; both are passed over.
  static constexpr std::size_t kLineBytesMax = 256;
  static constexpr std::size_t kTrailerBytesMax = 4096;

  // Hands on the data in `bytes` and answers how many of them belong to the body: all, until it is
  // done. kInvalidArgument: malformed, and nothing behind it can be understood; else what `take`
  // returned. After an error it must not be called again.
  absl::StatusOr<std::size_t> Feed(std::string_view bytes,
                                   absl::FunctionRef<absl::Status(std::string_view)> take);
  // The last chunk and its trailers are there.
  bool done() const { return state_ == State::kDone; }

 private:
  enum class State { kSize, kData, kDataEnd, kTrailers, kDone };
  // Takes one line, without its end, as far as it is there: true when it is whole.
  absl::StatusOr<bool> TakeLine(std::string_view& bytes, std::size_t bytes_max);
  absl::Status TakeSize();

  State state_ = State::kSize;
  std::string line_;   // as far as it has come
  uint64_t left_ = 0;  // of the data of this chunk
  std::size_t trailer_bytes_ = 0;
};

}  // namespace waypost::http
