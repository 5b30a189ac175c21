#include "http/peer/batch_frames.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "syncgroup/protocol/wire_codec.h"

// Frames of a batch, written and read. The reader takes pieces of any size, copies only frames that
// are cut by a piece's end, and refuses a frame by its head before it holds a byte of its body, so
// that its memory is bounded by what was asked for.

namespace waypost::http {
namespace {

constexpr std::size_t kSizeBytes = 8;

absl::Status Malformed(std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("a malformed answer: ", base::Abs(what)));
}

uint32_t LengthIn(std::string_view head) {
  uint32_t length = 0;
  for (std::size_t i = 2; i < kFrameHeadBytes; ++i) {
    length = length << 8 | static_cast<unsigned char>(head[i]);
  }
  return length;
}

Frame FrameIn(std::string_view bytes) {
  return {.kind = static_cast<FrameKind>(bytes[0]),
          .grants = static_cast<uint8_t>(bytes[1]),
          .body = bytes.substr(kFrameHeadBytes)};
}

}  // namespace

void AppendFrame(std::string& out, const Frame& frame) {
  const auto length = static_cast<uint32_t>(frame.body.size());
  out.push_back(static_cast<char>(frame.kind));
  out.push_back(static_cast<char>(frame.grants));
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(length >> shift));
  out.append(frame.body);
}

absl::Status FrameReader::SizeOf(std::string_view bytes, std::size_t& size) const {
  size = 0;
  if (bytes.size() < kFrameHeadBytes) return absl::OkStatus();
  if (left_ == 0) return Malformed("more frames than blobs were asked for");
  const Frame frame = FrameIn(bytes.substr(0, kFrameHeadBytes));
  const uint64_t length = LengthIn(bytes);
  switch (frame.kind) {
    case FrameKind::kBlob:
      if (length > blob_bytes_max_) return Malformed("a blob larger than was asked for");
      break;
    case FrameKind::kMiss:
      if (length > syncgroup::kMissBytesMax) return Malformed("a miss too large");
      break;
    case FrameKind::kLeftOut:
      if (length != 0 && length != kSizeBytes) return Malformed("a size that is none");
      break;
    default:
      return Malformed("a frame of an unknown kind");
  }
  if (frame.kind != FrameKind::kBlob && frame.grants != 0)
    return Malformed("grants without a blob");
  size = kFrameHeadBytes + static_cast<std::size_t>(length);
  return absl::OkStatus();
}

absl::Status FrameReader::Feed(std::string_view piece,
                               absl::FunctionRef<absl::Status(const Frame&)> take) {
  while (!piece.empty()) {
    // Frames that lie whole in the piece are not copied.
    const bool continues = !held_.empty();
    if (continues && held_.size() < kFrameHeadBytes) {
      const std::size_t more = std::min(kFrameHeadBytes - held_.size(), piece.size());
      held_.append(piece.substr(0, more));
      piece.remove_prefix(more);
    }
    std::size_t size = 0;
    RETURN_IF_ERROR(SizeOf(continues ? std::string_view(held_) : piece, size));
    if (size == 0 && continues) return absl::OkStatus();
    if (size == 0 || (!continues && size > piece.size())) {
      held_.assign(piece);
      return absl::OkStatus();
    }
    std::string_view frame = piece.substr(0, size);
    if (continues) {
      const std::size_t more = std::min(size - held_.size(), piece.size());
      held_.append(piece.substr(0, more));
      piece.remove_prefix(more);
      if (held_.size() < size) return absl::OkStatus();
      frame = held_;
    } else {
      piece.remove_prefix(size);
    }
    --left_;
    RETURN_IF_ERROR(take(FrameIn(frame)));
    held_.clear();
  }
  return absl::OkStatus();
}

}  // namespace waypost::http
