#include "syncgroup/ledger/ledger.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "base/clock.h"
#include "signpost/due.h"
#include "signpost/rules.h"
#include "signpost/signpost_table.h"
#include "syncgroup/group/group_writer.h"
#include "syncgroup/ledger/keys.h"
#include "syncgroup/ledger/rows.h"
#include "tests/syncgroup/seed.h"
#include "tests/syncgroup/test_node.h"

namespace waypost::syncgroup {
namespace {

// The row of `due` that a signpost should have, written out: 32 bytes of the peer to ask first, the
// lane, 8 bytes big-endian of the due time in ms, 32 of the blob.
std::string DueKeyBytes(const base::BlobId& blob, const signpost::Signpost& signpost) {
  const char lane = signpost.failures == 0 ? 1 : 2;
  const int64_t due =
      std::max(base::ToMs(signpost.next_attempt), base::ToMs(signpost.wanted_since));
  std::string key(signpost::FirstPeer(signpost.locations).bytes());
  key.push_back(lane);
  for (int shift = 56; shift >= 0; shift -= 8) key.push_back(static_cast<char>(due >> shift));
  key.append(blob.bytes());
  return key;
}

class LedgerTest : public ::testing::Test {
 protected:
  void Change(const base::BlobId& blob, const std::function<void(BlobRecord&)>& change) {
    node_.Update([&](base::WriteTxn& txn) { node_.ledger->Change(txn, blob, change); });
  }
  void Mention(const base::BlobId& blob, Ledger::Mention mention) {
    node_.Update([&](base::WriteTxn& txn) { node_.ledger->ApplyMention(txn, blob, mention); });
  }
  void SetRole(const base::GroupId& group, std::optional<Role> role) {
    node_.Update([&](base::WriteTxn& txn) {
      if (role) {
        StoreMember(txn, group, {.peer = node_.self, .role = *role});
      } else {
        DeletePrefix(txn, base::Table::kMembers, group.bytes(), 100);
      }
    });
  }
  static base::GroupId Group(uint64_t n) {
    return *base::GroupId::FromBytes(PeerNumber(500 + n).bytes());
  }

  // What a scan does: everything that is not as it should be is put right.
  void Scan() {
    std::set<base::BlobId> blobs;
    for (const base::Table table : {base::Table::kSignposts, base::Table::kBlobs}) {
      ASSERT_TRUE(node_.index
                      ->Read([&](base::ReadTxn& txn) {
                        base::Cursor cursor(txn, table);
                        for (bool more = cursor.Seek(""); more; more = cursor.Next()) {
                          blobs.insert(*base::BlobId::FromBytes(cursor.key()));
                        }
                      })
                      .ok());
    }
    for (const base::BlobId& blob : blobs) {
      bool consistent = false;
      ASSERT_TRUE(
          node_.index
              ->Read([&](base::ReadTxn& txn) { consistent = node_.ledger->Consistent(txn, blob); })
              .ok());
      if (!consistent) Change(blob, [](BlobRecord&) {});
    }
  }

