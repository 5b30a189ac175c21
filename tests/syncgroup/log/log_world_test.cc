#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/random.h"
#include "syncgroup/log/log_exchange.h"
#include "syncgroup/log/log_intake.h"
#include "syncgroup/log/log_round.h"
#include "syncgroup/log/log_trust.h"
#include "tests/syncgroup/log/log_rig.h"

// Several peers, each with its log and the tree over it, that write, split, remove each other and
// pull from each other in any order: in the end all say the same.
namespace waypost::syncgroup {
namespace {

class WorldPeer {
 public:
  WorldPeer() { Reload(); }

  void Reload() {
    rig_.Read([&](const LogReader& log) {
      auto loaded = LogTrust::Load(
          log, {.founder = Author(0).peer_id(), .when = base::FromMs(1), .role = Role::kServer},
          {});
      CHECK(loaded.ok());
      trust_ = *std::move(loaded);
    });
  }
  // Entries in their order; how many were taken. What lacks something is told to the round.
  std::size_t Take(const std::vector<OpenedEntry>& entries, LogRound* round = nullptr,
                   bool more = false) {
    std::size_t taken = 0;
    rig_.Write([&](LogWriter& log) {
      LogIntake intake({.log = log, .trust = *trust_, .latest_allowed = base::FromMs(1 << 30)});
      const auto needed =
          round != nullptr ? round->Needed(entries, more) : std::set<base::EntryHash>();
      for (const OpenedEntry& entry : entries) {
        const auto outcome = intake.Take(entry, needed.contains(entry.hash));
        EXPECT_NE(outcome, LogIntake::Outcome::kRefused) << intake.why();
        if (outcome == LogIntake::Outcome::kTaken) ++taken;
        if (outcome == LogIntake::Outcome::kLacks && round != nullptr) round->Need(intake.lacked());
      }
      if (!trust_->TakeTouched().empty()) KeepWhatCounts(log, *trust_);
    });
    return taken;
  }
  std::size_t Pull(const WorldPeer& from, std::size_t bytes, std::size_t rows) {
    LogRound round(cursors_[&from]);
    std::size_t answers = 0, all = 0;
    while (++answers < 500) {
      std::optional<LogAsk> ask;
      rig_.Read([&](const LogReader& log) { ask = round.Next(log); });
      if (!ask) break;
      LogAnswer answer;
      from.rig_.Read([&](const LogReader& log) { answer = AnswerLog(log, *ask, {bytes, rows}); });
      std::vector<OpenedEntry> entries;
      for (const SealedEntry& sealed : answer.entries) {
        entries.push_back(*OpenLogEntry(LogGroup(), sealed));
      }
      const std::size_t taken = Take(entries, &round, answer.more);
      rig_.Read([&](const LogReader& log) { round.Learn(log, answer, taken); });
      all += taken;
    }
    EXPECT_LT(answers, 500u) << "a round ends";
    if (round.given_up().empty()) cursors_[&from] = round.cursor();
    return all;
  }
  // Who is a member as what, and what is kept.
  std::string State() const {
    std::string text;
    for (const TrustMember& member : trust_->tree().Members()) {
      absl::StrAppend(&text, member.peer.ToHex().substr(0, 4), AuthorityName(member.authority),
                      member.invites, FormatActId(member.basis).substr(0, 4), " ");
    }
    rig_.Read([&](const LogReader& log) {
      for (const LogHead& head : log.ToldHeads()) {
        absl::StrAppend(&text, "\n", head.numbering.ToHex().substr(0, 4), ":", head.generation, ":",
                        head.hash.ToHex().substr(0, 4));
      }
    });
    return text;
  }
  LogTrust& trust() { return *trust_; }
  LogRig& rig() { return rig_; }

 private:
  LogRig rig_;
  std::unique_ptr<LogTrust> trust_;
  std::map<const WorldPeer*, LogCursor> cursors_;
};

class LogWorldTest : public testing::Test {
 protected:
  static constexpr uint8_t kPeers = 4;

  explicit LogWorldTest() = default;
  std::size_t Below(std::size_t n) {
    return static_cast<std::size_t>(random_->Unit() * static_cast<double>(n)) % n;
  }

