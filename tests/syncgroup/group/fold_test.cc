#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "signpost/signpost_table.h"
#include "syncgroup/group/group_writer.h"
#include "syncgroup/group/work.h"
#include "syncgroup/ledger/rows.h"
#include "syncgroup/membership/membership.h"
#include "syncgroup/protocol/genesis.h"
#include "syncgroup/protocol/hybrid_clock.h"
#include "syncgroup/protocol/seal.h"
#include "syncgroup/protocol/wire_codec.h"
#include "tests/syncgroup/seed.h"
#include "tests/syncgroup/test_node.h"

// The state that a peer reaches step by step, in whatever order entries come and with work cut off
// in between, is the pure fold of the set of entries.
namespace waypost::syncgroup {
namespace {

using RefState = std::map<std::string, std::pair<base::BlobId, Stamp>>;

// The model: no disk, no order.
struct Model {
  Membership membership;
  RefState refs;
};
Model FoldAll(const Founder& founder, const std::vector<PreparedEntry>& entries,
              const Forks& forks) {
  std::vector<StampedOp> ops;
  for (const PreparedEntry& prepared : entries) {
    for (std::size_t i = 0; i < prepared.entry.ops.size(); ++i) {
      if (!DecidesMembership(prepared.entry.ops[i])) continue;
      ops.push_back({{prepared.entry.time, prepared.entry.place, static_cast<uint32_t>(i)},
                     prepared.entry.ops[i]});
    }
  }
  Model model{.membership = FoldMembership(founder, ops, forks)};
  std::map<std::string, std::pair<std::optional<base::BlobId>, Stamp>> latest;
  for (const PreparedEntry& prepared : entries) {
    const EntryPlace& place = prepared.entry.place;
    const auto cut = model.membership.cuts.find(place.origin);
    const auto fork = forks.find({place.origin, place.incarnation});
    if (cut == model.membership.cuts.end() ||
        !RefsCount(cut->second, fork == forks.end() ? 0 : fork->second, place)) {
      continue;
    }
    for (std::size_t i = 0; i < prepared.entry.ops.size(); ++i) {
      const Stamp stamp{prepared.entry.time, place, static_cast<uint32_t>(i)};
      std::string key;
      std::optional<base::BlobId> blob;
      if (const auto* put = std::get_if<PutRefOp>(&prepared.entry.ops[i])) {
        key = put->key;
        blob = put->blob;
      } else if (const auto* del = std::get_if<DeleteRefOp>(&prepared.entry.ops[i])) {
        key = del->key;
      } else {
        continue;
      }
      const auto it = latest.find(key);
      if (it == latest.end() || it->second.second < stamp) latest[key] = {blob, stamp};
    }
  }
  for (const auto& [key, value] : latest) {
    if (value.first) model.refs[key] = {*value.first, value.second};
  }
  return model;
}

// A random history: origins that write, admit, remove and come back, not always by the rules.
class History {
 public:
  History(std::mt19937_64& random, int length) : random_(random) {
    origins_.push_back({PeerNumber(1), Fresh()});
    founder = {origins_[0].first, origins_[0].second, base::FromMs(900)};
    genesis = SealGenesis(TestIdentity(founder.peer), {.name = "g", .founder = founder});
    group = GroupIdOf(genesis);
    Write(0, {SettingsOp{"g", {}, {}},
              AdmitOp{origins_[0].first, origins_[0].second, Role::kServer, Authority::kAdmin}});
    for (int i = 0; i < length; ++i) Step();
  }

  Founder founder;
  std::string genesis;
  base::GroupId group;
  std::vector<std::vector<PreparedEntry>> by_origin;  // each in its own order
  Forks forks;

  std::vector<PreparedEntry> All() const {
    std::vector<PreparedEntry> all;
    for (const auto& entries : by_origin) all.insert(all.end(), entries.begin(), entries.end());
    return all;
  }

