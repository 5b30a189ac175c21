#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace waypost::base {

// Walks the fields of one Protobuf message without decoding it into an object: for scans that need
// one or two fields of millions of rows. Accepts no more than Protobuf does; groups, which nothing
// here writes, are refused. The views are into the message.
class WireReader {
 public:
  enum Type : uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

  explicit WireReader(std::string_view message)
      : at_(message.data()), end_(message.data() + message.size()) {}

  // Moves to the next field. False at the end, and when the bytes are not a message: see ok().
  bool Next() {
    if (at_ == end_ || !ok_) return false;
    uint64_t tag = 0;
    ok_ = ReadVarint(tag) && tag <= UINT32_MAX && tag >> 3 != 0;
    if (!ok_) return false;
    field_ = static_cast<uint32_t>(tag >> 3);
    type_ = static_cast<uint32_t>(tag & 7);
    ok_ = ReadValue();
    return ok_;
  }
  // False once something could not be read.
  bool ok() const { return ok_; }

  bool Is(uint32_t field, Type type) const { return field_ == field && type_ == type; }
  // The value of a field of type kVarint, kFixed32 or kFixed64.
  uint64_t number() const { return number_; }
  // The value of a field of type kBytes.
  std::string_view bytes() const { return bytes_; }

 private:
  bool ReadVarint(uint64_t& value) {
    value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
      if (at_ == end_) return false;
      const auto byte = static_cast<unsigned char>(*at_++);
      if (shift < 64) value |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return true;
    }
    return false;  // ten bytes at most
  }

  bool ReadValue() {
    switch (type_) {
      case kVarint:
        return ReadVarint(number_);
      case kFixed64:
        return ReadFixed(8);
      case kFixed32:
        return ReadFixed(4);
      case kBytes: {
        uint64_t size = 0;
        if (!ReadVarint(size) || size > Left()) return false;
        bytes_ = {at_, static_cast<std::size_t>(size)};
        at_ += size;
        return true;
      }
      default:
        return false;
    }
  }

  bool ReadFixed(std::size_t count) {
    if (Left() < count) return false;
    number_ = 0;
    for (std::size_t i = count; i-- > 0;) {
      number_ = number_ << 8 | static_cast<unsigned char>(at_[i]);
    }
    at_ += count;
    return true;
  }

  std::size_t Left() const { return static_cast<std::size_t>(end_ - at_); }

  const char* at_;
  const char* end_;
  uint32_t field_ = 0;
  uint32_t type_ = 0;
  uint64_t number_ = 0;
  std::string_view bytes_;
  bool ok_ = true;
};

}  // namespace waypost::base