  // Counts and due rows from nothing but signposts, blobs and roles.
  void ExpectEverythingAgrees() {
    std::map<base::GroupId, Counts> expected;
    std::set<std::string> due;
    std::set<std::string> found;
    std::map<base::GroupId, Counts> counted;
    ASSERT_TRUE(
        node_.index
            ->Read([&](base::ReadTxn& txn) {
              std::set<base::BlobId> blobs;
              for (const base::Table table : {base::Table::kSignposts, base::Table::kBlobs}) {
                base::Cursor cursor(txn, table);
                for (bool more = cursor.Seek(""); more; more = cursor.Next()) {
                  blobs.insert(*base::BlobId::FromBytes(cursor.key()));
                }
              }
              for (const base::BlobId& blob : blobs) Add(txn, blob, expected, due);
              base::Cursor rows(txn, base::Table::kDue);
              for (bool more = rows.Seek(""); more; more = rows.Next()) {
                found.emplace(rows.key());
              }
              for (uint64_t n = 0; n < 4; ++n) {
                counted[Group(n)] = node_.ledger->LoadCounts(txn, Group(n));
                expected.try_emplace(Group(n));
              }
              counted[base::GroupId()] = node_.ledger->LoadCounts(txn, base::GroupId());
              expected.try_emplace(base::GroupId());
            })
            .ok());
    for (auto& [group, counts] : counted) counts.refs = 0;  // not of blobs
    EXPECT_EQ(found, due);
    EXPECT_EQ(counted, expected);
  }
  uint64_t ChargeOf(const base::GroupId& group, const base::PeerId& member) {
    uint64_t charge = 0;
    EXPECT_TRUE(
        node_.index
            ->Read([&](base::ReadTxn& txn) { charge = LoadCharge(txn, group, FirstBy(member)); })
            .ok());
    return charge;
  }
  void Add(base::ReadTxn& txn, const base::BlobId& blob, std::map<base::GroupId, Counts>& expected,
           std::set<std::string>& due) {
    const BlobRecord record = node_.ledger->Load(txn, blob);
    const uint64_t size = record.row        ? record.row->size_bytes
                          : record.signpost ? record.signpost->size_hint_bytes.value_or(0)
                                            : 0;
    Counts& all = expected[base::GroupId()];
    bool wanted = false;
    if (record.signpost) {
      ++all.signposts;
      for (const auto& [group, mention] : record.signpost->groups) {
        EXPECT_GT(mention.keys, 0u);
        const auto self = LoadMember(txn, group, node_.self);
        const bool here = record.row && record.row->holdings.contains(group);
        const bool want = self && (self->role == Role::kServer || mention.set_here) && !here;
        EXPECT_EQ(mention.wanted, want);
        if (!want) continue;
        wanted = true;
        ++expected[group].wanted;
        expected[group].wanted_bytes += size;
        if (record.signpost->stopped != base::kNever) ++expected[group].stopped;
      }
      wanted = wanted || (record.signpost->asked_until != base::kNever && !record.row);
      EXPECT_EQ(record.signpost->wanted_since != base::kNever, wanted);
      if (wanted) {
        ++all.wanted;
        all.wanted_bytes += size;
        if (record.signpost->stopped != base::kNever) {
          ++all.stopped;
        } else {
          due.insert(DueKeyBytes(blob, *record.signpost));
        }
      }
    }
    if (!record.row) return;
    ++all.blobs;
    all.bytes += size;
    for (const auto& [group, holding] : record.row->holdings) {
      ++expected[group].blobs;
      expected[group].bytes += size;
    }
  }

