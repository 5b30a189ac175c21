#pragma once

#include <cstdint>

#include "service/config.h"

namespace waypost::service {

// How many descriptors a service with these settings may have open at once: a connection and a file
// that is sent on it, calls of its own, and what is always open. Pure.
uint64_t DescriptorsNeeded(const Config& config);

// Raises this process's soft limit to `needed`, as far as the hard limit lets it; a warning names
// both where that is not enough.
void RaiseDescriptorLimit(uint64_t needed);

}  // namespace waypost::service
