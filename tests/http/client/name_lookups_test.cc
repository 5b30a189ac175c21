#include "http/client/name_lookups.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>

#include "http/client/socket.h"
#include "tests/fakes/gate.h"
#include "tests/http/client/scripted_server.h"
#include "tests/support/eventually.h"

namespace waypost::http {
namespace {

base::SteadyTime In(int64_t ms) { return base::SteadyNow() + base::Millis(ms); }

class NameLookupsTest : public testing::Test {
 protected:
  ~NameLookupsTest() override { gate_.Open(); }
  base::Gate gate_;
  std::atomic<int> asked_{0};
  const Interrupt interrupt_{std::stop_token()};
  // "slow..." until the gate opens, "none" never, everything else is this machine.
  NameLookups names_{
      {.resolve = [this](const std::string& host,
                         uint16_t port) -> absl::StatusOr<std::vector<NameLookups::Address>> {
         ++asked_;
         if (host.starts_with("slow")) gate_.Pass();
         if (host == "none") return absl::UnavailableError("unknown");
         return NumericAddresses("127.0.0.1", port);
       },
       .late = base::Millis(50)}};
  absl::Status Find(const std::string& host, base::Payer payer, int64_t ms) {
    return names_.Find(host, 7, payer, In(ms), interrupt_).status();
  }
};

TEST_F(NameLookupsTest, FindsANameAndKeepsAFailureForAWhile) {
  EXPECT_EQ(names_.Find("here", 7, 1, In(20'000), interrupt_)->size(), 1u);
  EXPECT_EQ(Find("none", 1, 20'000), absl::UnavailableError("unknown"));
  EXPECT_TRUE(absl::IsUnavailable(Find("none", 1, 20'000)));
  EXPECT_EQ(asked_, 2);
}

TEST_F(NameLookupsTest, WhoeverAsksWaitsNoLongerThanItWants) {
  const auto began = std::chrono::steady_clock::now();
  EXPECT_TRUE(absl::IsDeadlineExceeded(Find("slow", 1, 100)));
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(10));
  // Nobody else waits for it, and it takes no second thread.
  EXPECT_TRUE(absl::IsDeadlineExceeded(Find("slow", 1, 10)));
  EXPECT_TRUE(Find("here", 1, 20'000).ok());
  EXPECT_EQ(asked_, 2);
}

TEST_F(NameLookupsTest, LookupsAreBounded) {
  base::Payer payer = 1;
  for (unsigned i = 0; i < NameLookups::kThreads + NameLookups::kWaitingMax; ++i) {
    const bool runs = i < NameLookups::kThreads;
    EXPECT_TRUE(
        absl::IsDeadlineExceeded(Find("slow" + std::to_string(i), payer++, runs ? 100 : 0)));
  }
  EXPECT_TRUE(absl::IsUnavailable(Find("one more", payer, 20'000)));
  EXPECT_EQ(asked_, static_cast<int>(NameLookups::kThreads));
}

// A member whose names never answer, and those that it brought in, held all four threads and the
// line before them.
TEST_F(NameLookupsTest, NamesOfOnePayerLeaveThreadsAndPlacesToOthers) {
  for (unsigned i = 0; i < NameLookups::kThreadsOfOne + NameLookups::kWaitingOfOne; ++i) {
    const bool runs = i < NameLookups::kThreadsOfOne;
    EXPECT_TRUE(absl::IsDeadlineExceeded(Find("slow" + std::to_string(i), 1, runs ? 100 : 0)));
  }
  EXPECT_TRUE(absl::IsUnavailable(Find("one more", 1, 20'000)));
  EXPECT_EQ(asked_, static_cast<int>(NameLookups::kThreadsOfOne));
  EXPECT_TRUE(Find("here", 2, 20'000).ok());
}

TEST_F(NameLookupsTest, ANameBehindThoseOfAnotherPayerIsLookedUpForWhoWantsIt) {
  for (unsigned i = 0; i < NameLookups::kThreadsOfOne; ++i) {
    EXPECT_TRUE(absl::IsDeadlineExceeded(Find("slow" + std::to_string(i), 1, 100)));
  }
  EXPECT_TRUE(absl::IsDeadlineExceeded(Find("here", 1, 0)));
  EXPECT_TRUE(Find("here", 2, 20'000).ok());
}

// It was paused for a minute, though it answers at once.
TEST_F(NameLookupsTest, ANameThatOnlyWaitedForAThreadIsNotLate) {
  for (unsigned i = 0; i < NameLookups::kThreadsOfOne; ++i) {
    EXPECT_TRUE(absl::IsDeadlineExceeded(Find("slow" + std::to_string(i), 1, 100)));
  }
  EXPECT_TRUE(absl::IsDeadlineExceeded(Find("here", 1, 100)));
  gate_.Open();
  EXPECT_TRUE(Find("here", 1, 20'000).ok());
  EXPECT_EQ(asked_, static_cast<int>(NameLookups::kThreadsOfOne) + 1)
      << "what nobody waits for any more is not looked up";
  // As long as their threads have not ended, an answer is that of before.
  EXPECT_TRUE(support::Eventually([&] { return absl::IsUnavailable(Find("slow0", 1, 20'000)); }))
      << "and those were late";
}

TEST_F(NameLookupsTest, AStopEndsTheWait) {
  std::stop_source stop;
  stop.request_stop();
  const Interrupt interrupt(stop.get_token());
  EXPECT_TRUE(absl::IsCancelled(names_.Find("slow", 7, 1, In(60'000), interrupt).status()));
}

TEST_F(NameLookupsTest, ADialHasOneDeadlineOverAllAddressesAndNames) {
  const auto began = std::chrono::steady_clock::now();
  const auto socket =
      Socket::Connect({"slow-1:7", "slow-2:7", "slow-3:7"},
                      {.deadline = In(200), .names = &names_, .payer = 1}, interrupt_);
  EXPECT_TRUE(absl::IsUnavailable(socket.status())) << socket.status();
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(10));
  EXPECT_EQ(asked_, 1);
  // Numbers wait for no name.
  ScriptedServer server("");
  EXPECT_TRUE(Socket::Connect({"slow-4:7", server.address()},
                              {.deadline = In(20'000), .names = &names_, .payer = 1}, interrupt_)
                  .ok());
  EXPECT_EQ(asked_, 1);
}

}  // namespace
}  // namespace waypost::http
