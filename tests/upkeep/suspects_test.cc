#include "upkeep/suspects.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/fakes/fake_clock.h"
#include "tests/support/eventually.h"
#include "tests/support/filled_ids.h"
#include "tests/syncgroup/test_node.h"

namespace waypost::upkeep {
namespace {

using syncgroup::BlobOf;
using syncgroup::PeerNumber;

TEST(SuspectQueue, LooksAtEachBlobOnceADayAndAtFewOfOneMember) {
  base::FakeClock clock;
  SuspectQueue queue;
  const auto add = [&](const std::string& blob, uint64_t by) {
    return queue.Add({BlobOf(blob), PeerNumber(by)}, clock.SteadyNow());
  };
  EXPECT_TRUE(add("a", 1));
  EXPECT_FALSE(add("a", 2)) << "it waits already";
  EXPECT_TRUE(add("b", 1));
  EXPECT_FALSE(add("c", 1)) << "two of a member";
  for (uint64_t i = 2; i < 16; ++i) EXPECT_TRUE(add("x" + std::to_string(i), i));
  EXPECT_FALSE(add("y", 99)) << "sixteen of all";
  EXPECT_EQ(queue.Next()->blob, BlobOf("a"));
  queue.Done(true);
  EXPECT_FALSE(add("a", 3)) << "within a day";
  EXPECT_TRUE(add("y", 99));
  queue.Done(false);
  EXPECT_TRUE(add("b", 98)) << "its bytes could not be read";
  queue.Done(true);
  clock.Advance(SuspectQueue::kDay);
  EXPECT_TRUE(add("a", 3));
}

TEST(SuspectQueue, OneMemberKeepsNobodyElseFromNamingBlobs) {
  base::FakeClock clock;
  SuspectQueue queue;
  const auto add = [&](std::size_t blob, uint64_t by) {
    const bool added =
        queue.Add({BlobOf("blob " + std::to_string(blob)), PeerNumber(by)}, clock.SteadyNow());
    if (added) queue.Done(true);
    return added;
  };
  for (std::size_t i = 0; i < SuspectQueue::kRememberedOfOneMax; ++i) EXPECT_TRUE(add(i, 1));
  EXPECT_FALSE(add(5000, 1));
  EXPECT_TRUE(add(5000, 2));
  clock.Advance(SuspectQueue::kDay);
  EXPECT_TRUE(add(5001, 1));
}

TEST(Suspects, ARottenFileIsSetAsideAndARightOneStays) {
  base::TempDir dir;
  base::FakeClock clock;
  syncgroup::TestNode node(PeerNumber(1), dir.path(), clock);
  const auto group = node.groups->Create({.name = "g", .role = syncgroup::Role::kServer});
  const std::string right(100'000, 'r'), rotten(100'000, 'o');
  for (const std::string& content : {right, rotten}) {
    ASSERT_TRUE(node.Put(content, syncgroup::Refs::Target{group->id, content.substr(0, 1)}).ok());
  }
  const std::string hex = BlobOf(rotten).ToHex();
  const std::string path =
      dir.path() + "/blobs/" + hex.substr(0, 2) + "/" + hex.substr(2, 2) + "/" + hex;
  std::filesystem::permissions(path, std::filesystem::perms::owner_write,
                               std::filesystem::perm_options::add);
  std::fstream(path, std::ios::in | std::ios::out).put('X');
  ASSERT_TRUE(*node.blobs->CheckBytes(BlobOf(right), nullptr));
  EXPECT_TRUE(node.parts.suspects->Report(PeerNumber(2), BlobOf(right)));
  EXPECT_TRUE(node.parts.suspects->Report(PeerNumber(2), BlobOf(rotten)));
  EXPECT_FALSE(node.parts.suspects->Report(PeerNumber(2), BlobOf(rotten)));
  node.parts.suspects->Start();
  // It is wanted again, like any whose file was lost.
  EXPECT_TRUE(support::Eventually([&] { return !node.Record(BlobOf(rotten)).row.has_value(); }));
  EXPECT_EQ(node.CountsOf(group->id).wanted, 1u);
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_TRUE(std::filesystem::exists(dir.path() + "/quarantine/" + hex));
  EXPECT_TRUE(node.Record(BlobOf(right)).row.has_value());
  node.parts.suspects->Shutdown();
}

}  // namespace
}  // namespace waypost::upkeep
