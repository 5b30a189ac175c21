#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/byte_source.h"
#include "base/time.h"

namespace waypost::sim {

// A body that comes as slowly as its sender likes, and perhaps never whole: the reader waits the
// time of each piece, as it would at a socket.
class PacedSource final : public base::ByteSource {
 public:
  struct Pace {
    std::size_t piece_bytes = std::size_t{64} << 10;
    base::Millis each{0};
    // Of bytes beyond, nothing comes: the connection breaks.
    uint64_t breaks_at = UINT64_MAX;
    // Is this what a client calls a stall, if less than this comes in the window?
    bool Stalls(base::Millis window, uint64_t bytes) const {
      return each.count() > 0 &&
             static_cast<double>(piece_bytes) * window.count() / static_cast<double>(each.count()) <
                 static_cast<double>(bytes);
    }
  };
  // `bytes`, and then what is left to `size` of one letter.
  PacedSource(std::string bytes, uint64_t size, Pace pace)
      : bytes_(std::move(bytes)), size_(size), pace_(pace) {}

  const Pace& pace() const { return pace_; }
  uint64_t size_bytes() const override { return size_; }
  absl::StatusOr<std::size_t> ReadAt(uint64_t offset, std::span<char> buffer) const override {
    if (offset >= pace_.breaks_at) return 0;
    for (std::size_t i = 0; i < buffer.size(); ++i) {
      buffer[i] = offset + i < bytes_.size() ? bytes_[offset + i] : 'd';
    }
    return buffer.size();
  }
  int fd() const override { return -1; }
  std::string_view in_memory() const override { return {}; }

 private:
  const std::string bytes_;
  const uint64_t size_;
  const Pace pace_;
};

}  // namespace waypost::sim
