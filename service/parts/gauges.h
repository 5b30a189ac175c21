#pragma once

#include "base/clock.h"
#include "base/index.h"
#include "base/metrics.h"
#include "signpost/peer_book.h"
#include "syncgroup/ledger/ledger.h"

namespace waypost::service {

// The gauges that are looked up when metrics are asked for, because no one part counts them: blobs,
// signposts, peers. All parts outlive `metrics`' last Render.
struct GaugeParts {
  base::Index& index;
  const syncgroup::Ledger& ledger;
  const signpost::PeerBook& peers;
  const base::Clock& clock;
};
void AddGauges(base::Metrics& metrics, GaugeParts parts);

}  // namespace waypost::service
