#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "absl/status/statusor.h"

namespace waypost::base {

// Bytes of a known size that can be read from any place: a blob that is here, an answer in memory.
// ReadAt may be called by several threads.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  virtual uint64_t size_bytes() const = 0;
  // Fills `buffer` from `offset`; fewer bytes only at the end.
  virtual absl::StatusOr<std::size_t> ReadAt(uint64_t offset, std::span<char> buffer) const = 0;
  // For sendfile; -1 where the bytes lie in memory, and then they are in_memory().
  virtual int fd() const = 0;
  virtual std::string_view in_memory() const = 0;
};

}  // namespace waypost::base
