#pragma once

#include <cstdint>

#include "base/time.h"
#include "syncgroup/protocol/messages.h"

namespace waypost::fetcher {

// Each may change while the fetcher runs: Fetcher::SetOptions.
struct FetcherOptions {
  // Attempts at once, and to one peer, 1-256. The last of each is for small blobs only.
  uint32_t concurrency = 4;
  uint32_t per_peer = 3;
  base::Millis retry_base{1000};
  base::Millis retry_max{3600 * 1000};
  base::Millis expiry{720LL * 3600 * 1000};  // of what an app asked for, after the last caller left
  base::Millis stall_timeout{30000};
  uint64_t rate_limit_bytes_per_s = 0;  // of all fetches together; 0: none
  // Small blobs asked of one peer in one request, at most; 1: each by itself.
  uint32_t batch_blobs = syncgroup::kBatchBlobsMax;
  uint64_t batch_blob_bytes = syncgroup::kBatchBlobBytesMax;  // what counts as small
};

}  // namespace waypost::fetcher
