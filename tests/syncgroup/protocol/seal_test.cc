#include "syncgroup/protocol/seal.h"

#include <gtest/gtest.h>

#include <ctime>

#include "syncgroup/group/group_writer.h"
#include "syncgroup/protocol/wire_codec.h"
#include "tests/syncgroup/test_node.h"

namespace waypost::syncgroup {
namespace {

class SealTest : public testing::Test {
 protected:
  Entry SomeEntry(const base::PeerId& origin) const {
    return {.group = group_,
            .place = {origin, incarnation_, 3},
            .time = base::FromMs(1700000000123),
            .ops = {PutRefOp{"a/b", BlobOf("b"), 7}}};
  }
  bool Taken(const SealedEntry& sealed) const { return PrepareEntry(group_, sealed).ok(); }

  const base::GroupId group_ = *base::GroupId::FromBytes(std::string(32, 'g'));
  const base::Incarnation incarnation_ = *base::Incarnation::FromBytes(std::string(16, 'i'));
  const base::PeerId one_ = PeerNumber(1), two_ = PeerNumber(2);
};

TEST_F(SealTest, OnlyItsOriginCanSignAnEntry) {
  const SealedEntry sealed = SealEntry(TestIdentity(one_), SomeEntry(one_));
  EXPECT_TRUE(Taken(sealed));
  EXPECT_FALSE(Taken({.bytes = sealed.bytes})) << "unsigned";
  EXPECT_FALSE(Taken({sealed.bytes, std::string(64, '\0')}));
  EXPECT_FALSE(Taken({sealed.bytes, TestIdentity(two_).Sign(kEntryTag, sealed.bytes)}));
  // A signature for another use of the key, and one of another entry.
  EXPECT_FALSE(Taken({sealed.bytes, TestIdentity(one_).Sign("waypost-other", sealed.bytes)}));
  Entry other = SomeEntry(one_);
  other.place.generation = 4;
  EXPECT_FALSE(Taken({sealed.bytes, SealEntry(TestIdentity(one_), other).signature}));
  EXPECT_FALSE(Taken({sealed.bytes, sealed.signature + "x"}));
  EXPECT_FALSE(Taken({sealed.bytes, sealed.signature.substr(1)}));
}

TEST_F(SealTest, EveryBitOfAnEntryIsCovered) {
  const SealedEntry sealed = SealEntry(TestIdentity(one_), SomeEntry(one_));
  for (std::size_t at = 0; at < sealed.bytes.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      SealedEntry bent = sealed;
      bent.bytes[at] = static_cast<char>(bent.bytes[at] ^ (1 << bit));
      EXPECT_FALSE(Taken(bent)) << at << "." << bit;
    }
  }
  // What a decoder would not look at is covered as well.
  EXPECT_FALSE(Taken({sealed.bytes + std::string("\x98\x06\x01", 3), sealed.signature}));
}

TEST_F(SealTest, AnEntryHasThisSignatureForEver) {
  const auto identity = base::Identity::FromSeed({1, 2, 3});
  const SealedEntry sealed = SealEntry(*identity, SomeEntry(identity->peer_id()));
  EXPECT_EQ(base::ToHex(sealed.signature),
            "c26c08c02c10015ee371180c4487b4d84c9b2286a5e77cf30edf848d3391f227"
            "68de1ece06f5800e18303c9b660d7f8aca9deadedc62bc9f45a44c9893636900");
}

TEST_F(SealTest, TenThousandAreCheckedInASecond) {
  const Entry entry = SomeEntry(one_);
  const SealedEntry sealed = SealEntry(TestIdentity(one_), entry);
  // Of this thread's own time: the machine does other things too.
  const auto now = [] {
    timespec time{};
    EXPECT_EQ(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time), 0);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
  };
  const double begin = now();
  for (int i = 0; i < 2000; ++i) ASSERT_TRUE(CheckSealed(sealed, entry).ok());
  const double took = now() - begin;
  RecordProperty("checks_per_second", static_cast<int>(2000 / took));
#ifndef WAYPOST_SANITIZED
  // Twice the time that is wanted: machines differ.
  EXPECT_LT(took, 0.4);
#endif
}

}  // namespace
}  // namespace waypost::syncgroup
