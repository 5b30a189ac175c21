#include "base/notifier.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "tests/fakes/gate.h"

namespace waypost::base {
namespace {

TEST(Notifier, CallsEveryRegistrationEachTime) {
  Notifier notifier;
  int a = 0;
  int b = 0;
  const auto first = notifier.Register([&] { ++a; });
  notifier.Notify();
  const auto second = notifier.Register([&] { ++b; });
  notifier.Notify();
  EXPECT_EQ(a, 2);
  EXPECT_EQ(b, 1);
}

TEST(Notifier, CallsNobodyAfterReset) {
  Notifier notifier;
  int calls = 0;
  auto registration = notifier.Register([&] { ++calls; });
  registration.Reset();
  registration.Reset();
  notifier.Notify();
  EXPECT_EQ(calls, 0);
}

TEST(Notifier, AMovedRegistrationStaysOne) {
  Notifier notifier;
  int a = 0;
  int b = 0;
  auto first = notifier.Register([&] { ++a; });
  Notifier::Registration second(std::move(first));
  notifier.Notify();
  EXPECT_EQ(a, 1);
  second = notifier.Register([&] { ++b; });  // ends the first
  notifier.Notify();
  EXPECT_EQ(a, 1);
  EXPECT_EQ(b, 1);
}

TEST(Notifier, ARegistrationMayOutliveIt) {
  auto notifier = std::make_unique<Notifier>();
  auto held = std::make_shared<int>(0);
  auto registration = notifier->Register([held] { ++*held; });
  notifier->Notify();
  notifier = nullptr;
  registration.Reset();
  EXPECT_EQ(*held, 1);
  EXPECT_EQ(held.use_count(), 1) << "the callback is gone, with what it held";
}

TEST(Notifier, ResetWaitsForACallbackOnAnotherThread) {
  Notifier notifier;
  Gate gate;
  std::atomic<bool> over{false};
  std::atomic<bool> reset{false};
  auto registration = notifier.Register([&] {
    gate.Pass();
    EXPECT_FALSE(reset) << "Reset returned while the callback ran";
    over = true;
  });
  std::thread notifying([&] { notifier.Notify(); });
  gate.AwaitArrivals(1);
  std::thread resetting([&] {
    registration.Reset();
    EXPECT_TRUE(over);
    reset = true;
  });
  gate.Open();
  notifying.join();
  resetting.join();
  EXPECT_TRUE(reset);
}

TEST(Notifier, ACallbackMayRegisterNotifyAndEndOthers) {
  Notifier notifier;
  int inner = 0;
  std::optional<Notifier::Registration> added;
  auto other = notifier.Register([] {});
  const auto registration = notifier.Register([&] {
    if (added) return;
    added = notifier.Register([&] { ++inner; });
    other.Reset();
    notifier.Notify();
  });
  notifier.Notify();
  EXPECT_EQ(inner, 1);
}

TEST(Notifier, NoCallbackAfterResetUnderNotifyFromManyThreads) {
  Notifier notifier;
  std::atomic<bool> stop{false};
  std::atomic<int> calls{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      while (!stop) notifier.Notify();
    });
  }
  for (int i = 0; i < 2000; ++i) {
    auto alive = std::make_shared<std::atomic<bool>>(true);
    auto registration = notifier.Register([alive, &calls] {
      EXPECT_TRUE(*alive);
      ++calls;
    });
    if (i % 2 == 0) notifier.Notify();
    registration.Reset();
    *alive = false;
  }
  stop = true;
  for (auto& thread : threads) thread.join();
  EXPECT_GE(calls, 1000);
}

TEST(NotifierDeathTest, ItsOwnCallbackMayNotEndIt) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        Notifier notifier;
        Notifier::Registration registration;
        registration = notifier.Register([&] { registration.Reset(); });
        notifier.Notify();
      },
      "broken invariant");
}

}  // namespace
}  // namespace waypost::base
