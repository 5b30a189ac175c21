#include <gtest/gtest.h>

#include <map>

#include "syncgroup/ledger/keys.h"
#include "syncgroup/ledger/rows.h"
#include "tests/syncgroup/cluster.h"

// Data folders that were restored from an older copy, wiped, or copied and started twice: nobody
// loses a key, and no number stands for two entries at anyone who can still be asked.
namespace waypost::syncgroup {
namespace {

// Every entry of the node's log, by its place.
std::map<EntryPlace, std::string> LogOf(ClusterNode& of, const base::GroupId& group) {
  std::map<EntryPlace, std::string> entries;
  CHECK(of.node()
            .index
            ->Read([&](base::ReadTxn& txn) {
              for (const auto& [numbering, known] : LoadAllKnowledge(txn, group)) {
                EntryPlace place{numbering.first, numbering.second, 1};
                for (; place.generation <= known.generation; ++place.generation) {
                  const auto entry = LoadEntryAt(txn, group, place);
                  if (entry) entries[place] = entry->bytes;
                }
              }
            })
            .ok());
  return entries;
}

std::string Numberings(ClusterNode& of, const base::GroupId& group) {
  std::string text;
  CHECK(of.node()
            .index
            ->Read([&](base::ReadTxn& txn) {
              for (const auto& [numbering, known] : LoadAllKnowledge(txn, group)) {
                text += numbering.first.ToHex().substr(0, 4) + "/" +
                        numbering.second.ToHex().substr(0, 4) + " " +
                        std::to_string(known.generation) + " forked " +
                        std::to_string(known.forked) + "\n";
              }
              const auto row = LoadGroupRow(txn, group);
              for (const auto& retired : row->retired) {
                text += "retired " + retired.incarnation.ToHex().substr(0, 4) +
                        (retired.resolved ? " resolved" : " open") + "\n";
              }
            })
            .ok());
  return text;
}

void ExpectNoNumberTwice(const std::vector<ClusterNode*>& nodes, const base::GroupId& group) {
  std::map<EntryPlace, std::string> all;
  for (ClusterNode* each : nodes) {
    for (const auto& [place, bytes] : LogOf(*each, group)) {
      const auto [it, fresh] = all.emplace(place, bytes);
      EXPECT_TRUE(it->second == bytes)
          << "two entries at " << place.origin.ToHex() << " " << place.generation << " at\n"
          << Numberings(*each, group) << Numberings(*nodes[0], group);
    }
  }
}

bool Agree(const std::vector<ClusterNode*>& nodes, const base::GroupId& group,
           const std::map<std::string, std::string>& keys) {
  const std::string first = nodes.front()->RefsOf(group);
  for (ClusterNode* each : nodes) {
    if (each->RefsOf(group) != first) return false;
    for (const auto& [key, content] : keys) {
      if (!each->Has(group, key, content)) return false;
    }
  }
  return true;
}

std::string Refs(const std::vector<ClusterNode*>& nodes, const base::GroupId& group) {
  std::string all;
  for (ClusterNode* each : nodes) all += each->RefsOf(group) + "\n";
  return all;
}

class Restore : public ::testing::Test {
 protected:
  Restore() {
    group_ = a_.Create("photos");
    CHECK(b_.JoinAt(a_, group_, Role::kNormal, Authority::kAdmin).ok());
    CHECK(c_.JoinAt(a_, group_).ok());
    CHECK(b_.Set(group_, "b0", "0").ok());
    CHECK(wire_.InTime([&] {
      return a_.Has(group_, "b0", "0") && c_.Has(group_, "b0", "0") &&
             a_.groups().Find(group_)->members == 3 && c_.groups().Find(group_)->members == 3;
    }));
  }
  void SetAndSpread(const std::string& key, const std::string& content) {
    ASSERT_TRUE(b_.Set(group_, key, content).ok());
    ASSERT_TRUE(
        wire_.InTime([&] { return a_.Has(group_, key, content) && c_.Has(group_, key, content); }));
  }

