#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/index.h"
#include "base/standard_descriptors.h"
#include "base/status.h"
#include "blobstore/blob_row.h"
#include "integration/peer.h"
#include "signpost/due.h"
#include "signpost/signpost_table.h"
#include "syncgroup/ledger/ledger.h"
#include "tests/bench/figures.h"

// How a peer with very many signposts starts and scans, beside a bare walk of two cursors over the
// same two tables. The rows are synthetic, the service is the real one, in its own process.
//   scan_bench [COUNT...]

namespace waypost {
namespace {

// In order, so that they can be written as fast as the disk takes them.
std::vector<base::BlobId> Blobs(uint64_t count) {
  std::vector<base::BlobId> blobs;
  blobs.reserve(count);
  for (uint64_t n = 0; n < count; ++n) {
    std::array<uint8_t, 32> bytes =
        base::Hash256(std::string_view(reinterpret_cast<const char*>(&n), 8));
    blobs.emplace_back(bytes);
  }
  std::sort(blobs.begin(), blobs.end());
  return blobs;
}

constexpr uint64_t kRowsPerTransaction = 20000;

// Blobs mentioned in the group: held as if fetched, or, of every hundred the first
// `missing`, wanted from a peer that nobody can reach.
absl::Status WriteRows(const std::string& index_dir, const base::PeerId& self,
                       const base::GroupId& group, const std::vector<base::BlobId>& blobs,
                       uint64_t missing_percent) {
  const uint64_t count = blobs.size();
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
            const base::BlobId& blob = blobs[n];
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

constexpr int kPasses = 3;
constexpr std::chrono::seconds kPassAtMost{600};

// The next pass's time; negative if none ends.
double Scan(const integration::Peer& peer) {
  const auto ended = [&] { return peer.Metric("waypost_scan_duration_seconds_count"); };
  const auto sum = [&] { return peer.Metric("waypost_scan_duration_seconds_sum"); };
  const double before = ended(), sum_before = sum();
  peer.Post("/v1/scan", integration::Json::object(), 202);
  const auto deadline = bench::Clock::now() + kPassAtMost;
  while (bench::Clock::now() < deadline) {
    if (ended() > before) return sum() - sum_before;
    usleep(20000);
  }
  return -1;
}

// Rows a second of nothing but the two cursors, side by side.
double BareMerge(const std::string& index_dir) {
  auto index = base::Index::Open({.dir = index_dir});
  CHECK(index.ok());
  std::vector<double> seconds;
  uint64_t rows = 0, both = 0;
  for (int pass = 0; pass < kPasses; ++pass) {
    const auto begin = bench::Clock::now();
    rows = both = 0;
    CHECK((*index)
              ->Read([&](base::ReadTxn& txn) {
                base::Cursor signposts(txn, base::Table::kSignposts);
                base::Cursor blobs(txn, base::Table::kBlobs);
                bool more = signposts.Seek(""), more_blobs = blobs.Seek("");
                while (more) {
                  while (more_blobs && blobs.key() < signposts.key()) more_blobs = blobs.Next();
                  both += more_blobs && blobs.key() == signposts.key() ? 1 : 0;
                  ++rows;
                  more = signposts.Next();
                }
              })
              .ok());
    seconds.push_back(bench::SecondsSince(begin));
  }
  CHECK(both <= rows);
  return static_cast<double>(rows) / bench::Median(seconds);
}

bool Run(const std::vector<base::BlobId>& blobs, uint64_t missing_percent) {
  const uint64_t count = blobs.size();
  integration::TempDir folder;
  integration::Peer peer(integration::WaypostProgram(), folder.path() + "/peer", "bench");
  if (!peer.Init().ok() || !peer.Start().ok()) return false;
  const std::string group = peer.CreateGroup("bench", "server");
  const auto self = base::PeerId::FromHex(peer.id());
  const auto group_id = base::GroupId::FromHex(group);
  if (!self || !group_id || peer.Stop() != 0) return false;
  const std::string index_dir = peer.dir() + "/index";
  const absl::Status written = WriteRows(index_dir, *self, *group_id, blobs, missing_percent);
  if (!written.ok()) {
    std::fprintf(stderr, "%s\n", written.ToString().c_str());
    return false;
  }
  const double bare = BareMerge(index_dir);
  peer.SetSettings({"--scan.initial_delay=1h"});
  const auto begun = bench::Clock::now();
  if (!peer.Start().ok()) return false;
  const double ready_s = bench::SecondsSince(begun);
  // The first pass also walks the blob folders; those after it are the scan alone.
  if (Scan(peer) < 0) return false;
  std::vector<double> seconds;
  for (int pass = 0; pass < kPasses; ++pass) {
    seconds.push_back(Scan(peer));
    if (seconds.back() < 0) return false;
  }
  const double scan_s = bench::Median(seconds);
  const double rows = static_cast<double>(count) / scan_s;
  const double rss =
      static_cast<double>(integration::AnonymousBytes(peer.process().pid())) / (1 << 20);
  std::printf("| %lu | %lu | %.2f | %.2f | %.2f | %.2f | %.2f | %.0f |\n", count, missing_percent,
              ready_s, scan_s, rows / 1e6, bare / 1e6, rows / bare, rss);
  std::fflush(stdout);
  bench::Record({{"bench", "scan"},
                 {"signposts", count},
                 {"missing_percent", missing_percent},
                 {"ready_s", ready_s},
                 {"scan_s", scan_s},
                 {"rows_per_s", rows},
                 {"bare_rows_per_s", bare},
                 {"rss_anon_mib", rss}});
  return peer.Stop() == 0;
}

int Main(int argc, char** argv) {
  std::vector<uint64_t> counts = {1'000'000, 10'000'000};
  if (bench::TakeQuick(argc, argv)) counts = {20'000};
  if (argc > 1) counts.clear();
  for (int i = 1; i < argc; ++i) counts.push_back(std::strtoull(argv[i], nullptr, 10));
  base::InitCrypto();
  std::printf(
      "| signposts | missing %% | ready s | scan s | million rows/s | bare cursors | ratio | "
      "RssAnon MiB |\n|---|---|---|---|---|---|---|---|\n");
  for (const uint64_t count : counts) {
    const std::vector<base::BlobId> blobs = Blobs(count);
    for (const uint64_t missing : {0, 1, 100}) {
      if (!Run(blobs, missing)) return 1;
    }
  }
  return 0;
}

}  // namespace
}  // namespace waypost

int main(int argc, char** argv) {
  if (!waypost::base::FillStandardDescriptors()) return 1;
  return waypost::Main(argc, argv);
}
