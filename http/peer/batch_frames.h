#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

// The answer to blobs:batch: one frame for each blob, in the order in which they were asked for.
//
//   kind    1 byte     FrameKind
//   grants  1 byte     of a blob: bit i is set when group i of the request grants it; else 0
//   length  4 bytes    of the body, big-endian
//   body    of a blob its bytes; of a miss a Protobuf Miss; of one left out nothing, or its size in
//           8 bytes, big-endian
namespace waypost::http {

enum class FrameKind : uint8_t {
  kBlob = 1,
  kMiss = 2,     // not here, or not for the caller
  kLeftOut = 3,  // too large, or this answer is full: to be asked for by itself
};

inline constexpr std::size_t kFrameHeadBytes = 6;

struct Frame {
  FrameKind kind = FrameKind::kLeftOut;
  uint8_t grants = 0;
  std::string_view body;
};

void AppendFrame(std::string& out, const Frame& frame);

// Takes an answer apart as it arrives. Holds at most one frame. One thread.
class FrameReader {
 public:
  // `frames`: as many blobs were asked for; `blob_bytes_max`: none of them is longer.
  FrameReader(std::size_t frames, uint64_t blob_bytes_max)
      : left_(frames), blob_bytes_max_(blob_bytes_max) {}

  // Calls `take` with each frame that is whole; its body is a view that ends with the call.
  // kInvalidArgument: these are no frames, or more than were asked for. Else what `take` returned.
  // After an error nothing more is taken.
  absl::Status Feed(std::string_view piece, absl::FunctionRef<absl::Status(const Frame&)> take);
  // Every blob has its frame.
  bool done() const { return left_ == 0 && held_.empty(); }

 private:
  // The size of the frame that begins with these bytes; 0 while too few of them are here.
  absl::Status SizeOf(std::string_view bytes, std::size_t& size) const;

  std::size_t left_;
  const uint64_t blob_bytes_max_;
  std::string held_;  // the beginning of a frame
};

}  // namespace waypost::http
