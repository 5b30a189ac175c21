#include "http/client/name_lookups.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>

#include "http/client/socket.h"
#include "tests/fakes/gate.h"
#include "tests/http/client/scripted_server.h"

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
  NameLookups names_{[this](const std::string& host,
                            uint16_t port) -> absl::StatusOr<std::vector<NameLookups::Address>> {
    ++asked_;
    if (host.starts_with("slow")) gate_.Pass();
    if (host == "none") return absl::UnavailableError("unknown");
    return NumericAddresses("127.0.0.1", port);
  }};
};

TEST_F(NameLookupsTest, FindsANameAndKeepsAFailureForAWhile) {
  EXPECT_EQ(names_.Find("here", 7, In(20'000), interrupt_)->size(), 1u);
  EXPECT_EQ(names_.Find("none", 7, In(20'000), interrupt_).status(),
            absl::UnavailableError("unknown"));
  EXPECT_TRUE(absl::IsUnavailable(names_.Find("none", 7, In(20'000), interrupt_).status()));
  EXPECT_EQ(asked_, 2);
}

TEST_F(NameLookupsTest, WhoeverAsksWaitsNoLongerThanItWants) {
  const auto began = std::chrono::steady_clock::now();
  EXPECT_TRUE(absl::IsDeadlineExceeded(names_.Find("slow", 7, In(100), interrupt_).status()));
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(10));
  // Nobody else waits for it, and it takes no second thread.
  EXPECT_TRUE(absl::IsDeadlineExceeded(names_.Find("slow", 7, In(10), interrupt_).status()));
  EXPECT_TRUE(names_.Find("here", 7, In(20'000), interrupt_).ok());
  EXPECT_EQ(asked_, 2);
}

TEST_F(NameLookupsTest, LookupsAreBounded) {
  for (unsigned i = 0; i < NameLookups::kThreads + NameLookups::kWaitingMax; ++i) {
    EXPECT_TRUE(
        absl::IsDeadlineExceeded(names_
                                     .Find("slow" + std::to_string(i), 7,
                                           In(i < NameLookups::kThreads ? 100 : 0), interrupt_)
                                     .status()));
  }
  EXPECT_TRUE(absl::IsUnavailable(names_.Find("one more", 7, In(20'000), interrupt_).status()));
  EXPECT_EQ(asked_, static_cast<int>(NameLookups::kThreads));
}

TEST_F(NameLookupsTest, AStopEndsTheWait) {
  std::stop_source stop;
  stop.request_stop();
  const Interrupt interrupt(stop.get_token());
  EXPECT_TRUE(absl::IsCancelled(names_.Find("slow", 7, In(60'000), interrupt).status()));
}

TEST_F(NameLookupsTest, ADialHasOneDeadlineOverAllAddressesAndNames) {
  const auto began = std::chrono::steady_clock::now();
  const auto socket = Socket::Connect({"slow-1:7", "slow-2:7", "slow-3:7"},
                                      {.deadline = In(200), .names = &names_}, interrupt_);
  EXPECT_TRUE(absl::IsUnavailable(socket.status())) << socket.status();
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(10));
  EXPECT_EQ(asked_, 1);
  // Numbers wait for no name.
  ScriptedServer server("");
  EXPECT_TRUE(Socket::Connect({"slow-4:7", server.address()},
                              {.deadline = In(20'000), .names = &names_}, interrupt_)
                  .ok());
  EXPECT_EQ(asked_, 1);
}

}  // namespace
}  // namespace waypost::http
