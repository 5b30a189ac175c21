#include "base/random.h"

#include <sys/random.h>

#include "base/status.h"

namespace waypost::base {

double Random::Unit() {
  // The upper 53 bits: every value is exact, and 1.0 is never reached.
  return static_cast<double>(Next() >> 11) * 0x1.0p-53;
}

Millis Random::Between(Millis low, Millis high) {
  if (high <= low) return low;
  const auto width = static_cast<double>((high - low).count());
  return low + Millis(static_cast<int64_t>(Unit() * width));
}

uint64_t SystemRandom::Next() {
  uint64_t value = 0;
  // At most 256 bytes are never cut short or interrupted once the kernel's generator is seeded.
  CHECK(getrandom(&value, sizeof value, 0) == static_cast<ssize_t>(sizeof value));
  return value;
}

uint64_t SeededRandom::Next() {
  MutexLock lock(mutex_);
  return engine_();
}

}  // namespace waypost::base
