#pragma once

#include "base/metrics.h"

namespace waypost::base {

// What Prometheus' own clients say of their process: process_cpu_seconds_total, process_threads,
// process_open_fds, process_max_fds, process_resident_memory_bytes, process_virtual_memory_bytes,
// process_start_time_seconds. Looked up at each rendering; what /proc does not say stays 0.
void AddProcessMetrics(Metrics& metrics);

}  // namespace waypost::base
