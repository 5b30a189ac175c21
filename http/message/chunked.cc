#include "http/message/chunked.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "http/message/text.h"

// The framing of bodies in chunks. Whatever could be read in two ways is an error: blanks around a
// size, a sign, a size that does not fit, a line feed alone, data longer than its size.

namespace waypost::http {
namespace {

// More than any body has, and no sum of sizes overflows.
constexpr std::size_t kSizeDigitsMax = 15;

absl::Status Malformed(std::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat("the body is not well chunked: ", base::Abs(what)));
}

bool HoldsControl(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == 0x7F || (byte < 0x20 && c != '\t');
  });
}

}  // namespace

absl::StatusOr<std::size_t> ChunkedDecoder::Feed(
    std::string_view bytes, absl::FunctionRef<absl::Status(std::string_view)> take) {
  const std::size_t given = bytes.size();
  while (!bytes.empty() && state_ != State::kDone) {
    if (state_ == State::kData) {
      const std::string_view piece =
          bytes.substr(0, static_cast<std::size_t>(std::min<uint64_t>(left_, bytes.size())));
      RETURN_IF_ERROR(take(piece));
      bytes.remove_prefix(piece.size());
      left_ -= piece.size();
      if (left_ == 0) state_ = State::kDataEnd;
      continue;
    }
    const std::size_t bytes_max = state_ == State::kSize      ? kLineBytesMax
                                  : state_ == State::kDataEnd ? 0
                                                              : kTrailerBytesMax - trailer_bytes_;
    ASSIGN_OR_RETURN(const bool whole, TakeLine(bytes, bytes_max));
    if (!whole) break;
    if (state_ == State::kSize) {
      RETURN_IF_ERROR(TakeSize());
    } else if (state_ == State::kDataEnd) {
      state_ = State::kSize;
    } else if (line_.empty()) {
      state_ = State::kDone;
    } else {
      trailer_bytes_ += line_.size();
    }
    line_.clear();
  }
  return given - bytes.size();
}

absl::StatusOr<bool> ChunkedDecoder::TakeLine(std::string_view& bytes, std::size_t bytes_max) {
  const std::size_t end = bytes.find('\n');
  const bool whole = end != std::string_view::npos;
  // A carriage return may be the last that has come.
  if (line_.size() + (whole ? end : bytes.size()) > bytes_max + 1) {
    return Malformed(state_ == State::kDataEnd ? "a chunk is longer than its size"
                                               : "a line is too long");
  }
  line_.append(bytes.substr(0, end));
  bytes.remove_prefix(whole ? end + 1 : bytes.size());
  if (!whole) return false;
  if (line_.empty() || line_.back() != '\r') return Malformed("lines must end with CR LF");
  line_.pop_back();
  if (HoldsControl(line_)) return Malformed("a line has control characters");
  return true;
}

absl::Status ChunkedDecoder::TakeSize() {
  const std::string_view digits = std::string_view(line_).substr(0, line_.find(';'));
  if (digits.empty() || digits.size() > kSizeDigitsMax) {
    return Malformed("each chunk begins with its size, hexadecimal digits");
  }
  left_ = 0;
  for (const char c : digits) {
    const int digit = HexDigit(c);
    if (digit < 0) return Malformed("each chunk begins with its size, hexadecimal digits");
    left_ = left_ * 16 + static_cast<uint64_t>(digit);
  }
  state_ = left_ == 0 ? State::kTrailers : State::kData;
  return absl::OkStatus();
}

}  // namespace waypost::http