  // What a peer writes next in its numbering of this kind, by what it knows; from an older place
  // when it was restored. nullopt: it is no member as far as it knows.
  std::optional<OpenedEntry> WriteNext(uint8_t by, Holds holds, std::vector<LogOp> ops) {
    WorldPeer& peer = peers_[by];
    auto& own = own_[{by, holds}];
    std::optional<BranchPlace> last;
    const bool restored = !own.empty() && Below(12) == 0;
    if (restored) own.resize(1 + Below(own.size()));
    if (!own.empty()) {
      peer.rig().Read([&](const LogReader& log) {
        const auto place = log.Find(HeadOf(own.back()));
        if (place) last = peer.trust().PlaceOf(*place);
      });
    }
    const auto writing = peer.trust().tree().WritingOf(Author(by).peer_id(), last);
    if (!writing) return std::nullopt;
    const bool begins = !last || (writing->begins && !restored);
    if (begins) own.clear();
    LogEntry entry = begins ? First(Author(by), holds, ++now_, std::move(ops)).entry
                            : After(Author(by), own.back(), ++now_, std::move(ops)).entry;
    if (begins) entry.basis = writing->basis;
    OpenedEntry sealed = Seal(Author(by), entry);
    if (peer.Take({sealed}) != 1) return std::nullopt;
    own.push_back(sealed);
    return sealed;
  }
  void Act(uint8_t by) {
    const auto about = static_cast<uint8_t>(Below(6));
    WorldPeer& peer = peers_[by];
    const base::PeerId& whom = Author(about).peer_id();
    std::vector<LogHead> pins;
    peer.rig().Read([&](const LogReader& log) { pins = peer.trust().PinsFor(log, whom); });
    // Now and then less than counts: what a thief wrote is cut.
    if (!pins.empty() && Below(3) == 0) pins.pop_back();
    const auto names = peer.trust().tree().NewestAbout(whom);
    switch (Below(6)) {
      case 0:
        WriteNext(by, Holds::kActs, {RemoveAct{.peer = whom, .names = names, .pins = pins}});
        return;
      case 1:
        WriteNext(by, Holds::kActs, {SettingsOp{.name = absl::StrCat("g", now_)}});
        return;
      case 2:
        peer.rig().Read(
            [&](const LogReader& log) { pins = peer.trust().PinsFor(log, Author(by).peer_id()); });
        WriteNext(by, Holds::kActs, {LeaveAct{.pins = pins}});
        return;
      default: {
        const auto authority = static_cast<Authority>(1 + Below(3));
        WriteNext(by, Holds::kActs,
                  {AdmitAct{.peer = whom,
                            .authority = authority,
                            .invites = Below(2) == 0,
                            .names = names,
                            .pins = pins}});
      }
    }
  }
  void Run(uint64_t seed) {
    random_ = std::make_unique<base::SeededRandom>(seed);
    peers_ = std::vector<WorldPeer>(kPeers);
    own_.clear();
    now_ = 1;
    for (uint8_t i = 1; i < kPeers; ++i) {
      WriteNext(0, Holds::kActs,
                {AdmitAct{.peer = Author(i).peer_id(),
                          .authority = i == 1 ? Authority::kAdmin : Authority::kWriter,
                          .invites = true}});
    }
    for (int step = 0; step < 90; ++step) {
      const auto by = static_cast<uint8_t>(Below(kPeers));
      if (Below(4) == 0) {
        Act(by);
      } else {
        WriteNext(by, Holds::kReferences,
                  {PutRefOp{absl::StrCat("k", Below(9)),
                            *base::BlobId::FromBytes(std::string(32, 'b')), 1}});
      }
      if (Below(3) != 0) continue;
      const std::size_t to = Below(kPeers), from = Below(kPeers);
      if (to != from) peers_[to].Pull(peers_[from], 300 + Below(3000), 1 + Below(40));
    }
    std::size_t rounds = 0;
    for (std::size_t taken = 1; taken > 0 && rounds < 20; ++rounds) {
      taken = 0;
      for (std::size_t to = 0; to < kPeers; ++to) {
        for (std::size_t from = 0; from < kPeers; ++from) {
          if (to != from) taken += peers_[to].Pull(peers_[from], 1 << 20, 1000);
        }
      }
    }
    EXPECT_LT(rounds, 20u) << seed;
    for (std::size_t i = 1; i < kPeers; ++i) {
      ASSERT_EQ(peers_[i].State(), peers_[0].State()) << "seed " << seed << ", peer " << i;
    }
    const std::string before = peers_[0].State();
    peers_[0].Reload();
    EXPECT_EQ(peers_[0].State(), before) << seed;
  }

  std::unique_ptr<base::SeededRandom> random_;
  std::vector<WorldPeer> peers_;
  std::map<std::pair<uint8_t, Holds>, std::vector<OpenedEntry>> own_;
  int64_t now_ = 1;
};

TEST_F(LogWorldTest, AllSayTheSameInTheEnd) {
  const char* const seeds = std::getenv("WAYPOST_LOG_WORLD_SEEDS");
  const uint64_t count = seeds != nullptr ? std::stoull(seeds) : 6;
  for (uint64_t seed = 1; seed <= count && !HasFatalFailure(); ++seed) Run(seed);
}

}  // namespace
}  // namespace waypost::syncgroup
