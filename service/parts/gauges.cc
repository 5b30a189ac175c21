#include "service/parts/gauges.h"

#include "base/ids.h"

// Gauges that are looked up when metrics are rendered, from what is counted already: a scrape reads
// a few rows and walks nothing.

namespace waypost::service {
namespace {

struct Gauges {
  explicit Gauges(base::Metrics& metrics)
      : blobs(metrics.AddGauge("waypost_blobs", "Blobs whose bytes are here")),
        blob_bytes(metrics.AddGauge("waypost_blob_bytes", "Bytes of the blobs here")),
        signposts(metrics.AddGauge("waypost_signposts", "Signposts")),
        online(Peers(metrics, "online")),
        offline(Peers(metrics, "offline")) {}

  static base::Gauge Peers(base::Metrics& metrics, const char* state) {
    return metrics.AddGauge("waypost_peers", "Known peers; offline: cooling down",
                            {{"state", state}});
  }

  base::Gauge blobs, blob_bytes, signposts;
  base::Gauge online, offline;
};

void Refresh(const Gauges& gauges, const GaugeParts& parts) {
  syncgroup::Counts counts;
  const absl::Status read = parts.index.Read(
      [&](base::ReadTxn& txn) { counts = parts.ledger.LoadCounts(txn, base::GroupId()); });
  if (read.ok()) {
    gauges.blobs.Set(static_cast<double>(counts.blobs));
    gauges.blob_bytes.Set(static_cast<double>(counts.bytes));
    gauges.signposts.Set(static_cast<double>(counts.signposts));
  }
  const base::WallTime now = parts.clock.WallNow();
  double cooling = 0, all = 0;
  for (const auto& peer : parts.peers.All()) {
    ++all;
    if (peer.health.Cooling(now)) ++cooling;
  }
  gauges.online.Set(all - cooling);
  gauges.offline.Set(cooling);
}

}  // namespace

void AddGauges(base::Metrics& metrics, GaugeParts parts) {
  metrics.AddRefresher([gauges = Gauges(metrics), parts] { Refresh(gauges, parts); });
}

}  // namespace waypost::service
