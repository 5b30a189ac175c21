#pragma once

#include "base/clock.h"
#include "base/metrics.h"
#include "blobstore/disk_blob_store.h"
#include "fetcher/report/completeness.h"
#include "fetcher/work/fetcher.h"
#include "signpost/peer_book.h"
#include "syncgroup/group/groups.h"
#include "syncgroup/ledger/ledger.h"
#include "syncgroup/sync/syncer.h"

namespace waypost::service {

// The gauges that are looked up when metrics are asked for, because no one part counts them: blobs,
// signposts, peers, groups, the mode. All parts outlive `metrics`' last Render.
struct GaugeParts {
  const syncgroup::Ledger& ledger;
  const signpost::PeerBook& peers;
  const base::Clock& clock;
  blobstore::DiskBlobStore& blobs;
  const fetcher::Fetcher& fetcher;
  const syncgroup::Groups& groups;
  const syncgroup::Syncer& syncer;
  const fetcher::CompletenessReporter& completeness;
};
void AddGauges(base::Metrics& metrics, GaugeParts parts);

}  // namespace waypost::service
