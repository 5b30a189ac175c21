#include "base/random.h"

#include <cstring>

#include "base/crypto.h"

namespace waypost::base {

double Random::Unit() {
  // The 53 bits a double's mantissa holds.
  return static_cast<double>(Next() >> 11) * 0x1.0p-53;
}

Millis Random::Between(Millis low, Millis high) {
  if (high <= low) return low;
  const double span = static_cast<double>((high - low).count());
  return low + Millis(static_cast<int64_t>(Unit() * span));
}

uint64_t SystemRandom::Next() {
  const std::string bytes = RandomBytes(sizeof(uint64_t));
  uint64_t value = 0;
  std::memcpy(&value, bytes.data(), sizeof(value));
  return value;
}

uint64_t SeededRandom::Next() {
  MutexLock lock(mutex_);
  return engine_();
}

}  // namespace waypost::base
