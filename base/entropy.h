#pragma once

#include <cstddef>

namespace waypost::base {

// Fills `out` with `count` bytes of the operating system's generator: good enough for keys. Blocks
// only where the kernel has just started and its generator is not seeded yet. Everything that draws
// randomness draws it here, through base/random.h or base/crypto.h.
void DrawEntropy(void* out, std::size_t count);

}  // namespace waypost::base
