#pragma once

#include <cstdint>
#include <string>

namespace waypost::service {

// What came of a put. Data.
struct PutCounts {
  uint64_t put = 0;   // files whose bytes are here now, and referenced where that was asked for
  uint64_t sent = 0;  // of these, those that were not here before
  uint64_t excluded = 0, others_left_out = 0, failed = 0;
  uint64_t bytes = 0, bytes_sent = 0;  // of `put`, of `sent`
};

// The closing line. Of a dry run: what would be.
std::string ClosingLine(const PutCounts& counts, bool dry_run);

}  // namespace waypost::service
