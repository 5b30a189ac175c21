#pragma once

#include <cstddef>

namespace waypost::http {

// While it lives, no thread of this program gets a piece of memory larger than that from operator
// new: bad_alloc, as where memory has run out.
class AllocationLimit {
 public:
  // In builds with sanitizers, which have an operator new of their own, there is no limit.
#ifdef WAYPOST_SANITIZED
  static constexpr bool kHolds = false;
#else
  static constexpr bool kHolds = true;
#endif
  explicit AllocationLimit(std::size_t bytes);
  ~AllocationLimit();
  AllocationLimit(const AllocationLimit&) = delete;
  AllocationLimit& operator=(const AllocationLimit&) = delete;
};

}  // namespace waypost::http