 private:
  uint64_t Any(uint64_t n) { return random_() % n; }
  base::Incarnation Fresh() {
    return *base::Incarnation::FromBytes(
        base::BlobId(base::Hash256(std::to_string(random_()))).bytes().substr(0, 16));
  }
  void Write(std::size_t origin, std::vector<Op> ops) {
    by_origin.resize(origins_.size());
    auto& own = by_origin[origin];
    Entry entry{.group = group,
                .place = {origins_[origin].first, origins_[origin].second, own.size() + 1},
                .previous = own.empty() ? base::EntryHash() : own.back().hash,
                .time = base::FromMs(static_cast<int64_t>(1000 + Any(5) * 7 + clock_++)),
                .ops = std::move(ops)};
    own.push_back(*PrepareEntry(group, SealEntry(TestIdentity(entry.place.origin), entry)));
  }
  std::size_t Writer() { return Any(origins_.size()); }
  void Step() {
    const std::size_t by = Writer();
    const uint64_t what = Any(20);
    if (what < 12) {
      std::vector<Op> ops;
      for (uint64_t i = 0; i <= Any(3); ++i) {
        const std::string key = "k" + std::to_string(Any(8));
        if (Any(4) == 0) {
          ops.push_back(DeleteRefOp{key});
        } else {
          ops.push_back(PutRefOp{key, BlobOf("b" + std::to_string(Any(10))), Any(100)});
        }
      }
      Write(by, ops);
    } else if (what < 16) {
      const base::PeerId peer = PeerNumber(2 + Any(4));
      const base::Incarnation incarnation = Fresh();
      // Now and then a change of authority, up to a generation that was known or not.
      if (Any(3) == 0) {
        const std::size_t whom = Writer();
        by_origin.resize(origins_.size());
        Write(by, {AdmitOp{origins_[whom].first, origins_[whom].second, Role::kNormal,
                           static_cast<Authority>(1 + Any(3)), Any(by_origin[whom].size() + 2)}});
        return;
      }
      const auto authority = Any(2) == 0 ? Authority::kAdmin : static_cast<Authority>(1 + Any(3));
      Write(by, {AdmitOp{.peer = peer,
                         .incarnation = incarnation,
                         .role = static_cast<Role>(1 + Any(3)),
                         .authority = authority,
                         .invites = Any(2) == 0,
                         .as_inviter = Any(3) == 0}});
      if (Any(4) != 0) origins_.push_back({peer, incarnation});
    } else if (what < 19) {
      const std::size_t whom = Writer();
      by_origin.resize(origins_.size());
      std::vector<Op> ops;
      for (std::size_t i = 0; i < origins_.size(); ++i) {
        if (origins_[i].first != origins_[whom].first || Any(5) == 0) continue;
        const uint64_t known = by_origin[i].size();
        ops.push_back(RemoveOp{origins_[i].first, origins_[i].second, known - Any(known + 1)});
      }
      if (!ops.empty()) Write(by, std::move(ops));
    } else if (Any(3) == 0) {
      by_origin.resize(origins_.size());
      const uint64_t at = 1 + Any(by_origin[by].size() + 1);
      if (by != 0) forks[origins_[by]] = at;
    } else {
      Write(by, {ProfileOp{"n" + std::to_string(Any(9)), {"h:1"}, static_cast<Role>(1 + Any(3))}});
    }
  }

  std::mt19937_64& random_;
  std::vector<OriginKey> origins_;
  int64_t clock_ = 0;
};

class Fold {
 public:
  Fold(std::mt19937_64& random, const History& history)
      : random_(random), history_(history), node_(PeerNumber(99), dir_.path(), clock_) {}

  void Run() {
    const absl::Status begun = Update([&](base::WriteTxn& txn, Effects& effects) {
      GroupWriter writer(core_, txn, effects, history_.group,
                         GroupRow{.genesis = history_.genesis});
      writer.Finish();
    });
    ASSERT_TRUE(begun.ok());
    std::vector<std::size_t> next(history_.by_origin.size(), 0);
    Forks unknown = history_.forks;
    for (bool left = true; left;) {
      left = false;
      std::vector<std::size_t> open;
      for (std::size_t i = 0; i < next.size(); ++i) {
        if (next[i] < history_.by_origin[i].size()) open.push_back(i);
      }
      left = !open.empty() || !unknown.empty();
      const absl::Status status = Update([&](base::WriteTxn& txn, Effects& effects) {
        auto writer = GroupWriter::Open(core_, txn, effects, history_.group);
        if (!unknown.empty() && (open.empty() || random_() % 20 == 0)) {
          const auto [numbering, generation] = *unknown.begin();
          // Of whom nothing counts yet nothing is learned: it is shown again.
          if (writer->LearnFork(numbering, generation, {}) || open.empty()) {
            unknown.erase(unknown.begin());
          }
        }
        for (uint64_t i = random_() % 6; i > 0 && !open.empty(); --i) {
          const std::size_t origin = open[random_() % open.size()];
          if (next[origin] == history_.by_origin[origin].size()) continue;
          Append(*writer, history_.by_origin[origin][next[origin]++]);
        }
        writer->Finish();
      });
      ASSERT_TRUE(status.ok()) << status;
      // Some work now and then; the rest is cut off and goes on later.
      if (random_() % 3 == 0) {
        ASSERT_TRUE(work_.Do(history_.group, 1).ok());
      }
    }
    const auto finished = work_.Finish(history_.group);
    ASSERT_TRUE(finished.ok()) << finished;
  }

