#pragma once

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>

namespace waypost::syncgroup {

// The seed of a random test: WAYPOST_TEST_SEED, or a new one; printed, so that a failure can be run
// again.
inline uint64_t TestSeed() {
  const char* given = std::getenv("WAYPOST_TEST_SEED");
  const uint64_t seed = given != nullptr
                            ? std::strtoull(given, nullptr, 10)
                            : (uint64_t{std::random_device{}()} << 20) ^ std::random_device{}();
  std::cout << "WAYPOST_TEST_SEED=" << seed << std::endl;
  return seed;
}

}  // namespace waypost::syncgroup
