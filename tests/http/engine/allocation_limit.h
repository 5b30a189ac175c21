#pragma once

#include <cstddef>

namespace waypost::http {

// While it lives, no thread of this program gets a piece of memory larger than that from operator
// new: bad_alloc, as where memory has run out.
class AllocationLimit {
 public:
  explicit AllocationLimit(std::size_t bytes);
  ~AllocationLimit();
  AllocationLimit(const AllocationLimit&) = delete;
  AllocationLimit& operator=(const AllocationLimit&) = delete;
};

}  // namespace waypost::http
