#include "fetcher/attempt/group_members.h"

#include <gtest/gtest.h>

#include "tests/fetcher/rig.h"

namespace waypost::fetcher {
namespace {

TEST(MembersOfGroups, AreOneViewForAllBlobsOfTheSameGroups) {
  Rig rig;
  auto music = rig.groups->Create({.name = "music", .role = syncgroup::Role::kServer});
  ASSERT_TRUE(music.ok());
  rig.AddMember(rig.group, Peer(1));
  rig.AddMember(rig.group, Peer(2), syncgroup::Role::kServer);
  rig.AddMember(music->id, Peer(2));
  rig.AddMember(music->id, Peer(3));
  ASSERT_TRUE(
      rig.index
          ->Read([&](base::ReadTxn& txn) {
            MembersOfGroups members(*rig.groups, rig.self);
            const auto one = members.Of(txn, {rig.group});
            EXPECT_EQ(members.Of(txn, {rig.group}), one) << "not made again";
            EXPECT_EQ(one->order, (std::vector{Peer(2), Peer(1)})) << "servers first";
            const auto both = members.Of(txn, {rig.group, music->id});
            EXPECT_EQ(both->order.size(), 3u) << "each once, and not ourselves";
            EXPECT_EQ(both->members.at(Peer(2)).groups, (std::vector{rig.group, music->id}));
            EXPECT_TRUE(both->members.at(Peer(2)).is_server);
            EXPECT_FALSE(both->members.at(Peer(3)).is_server);
            EXPECT_EQ(both->members.at(Peer(3)).groups, std::vector{music->id});
            EXPECT_FALSE(members.full());
          })
          .ok());
}

}  // namespace
}  // namespace waypost::fetcher
