#include "signpost/health.h"

#include <gtest/gtest.h>

#include "tests/signpost/samples.h"

namespace waypost::signpost {
namespace {

using base::FromMs;
using base::Millis;
using base::WallTime;

const WallTime kNow = FromMs(1'750'000'000'000);
WallTime In(int64_t seconds) { return kNow + Millis(seconds * 1000); }
const LastError kError = {.error = ErrorClass::kUnreachable, .at = kNow, .message = "refused"};

// ---- cool-down ----

struct CoolDownCase {
  const char* name;
  uint32_t failures;
  std::optional<Millis> retry_after;
  double unit;
  int64_t expected_ms;
};

class CoolDownTable : public testing::TestWithParam<CoolDownCase> {};

TEST_P(CoolDownTable, IsAsTheFormulaSays) {
  const CoolDownCase& c = GetParam();
  EXPECT_EQ(CoolDown(c.failures, c.retry_after, c.unit), Millis(c.expected_ms));
}

INSTANTIATE_TEST_SUITE_P(
    Table, CoolDownTable,
    testing::Values(CoolDownCase{"FirstLowest", 1, {}, 0.0, 1000},
                    CoolDownCase{"FirstMiddle", 1, {}, 0.5, 5500},
                    CoolDownCase{"FirstHighest", 1, {}, 0.9999999, 9999},
                    CoolDownCase{"SecondDoubles", 2, {}, 0.0, 2000},
                    CoolDownCase{"NinthIsDoubledEightTimes", 9, {}, 0.5, 5500 * 256},
                    CoolDownCase{"TenthIsNoLonger", 10, {}, 0.5, 5500 * 256},
                    CoolDownCase{"VeryManyAreNoLonger", UINT32_MAX, {}, 0.5, 5500 * 256},
                    CoolDownCase{"NoneCountsAsOne", 0, {}, 0.0, 1000},
                    CoolDownCase{"LongerRetryAfterWins", 1, Millis(60'000), 0.5, 60'000},
                    CoolDownCase{"ShorterRetryAfterDoesNot", 1, Millis(2000), 0.5, 5500},
                    CoolDownCase{"RetryAfterUpToFiveMinutes", 1, Millis(99'000'000), 0.5, 300'000},
                    CoolDownCase{"RetryAfterShortensNothing", 9, Millis(99'000'000), 0.5,
                                 5500 * 256},
                    CoolDownCase{"NegativeRetryAfterIsNone", 1, Millis(-5), 0.0, 1000}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST(CoolDown, IsUniformBetweenItsBounds) {
  Samples samples;
  SCOPED_TRACE(samples.seed());
  constexpr int kDraws = 20000;
  for (const uint32_t failures : {1u, 4u, 9u}) {
    const double scale = static_cast<double>(1u << (failures - 1));
    double sum = 0;
    int low_third = 0;
    for (int i = 0; i < kDraws; ++i) {
      const double unit = static_cast<double>(samples.Below(1u << 30)) / (1u << 30);
      const double ms = static_cast<double>(CoolDown(failures, {}, unit).count()) / scale;
      ASSERT_GE(ms, 999.0);
      ASSERT_LT(ms, 10'000.0);
      sum += ms;
      if (ms < 4000) ++low_third;
    }
    // Ten standard deviations of the mean are 184; of the third, 667 draws.
    EXPECT_NEAR(sum / kDraws, 5500, 184);
    EXPECT_NEAR(low_third, kDraws / 3, 667);
  }
  EXPECT_LT(CoolDown(9, {}, 0.9999999), kCoolDownMax);
}

// ---- success ----

TEST(AfterSuccess, OfAHealthyPeerOnlyNotesTheTime) {
  const PeerHealth after = AfterSuccess({}, kNow);
  EXPECT_EQ(after, (PeerHealth{.last_success = kNow}));
}

TEST(AfterSuccess, EndsACoolDownAsAReturn) {
  const PeerHealth after = AfterSuccess(
      {.consecutive_failures = 3, .cool_down_end = In(5), .last_error = kError, .returns = 7},
      kNow);
  EXPECT_EQ(after, (PeerHealth{.last_success = kNow, .last_error = kError, .returns = 8}));
}

TEST(AfterSuccess, IsAReturnAlsoWhenTheCoolDownHasRunOut) {
  const PeerHealth after =
      AfterSuccess({.consecutive_failures = 1, .cool_down_end = In(-5), .returns = 0}, kNow);
  EXPECT_EQ(after, (PeerHealth{.last_success = kNow, .returns = 1}));
}

TEST(AfterSuccess, DoesNotEndTheHourForWrongBytes) {
  PeerHealth suspect;
  for (uint8_t i = 1; i <= 3; ++i) suspect = AfterWrongBytes(suspect, kNow, Blob(i), kError);
  const PeerHealth during = AfterSuccess(suspect, In(3599));
  EXPECT_TRUE(during.Cooling(In(3599)));
  EXPECT_TRUE(during.suspect);
  EXPECT_EQ(during.returns, 0u);
  EXPECT_EQ(during.last_success, In(3599));
  const PeerHealth after = AfterSuccess(during, In(3600));
  EXPECT_FALSE(after.suspect);
  EXPECT_EQ(after.consecutive_failures, 0u);
  EXPECT_EQ(after.returns, 1u);
}

// ---- failure ----

TEST(AfterFailure, BeginsACoolDownThatGrows) {
  PeerHealth health = AfterFailure({}, kNow, 0, kError, {}, 0.5);
  EXPECT_EQ(health.consecutive_failures, 1u);
  EXPECT_EQ(health.cool_down_end, kNow + Millis(5500));
  EXPECT_EQ(health.last_error, kError);
  EXPECT_TRUE(health.Cooling(kNow));
  EXPECT_FALSE(health.Cooling(kNow + Millis(5500)));
  health = AfterFailure(health, In(10), 0, kError, {}, 0.5);
  EXPECT_EQ(health.consecutive_failures, 2u);
  EXPECT_EQ(health.cool_down_end, In(10) + Millis(11'000));
}

TEST(AfterFailure, RequestsThatFailTogetherAreOneFailure) {
  const PeerHealth first = AfterFailure({}, kNow, 0, kError, {}, 0.5);
  const LastError later = {.error = ErrorClass::kBusy, .at = In(1), .message = "503"};
  const PeerHealth second = AfterFailure(first, In(1), 0, later, {}, 0.9);
  EXPECT_EQ(second.consecutive_failures, 1u);
  EXPECT_EQ(second.cool_down_end, first.cool_down_end);
  EXPECT_EQ(second.last_error, later);
}

TEST(AfterFailure, ARetryAfterProlongsTheCoolDownThatLasts) {
  const PeerHealth first = AfterFailure({}, kNow, 0, kError, {}, 0.5);
  EXPECT_EQ(AfterFailure(first, In(1), 0, kError, Millis(2000), 0.5).cool_down_end,
            first.cool_down_end);
  const PeerHealth longer = AfterFailure(first, In(1), 0, kError, Millis(3'600'000), 0.5);
  EXPECT_EQ(longer.cool_down_end, In(1 + 300));
  EXPECT_EQ(longer.consecutive_failures, 1u);
}

TEST(AfterFailure, OfARequestFromBeforeTheReturnBeginsNothing) {
  const PeerHealth back = AfterSuccess({.consecutive_failures = 1, .cool_down_end = In(-1)}, kNow);
  ASSERT_EQ(back.returns, 1u);
  const PeerHealth stale = AfterFailure(back, In(1), 0, kError, {}, 0.5);
  EXPECT_FALSE(stale.Cooling(In(1)));
  EXPECT_EQ(stale.consecutive_failures, 0u);
  EXPECT_EQ(stale.last_error, kError);
  const PeerHealth fresh = AfterFailure(back, In(1), 1, kError, {}, 0.5);
  EXPECT_TRUE(fresh.Cooling(In(1)));
}

// ---- blobs ----

// What happens to a peer, a letter each, a minute apart: it fails to send blobs, a call to it
// fails, it answers a call, it sends a blob, what it sends is too slow; and what it is after that.
struct BlobCase {
  const char* name;
  const char* events;
  uint32_t debt;
  bool withholds, poor, first_alone;  // not returned since it cooled
};

class BlobTable : public testing::TestWithParam<BlobCase> {};

TEST_P(BlobTable, CallsThatAreAnsweredEndNothingThatABlobDid) {
  const BlobCase& c = GetParam();
  PeerHealth health;
  WallTime now = kNow;
  for (const char event : std::string(c.events)) {
    now = std::max(now + Millis(60'000), health.cool_down_end);
    if (event == 'f') health = AfterBlobFailure(health, now, health.returns, kError, {}, 0.5);
    if (event == 'c') health = AfterFailure(health, now, health.returns, kError, {}, 0.5);
    if (event == 'a') health = AfterSuccess(health, now);
    if (event == 'b') health = AfterBlob(health, now);
    if (event == 's') health = AfterSlow(health, now);
  }
  EXPECT_EQ(health.blob_debt, c.debt);
  EXPECT_EQ(health.Withholds(), c.withholds);
  EXPECT_EQ(health.Poor(now), c.poor);
  EXPECT_EQ(health.cool_down_end != base::kNever, c.first_alone);
}

INSTANTIATE_TEST_SUITE_P(
    Table, BlobTable,
    testing::Values(BlobCase{"AwayOnce", "f", 2, false, false, true},
                    BlobCase{"AwayForLong", "ffff", 2, false, false, true},
                    BlobCase{"BackFromAway", "ffa", 2, false, false, false},
                    BlobCase{"BackAndSends", "ffabb", 0, false, false, false},
                    BlobCase{"AnswersAndSendsNothing", "faf", 4, true, true, true},
                    BlobCase{"AnswersAreNoBlobs", "fafaaa", 4, true, true, true},
                    BlobCase{"AgainAndAgain", "fafafafa", 8, true, true, true},
                    BlobCase{"ABlobIsNotEnough", "fafafab", 5, true, true, true},
                    BlobCase{"SomeAre", "fafafabbb", 3, false, false, false},
                    BlobCase{"ABlobNowAndThen", "fbfbfbf", 5, true, true, true},
                    BlobCase{"MoreBlobsThanFailures", "fbbfbbfbbfbb", 0, false, false, false},
                    BlobCase{"NoMoreThanTheMost", "fafafafafafafafafafafafa", 18, true, true, true},
                    BlobCase{"CallsThatFail", "ccacca", 0, false, false, false},
                    BlobCase{"Slow", "s", 0, false, true, false},
                    BlobCase{"SlowIsRemembered", "sabab", 0, false, true, false},
                    BlobCase{"AndForgotten", "saaaaaaaaaa", 0, false, false, false}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST(AfterBlobFailure, CoolsLongerEachTimeAlthoughCallsAreAnswered) {
  PeerHealth health;
  WallTime now = kNow;
  for (const int64_t cools_ms : {5500, 11'000, 22'000, 44'000, 88'000}) {
    health = AfterSuccess(health, now);
    health = AfterBlobFailure(health, now, health.returns, kError, {}, 0.5);
    EXPECT_EQ(health.cool_down_end, now + Millis(cools_ms));
    now = health.cool_down_end;
    if (health.Withholds()) {
      EXPECT_TRUE(AfterSuccess(health, now - Millis(1)).Cooling(now - Millis(1)));
    }
    now += Millis(1);
  }
}

TEST(AfterBlobFailure, KeepsNobodyFromCallingThePeer) {
  PeerHealth health = AfterBlobFailure({}, kNow, 0, kError, {}, 0.5);
  EXPECT_TRUE(health.CoolsForCalls(kNow)) << "it is away, for all that is known";
  health = AfterSuccess(health, In(1));
  health = AfterBlobFailure(health, In(2), health.returns, kError, {}, 0.5);
  EXPECT_TRUE(health.Cooling(In(2)));
  EXPECT_FALSE(health.CoolsForCalls(In(2)));
}

TEST(AfterBlobFailure, OfRequestsFromBeforeTheReturnCountsNothing) {
  PeerHealth health = AfterBlobFailure({}, kNow, 0, kError, {}, 0.5);
  health = AfterSuccess(health, In(1));
  health = AfterBlobFailure(health, In(2), 0, kError, {}, 0.5);
  EXPECT_EQ(health.blob_debt, kBlobFailure);
  EXPECT_FALSE(health.Cooling(In(2)));
}

TEST(AfterWrongBytes, OneRottenBlobCoolsNobodyAndThreeDoForAnHour) {
  PeerHealth health;
  for (int i = 0; i < 5; ++i) health = AfterWrongBytes(health, kNow, Blob(1), kError);
  health = AfterWrongBytes(health, kNow, Blob(2), kError);
  EXPECT_FALSE(health.Cooling(kNow));
  EXPECT_FALSE(health.suspect);
  EXPECT_EQ(health.last_error, kError);
  health = AfterWrongBytes(health, kNow, Blob(3), kError);
  EXPECT_EQ(health, (PeerHealth{.consecutive_failures = 1,
                                .cool_down_end = In(3600),
                                .last_error = kError,
                                .suspect = true,
                                .wrong_since = kNow}));
  // Again only with three more.
  health = AfterWrongBytes(AfterSuccess(health, In(3600)), In(3600), Blob(4), kError);
  EXPECT_FALSE(health.Cooling(In(3600)));
}

TEST(AfterWrongBytes, WhatIsADayOldIsForgotten) {
  PeerHealth health = AfterWrongBytes({}, kNow, Blob(1), kError);
  health = AfterWrongBytes(health, In(10), Blob(2), kError);
  health = AfterWrongBytes(health, In(24 * 3600 + 1), Blob(3), kError);
  EXPECT_FALSE(health.suspect);
}

TEST(AfterForgiving, IsAReturnOfASuspectAndTouchesNoOtherCoolDown) {
  PeerHealth suspect;
  for (uint8_t i = 1; i <= 3; ++i) suspect = AfterWrongBytes(suspect, kNow, Blob(i), kError);
  const PeerHealth forgiven = AfterForgiving(suspect);
  EXPECT_FALSE(forgiven.Cooling(kNow));
  EXPECT_FALSE(forgiven.suspect);
  EXPECT_EQ(forgiven.returns, 1u);
  PeerHealth away{.consecutive_failures = 1, .cool_down_end = In(9)};
  EXPECT_EQ(AfterForgiving(away), away);
}

// ---- load ----

TEST(AfterLoad, ClampsACoolDownThatTheClockLeftBehind) {
  const PeerHealth far = {.consecutive_failures = 9, .cool_down_end = In(999'999), .returns = 5};
  EXPECT_EQ(AfterLoad(far, kNow),
            (PeerHealth{.consecutive_failures = 9, .cool_down_end = kNow + kCoolDownMax}));
  PeerHealth suspect = far;
  suspect.suspect = true;
  EXPECT_EQ(AfterLoad(suspect, kNow).cool_down_end, In(3600));
  const PeerHealth near = {.consecutive_failures = 2, .cool_down_end = In(7)};
  EXPECT_EQ(AfterLoad(near, kNow), near) << "a restart neither forgets nor prolongs a wait";
  EXPECT_EQ(AfterLoad({}, kNow), PeerHealth());
}

}  // namespace
}  // namespace waypost::signpost
