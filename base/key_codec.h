#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace waypost::base {

// Big-endian numbers, so that byte order is numeric order in LMDB keys.
inline void AppendU64(std::string& out, uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
}
inline uint64_t ReadU64(std::string_view eight_bytes) {
  uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8 | static_cast<unsigned char>(eight_bytes[i]);
  return value;
}

}  // namespace waypost::base
