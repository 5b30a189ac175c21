#include "base/random.h"

#include <algorithm>
#include <cstring>

#include "base/entropy.h"

// Numbers and bytes for policies, made of one sequence, so that a seed repeats all of them. Unit()
// uses the upper 53 bits: every value is exact, and 1 is never reached.

namespace waypost::base {

double Random::Unit() {
  // The upper 53 bits: every value is exact, and 1.0 is never reached.
  return static_cast<double>(Next() >> 11) * 0x1.0p-53;
}

std::string Random::Bytes(std::size_t count) {
  std::string bytes(count, '\0');
  for (std::size_t at = 0; at < count; at += sizeof(uint64_t)) {
    const uint64_t word = Next();
    std::memcpy(bytes.data() + at, &word, std::min(sizeof word, count - at));
  }
  return bytes;
}

uint64_t SystemRandom::Next() {
  uint64_t value = 0;
  DrawEntropy(&value, sizeof value);
  return value;
}

uint64_t SeededRandom::Next() {
  MutexLock lock(mutex_);
  return engine_();
}

std::string RandomBytes(std::size_t count) {
  std::string bytes(count, '\0');
  DrawEntropy(bytes.data(), count);
  return bytes;
}

Incarnation NewIncarnation() { return *Incarnation::FromBytes(RandomBytes(Incarnation::kBytes)); }

}  // namespace waypost::base
