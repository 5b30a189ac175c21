#include "syncgroup/protocol/genesis.h"

#include <gtest/gtest.h>

#include "syncgroup/protocol/wire_codec.h"
#include "tests/syncgroup/test_node.h"

namespace waypost::syncgroup {
namespace {

Genesis SomeGenesis(const base::PeerId& founder) {
  return {.name = "photos",
          .is_public = true,
          .founder = {founder, *base::Incarnation::FromBytes(std::string(16, 'n')),
                      base::FromMs(1700000000123)}};
}

TEST(Genesis, ComesBackAsItWasSealed) {
  const Genesis genesis = SomeGenesis(PeerNumber(1));
  const std::string sealed = SealGenesis(TestIdentity(PeerNumber(1)), genesis);
  const auto opened = OpenGenesis(GroupIdOf(sealed), sealed);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->name, "photos");
  EXPECT_TRUE(opened->is_public);
  EXPECT_EQ(opened->founder.peer, PeerNumber(1));
  EXPECT_EQ(opened->founder.incarnation, genesis.founder.incarnation);
  EXPECT_EQ(opened->founder.when, genesis.founder.when);
}

TEST(Genesis, EveryBitOfItIsCoveredByTheGroupsId) {
  const std::string sealed = SealGenesis(TestIdentity(PeerNumber(1)), SomeGenesis(PeerNumber(1)));
  const base::GroupId group = GroupIdOf(sealed);
  for (std::size_t at = 0; at < sealed.size(); ++at) {
    std::string bent = sealed;
    bent[at] = static_cast<char>(bent[at] ^ 1);
    EXPECT_FALSE(OpenGenesis(group, bent).ok()) << at;
  }
  EXPECT_FALSE(OpenGenesis(group, sealed + "x").ok());
  EXPECT_FALSE(OpenGenesis(group, "").ok());
}

TEST(Genesis, NobodyFoundsAGroupInTheNameOfAnother) {
  // The id fits the bytes, but the founder named has not signed them.
  const std::string bytes = EncodeGenesis(SomeGenesis(PeerNumber(2)));
  const std::string forged = EncodeSealedEntry(
      {.bytes = bytes, .signature = TestIdentity(PeerNumber(1)).Sign(kGenesisTag, bytes)});
  EXPECT_FALSE(OpenGenesis(GroupIdOf(forged), forged).ok());
  // Nor with a signature for another use.
  const std::string other = EncodeSealedEntry(
      {.bytes = bytes, .signature = TestIdentity(PeerNumber(2)).Sign("waypost-entry-1", bytes)});
  EXPECT_FALSE(OpenGenesis(GroupIdOf(other), other).ok());
}

TEST(Genesis, AGroupHasThisIdForEver) {
  const auto identity = base::Identity::FromSeed({1, 2, 3});
  const std::string sealed = SealGenesis(*identity, SomeGenesis(identity->peer_id()));
  EXPECT_EQ(GroupIdOf(sealed).ToHex(),
            "5fdbb6a306b271a2c316f061100340cf5113cbfdb56bf683e800c07aa20d412a");
}

}  // namespace
}  // namespace waypost::syncgroup
