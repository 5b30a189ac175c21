#include "tests/syncgroup/cluster.h"

#include <gtest/gtest.h>

namespace waypost::syncgroup {
namespace {

TEST(Cluster, TwoPeersConverge) {
  Wire wire;
  ClusterNode a(wire, {.number = 1});
  ClusterNode b(wire, {.number = 2});
  const base::GroupId group = a.Create("photos");
  ASSERT_TRUE(a.Set(group, "from a", "1").ok());
  const absl::Status joined = b.JoinAt(a, group, Role::kServer);
  ASSERT_TRUE(joined.ok()) << joined;
  EXPECT_TRUE(Eventually([&] { return b.Has(group, "from a", "1"); }));
  ASSERT_TRUE(b.Set(group, "from b", "2").ok());
  EXPECT_TRUE(Eventually([&] { return a.Has(group, "from b", "2"); }));
  EXPECT_EQ(a.groups().Find(group)->members, 2u);
  EXPECT_EQ(b.groups().Find(group)->members, 2u);
  EXPECT_EQ(b.groups().Find(group)->role, Role::kServer);
  // A server wants what was mentioned elsewhere, another peer does not.
  EXPECT_TRUE(b.node().Record(BlobOf("1")).signpost->groups.at(group).wanted);
  EXPECT_FALSE(a.node().Record(BlobOf("2")).signpost->groups.at(group).wanted);
  EXPECT_EQ(b.node().CountsOf(group).wanted, 2u);  // what it set itself is not here either
  EXPECT_TRUE(b.node().Record(BlobOf("1")).signpost->locations.contains(a.self()));
  EXPECT_TRUE(Eventually([&] {
    return a.syncer().Greeted(b.self(), group) && b.syncer().Greeted(a.self(), group);
  }));
}

}  // namespace
}  // namespace waypost::syncgroup
