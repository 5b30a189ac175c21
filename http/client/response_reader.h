#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"

namespace waypost::http {

struct ResponseLimits {
  std::size_t head_bytes_max = 16 * 1024;
  std::size_t lines_max = 64;
  std::size_t status_line_max = 1024;
  // Chunked bodies and bodies without a length: only from our own service, for streams.
  bool allow_streams = false;
};

struct ResponseHead {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::optional<uint64_t> content_length;
  bool chunked = false;
  bool keep_alive = false;
  std::size_t size = 0;  // of the head itself

  std::optional<std::string_view> Header(std::string_view lower_case_name) const;
};

// Reads the head of an answer strictly. Nullopt: its end is not there yet. kInvalidArgument: it is
// not an answer that we take; the connection must be closed. `head_request`: no body follows
// whatever it says. Pure.
absl::StatusOr<std::optional<ResponseHead>> ParseResponseHead(std::string_view received,
                                                              bool head_request,
                                                              const ResponseLimits& limits);

// Takes a chunked body apart. Pure.
class ChunkDecoder {
 public:
  // Gives what `received` holds of the body to `take`; answers how many bytes of `received` were
  // used. kInvalidArgument for what is no chunked body, else what `take` returned.
  absl::StatusOr<std::size_t> Feed(std::string_view received,
                                   absl::FunctionRef<absl::Status(std::string_view)> take);
  bool done() const { return state_ == State::kDone; }

 private:
  enum class State { kSize, kData, kDataEnd, kTrailer, kDone };
  State state_ = State::kSize;
  std::string line_;
  uint64_t left_ = 0;
};

}  // namespace waypost::http
