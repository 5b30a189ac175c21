#include "service/gauges.h"

#include "base/ids.h"

namespace waypost::service {
namespace {

struct Gauges {
  explicit Gauges(base::Metrics& metrics)
      : blobs(metrics.AddGauge("waypost_blobs", "Blobs whose bytes are here")),
        blob_bytes(metrics.AddGauge("waypost_blob_bytes", "Bytes of the blobs here")),
        signposts(metrics.AddGauge("waypost_signposts", "Signposts")),
        due(Wanted(metrics, "due")),
        waiting(Wanted(metrics, "waiting")),
        fetching(Wanted(metrics, "fetching")),
        parked(Wanted(metrics, "parked")),
        stopped(Wanted(metrics, "stopped")),
        oldest_wanted(
            metrics.AddGauge("waypost_oldest_wanted_seconds",
                             "How long the oldest wanted blob has been wanted; 0: none is")),
        online(Peers(metrics, "online")),
        offline(Peers(metrics, "offline")),
        index_bytes(metrics.AddGauge("waypost_index_bytes", "Bytes of the index in use")),
        disk_free(metrics.AddGauge("waypost_disk_free_bytes", "Free bytes where the blobs are")) {}

  static base::Gauge Wanted(base::Metrics& metrics, const char* state) {
    return metrics.AddGauge("waypost_wanted", "Wanted blobs", {{"state", state}});
  }
  static base::Gauge Peers(base::Metrics& metrics, const char* state) {
    return metrics.AddGauge("waypost_peers", "Known peers; offline: cooling down",
                            {{"state", state}});
  }

  base::Gauge blobs, blob_bytes, signposts;
  base::Gauge due, waiting, fetching, parked, stopped, oldest_wanted;
  base::Gauge online, offline;
  base::Gauge index_bytes, disk_free;
};

void Refresh(const Gauges& gauges, const GaugeParts& parts) {
  syncgroup::Counts counts;
  const absl::Status read = parts.index.Read([&](base::ReadTxn& txn) {
    counts = parts.ledger.LoadCounts(txn, base::GroupId());
    return absl::OkStatus();
  });
  if (read.ok()) {
    gauges.blobs.Set(static_cast<double>(counts.blobs));
    gauges.blob_bytes.Set(static_cast<double>(counts.bytes));
    gauges.signposts.Set(static_cast<double>(counts.signposts));
  }
  const base::WallTime now = parts.clock.WallNow();
  const auto states = parts.fetcher.CountStates();
  gauges.due.Set(static_cast<double>(states.due));
  gauges.waiting.Set(static_cast<double>(states.waiting));
  gauges.fetching.Set(static_cast<double>(states.fetching));
  gauges.parked.Set(static_cast<double>(states.parked));
  gauges.stopped.Set(static_cast<double>(states.stopped));
  const bool older = states.oldest_wanted && *states.oldest_wanted < now;
  gauges.oldest_wanted.Set(
      older ? std::chrono::duration<double>(now - *states.oldest_wanted).count() : 0);
  double cooling = 0, all = 0;
  for (const auto& peer : parts.peers.All()) {
    ++all;
    if (peer.health.Cooling(now)) ++cooling;
  }
  gauges.online.Set(all - cooling);
  gauges.offline.Set(cooling);
  gauges.index_bytes.Set(static_cast<double>(parts.index.used_bytes()));
  gauges.disk_free.Set(static_cast<double>(parts.blobs.DiskSpace().free_bytes));
}

}  // namespace

void AddGauges(base::Metrics& metrics, GaugeParts parts) {
  metrics.AddRefresher([gauges = Gauges(metrics), parts] { Refresh(gauges, parts); });
}

}  // namespace waypost::service
