#include "syncgroup/log/log_exchange.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "base/random.h"
#include "tests/syncgroup/log/log_rig.h"

namespace waypost::syncgroup {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class LogExchangeTest : public testing::Test {
 protected:
  // A peer, and how far it has asked each other.
  struct Peer {
    LogRig rig;
    std::map<const Peer*, LogCursor> cursors;
  };
  struct Pulled {
    std::size_t entries = 0, again = 0, rounds = 0, probes = 0;
  };

  // Everything that `from` tells, in rounds as two services would.
  Pulled Pull(Peer& to, const Peer& from, std::size_t rows_max = 1000,
              std::size_t bytes_max = 1 << 20) {
    Pulled pulled;
    for (bool more = true; more;) {
      HeadsSince since;
      from.rig.Read(
          [&](const LogReader& log) { since = HeadsTakenSince(log, to.cursors[&from], rows_max); });
      TakeHeads(to, from, since.heads, bytes_max, pulled);
      to.cursors[&from] = since.cursor;
      more = since.more;
    }
    return pulled;
  }
  void TakeHeads(Peer& to, const Peer& from, std::vector<LogHead> heads, std::size_t bytes_max,
                 Pulled& pulled) {
    std::set<LogHead> exact;  // to be searched for
    while (true) {
      Lacks lacks;
      to.rig.Read([&](const LogReader& log) {
        lacks = LacksOf(log, heads);
        for (const LogWant& want : std::exchange(lacks.wants, {})) {
          if (exact.contains(want.head)) {
            lacks.searches.push_back(SearchFor(log, want.head));
          } else {
            lacks.wants.push_back(want);
          }
        }
      });
      for (BranchSearch& search : lacks.searches) {
        Search(to, from, search, pulled);
        lacks.wants.push_back(WantAfter(search));
      }
      if (lacks.wants.empty()) return;
      ++pulled.rounds;
      ASSERT_LT(pulled.rounds, 1000u);
      const std::size_t before = pulled.entries;
      ServedEntries served;
      from.rig.Read(
          [&](const LogReader& log) { served = ServeWants(log, lacks.wants, bytes_max); });
      EXPECT_THAT(served.gone, IsEmpty());
      TakePage(to, served.entries, pulled);
      exact.insert(served.parted.begin(), served.parted.end());
      if (pulled.entries > before) continue;
      for (const LogWant& want : lacks.wants) exact.insert(want.head);
      EXPECT_FALSE(lacks.wants.size() == lacks.searches.size() && served.parted.empty())
          << "nothing is new behind an exact branch point";
    }
  }
  void TakePage(Peer& to, const std::vector<SealedEntry>& entries, Pulled& pulled) {
    to.rig.Write([&](LogWriter& log) {
      for (const SealedEntry& sealed : entries) {
        const auto opened = OpenLogEntry(LogGroup(), sealed);
        EXPECT_TRUE(opened.ok()) << opened.status();
        const auto kind = LogRig::TakeInto(log, *opened).kind;
        EXPECT_NE(kind, LogWriter::Appended::Kind::kMissing) << "in an order in which all follows";
        kind == LogWriter::Appended::Kind::kNew ? ++pulled.entries : ++pulled.again;
      }
    });
  }
  void Search(const Peer& to, const Peer& from, BranchSearch& search, Pulled& pulled) {
    while (!search.done()) {
      std::vector<LogHead> answer;
      from.rig.Read(
          [&](const LogReader& log) { answer = ServeProbe(log, search.head(), search.Next()); });
      ++pulled.probes;
      bool learned = false;
      to.rig.Read([&](const LogReader& log) {
        learned = search.Learn(answer, [&](const LogHead& at) { return log.Find(at).has_value(); });
      });
      ASSERT_TRUE(learned);
    }
  }
  static std::vector<OpenedEntry> Chain(OpenedEntry first, std::size_t length) {
    std::vector<OpenedEntry> chain = {std::move(first)};
    while (chain.size() < length) {
      chain.push_back(
          After(Author(0), chain.back(), chain.back().entry.time.time_since_epoch().count() + 1));
    }
    return chain;
  }
};

TEST_F(LogExchangeTest, WhatIsNewIsAskedForAndNothingElse) {
  Peer a, b;
  const auto chain = Chain(First(Author(0), Holds::kReferences, 1), 30);
  a.rig.TakeAll({chain.begin(), chain.begin() + 20});
  EXPECT_EQ(Pull(b, a).entries, 20u);
  a.rig.TakeAll({chain.begin() + 20, chain.end()});
  const Pulled second = Pull(b, a);
  EXPECT_EQ(second.entries, 10u);
  EXPECT_EQ(second.again, 0u);
  EXPECT_EQ(second.probes, 0u);
  EXPECT_EQ(DigestOf(a.rig.Heads()), DigestOf(b.rig.Heads()));
  EXPECT_EQ(Pull(b, a).entries, 0u);
  // A log that is another one: from its beginning, and of that nothing which is here.
  Peer c;
  c.rig.TakeAll(chain);
  b.cursors[&c] = b.cursors[&a];
  EXPECT_EQ(Pull(b, c).again, 0u);
}

TEST_F(LogExchangeTest, TwoThatPartAreFoundAndBothWaysCome) {
  Peer a, b;
  const auto shared = Chain(First(Author(0), Holds::kReferences, 1), 700);
  a.rig.TakeAll(shared);
  b.rig.TakeAll(shared);
  std::vector<OpenedEntry> left = {After(Author(0), shared[499], 5000)};
  std::vector<OpenedEntry> right = {After(Author(0), shared[499], 6000)};
  for (int i = 0; i < 300; ++i) {
    left.push_back(After(Author(0), left.back(), 5001 + i));
    right.push_back(After(Author(0), right.back(), 6001 + i));
  }
  a.rig.TakeAll(left);
  b.rig.TakeAll(right);
  const Pulled at_b = Pull(b, a), at_a = Pull(a, b);
  EXPECT_EQ(at_b.entries, left.size());
  EXPECT_EQ(at_a.entries, right.size());
  EXPECT_EQ(at_b.again + at_a.again, 0u);
  EXPECT_GT(at_b.probes, 0u);
  EXPECT_LE(at_b.probes, 4u) << "of 1,000 entries";
  EXPECT_EQ(a.rig.Heads().size(), 3u);
  EXPECT_EQ(DigestOf(a.rig.Heads()), DigestOf(b.rig.Heads()));
}

TEST_F(LogExchangeTest, WhatIsNotKeptIsNeitherToldNorServed) {
  Peer a, b;
  const auto chain = Chain(First(Author(0), Holds::kReferences, 1), 10);
  a.rig.Write([&](LogWriter& log) {
    for (const OpenedEntry& entry : chain) log.Append(entry);
    log.Keep(1, 4);
  });
  EXPECT_EQ(Pull(b, a).entries, 4u);
  ServedEntries served;
  a.rig.Read([&](const LogReader& log) {
    served = ServeWants(log, {{.head = HeadOf(chain[6]), .after = {}}}, 1 << 20);
    EXPECT_THAT(ServeProbe(log, HeadOf(chain[6]), {1, 2}), IsEmpty());
  });
  EXPECT_THAT(served.gone, ElementsAre(HeadOf(chain[6])));
  EXPECT_THAT(served.entries, IsEmpty());
  // What stands before a branch that is kept is told with it, though its own branch keeps less.
  const OpenedEntry other = After(Author(0), chain[6], 500);
  a.rig.Take(other);
  EXPECT_EQ(Pull(b, a).entries, 4u);
  EXPECT_TRUE(b.rig.Has(other));
  EXPECT_FALSE(b.rig.Has(chain[7]));
}

TEST_F(LogExchangeTest, APageHasSoManyBytesAndAlwaysOneEntry) {
  Peer a, b;
  const auto chain = Chain(First(Author(0), Holds::kReferences, 1), 20);
  a.rig.TakeAll(chain);
  const Pulled pulled = Pull(b, a, 1000, 1);
  EXPECT_EQ(pulled.entries, 20u);
  EXPECT_GE(pulled.rounds, 20u);
  EXPECT_EQ(pulled.again, 0u);
}

// Any histories, told in any order over any pages: in the end all have the same.
TEST_F(LogExchangeTest, AllHaveTheSameInTheEnd) {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    base::SeededRandom random(seed);
    const auto below = [&](std::size_t n) {
      return static_cast<std::size_t>(random.Unit() * static_cast<double>(n)) % n;
    };
    Peer peers[3];
    std::vector<OpenedEntry> all;
    int64_t now = 1;
    for (int step = 0; step < 100; ++step, ++now) {
      const base::Identity& author = Author(static_cast<uint8_t>(below(3)));
      const std::size_t kind = below(20);
      OpenedEntry entry = First(author, kind == 0 ? Holds::kActs : Holds::kReferences, now);
      if (!all.empty() && kind > 1) {
        // Mostly on the newest of some author, sometimes on any.
        const std::size_t back = kind < 5 ? all.size() : std::min<std::size_t>(all.size(), 4);
        const OpenedEntry& before = all[all.size() - 1 - below(back)];
        const auto of = std::find_if(all.begin(), all.end(), [&](const OpenedEntry& each) {
          return each.hash == before.hash;
        });
        for (uint8_t i = 0; i < 3; ++i) {
          if (Author(i).peer_id() == of->entry.place.origin) entry = After(Author(i), *of, now);
        }
      }
      all.push_back(entry);
      // To somebody who has what it follows on.
      const std::size_t first = below(3);
      for (std::size_t i = 0; i < 3; ++i) {
        LogRig& rig = peers[(first + i) % 3].rig;
        if (rig.Take(entry).kind != LogWriter::Appended::Kind::kMissing) break;
      }
      if (below(4) == 0) Pull(peers[below(3)], peers[below(3)], 1 + below(40), 200 + below(4000));
    }
    for (int i = 0; i < 6; ++i) Pull(peers[i % 3], peers[(i + 1) % 3], 7, 900);
    for (int i = 0; i < 6; ++i) Pull(peers[(i + 1) % 3], peers[i % 3]);
    const auto heads = peers[0].rig.Heads();
    EXPECT_EQ(peers[1].rig.Heads(), heads) << seed;
    EXPECT_EQ(peers[2].rig.Heads(), heads) << seed;
    for (const OpenedEntry& entry : all) EXPECT_TRUE(peers[0].rig.Has(entry)) << seed;
  }
}

}  // namespace
}  // namespace waypost::syncgroup
