#include "service/parts/gauges.h"

#include <algorithm>
#include <string>

#include "base/ids.h"
#include "base/process_metrics.h"
#include "blobstore/space.h"
#include "fetcher/report/mode.h"

// Gauges that are looked up when metrics are rendered, from what is counted already: a scrape reads
// a few rows and walks nothing.

namespace waypost::service {
namespace {

// A time series each: groups beyond these are in the lists of the API only. So are members.
constexpr std::size_t kGroupsMax = 200;
constexpr std::size_t kMembersMax = 1000;

struct Gauges {
  explicit Gauges(base::Metrics& metrics)
      : blobs(metrics.AddGauge("waypost_blobs", "Blobs whose bytes are here")),
        blob_bytes(metrics.AddGauge("waypost_blob_bytes", "Bytes of the blobs here")),
        signposts(metrics.AddGauge("waypost_signposts", "Signposts")),
        min_free(metrics.AddGauge("waypost_store_min_free_bytes",
                                  "Free space below which nothing is taken (store.min_free)")),
        mode(metrics.AddGaugeFamily("waypost_mode", "1 for the mode of now, 0 for the others")),
        wanted(metrics.AddGaugeFamily("waypost_group_wanted", "Blobs that a group wants here")),
        complete(metrics.AddGaugeFamily(
            "waypost_group_complete",
            "1: all that the group mentions is here, as GET /v1/complete has it; servers only")),
        last_sync(metrics.AddGaugeFamily("waypost_member_last_sync_seconds",
                                         "Since the last round with a member; -1: none since the "
                                         "start")),
        online(Peers(metrics, "online")),
        offline(Peers(metrics, "offline")) {}

  static base::Gauge Peers(base::Metrics& metrics, const char* state) {
    return metrics.AddGauge("waypost_peers", "Known peers; offline: cooling down",
                            {{"state", state}});
  }

  base::Gauge blobs, blob_bytes, signposts, min_free;
  base::GaugeFamily mode, wanted, complete, last_sync;
  base::Gauge online, offline;
};

void RefreshGroups(const Gauges& gauges, const GaugeParts& parts) {
  base::GaugeFamily::Values wanted, complete, last_sync;
  const auto groups = parts.groups.List(base::GroupId(), kGroupsMax);
  if (!groups.ok()) return;
  const base::WallTime now = parts.clock.WallNow();
  for (const syncgroup::GroupInfo& info : *groups) {
    const std::string group = info.id.ToHex();
    wanted.push_back({{{"group", group}}, static_cast<double>(info.counts.wanted)});
    if (info.role == syncgroup::Role::kServer) {
      const auto report = parts.completeness.Report(info.id);
      if (report.ok()) complete.push_back({{{"group", group}}, report->complete() ? 1.0 : 0.0});
    }
    for (const auto& member : parts.syncer.Status(info.id)) {
      if (last_sync.size() == kMembersMax) break;
      const double ago =
          member.last_sync == base::kNever
              ? -1
              : std::max(0.0, static_cast<double>((now - member.last_sync).count()) / 1000);
      last_sync.push_back({{{"group", group}, {"peer", member.peer.ToHex()}}, ago});
    }
  }
  gauges.wanted.Set(wanted);
  gauges.complete.Set(complete);
  gauges.last_sync.Set(last_sync);
}

void RefreshMode(const Gauges& gauges, const GaugeParts& parts) {
  const fetcher::Mode mode =
      fetcher::ModeOf(parts.blobs.away(), parts.fetcher.Paused(), parts.blobs.read_only());
  base::GaugeFamily::Values modes;
  for (const fetcher::Mode each : fetcher::kModes) {
    modes.push_back({{{"mode", fetcher::ModeName(each)}}, each == mode ? 1.0 : 0.0});
  }
  gauges.mode.Set(modes);
}

void Refresh(const Gauges& gauges, const GaugeParts& parts) {
  const syncgroup::Counts counts = parts.ledger.KnownCounts();
  gauges.blobs.Set(static_cast<double>(counts.blobs));
  gauges.blob_bytes.Set(static_cast<double>(counts.bytes));
  gauges.signposts.Set(static_cast<double>(counts.signposts));
  gauges.min_free.Set(static_cast<double>(
      blobstore::FloorBytes(parts.blobs.min_free(), parts.blobs.DiskSpace().total_bytes)));
  RefreshMode(gauges, parts);
  RefreshGroups(gauges, parts);
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
  base::AddProcessMetrics(metrics);
  metrics.AddRefresher([gauges = Gauges(metrics), parts] { Refresh(gauges, parts); });
}

}  // namespace waypost::service
