#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "fetcher/policy/indexed_heap.h"
#include "fetcher/policy/outcome.h"
#include "fetcher/policy/ranking.h"
#include "fetcher/policy/retry_policy.h"
#include "fetcher/policy/slow_window.h"
#include "fetcher/report/completeness.h"
#include "fetcher/report/mode.h"
#include "tests/support/filled_ids.h"
#include "tests/support/rounds.h"

namespace waypost::fetcher {
namespace {

using base::Millis;
using base::PeerId;
using base::WallTime;
using support::Peer;

TEST(RetryDelay, LiesInTheUpperHalfOfTheDoubledBaseAndUnderTheMaximum) {
  const RetryPolicy policy{.base = Millis(1000), .max = Millis(3600 * 1000)};
  struct Case {
    const char* name;
    uint32_t failures;
    double unit;
    int64_t want_ms;
  };
  const Case cases[] = {
      {"no failure waits nothing", 0, 0.5, 0},
      {"first, least", 1, 0.0, 1000},
      {"first, middle", 1, 0.5, 1500},
      {"second, least", 2, 0.0, 2000},
      {"tenth, least", 10, 0.0, 512 * 1000},
      {"twelfth meets the maximum", 12, 0.99, 3600 * 1000},
      {"exponent stops at twenty", 40, 0.0, 3600 * 1000},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(RetryDelay(c.failures, policy, c.unit).count(), c.want_ms) << c.name;
  }
  const RetryPolicy wide{.base = Millis(1000), .max = Millis(int64_t{1} << 60)};
  EXPECT_EQ(RetryDelay(21, wide, 0.0), RetryDelay(20, wide, 0.0)) << "2^20 is the largest factor";
}

TEST(RetryDelay, IsSpreadEvenlyOverItsRange) {
  const RetryPolicy policy{.base = Millis(1000), .max = Millis(3600 * 1000)};
  base::SeededRandom random(7);
  std::array<int, 10> buckets{};
  for (int i = 0; i < 10000; ++i) {
    const int64_t ms = RetryDelay(3, policy, random.Unit()).count();
    ASSERT_GE(ms, 4000);
    ASSERT_LT(ms, 8000);
    ++buckets[static_cast<std::size_t>((ms - 4000) / 400)];
  }
  for (const int count : buckets) EXPECT_NEAR(count, 1000, 150);
}

template <class Heap>
void AgreesWithASortedMultiset() {
  const uint64_t seed = 20261120;
  SCOPED_TRACE(seed);
  base::SeededRandom random(seed);
  Heap heap;
  // value, sequence -> handle: the order in which the heap must give its elements.
  std::map<std::pair<int64_t, uint64_t>, uint32_t> model;
  std::vector<std::pair<int64_t, uint64_t>> keys;
  uint64_t sequence = 0;
  for (int i = 0; i < support::Rounds(1000000); ++i) {
    const uint64_t dice = random.Next() % 100;
    if (dice < 45 || model.empty()) {
      const auto value = static_cast<int64_t>(random.Next() % 5000);
      const std::pair<int64_t, uint64_t> key{value, sequence++};
      model[key] = heap.Push(value);
      keys.push_back(key);
    } else if (dice < 80) {
      const auto least = model.begin();
      ASSERT_EQ(heap.top(), least->first.first);
      ASSERT_EQ(heap.Pop(), least->first.first);
      model.erase(least);
    } else {
      const std::size_t at = random.Next() % keys.size();
      std::swap(keys[at], keys.back());
      const auto found = model.find(keys.back());
      keys.pop_back();
      if (found == model.end()) continue;
      ASSERT_EQ(heap.Remove(found->second), found->first.first);
      model.erase(found);
    }
    ASSERT_EQ(heap.size(), model.size());
  }
}

TEST(IndexedHeap, AgreesWithASortedMultisetOverAMillionOperations) {
  AgreesWithASortedMultiset<IndexedHeap<int64_t>>();
}

struct Tens {
  int64_t operator()(int64_t value) const { return value / 10; }
};
TEST(IndexedHeap, WithARankThatDecidesMostAgreesToo) {
  AgreesWithASortedMultiset<IndexedHeap<int64_t, std::less<>, Tens>>();
}

TEST(SlowWindow, JudgesEachMinuteByItselfAndExcusesWhatWasOurFault) {
  const base::SteadyTime start{};
  constexpr uint64_t kJustEnough = kSlowBytesPerS * 60;
  SlowWindow slow(start);
  EXPECT_FALSE(slow.Slow(0, start + Millis(59'999))) << "not a minute yet";
  EXPECT_TRUE(slow.Slow(kJustEnough - 1, start + Millis(60'000)));
  EXPECT_FALSE(slow.Slow(0, start + Millis(60'001))) << "once a window";
  EXPECT_FALSE(slow.Slow(kJustEnough, start + Millis(120'000)));
  // Half of the next minute was ours.
  EXPECT_FALSE(slow.Slow(1, start + Millis(180'000), Millis(30'000)));
  EXPECT_TRUE(slow.Slow(1, start + Millis(210'000)));
}

TEST(Rank, AsksUsableLocationsThenMembersThenTheDeniedAndCoolingOnesLast) {
  const WallTime t{Millis(1000000)};
  signpost::Locations locations;
  locations[Peer(1)] = {.when_seen = t};
  locations[Peer(2)] = {.when_seen = t - Millis(5), .is_server = true};
  locations[Peer(3)] = {.when_seen = t, .denied = t + Millis(1)};
  locations[Peer(4)] = {.when_seen = t + Millis(9)};
  const auto all = [](const PeerId&) { return true; };
  const auto none = [](const PeerId&) { return false; };
  EXPECT_EQ(Rank(locations, {Peer(5), Peer(2)}, {.may_ask = all, .cooling = none}),
            (std::vector{Peer(2), Peer(4), Peer(1), Peer(5), Peer(3)}));
  const auto not_four = [](const PeerId& peer) { return peer != Peer(4); };
  const auto two_cools = [](const PeerId& peer) { return peer == Peer(2); };
  EXPECT_EQ(Rank(locations, {Peer(5)}, {.may_ask = not_four, .cooling = two_cools}),
            (std::vector{Peer(1), Peer(5), Peer(3), Peer(2)}));
  EXPECT_EQ(Rank(locations, {Peer(5)}, {.prefer = Peer(5), .may_ask = all, .cooling = two_cools}),
            (std::vector{Peer(5), Peer(4), Peer(1), Peer(3), Peer(2)}))
      << "whose slot is held goes first";
  EXPECT_TRUE(
      Rank(locations, {Peer(5)}, {.prefer = Peer(5), .may_ask = none, .cooling = none}).empty());
}

TEST(Rank, WhoSendsBadlyComesAfterOtherHoldersAndBeforeMereMembers) {
  const WallTime t{Millis(1000000)};
  signpost::Locations locations;
  locations[Peer(1)] = {.when_seen = t};
  locations[Peer(2)] = {.when_seen = t - Millis(5), .is_server = true};
  locations[Peer(3)] = {.when_seen = t, .denied = t + Millis(1)};
  locations[Peer(4)] = {.when_seen = t + Millis(9)};
  const auto in = [](std::set<PeerId> those) {
    return [those](const PeerId& peer) { return those.contains(peer); };
  };
  RankView view{.may_ask = in({Peer(1), Peer(2), Peer(3), Peer(4), Peer(5)}),
                .cooling = in({}),
                .poor = in({Peer(2), Peer(4), Peer(3)})};
  const std::vector<PeerId> members{Peer(5)};
  EXPECT_EQ(Rank(locations, members, view),
            (std::vector{Peer(1), Peer(2), Peer(4), Peer(5), Peer(3)}));
  view.prefer = Peer(4);
  EXPECT_EQ(Rank(locations, members, view),
            (std::vector{Peer(1), Peer(4), Peer(2), Peer(5), Peer(3)}))
      << "its slot is no reason to ask it before others";
  view.usable_max = 1;
  EXPECT_EQ(Rank(locations, members, view), std::vector{Peer(1)});
  view.cooling = in({Peer(1)});
  EXPECT_EQ(Rank(locations, members, view), std::vector{Peer(4)}) << "the only ones are asked";
}

TEST(Rank, WhereItMattersWhoHasSentBlobsComesBeforeOtherHolders) {
  const WallTime t{Millis(1000000)};
  signpost::Locations locations;
  locations[Peer(1)] = {.when_seen = t, .is_server = true};
  locations[Peer(2)] = {.when_seen = t + Millis(9)};
  locations[Peer(3)] = {.when_seen = t};
  const auto in = [](std::set<PeerId> those) {
    return [those](const PeerId& peer) { return those.contains(peer); };
  };
  const RankView view{.prefer = Peer(2),
                      .may_ask = in({Peer(1), Peer(2), Peer(3), Peer(4)}),
                      .cooling = in({}),
                      .poor = in({Peer(1)}),
                      .proven = in({Peer(1), Peer(3), Peer(4)})};
  EXPECT_EQ(Rank(locations, {Peer(4)}, view), (std::vector{Peer(3), Peer(2), Peer(1), Peer(4)}));
}

TEST(Rank, EveryMemberOfALargeGroupIsAskedInTheEnd) {
  std::vector<PeerId> members;
  for (uint8_t n = 1; n <= 30; ++n) members.push_back(Peer(n));
  std::set<PeerId> asked;
  for (uint32_t failures = 0; failures < 4; ++failures) {
    const auto ranked = Rank({}, members,
                             {.may_ask = [](const PeerId&) { return true; },
                              .cooling = [](const PeerId&) { return false; },
                              .first_member = FirstMember(members.size(), failures)});
    ASSERT_EQ(ranked.size(), kAskedMax);
    asked.insert(ranked.begin(), ranked.end());
  }
  EXPECT_EQ(asked.size(), 30u);
  EXPECT_EQ(FirstMember(30, 0), 0u);
  EXPECT_EQ(FirstMember(kAskedMax, 3), 0u) << "few enough for one attempt stay in order";
}

TEST(Rank, LooksNoFurtherThanItMustHoweverManyTheMembersAre) {
  std::vector<PeerId> members;
  for (uint8_t n = 1; n <= 200; ++n) members.push_back(Peer(n));
  std::size_t looked = 0;
  RankView view{.may_ask = [](const PeerId&) { return true; },
                .cooling =
                    [&](const PeerId& peer) {
                      ++looked;
                      return peer == Peer(1);
                    },
                .usable_max = 1};
  EXPECT_EQ(Rank({}, members, view), std::vector{Peer(2)});
  EXPECT_EQ(looked, 2u);
  view.cooling = [](const PeerId&) { return true; };
  EXPECT_EQ(Rank({}, members, view).size(), 200u) << "nobody is usable, and all are told of";
}

TEST(Rank, AnotherPeerIsTheFirstUsableLocationThatDidNotSayNo) {
  const WallTime t{Millis(1000000)};
  signpost::Locations locations;
  locations[Peer(1)] = {.when_seen = t, .is_server = true};
  locations[Peer(2)] = {.when_seen = t};
  locations[Peer(3)] = {.when_seen = t, .denied = t};
  const auto but = [](std::set<PeerId> out) {
    return [out](const PeerId& peer) { return !out.contains(peer); };
  };
  EXPECT_EQ(AnotherPeer(locations, but({})), Peer(1));
  EXPECT_EQ(AnotherPeer(locations, but({Peer(1)})), Peer(2));
  EXPECT_EQ(AnotherPeer(locations, but({Peer(1), Peer(2)})), std::nullopt);
}

std::vector<PeerId> Denied(const Consequences& after) {
  std::vector<PeerId> denied;
  for (const auto& item : after.denied) denied.push_back(item.first);
  return denied;
}

class OutcomeTable : public testing::Test {
 protected:
  Consequences Judge(AttemptReport report) {
    return JudgeFailure(report, /*failures=*/2, policy_, now_, /*unit_random=*/0.0);
  }
  const RetryPolicy policy_{.base = Millis(1000), .max = Millis(3600 * 1000)};
  const WallTime now_{Millis(50000000)};
  const WallTime backed_off_ = now_ + Millis(4000);  // the third failure, least
};

TEST_F(OutcomeTable, CountsWhenEveryoneAskedSaidNo) {
  const Consequences v =
      Judge({.asked = {{Peer(1), Answer::kNotHere, ""}, {Peer(2), Answer::kNotHere, ""}}});
  EXPECT_TRUE(v.count_attempt);
  EXPECT_TRUE(v.count_failure);
  EXPECT_EQ(v.next_attempt, backed_off_);
  EXPECT_EQ(Denied(v), (std::vector{Peer(1), Peer(2)}));
  EXPECT_EQ(v.error.error, signpost::ErrorClass::kNotHere);
  EXPECT_FALSE(v.parked);
}

TEST_F(OutcomeTable, CountsNothingWhenNobodyCouldBeReached) {
  for (const Answer answer : {Answer::kUnreachable, Answer::kBusy}) {
    const Consequences v =
        Judge({.asked = {{Peer(1), answer, "gone"}}, .first_cool_down_end = now_ + Millis(9000)});
    EXPECT_FALSE(v.count_attempt);
    EXPECT_FALSE(v.count_failure);
    EXPECT_FALSE(v.next_attempt) << "the peer's cool-down parks it, nothing is rewritten";
    EXPECT_TRUE(v.parked);
    EXPECT_TRUE(v.denied.empty());
  }
}

TEST_F(OutcomeTable, CountsNothingWhenSomeSaidNoAndOthersCouldNotBeReached) {
  const Consequences v =
      Judge({.asked = {{Peer(1), Answer::kNotHere, ""}, {Peer(2), Answer::kUnreachable, ""}},
             .first_cool_down_end = now_ + Millis(9000)});
  EXPECT_FALSE(v.count_attempt);
  EXPECT_FALSE(v.count_failure);
  EXPECT_TRUE(v.parked);
  EXPECT_EQ(Denied(v), (std::vector{Peer(1)}));
}

TEST_F(OutcomeTable, ANoWhileAnotherLocationCoolsIsNotTheLastWord) {
  const Consequences v = Judge(
      {.asked = {{Peer(1), Answer::kNotHere, ""}}, .first_cool_down_end = now_ + Millis(9000)});
  EXPECT_FALSE(v.count_failure);
}

TEST_F(OutcomeTable, OverALimitCountsAFailureButNoAttemptAndPausesNothing) {
  const Consequences v = Judge({.local = LocalEnd::kOverLimit, .local_message = "limits.x"});
  EXPECT_TRUE(v.count_failure);
  EXPECT_FALSE(v.count_attempt);
  EXPECT_EQ(v.pause, PauseReason::kNone);
  EXPECT_FALSE(v.parked);
  ASSERT_TRUE(v.next_attempt);
  EXPECT_GT(*v.next_attempt, now_);
  EXPECT_EQ(v.error.error, signpost::ErrorClass::kNoSpace);
  EXPECT_EQ(v.error.message, "limits.x");
}

TEST_F(OutcomeTable, NobodyToAskCountsAFailureButNoAttempt) {
  const Consequences v = Judge({});
  EXPECT_FALSE(v.count_attempt);
  EXPECT_TRUE(v.count_failure);
  EXPECT_EQ(v.next_attempt, backed_off_);
  EXPECT_EQ(v.error.error, signpost::ErrorClass::kNobody);
}

TEST_F(OutcomeTable, WrongBytesCountAndDropTheLocation) {
  const Consequences v =
      Judge({.asked = {{Peer(1), Answer::kWrongBytes, "bad"}, {Peer(2), Answer::kUnreachable, ""}},
             .first_cool_down_end = now_ + Millis(3600000)});
  EXPECT_TRUE(v.count_attempt);
  EXPECT_TRUE(v.count_failure);
  EXPECT_EQ(v.dropped, (std::vector{Peer(1)}));
  EXPECT_EQ(v.error.error, signpost::ErrorClass::kWrongBytes);
  EXPECT_EQ(v.error.peer, Peer(1));
}

TEST_F(OutcomeTable, AMissWithoutAGreetingDropsAndDeniesNothingButWaits) {
  const Consequences v = Judge({.asked = {{Peer(1), Answer::kNotGreeted, ""}}});
  EXPECT_TRUE(v.denied.empty());
  EXPECT_TRUE(v.dropped.empty());
  EXPECT_FALSE(v.count_attempt);
  EXPECT_FALSE(v.parked);
  EXPECT_EQ(v.next_attempt, backed_off_) << "a peer that never greets must not be hammered";
}

TEST_F(OutcomeTable, WhoWillBeGreetedSoonIsAskedSoonWhateverTheBlobsPast) {
  const auto judge = [&](std::vector<Asked> asked) {
    return JudgeFailure({.asked = std::move(asked)}, /*failures=*/15, policy_, now_, 0.0);
  };
  EXPECT_EQ(judge({{Peer(1), Answer::kNotGreeted, ""}}).next_attempt, now_ + kGreetingWait);
  // A no that counts is one.
  EXPECT_GT(judge({{Peer(1), Answer::kNotGreeted, ""}, {Peer(2), Answer::kNotHere, ""}})
                .next_attempt.value(),
            now_ + kGreetingWait);
}

TEST_F(OutcomeTable, OurOwnDiskPausesTheFetcherAndCostsTheBlobNothing) {
  for (const auto& [local, reason] : {std::pair{LocalEnd::kNoSpace, PauseReason::kSpace},
                                      std::pair{LocalEnd::kDisk, PauseReason::kDisk}}) {
    const Consequences v = Judge({.local = local, .local_message = "full"});
    EXPECT_EQ(v.pause, reason);
    EXPECT_FALSE(v.count_attempt);
    EXPECT_FALSE(v.count_failure);
    EXPECT_FALSE(v.next_attempt);
  }
}

TEST_F(OutcomeTable, ABlobThatTheDiskWouldNotTakeWaitsByItself) {
  const Consequences v =
      Judge({.local = LocalEnd::kThisBlob, .local_message = "Input/output error"});
  EXPECT_EQ(v.pause, PauseReason::kNone);
  EXPECT_FALSE(v.count_attempt);
  EXPECT_TRUE(v.count_failure);
  ASSERT_TRUE(v.next_attempt);
  EXPECT_GT(*v.next_attempt, now_);
  EXPECT_EQ(v.error.error, signpost::ErrorClass::kDisk);
}

TEST_F(OutcomeTable, WhatIsCutShortCostsNothingButWhatWasHeardStands) {
  for (const LocalEnd local : {LocalEnd::kCancelled, LocalEnd::kYielded, LocalEnd::kNoSlot}) {
    const Consequences v =
        Judge({.asked = {{Peer(1), Answer::kNotHere, ""}}, .local = local, .no_slot_at = Peer(2)});
    EXPECT_FALSE(v.count_attempt);
    EXPECT_FALSE(v.count_failure);
    EXPECT_FALSE(v.next_attempt);
    EXPECT_FALSE(v.parked);
    EXPECT_EQ(v.pause, PauseReason::kNone);
    EXPECT_EQ(v.error.error, signpost::ErrorClass::kNone);
    EXPECT_EQ(Denied(v), std::vector{Peer(1)});
  }
}

TEST_F(OutcomeTable, WhereOnlyPoorPeersHaveNoSlotItTriesAgainSoon) {
  const Consequences v =
      Judge({.asked = {{Peer(1), Answer::kNotHere, ""}}, .local = LocalEnd::kNoSlot});
  EXPECT_EQ(v.next_attempt, now_ + kPoorSlotWait);
  EXPECT_FALSE(v.count_attempt);
  EXPECT_FALSE(v.count_failure);
}

TEST_F(OutcomeTable, EvidenceThatCameMeanwhileMakesItDueNow) {
  const Consequences counted =
      Judge({.asked = {{Peer(1), Answer::kNotHere, ""}}, .evidence_moved = true});
  EXPECT_EQ(counted.next_attempt, now_);
  const Consequences parked =
      Judge({.asked = {{Peer(1), Answer::kUnreachable, ""}}, .evidence_moved = true});
  EXPECT_EQ(parked.next_attempt, now_);
  EXPECT_FALSE(parked.parked);
}

TEST_F(OutcomeTable, ABlobOverTheSizeLimitBacksOffAlone) {
  const Consequences v = Judge({.asked = {{Peer(1), Answer::kTooLarge, "over store.max_blob"}}});
  EXPECT_TRUE(v.count_attempt);
  EXPECT_TRUE(v.count_failure);
  EXPECT_EQ(v.pause, PauseReason::kNone);
  EXPECT_EQ(v.next_attempt, backed_off_);
  EXPECT_EQ(v.error.message, "over store.max_blob");
}

TEST_F(OutcomeTable, ABlobThatDoesNotFitWaitsAloneAndCountsNothing) {
  const Consequences v = Judge(
      {.asked = {{Peer(1), Answer::kNoRoom, "does not fit"}, {Peer(2), Answer::kNotHere, ""}}});
  EXPECT_FALSE(v.count_attempt);
  EXPECT_FALSE(v.count_failure);
  EXPECT_EQ(v.pause, PauseReason::kNone);
  EXPECT_EQ(v.next_attempt, now_ + kNoRoomWait);
  EXPECT_EQ(v.error.error, signpost::ErrorClass::kNoSpace);
}

TEST_F(OutcomeTable, ParkedWithoutHavingAskedAnybodyIsNoNews) {
  const Consequences v = Judge({.first_cool_down_end = now_ + Millis(9000)});
  EXPECT_TRUE(v.parked);
  EXPECT_EQ(v.error.error, signpost::ErrorClass::kNone);
  EXPECT_FALSE(v.next_attempt);
}

// Every set of answers that two peers can give, against the rules as the design's table has them.
TEST_F(OutcomeTable, EveryPairOfAnswersCostsWhatTheTableSays) {
  const Answer answers[] = {Answer::kNotHere, Answer::kNotGreeted, Answer::kUnreachable,
                            Answer::kBusy,    Answer::kWrongBytes, Answer::kNoRoom,
                            Answer::kTooLarge};
  for (const Answer a : answers) {
    for (const Answer b : answers) {
      SCOPED_TRACE(std::to_string(static_cast<int>(a)) + " then " +
                   std::to_string(static_cast<int>(b)));
      const auto any = [&](Answer x) { return a == x || b == x; };
      const Consequences v = Judge({.asked = {{Peer(1), a, ""}, {Peer(2), b, ""}}});
      const bool silent = any(Answer::kUnreachable) || any(Answer::kBusy);
      const bool ours = any(Answer::kNoRoom) || any(Answer::kTooLarge);
      const bool wrong = any(Answer::kWrongBytes);
      if (wrong || any(Answer::kTooLarge)) {
        EXPECT_TRUE(v.count_attempt && v.count_failure);
        EXPECT_EQ(v.next_attempt, backed_off_);
      } else if (ours) {
        EXPECT_FALSE(v.count_attempt || v.count_failure);
        EXPECT_EQ(v.next_attempt, now_ + kNoRoomWait);
      } else if (silent) {
        EXPECT_FALSE(v.count_attempt || v.count_failure);
        EXPECT_FALSE(v.next_attempt);
      } else {
        EXPECT_EQ(v.count_attempt, any(Answer::kNotHere));
        EXPECT_EQ(v.next_attempt, backed_off_);
      }
      EXPECT_EQ(v.parked, silent && !wrong && !ours);
      std::vector<PeerId> denied;
      if (a == Answer::kNotHere) denied.push_back(Peer(1));
      if (b == Answer::kNotHere) denied.push_back(Peer(2));
      EXPECT_EQ(Denied(v), denied);
      EXPECT_EQ(v.dropped.size(),
                static_cast<std::size_t>((a == Answer::kWrongBytes) + (b == Answer::kWrongBytes)));
      EXPECT_EQ(v.pause, PauseReason::kNone);
    }
  }
}

TEST(JudgeComplete, WhoHeardTooFewSaysSo) {
  const auto start = base::SteadyTime() + base::Millis(1000);
  // Two servers and a third member; `heard` of them in this order, and only they can be reached.
  const auto judge = [&](const std::vector<bool>& heard, const std::string& rule) {
    CompletenessFacts facts{.server = true, .members_changed = start};
    for (std::size_t i = 0; i < heard.size(); ++i) {
      facts.members.push_back({.peer = Peer(static_cast<int>(i))});
      facts.members.back().last_round_ok = heard[i];
      if (heard[i]) facts.members.back().caught_up_since = start + base::Millis(1);
      facts.reachable.push_back(heard[i]);
      facts.servers.push_back(i < 2);
    }
    facts.others = heard.size();
    facts.other_servers = std::min<std::size_t>(heard.size(), 2);
    facts.last_scan = upkeep::ScanPass{.started_steady = start + base::Millis(2)};
    facts.rule = *ParseHeardRule(rule);
    return JudgeComplete(facts);
  };
  for (const char* rule : {"reachable", "servers", "all", "any", "1"}) {
    EXPECT_EQ(judge({false, false, false}, rule), Because::kNotHeard) << rule;
    EXPECT_EQ(judge({true, true, true}, rule), Because::kComplete) << rule;
  }
  for (const char* rule : {"reachable", "servers", "all"})
    EXPECT_EQ(judge({}, rule), Because::kComplete) << rule;
  EXPECT_EQ(judge({true, false, true}, "servers"), Because::kNotHeard);
  EXPECT_EQ(judge({true, true, false}, "servers"), Because::kComplete);
  EXPECT_EQ(judge({true, true, false}, "all"), Because::kNotHeard);
  EXPECT_EQ(judge({false, false, true}, "any"), Because::kComplete);
  EXPECT_EQ(judge({false, false, true}, "reachable"), Because::kComplete);
  EXPECT_EQ(judge({true, false, true}, "2"), Because::kComplete);
  EXPECT_EQ(judge({true, false, true}, "3"), Because::kNotHeard);
  for (const char* word : {"", "0", "-1", "some", "1x"}) EXPECT_FALSE(ParseHeardRule(word)) << word;
}

TEST(JudgeComplete, WhatAMemberSaidAndIsNotHereIsNoProof) {
  const auto start = base::SteadyTime() + base::Millis(1000);
  struct Case {
    const char* name;
    bool reachable, caught_up, held_back;
    const char* rule;
    Because because;
  };
  const Case cases[] = {
      {"nothing is left out", true, true, false, "reachable", Because::kComplete},
      {"the last round left something out", true, true, true, "reachable", Because::kHeldBack},
      {"so has each one until now", true, false, true, "reachable", Because::kHeldBack},
      {"so has the one that was heard", false, true, true, "any", Because::kHeldBack},
      {"and the one of all", false, true, true, "all", Because::kHeldBack},
      {"who never said all was not heard", false, false, true, "all", Because::kNotHeard},
  };
  for (const Case& c : cases) {
    CompletenessFacts facts{.server = true, .members_changed = start};
    facts.members = {{.peer = Peer(1)}};
    facts.members[0].last_round_ok = c.reachable;
    if (c.caught_up) facts.members[0].caught_up_since = start + base::Millis(1);
    facts.members[0].held_back = c.held_back;
    facts.reachable = {c.reachable};
    facts.servers = {true};
    facts.others = facts.other_servers = 1;
    facts.rule = *ParseHeardRule(c.rule);
    facts.last_scan = upkeep::ScanPass{.started_steady = start + base::Millis(2)};
    EXPECT_EQ(JudgeComplete(facts), c.because) << c.name;
  }
}

TEST(JudgeComplete, ItsWordsAreThoseOfTheApi) {
  const std::pair<Because, std::string> cases[] = {
      {Because::kComplete, "complete"},  {Because::kNotAServer, "not_a_server"},
      {Because::kHeldBack, "held_back"}, {Because::kNotSynced, "not_synced"},
      {Because::kNotHeard, "not_heard"}, {Because::kNotScanned, "not_scanned"},
      {Because::kPaused, "paused"},      {Because::kWanted, "wanted"},
      {Because::kNoGroups, "no_groups"}};
  for (const auto& [because, word] : cases) EXPECT_EQ(BecauseName(because), word);
}

TEST(JudgeComplete, APauseIsSaidWhereSomethingWaitsForItsEnd) {
  CompletenessFacts facts{.server = true, .paused = true, .scan_paused = true, .wanted = 1};
  EXPECT_EQ(JudgeComplete(facts), Because::kPaused) << "no scan, and none will be";
  facts.last_scan = upkeep::ScanPass{.started_steady = base::SteadyTime() + base::Millis(2)};
  EXPECT_EQ(JudgeComplete(facts), Because::kPaused);
  facts.paused = false;
  EXPECT_EQ(JudgeComplete(facts), Because::kWanted);
  facts.wanted = 0;
  EXPECT_EQ(JudgeComplete(facts), Because::kComplete);
  facts.away = true;
  EXPECT_EQ(JudgeComplete(facts), Because::kPaused) << "rows say what nobody can read";
}

TEST(Mode, NamesWhatStandsInTheWayOfEverything) {
  EXPECT_EQ(ModeOf("", {}), Mode::kNormal);
  EXPECT_EQ(ModeOf("", {.reason = PauseReason::kOperator}), Mode::kNormal);
  EXPECT_EQ(ModeOf("", {.reason = PauseReason::kSpace}), Mode::kNoSpace);
  EXPECT_EQ(ModeOf("", {.reason = PauseReason::kSpace}, "Read-only file system"), Mode::kReadOnly);
  std::vector<std::string> words;
  for (const Mode mode : kModes) words.push_back(ModeName(mode));
  EXPECT_EQ(words,
            (std::vector<std::string>{"normal", "paused: space", "read-only", "away: blobs"}));
  EXPECT_EQ(ModeOf("not mounted", {.reason = PauseReason::kSpace}), Mode::kAway);
}

TEST(HeardPeers, AreThoseHeardInEveryGroupTheyAreIn) {
  const auto at = [](int64_t ms) { return std::optional(base::FromMs(ms)); };
  HeardPeers peers;
  peers.Add(Peer(1), at(500));
  peers.Add(Peer(1), at(300));
  peers.Add(Peer(1), at(400));
  peers.Add(Peer(2), at(500));
  peers.Add(Peer(2), std::nullopt);
  peers.Add(Peer(3), std::nullopt);
  peers.Add(Peer(3), at(500));
  Completeness report;
  peers.Fill(report);
  ASSERT_EQ(report.heard.size(), 1u);
  EXPECT_EQ(report.heard[0].peer, Peer(1));
  EXPECT_EQ(report.heard[0].last_sync, base::FromMs(300));
  EXPECT_EQ(report.not_heard, (std::vector{Peer(2), Peer(3)}));
}

}  // namespace
}  // namespace waypost::fetcher
