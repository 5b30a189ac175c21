// What a service that runs for long costs in memory.
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "integration/cluster.h"

namespace waypost::integration {
namespace {

// More than a service is busy with at once, so that they share commits.
constexpr int kPutters = 16;
constexpr int kRound = 10'000;

// As many blobs as a round has, none of which was there before.
void PutRound(const Peer& peer, const std::string& group, int round) {
  std::atomic<int> next{0}, failed{0};
  std::vector<std::thread> putters;
  for (int i = 0; i < kPutters; ++i) {
    putters.emplace_back([&] {
      for (int number; (number = next++) < kRound;) {
        const std::string key = absl::StrCat(round, "/", number);
        std::string bytes = key;
        bytes.resize(1024, '.');
        if (peer.PutBlob(bytes, group, key).empty()) ++failed;
      }
    });
  }
  for (std::thread& putter : putters) putter.join();
  EXPECT_EQ(failed, 0);
}

// At first it does: what is kept open, known and set aside for later is bounded, and fills up.
TEST(MemoryTest, DoesNotGrowWithTheBlobsThatAreThere) {
  Cluster cluster;
  Peer& peer = cluster.Add("peer");
  const std::string group = peer.CreateGroup("family", "server");
  double grown = 0;  // by each blob of the last round
  std::string measured;
  for (int round = 0; round < 3; ++round) {
    const uint64_t before = AnonymousBytes(peer.process().pid());
    PutRound(peer, group, round);
    const uint64_t after = AnonymousBytes(peer.process().pid());
    ASSERT_TRUE(before != 0 && after != 0);
    grown = (static_cast<double>(after) - static_cast<double>(before)) / kRound;
    absl::StrAppend(&measured, "round ", round, ": ", before, " to ", after, " bytes\n");
  }
  EXPECT_LT(grown, 100) << measured;
}

}  // namespace
}  // namespace waypost::integration