  TempDir dir_;
  base::FakeClock clock_;
  TestNode node_{PeerNumber(1), dir_.path(), clock_};
};

TEST_F(LedgerTest, CountsFlagsAndDueRowsAgreeAfterRandomChangesAndAScan) {
  const uint64_t seed = TestSeed();
  std::mt19937_64 random(seed);
  const auto any = [&](uint64_t n) { return random() % n; };
  constexpr int kSteps = 10000;
  // Several changes share a transaction, as they do in a page.
  for (int step = 0; step < kSteps;) {
    for (uint64_t n = 0; n < 4; ++n) {
      if (any(3) != 0) continue;
      if (any(6) == 0) {
        SetRole(Group(n), std::nullopt);
      } else {
        SetRole(Group(n), static_cast<Role>(1 + any(3)));
      }
    }
    node_.Update([&](base::WriteTxn& txn) {
      for (int i = 0; i < 500; ++i, ++step) {
        const base::BlobId blob = BlobOf(std::to_string(any(60)));
        const base::GroupId group = Group(any(4));
        const uint64_t what = any(12);
        if (what < 6) {
          node_.ledger->ApplyMention(
              txn, blob,
              {.group = group,
               .keys = what < 3    ? 1
                       : what == 3 ? 0
                                   : -1,
               .set_here = any(4) == 0,
               .grants = any(4) == 0,
               .origin = PeerNumber(any(4)),
               .locations = {PeerNumber(any(20))},
               .when_seen = clock_.WallNow() - base::Millis(any(1000000)),
               .size_bytes = any(2) == 0 ? std::optional<uint64_t>(any(1000)) : std::nullopt});
          // A mention that says 0 keys for a group that is not there is no mention: the store never
          // does it.
          continue;
        }
        node_.ledger->Change(txn, blob, [&](BlobRecord& record) {
          switch (what) {
            case 6:
              if (!record.row) record.row = blobstore::BlobRow{.size_bytes = any(1000)};
              break;
            case 7:
              if (record.row) record.row->holdings[group] = {};
              break;
            case 8:
              if (any(2) == 0) {
                record.row.reset();
              } else if (record.row) {
                record.row->holdings.erase(group);
              }
              break;
            case 9:
              record.NeedSignpost().stopped = any(2) == 0 ? clock_.WallNow() : base::kNever;
              break;
            case 10:
              record.NeedSignpost().asked_until =
                  any(2) == 0 ? clock_.WallNow() + base::Millis(3600 * 1000) : base::kNever;
              break;
            default:
              if (record.signpost) {
                record.signpost->failures = static_cast<uint32_t>(any(3));
                record.signpost->next_attempt = clock_.WallNow() + base::Millis(any(100000));
              }
          }
        });
      }
    });
    Scan();
    ExpectEverythingAgrees();
    if (HasFailure()) {
      FAIL() << "seed " << seed << " step " << step;
    }
  }
}

TEST_F(LedgerTest, BytesAreChargedToWhoMentionedThemFirst) {
  const base::GroupId group = Group(0);
  const base::PeerId first = PeerNumber(7), second = PeerNumber(8);
  SetRole(group, Role::kServer);
  const auto mention = [&](const char* name, const base::PeerId& by, int keys, uint64_t size) {
    Mention(BlobOf(name), {.group = group, .keys = keys, .origin = by, .size_bytes = size});
  };
  const auto fetched = [&](const char* name, uint64_t size, blobstore::Via via) {
    Change(BlobOf(name), [&](BlobRecord& record) {
      record.row = blobstore::BlobRow{.size_bytes = size};
      record.row->holdings[group] = {.via = via};
    });
  };
  // What the member says of its size is nothing to go by.
  mention("a", first, 1, 100);
  mention("a", second, 1, 100);
  EXPECT_EQ(ChargeOf(group, first), 0u);
  fetched("a", 130, blobstore::Via::kFetch);
  EXPECT_EQ(ChargeOf(group, first), 130u);
  EXPECT_EQ(ChargeOf(group, second), 0u);
  // For ever.
  mention("a", first, -1, 0);
  mention("a", first, -1, 0);
  EXPECT_EQ(ChargeOf(group, first), 130u);
  mention("b", second, 1, 30);
  fetched("b", 30, blobstore::Via::kFetch);
  fetched("b", 30, blobstore::Via::kFetch);
  EXPECT_EQ(ChargeOf(group, second), 30u) << "once";
  // What is begun counts as long as it lies here, and once.
  const auto begun = [&](const std::string& name, uint64_t bytes) {
    Change(BlobOf(name), [&](BlobRecord& record) { record.signpost->partial_bytes = bytes; });
  };
  mention("begun", first, 1, 0);
  begun("begun", 40);
  EXPECT_EQ(ChargeOf(group, first), 170u);
  begun("begun", 60);
  EXPECT_EQ(ChargeOf(group, first), 190u);
  begun("begun", 10);
  EXPECT_EQ(ChargeOf(group, first), 140u) << "it began anew";
  fetched("begun", 70, blobstore::Via::kFetch);
  EXPECT_EQ(ChargeOf(group, first), 200u);
  mention("dropped", first, 1, 0);
  begun("dropped", 40);
  EXPECT_EQ(ChargeOf(group, first), 240u);
  mention("dropped", first, -1, 0);
  EXPECT_EQ(ChargeOf(group, first), 200u) << "nobody wants it, and its file goes";
  // A row under another group says nothing of what was begun for this one.
  mention("elsewhere", first, 1, 0);
  Change(BlobOf("elsewhere"), [&](BlobRecord& record) {
    record.row = blobstore::BlobRow{.size_bytes = 1};
    record.row->holdings[Group(1)] = {.via = blobstore::Via::kPut};
  });
  begun("elsewhere", 40);
  EXPECT_EQ(ChargeOf(group, first), 240u);
  mention("elsewhere", first, -1, 0);
  EXPECT_EQ(ChargeOf(group, first), 200u);
  // What an app here put or mentioned first was not their doing.
  mention("c", second, 1, 50);
  fetched("c", 50, blobstore::Via::kPut);
  mention("d", node_.self, 1, 5);
  mention("d", second, 1, 5);
  fetched("d", 5, blobstore::Via::kFetch);
  EXPECT_EQ(ChargeOf(group, second), 30u);
  EXPECT_EQ(ChargeOf(group, node_.self), 0u);
}

TEST_F(LedgerTest, ANewMentionMakesAServersBlobDueAtOnce) {
  SetRole(Group(0), Role::kServer);
  const base::BlobId blob = BlobOf("x");
  const base::WallTime before = clock_.WallNow();
  Mention(blob, {.group = Group(0), .keys = 1, .locations = {PeerNumber(2)}, .when_seen = before});
  const auto changes = node_.wake.TakeChanges();
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_TRUE(changes[0].wanted);
  EXPECT_FALSE(changes[0].due_before.has_value());
  ASSERT_TRUE(changes[0].due_after.has_value());
  EXPECT_EQ(changes[0].due_after->first_peer, PeerNumber(2));
  EXPECT_LE(changes[0].due_after->due, clock_.WallNow());
  EXPECT_TRUE(changes[0].evidence);
}

TEST_F(LedgerTest, AGroupInAnotherPeersSignpostWantsNothing) {
  SetRole(Group(0), Role::kServer);
  const base::BlobId blob = BlobOf("x");
  // What a miss teaches: locations and a size, and nothing of groups.
  Change(blob, [&](BlobRecord& record) {
    record.NeedSignpost().locations[PeerNumber(3)] = {.when_seen = clock_.WallNow()};
  });
  EXPECT_EQ(node_.Record(blob).signpost->wanted_since, base::kNever);
  EXPECT_EQ(node_.CountsOf(base::GroupId()).wanted, 0u);
  EXPECT_TRUE(node_.Record(blob).signpost->groups.empty());
}

TEST_F(LedgerTest, AHoldingUnderOneGroupLeavesItWantedInAnother) {
  SetRole(Group(0), Role::kServer);
  SetRole(Group(1), Role::kServer);
  const base::BlobId blob = BlobOf("x");
  for (uint64_t n : {0, 1}) Mention(blob, {.group = Group(n), .keys = 1});
  Change(blob, [](BlobRecord& record) {
    record.row = blobstore::BlobRow{.size_bytes = 5};
    record.row->holdings[Group(0)] = {};
  });
  EXPECT_FALSE(node_.Record(blob).signpost->groups.at(Group(0)).wanted);
  EXPECT_TRUE(node_.Record(blob).signpost->groups.at(Group(1)).wanted);
  EXPECT_EQ(node_.CountsOf(base::GroupId()),
            (Counts{.wanted = 1, .wanted_bytes = 5, .blobs = 1, .bytes = 5, .signposts = 1}));
}

TEST_F(LedgerTest, AStoppedBlobHasNoDueRowUntilItIsMentionedAgain) {
  SetRole(Group(0), Role::kServer);
  const base::BlobId blob = BlobOf("x");
  Mention(blob, {.group = Group(0), .keys = 1});
  Change(blob, [&](BlobRecord& record) { record.signpost->stopped = clock_.WallNow(); });
  EXPECT_EQ(node_.CountsOf(base::GroupId()).stopped, 1u);
  EXPECT_EQ(node_.CountsOf(Group(0)).stopped, 1u);
  node_.wake.TakeChanges();
  Mention(blob, {.group = Group(0), .keys = 1});
  EXPECT_EQ(node_.CountsOf(base::GroupId()).stopped, 0u);
  const auto changes = node_.wake.TakeChanges();
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_TRUE(changes[0].due_after.has_value());
}

TEST_F(LedgerTest, ADueRowThatVanishedIsPutBack) {
  SetRole(Group(0), Role::kServer);
  const base::BlobId blob = BlobOf("x");
  Mention(blob, {.group = Group(0), .keys = 1});
  const std::string key = DueKeyBytes(blob, *node_.Record(blob).signpost);
  node_.Update([&](base::WriteTxn& txn) { EXPECT_TRUE(txn.Delete(base::Table::kDue, key)); });
  node_.wake.TakeChanges();
  Scan();
  ASSERT_TRUE(node_.index
                  ->Read([&](base::ReadTxn& txn) {
                    EXPECT_TRUE(txn.Get(base::Table::kDue, key).has_value());
                  })
                  .ok());
  const auto changes = node_.wake.TakeChanges();
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_FALSE(changes[0].due_before.has_value());
}

TEST_F(LedgerTest, WhatWasAskedForIsWantedUntilItIsHereOrNobodyAsks) {
  const base::BlobId blob = BlobOf("x");
  Change(blob, [&](BlobRecord& record) {
    record.NeedSignpost().asked_until = clock_.WallNow() + base::Millis(60000);
  });
  EXPECT_EQ(node_.CountsOf(base::GroupId()).wanted, 1u);
  clock_.Advance(base::Millis(120000));
  Scan();
  EXPECT_EQ(node_.CountsOf(base::GroupId()).wanted, 0u);
  Change(blob, [&](BlobRecord& record) {
    record.NeedSignpost().asked_until = clock_.WallNow() + base::Millis(60000);
  });
  Change(blob, [](BlobRecord& record) { record.row = blobstore::BlobRow{.size_bytes = 1}; });
  EXPECT_EQ(node_.CountsOf(base::GroupId()).wanted, 0u);
  EXPECT_EQ(node_.Record(blob).signpost->asked_until, base::kNever);
}

}  // namespace
}  // namespace waypost::syncgroup
