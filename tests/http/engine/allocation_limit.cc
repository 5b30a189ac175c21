#include "tests/http/engine/allocation_limit.h"

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>

// Replaces operator new of the whole program by one that looks at a limit; without an object there
// is none. Not under sanitizers, which replace it themselves.

namespace waypost::http {
namespace {
std::atomic<std::size_t> allocation_max{SIZE_MAX};
}  // namespace

AllocationLimit::AllocationLimit(std::size_t bytes) { allocation_max = bytes; }
AllocationLimit::~AllocationLimit() { allocation_max = SIZE_MAX; }

}  // namespace waypost::http

#ifndef WAYPOST_SANITIZED
void* operator new(std::size_t size) {
  void* const memory = size > waypost::http::allocation_max ? nullptr : std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
#endif