  void Compare(const Model& model) {
    RefState refs;
    std::map<base::BlobId, uint32_t> keys;
    ASSERT_TRUE(node_.index
                    ->Read([&](base::ReadTxn& txn) {
                      VisitPrefix(txn, base::Table::kRefs, history_.group.bytes(),
                                  [&](std::string_view key, std::string_view payload) {
                                    const auto row = DecodeRefRow(payload);
                                    if (row->blob) {
                                      refs[std::string(key.substr(32))] = {*row->blob, row->stamp};
                                      ++keys[*row->blob];
                                    }
                                    return true;
                                  });
                      std::map<base::PeerId, Member> members;
                      for (const Member& member : LoadMembers(txn, history_.group)) {
                        members[member.peer] = member;
                      }
                      EXPECT_EQ(members, model.membership.members);
                      EXPECT_EQ(LoadCuts(txn, history_.group), model.membership.cuts);
                      EXPECT_EQ(LoadGroupRow(txn, history_.group)->refold, RefoldProgress());
                      for (int i = 0; i < 10; ++i) {
                        const base::BlobId blob = BlobOf("b" + std::to_string(i));
                        const auto signpost = signpost::LoadSignpost(txn, blob);
                        const auto it = keys.find(blob);
                        const uint32_t expected = it == keys.end() ? 0 : it->second;
                        const uint32_t found = signpost && signpost->groups.contains(history_.group)
                                                   ? signpost->groups.at(history_.group).keys
                                                   : 0;
                        EXPECT_EQ(found, expected) << "keys of blob " << i;
                      }
                    })
                    .ok());
    EXPECT_EQ(refs, model.refs);
    EXPECT_EQ(node_.CountsOf(history_.group).refs, model.refs.size());
  }

 private:
  template <class Body>
  absl::Status Update(Body body) {
    return core_.Update(base::Index::Lane::kBulk, [&](base::WriteTxn& txn, Effects& effects) {
      body(txn, effects);
      return absl::OkStatus();
    });
  }
  // As a page is applied: what is beyond a known fork is passed over.
  void Append(GroupWriter& writer, const PreparedEntry& entry) {
    const EntryPlace& place = entry.entry.place;
    const Known known =
        LoadKnowledge(writer.txn(), history_.group, {place.origin, place.incarnation}).known;
    if (known.forked != 0 && place.generation >= known.forked) return;
    writer.Append(entry, PeerNumber(50));
  }

  std::mt19937_64& random_;
  const History& history_;
  TempDir dir_;
  base::FakeClock clock_;
  TestNode node_;
  Core core_{.options = {.identity = TestIdentity(PeerNumber(99))},
             .index = *node_.index,
             .ledger = *node_.ledger,
             .blobs = *node_.blobs,
             .peers = *node_.peers,
             .clock = clock_,
             .events = node_.events};
  GroupWork work_{core_};
};

// How many references counted in all the histories of a seed.
uint64_t FoldInManyOrders(uint64_t seed) {
  std::mt19937_64 random(seed);
  uint64_t live = 0;
  for (int round = 0; round < 10; ++round) {
    const History history(random, 60);
    const Model model = FoldAll(history.founder, history.All(), history.forks);
    live += model.refs.size();
    for (int order = 0; order < 2; ++order) {
      SCOPED_TRACE("seed " + std::to_string(seed) + " round " + std::to_string(round));
      Fold fold(random, history);
      fold.Run();
      fold.Compare(model);
      if (testing::Test::HasFailure()) return live;
    }
  }
  return live;
}

TEST(FoldOrder, EveryOrderThatKeepsEachOriginsOwnGivesThePureFold) {
  // The histories are not all void: 28 in the median, 7 the fewest of 150 runs.
  EXPECT_GT(FoldInManyOrders(TestSeed()), 0u);
}

TEST(FoldOrder, AForkOfOneWhomNothingAdmitsAnyMoreIsLearned) {
  // Found by chance: an admin that was admitted, removed the founder, and had forked before.
  FoldInManyOrders(2447694894244435);
}

TEST(HybridClock, IsTheLaterOfNowAndOneMoreThanTheLatestSeen) {
  EXPECT_EQ(HybridNow(base::FromMs(10), base::FromMs(5)), base::FromMs(10));
  EXPECT_EQ(HybridNow(base::FromMs(10), base::FromMs(10)), base::FromMs(11));
  EXPECT_EQ(HybridNow(base::FromMs(10), base::FromMs(500)), base::FromMs(501));
}

}  // namespace
}  // namespace waypost::syncgroup
