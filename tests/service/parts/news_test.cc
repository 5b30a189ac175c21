#include "service/parts/news.h"

#include <gtest/gtest.h>

#include "tests/fakes/fake_clock.h"

// When something is worth a line of the log.
namespace waypost::service {
namespace {

constexpr base::Millis kSecond{1'000};
constexpr base::Millis kMinute{60'000};

std::string Told(CalmNews& news, const base::Clock& clock) {
  std::string all;
  for (const CalmNews::Item& item : news.Take(clock.SteadyNow())) {
    all += item.thing + "=" + NewsStateName(item.state) + " ";
  }
  return all;
}

TEST(CalmNews, TellsAChangeAtOnceAndTheNextAMinuteLater) {
  base::FakeClock clock;
  CalmNews news(kMinute, NewsState::kOnline);
  news.Note("a", NewsState::kOnline);
  EXPECT_EQ(Told(news, clock), "") << "as usual";
  news.Note("a", NewsState::kOffline);
  news.Note("b", NewsState::kOffline);
  EXPECT_EQ(Told(news, clock), "a=offline b=offline ");
  EXPECT_EQ(Told(news, clock), "");
  // It comes and goes: what was told last is true in the end.
  for (int i = 0; i < 50; ++i) {
    clock.Advance(kSecond);
    news.Note("a", i % 2 == 0 ? NewsState::kOnline : NewsState::kOffline);
    EXPECT_EQ(Told(news, clock), "");
  }
  news.Note("a", NewsState::kOnline);
  clock.Advance(10 * kSecond);
  EXPECT_EQ(Told(news, clock), "a=online ");
  news.Note("b", NewsState::kOnline);
  clock.Advance(kSecond);
  EXPECT_EQ(Told(news, clock), "b=online ");
}

TEST(CalmNews, KeepsSoManyThingsAndForgetsThoseThatAreAsUsual) {
  base::FakeClock clock;
  CalmNews news(kMinute, NewsState::kOnline, 2);
  for (const char* thing : {"a", "b", "c"}) news.Note(thing, NewsState::kOffline);
  EXPECT_EQ(Told(news, clock), "a=offline b=offline ");
  news.Note("a", NewsState::kOnline);
  clock.Advance(kMinute);
  EXPECT_EQ(Told(news, clock), "a=online ");
  clock.Advance(kMinute);
  EXPECT_EQ(Told(news, clock), "");
  news.Note("c", NewsState::kOffline);
  EXPECT_EQ(Told(news, clock), "c=offline ");
}

TEST(FetchSummary, IsOneLineAMinuteWhileItGoesOn) {
  base::FakeClock clock;
  FetchSummary summary;
  FetchSummary::Totals totals;
  int lines = 0;
  uint64_t blobs = 0, bytes = 0;
  for (int second = 0; second < 600; ++second) {
    if (second >= 100 && second < 300) {
      ++totals.blobs;
      totals.bytes += 1000;
    }
    clock.Advance(kSecond);
    if (const auto minute = summary.Take(totals, clock.SteadyNow())) {
      ++lines;
      blobs += minute->blobs;
      bytes += minute->bytes;
    }
  }
  EXPECT_EQ(lines, 4);
  EXPECT_EQ(blobs, 200u) << "nothing is left out";
  EXPECT_EQ(bytes, 200'000u);
}

TEST(LineBudget, LeavesOutWhatIsOverAndSaysHowMuch) {
  base::FakeClock clock;
  LineBudget budget(3);
  int written = 0;
  for (int i = 0; i < 100; ++i) written += budget.Take(clock.SteadyNow()) ? 1 : 0;
  EXPECT_EQ(written, 3);
  EXPECT_EQ(budget.TakeLeftOut(clock.SteadyNow()), 0u);
  clock.Advance(kMinute);
  EXPECT_EQ(budget.TakeLeftOut(clock.SteadyNow()), 97u);
  EXPECT_EQ(budget.TakeLeftOut(clock.SteadyNow()), 0u);
  EXPECT_TRUE(budget.Take(clock.SteadyNow()));
}

}  // namespace
}  // namespace waypost::service
