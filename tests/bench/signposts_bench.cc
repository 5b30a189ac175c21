// How a peer with very many signposts starts and scans: the rows are synthetic, the service is the
// real one, in its own process. Prints a table and JSON.
//   signposts_bench [COUNT] [MISSING_PERCENT]
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/index.h"
#include "base/status.h"
#include "blobstore/blob_row.h"
#include "integration/peer.h"
#include "signpost/due.h"
#include "signpost/signpost_table.h"
#include "syncgroup/ledger.h"
#include "tests/bench/figures.h"

namespace waypost {
namespace {

using Steady = bench::Clock;

base::BlobId BlobNumber(uint64_t n) {
  std::array<uint8_t, 32> bytes =
      base::Hash256(std::string_view(reinterpret_cast<const char*>(&n), 8));
  return base::BlobId(bytes);
}

constexpr uint64_t kRowsPerTransaction = 20000;

// `count` blobs mentioned in the group: held as if fetched, or, of every hundred the first
// `missing`, wanted from a peer that nobody can reach.
absl::Status WriteRows(const std::string& index_dir, const base::PeerId& self,
                       const base::GroupId& group, uint64_t count, uint64_t missing_percent) {
  ASSIGN_OR_RETURN(auto index, base::Index::Open({.dir = index_dir}));
  const base::SystemClock clock;
  const syncgroup::Ledger ledger({.self = self}, clock);
  const base::WallTime now = clock.WallNow();
  std::array<uint8_t, 32> away_bytes{};
  away_bytes.fill(7);
  const base::PeerId away(away_bytes);
  syncgroup::Counts counts;
  for (uint64_t from = 0; from < count; from += kRowsPerTransaction) {
    RETURN_IF_ERROR(
        index->Update(base::Index::Lane::kBulk, [&](base::WriteTxn& txn) -> absl::Status {
          for (uint64_t n = from; n < std::min(from + kRowsPerTransaction, count); ++n) {
            const base::BlobId blob = BlobNumber(n);
            const bool missing = n % 100 < missing_percent;
            signpost::Signpost signpost;
            signpost.locations[away] = {.when_seen = now};
            signpost.groups[group] = {.keys = 1, .wanted = missing};
            signpost.size_hint_bytes = 4096;
            signpost.created = signpost.updated = now;
            ++counts.signposts;
            if (missing) {
              signpost.wanted_since = signpost.next_attempt = now;
              signpost::PutDueRow(txn, signpost::DueKeyOf(blob, signpost), now);
              ++counts.wanted;
              counts.wanted_bytes += 4096;
            } else {
              blobstore::BlobRow row{.size_bytes = 4096,
                                     .placement = blobstore::Placement::kInline,
                                     .inline_sequence = n + 1,
                                     .stored = now,
                                     .verified = now};
              row.holdings[group] = {.acquired = now, .via = blobstore::Via::kFetch};
              blobstore::StoreBlobRow(txn, blob, row);
              ++counts.blobs;
              counts.bytes += 4096;
            }
            signpost::StoreSignpost(txn, blob, signpost);
          }
          return absl::OkStatus();
        }));
  }
  return index->Update(base::Index::Lane::kBulk, [&](base::WriteTxn& txn) {
    for (const base::GroupId& id : {group, base::GroupId()}) {
      syncgroup::Counts stored = counts;
      if (!id.IsZero()) stored.signposts = 0;
      ledger.StoreCounts(txn, id, stored);
    }
    return absl::OkStatus();
  });
}

double WaitForScan(const integration::Peer& peer, double passes_before) {
  const auto deadline = Steady::now() + std::chrono::seconds(300);
  while (Steady::now() < deadline) {
    if (peer.Metric("waypost_scan_duration_seconds_count") > passes_before) {
      return peer.Metric("waypost_scan_duration_seconds_sum");
    }
    usleep(20000);
  }
  return -1;
}

int Run(uint64_t count, uint64_t missing_percent) {
  base::InitCrypto();
  integration::TempDir folder;
  integration::Peer peer(integration::WaypostProgram(), folder.path() + "/peer", "bench");
  if (!peer.Init().ok() || !peer.Start().ok()) return 1;
  const std::string group = peer.CreateGroup("bench", "server");
  const auto self = base::PeerId::FromHex(peer.id());
  const auto group_id = base::GroupId::FromHex(group);
  if (!self || !group_id || peer.Stop() != 0) return 1;
  const absl::Status written =
      WriteRows(peer.dir() + "/index", *self, *group_id, count, missing_percent);
  if (!written.ok()) {
    std::fprintf(stderr, "%s\n", written.ToString().c_str());
    return 1;
  }
  peer.SetSettings({"--scan.initial_delay=1h"});
  const auto begun = Steady::now();
  if (!peer.Start().ok()) return 1;
  const double ready_s = bench::SecondsSince(begun);
  // The first pass also walks the blob folders; the second is the scan alone.
  peer.Post("/v1/scan", integration::Json::object(), 202);
  const double first_s = WaitForScan(peer, 0);
  peer.Post("/v1/scan", integration::Json::object(), 202);
  const double both_s = WaitForScan(peer, 1);
  const double rss =
      static_cast<double>(integration::AnonymousBytes(peer.process().pid())) / (1 << 20);
  const double scan_s = both_s - first_s;
  std::printf("%-12s %-10s %-10s %-12s %-10s %-14s %s\n", "signposts", "missing %", "ready s",
              "first scan s", "scan s", "rows/s", "RssAnon MiB");
  std::printf("%-12lu %-10lu %-10.2f %-12.2f %-10.2f %-14.0f %.0f\n", count, missing_percent,
              ready_s, first_s, scan_s, static_cast<double>(count) / scan_s, rss);
  std::printf(
      "{\"signposts\":%lu,\"missing_percent\":%lu,\"ready_s\":%.3f,\"scan_s\":%.3f,"
      "\"rss_anon_mib\":%.1f}\n",
      count, missing_percent, ready_s, scan_s, rss);
  return peer.Stop() == 0 && first_s >= 0 && both_s >= 0 ? 0 : 1;
}

}  // namespace
}  // namespace waypost

int main(int argc, char** argv) {
  const uint64_t count = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1000000;
  const uint64_t missing = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 0;
  return waypost::Run(count, missing);
}