  Wire wire_;
  ClusterNode a_{wire_, {.number = 1}};
  ClusterNode b_{wire_, {.number = 2}};
  ClusterNode c_{wire_, {.number = 3}};
  TempDir copies_;
  base::GroupId group_;
  const std::vector<ClusterNode*> all_ = {&a_, &b_, &c_};
};

TEST_F(Restore, AnOlderCopyGetsItsOwnEntriesBackAndWritesUnderAnotherNumbering) {
  b_.Stop();
  b_.CopyTo(copies_.path() + "/old");
  b_.Start();
  SetAndSpread("b1", "1");
  SetAndSpread("b2", "2");
  SetAndSpread("b0", "0 again");
  b_.Stop();
  b_.RestoreFrom(copies_.path() + "/old");
  b_.Start();
  const std::map<std::string, std::string> keys = {{"b0", "0 again"}, {"b1", "1"}, {"b2", "2"}};
  EXPECT_TRUE(wire_.InTime([&] { return Agree(all_, group_, keys); })) << Refs(all_, group_);
  SetAndSpread("b3", "3");
  EXPECT_TRUE(wire_.InTime([&] { return Agree(all_, group_, {{"b3", "3"}, {"b1", "1"}}); }));
  ExpectNoNumberTwice(all_, group_);
  EXPECT_EQ(b_.syncer().SecondCopy(), "") << "what was lost was written before it started";
}

TEST_F(Restore, WhatWasWrittenAloneOnAnOlderCopyIsKeptToo) {
  b_.Stop();
  b_.CopyTo(copies_.path() + "/old");
  b_.Start();
  SetAndSpread("b1", "1");
  SetAndSpread("b2", "2");
  b_.Stop();
  b_.RestoreFrom(copies_.path() + "/old");
  // Alone: it writes under numbers that were used before, and more of them.
  a_.Stop();
  c_.Stop();
  b_.Start();
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(b_.Set(group_, "alone" + std::to_string(i), std::to_string(i)).ok());
  }
  a_.Start();
  c_.Start();
  const std::map<std::string, std::string> keys = {
      {"b0", "0"}, {"b1", "1"}, {"b2", "2"}, {"alone0", "0"}, {"alone39", "39"}};
  EXPECT_TRUE(wire_.InTime([&] { return Agree(all_, group_, keys); })) << Refs(all_, group_);
  SetAndSpread("b3", "3");
  EXPECT_TRUE(wire_.InTime([&] { return Agree(all_, group_, {{"b3", "3"}}); }));
  ExpectNoNumberTwice(all_, group_);
  for (ClusterNode* each : all_) EXPECT_EQ(each->node().CountsOf(group_).refs, 44u);
}

TEST_F(Restore, AWipedPeerJoinsAgainAndHasItsKeys) {
  SetAndSpread("b1", "1");
  b_.Stop();
  b_.Wipe();
  b_.Start();
  EXPECT_TRUE(absl::IsNotFound(b_.groups().Find(group_).status()));
  ASSERT_TRUE(b_.JoinAt(a_, group_).ok());
  EXPECT_TRUE(wire_.InTime([&] {
    return Agree(all_, group_, {{"b0", "0"}, {"b1", "1"}});
  })) << Refs(all_, group_);
  SetAndSpread("b2", "2");
  ExpectNoNumberTwice(all_, group_);
}

TEST_F(Restore, AFolderCopiedAndStartedTwiceLosesNoKeyOfEither) {
  b_.Stop();
  b_.CopyTo(copies_.path() + "/twin");
  b_.Start();
  SetAndSpread("b1", "by the first");
  // The other one takes its place at the same address; later the first comes back.
  b_.Stop();
  ClusterNode twin(wire_, {.number = 2, .address = "at:twin"});
  twin.Stop();
  twin.RestoreFrom(copies_.path() + "/twin");
  a_.Stop();
  c_.Stop();
  twin.Start();
  ASSERT_TRUE(twin.Set(group_, "b1 too", "by the second").ok());
  ASSERT_TRUE(twin.Set(group_, "b2", "by the second").ok());
  a_.Start();
  c_.Start();
  const std::vector<ClusterNode*> with_twin = {&a_, &c_, &twin};
  EXPECT_TRUE(wire_.InTime([&] {
    return Agree(with_twin, group_,
                 {{"b0", "0"},
                  {"b1", "by the first"},
                  {"b1 too", "by the second"},
                  {"b2", "by the second"}});
  })) << Refs(with_twin, group_);
  // Members call the one that spoke last: each gets its turn.
  twin.Stop();
  b_.Start();
  ASSERT_TRUE(b_.Set(group_, "b3", "by the first").ok());
  std::map<std::string, std::string> keys = {{"b0", "0"},
                                             {"b1", "by the first"},
                                             {"b1 too", "by the second"},
                                             {"b2", "by the second"},
                                             {"b3", "by the first"}};
  EXPECT_TRUE(wire_.InTime([&] { return Agree(all_, group_, keys); })) << Refs(all_, group_);
  b_.Stop();
  twin.Start();
  ASSERT_TRUE(twin.Set(group_, "b4", "by the second").ok());
  keys["b4"] = "by the second";
  EXPECT_TRUE(wire_.InTime([&] { return Agree(with_twin, group_, keys); }))
      << Refs(with_twin, group_);
  twin.Stop();
  b_.Start();
  EXPECT_TRUE(wire_.InTime([&] { return Agree(all_, group_, keys); })) << Refs(all_, group_);
  twin.Start();
  ExpectNoNumberTwice({&a_, &b_, &c_, &twin}, group_);
}

// Copied and started twice, and nobody noticed: both write, and each hears of the other.
TEST_F(Restore, TwoCopiesThatWriteAtOnceBothSaySo) {
  b_.Stop();
  b_.CopyTo(copies_.path() + "/twin");
  ClusterNode twin(wire_, {.number = 2, .address = "at:twin"});
  twin.Stop();
  twin.RestoreFrom(copies_.path() + "/twin");
  b_.Start();
  twin.Start();
  wire_.clock.Advance(base::Millis(10'000));
  const auto both_say_so = [&] {
    return !b_.syncer().SecondCopy().empty() && !twin.syncer().SecondCopy().empty();
  };
  // Members call the one that spoke last, so that it takes some rounds until each was heard: both
  // go on writing. Within one wait, for one that ends without its condition costs a minute.
  int written = 0;
  base::SteadyTime next = wire_.clock.SteadyNow();
  const bool said = wire_.InTime([&] {
    if (written < 20 && wire_.clock.SteadyNow() >= next) {
      EXPECT_TRUE(b_.Set(group_, "by the first " + std::to_string(written), "1").ok());
      EXPECT_TRUE(twin.Set(group_, "by the second " + std::to_string(written), "2").ok());
      next += base::Millis(20'000);
      ++written;
    }
    return both_say_so();
  });
  EXPECT_TRUE(said) << "the first: " << b_.syncer().SecondCopy()
                    << "\nthe second: " << twin.syncer().SecondCopy();
  EXPECT_EQ(a_.syncer().SecondCopy() + c_.syncer().SecondCopy(), "") << "who is no copy";
  // One of them goes, as it is asked to, and the other starts anew.
  twin.Stop();
  b_.Stop();
  wire_.clock.Advance(base::Millis(10'000));
  b_.Start();
  SetAndSpread("b1", "alone");
  EXPECT_EQ(b_.syncer().SecondCopy(), "");
}

// A damaged row of its own knowledge: the next number might be one that was used.
TEST_F(Restore, DamagedOwnKnowledgeBeginsAnotherNumbering) {
  SetAndSpread("b1", "1");
  base::Incarnation before;
  ASSERT_TRUE(
      b_.node()
          .index
          ->Update(
              base::Index::Lane::kForeground,
              [&](base::WriteTxn& txn) {
                before = LoadGroupRow(txn, group_)->incarnation;
                txn.Delete(base::Table::kKnowledge, KnowledgeKey(group_, {PeerNumber(2), before}));
                return absl::OkStatus();
              })
          .ok());
  b_.Stop();
  b_.Start();
  SetAndSpread("b2", "2");
  base::Incarnation after;
  ASSERT_TRUE(
      b_.node()
          .index->Read([&](base::ReadTxn& txn) { after = LoadGroupRow(txn, group_)->incarnation; })
          .ok());
  EXPECT_NE(after, before);
  EXPECT_TRUE(wire_.InTime([&] {
    return Agree(all_, group_, {{"b1", "1"}, {"b2", "2"}});
  })) << Refs(all_, group_);
  ExpectNoNumberTwice(all_, group_);
}

// Both copies reach a different member before either learns of the other: the numbers are used
// twice and seen. The proof travels, nothing of the numbering counts from there, and its author
// writes all of it again.
TEST_F(Restore, AForkSeenByOthersLosesNoKey) {
  b_.Stop();
  b_.CopyTo(copies_.path() + "/old");
  c_.Stop();
  b_.Start();
  ASSERT_TRUE(b_.Set(group_, "f1", "told a").ok());
  ASSERT_TRUE(b_.Set(group_, "f2", "told a").ok());
  ASSERT_TRUE(wire_.InTime([&] { return a_.Has(group_, "f2", "told a"); }));
  b_.Stop();
  a_.Stop();
  b_.RestoreFrom(copies_.path() + "/old");
  c_.Start();
  b_.Start();
  ASSERT_TRUE(b_.Set(group_, "g1", "told c").ok());
  ASSERT_TRUE(b_.Set(group_, "g2", "told c").ok());
  ASSERT_TRUE(b_.Set(group_, "g3", "told c").ok());
  ASSERT_TRUE(wire_.InTime([&] { return c_.Has(group_, "g3", "told c"); }));
  b_.Stop();
  a_.Start();
  // A and C alone find it out: from the fork on nothing counts for them.
  EXPECT_TRUE(wire_.InTime([&] {
    return Agree({&a_, &c_}, group_, {{"b0", "0"}}) && !a_.Has(group_, "f1", "told a") &&
           !c_.Has(group_, "g1", "told c");
  })) << Refs({&a_, &c_}, group_);
  b_.Start();
  const std::map<std::string, std::string> keys = {{"b0", "0"},      {"f1", "told a"},
                                                   {"f2", "told a"}, {"g1", "told c"},
                                                   {"g2", "told c"}, {"g3", "told c"}};
  EXPECT_TRUE(wire_.InTime([&] { return Agree(all_, group_, keys); })) << Refs(all_, group_);
  SetAndSpread("after", "all");
}

}  // namespace
}  // namespace waypost::syncgroup
