#include "service/parts/gauges.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"
#include "syncgroup/ledger/rows.h"
#include "tests/fakes/fake_clock.h"
#include "tests/support/eventually.h"
#include "tests/syncgroup/test_node.h"

namespace waypost::service {
namespace {

using syncgroup::PeerNumber;
using syncgroup::TestNode;

// How many time series of this name a scrape is told.
std::size_t SeriesOf(TestNode& node, const std::string& name) {
  const std::string text = node.parts.metrics.Render();
  const std::string line = "\n" + name + "{";
  std::size_t count = 0;
  for (std::size_t at = text.find(line); at != std::string::npos; at = text.find(line, at + 1)) {
    ++count;
  }
  return count;
}

class GaugesTest : public testing::Test {
 protected:
  // As far as the index knows, all in one operation.
  void AddMembers(const base::GroupId& group, uint64_t count) {
    node_.Update([&](base::WriteTxn& txn) {
      for (uint64_t i = 0; i < count; ++i) {
        syncgroup::StoreMember(txn, group, {.peer = PeerNumber(2 + i)});
      }
    });
  }

  base::TempDir dir_;
  base::FakeClock clock_;
  TestNode node_{PeerNumber(1), dir_.path(), clock_};
};

TEST_F(GaugesTest, OfTwoHundredGroupsAndNoMoreTheyTell) {
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(node_.groups->Create({.name = std::to_string(i)}).ok());
  EXPECT_EQ(SeriesOf(node_, "waypost_group_wanted"), 200u);
  ASSERT_TRUE(node_.groups->Create({.name = "one more"}).ok());
  EXPECT_EQ(SeriesOf(node_, "waypost_group_wanted"), 200u);
  EXPECT_EQ(node_.groups->List(base::GroupId(), 1000)->size(), 201u) << "the API has them all";
}

TEST_F(GaugesTest, OfAThousandMembersAndNoMoreTheyTell) {
  const base::GroupId one = node_.groups->Create({.name = "one"})->id;
  const base::GroupId two = node_.groups->Create({.name = "two"})->id;
  AddMembers(one, 600);
  AddMembers(two, 500);
  node_.parts.syncer->Start();
  const auto known = [&](const base::GroupId& group) {
    return node_.parts.syncer->Status(group).size();
  };
  ASSERT_TRUE(support::Eventually([&] { return known(one) == 600 && known(two) == 500; }));
  EXPECT_EQ(SeriesOf(node_, "waypost_member_last_sync_seconds"), 1000u);
}

}  // namespace
}  // namespace waypost::service
