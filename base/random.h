#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>

#include "base/ids.h"
#include "base/mutex.h"

namespace waypost::base {

// The seam for randomness that decides policy (jitter, ranking ties). Thread-safe.
class Random {
 public:
  virtual ~Random() = default;
  virtual uint64_t Next() = 0;
  // Uniform in [0, 1).
  double Unit();
  // `count` bytes: ids, and secrets where this is a SystemRandom.
  std::string Bytes(std::size_t count);
};

// Every value comes from the operating system: good enough for secrets.
class SystemRandom final : public Random {
 public:
  uint64_t Next() override;
};

// Reproducible: for tests and simulation.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : engine_(seed) {}
  uint64_t Next() override;

 private:
  Mutex mutex_;
  std::mt19937_64 engine_ GUARDED_BY(mutex_);
};

// `count` bytes from the operating system, for code that is handed no Random.
std::string RandomBytes(std::size_t count);
// One that nobody has had before.
Incarnation NewIncarnation();

}  // namespace waypost::base
