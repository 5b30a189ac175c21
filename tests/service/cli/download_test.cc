#include "service/cli/download.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "base/sha256.h"

namespace waypost::service {
namespace {

using ::testing::HasSubstr;
using Call = http::AppClient::Call;
using Reply = absl::StatusOr<http::AppClient::Reply>;

const std::string kBytes = "0123456789";

std::string HeaderOf(const Call& call, const std::string& name) {
  for (const auto& header : call.headers) {
    if (header.first == name) return header.second;
  }
  return "";
}

// A service that answers one call after the other as the test says; time passes only by sleeping
// and as the service takes it.
class DownloadTest : public ::testing::Test {
 protected:
  using Step = std::function<Reply(const Call&)>;
  // All bytes behind what was asked for, or only `count` of them and then a cut.
  Step Serves(std::size_t count = std::string::npos) {
    return [this, count](const Call& call) -> Reply {
      const std::string range = HeaderOf(call, "Range");
      const std::size_t from = range.empty() ? 0 : std::stoul(range.substr(6));
      if (!range.empty()) {
        EXPECT_EQ(HeaderOf(call, "If-Range"), "\"" + blob_.ToHex() + "\"");
        if (from == kBytes.size()) return http::AppClient::Reply{.status = 416};
      }
      const int status = range.empty() || ignores_ranges_ ? 200 : 206;
      const std::string body = kBytes.substr(status == 200 ? 0 : from);
      EXPECT_TRUE(call.on_head(status, body.size()).ok());
      const absl::Status taken = call.sink(body.substr(0, count));
      if (!taken.ok()) return taken;
      if (count < body.size()) return absl::UnavailableError("cut");
      return http::AppClient::Reply{.status = status};
    };
  }
  Step Says(int status, const std::string& body, base::Millis takes = base::Millis(0)) {
    return [this, status, body, takes](const Call& call) -> Reply {
      now_ += takes;
      if (status >= 300) return http::AppClient::Reply{.status = status, .body = body};
      if (call.on_head) {
        EXPECT_TRUE(call.on_head(status, body.size()).ok());
        EXPECT_TRUE(call.sink(body).ok());
      }
      return http::AppClient::Reply{.status = status};
    };
  }
  static Step IsGone() {
    return [](const Call&) { return absl::UnavailableError("nobody there"); };
  }

  // What came behind `from`, or the error.
  absl::StatusOr<std::string> Run(std::vector<Step> steps, std::optional<base::Millis> wait,
                                  bool watch = false, uint64_t from = 0) {
    std::size_t next = 0;
    targets_.clear();
    Download download(
        {.blob = blob_, .wait = wait, .watch = watch},
        {.ask =
             [&](const Call& call) {
               targets_.push_back(call.target.substr(call.target.find('?') + 1));
               return steps[std::min(next++, steps.size() - 1)](call);
             },
         .show =
             [this](uint64_t, uint64_t, const std::string& state) {
               if (!state.empty()) states_.push_back(state);
             },
         .now = [this] { return now_; },
         .pause_until = [this](base::SteadyTime then) { now_ = std::max(now_, then); }});
    std::string came;
    const absl::Status status = download.Run(from, [&](std::string_view data) -> absl::Status {
      if (disk_is_full_) return absl::ResourceExhaustedError("no room");
      came += data;
      return absl::OkStatus();
    });
    calls_ = next;
    if (!status.ok()) return status;
    return came;
  }

  const base::BlobId blob_ = base::Sha256::Of(kBytes);
  base::SteadyTime now_{};
  bool ignores_ranges_ = false, disk_is_full_ = false;
  std::vector<std::string> states_, targets_;
  std::size_t calls_ = 0;
};

TEST_F(DownloadTest, GoesOnBehindWhatCameWhereItIsCut) {
  EXPECT_EQ(*Run({Serves()}, base::Millis(1000)), kBytes);
  EXPECT_EQ(*Run({Serves(3), Serves(2), Serves(0), IsGone(), Serves()}, base::Millis(1000)),
            kBytes);
  EXPECT_EQ(calls_, 5u);
  EXPECT_EQ(*Run({Serves()}, base::Millis(1000), false, 4), "456789");
  EXPECT_EQ(*Run({Serves()}, base::Millis(1000), false, kBytes.size()), "");
  ignores_ranges_ = true;
  EXPECT_EQ(*Run({Serves(3), Serves()}, base::Millis(1000)), kBytes);
}

TEST_F(DownloadTest, SaysNotReachableOnlyOfWhatIsNot) {
  const auto cut = Run({Serves(3), Serves(0), Serves(0), Serves(0), Serves(0), Serves(0), Serves(0),
                        Says(200, "{}")},
                       base::Millis(1000));
  EXPECT_THAT(std::string(cut.status().message()), HasSubstr("was cut"));
  EXPECT_EQ(Run({IsGone()}, base::Millis(1000)).status().message(), "nobody there");
  // Refusals and errors of our own side are no cuts.
  EXPECT_TRUE(absl::IsNotFound(Run({Says(404, "{}")}, base::Millis(1000)).status()));
  EXPECT_EQ(calls_, 1u);
  disk_is_full_ = true;
  EXPECT_TRUE(absl::IsResourceExhausted(Run({Serves()}, base::Millis(1000)).status()));
  EXPECT_EQ(calls_, 1u);
}

constexpr char kBlocked[] =
    R"({"error":{"code":"unavailable","message":"paused","retry_after_ms":30000},)"
    R"("state":{"state":"pending","blocked_by":"paused"}})";

TEST_F(DownloadTest, WaitsForABlobThatIsOnItsWayAndTellsHowItGoes) {
  const auto late = [this] { return Says(504, "{}", base::Millis(1000)); };
  EXPECT_EQ(*Run({Says(202, R"({"state":"locating"})"), late(),
                  Says(202, R"({"state":"fetching","received":3,"total":10})"), late(),
                  Says(202, R"({"state":"parked","until":"T"})"), Says(503, kBlocked), Serves()},
                 std::nullopt, /*watch=*/true),
            kBytes);
  EXPECT_THAT(states_, testing::ElementsAre("locating", "fetching", "parked, until T",
                                            "pending, waits: paused"));
  EXPECT_THAT(targets_,
              testing::ElementsAre("fetch=async", "timeout=1s", "fetch=async", "timeout=1s",
                                   "fetch=async", "timeout=1s", "fetch=async"));
}

TEST_F(DownloadTest, WaitsNoLongerThanItMay) {
  const auto late = Says(504, "{}", base::Millis(1000));
  const auto pending = Says(202, R"({"state":"pending"})");
  EXPECT_TRUE(absl::IsDeadlineExceeded(
      Run({pending, late, pending, late, pending, late}, base::Millis(2500), true).status()));
  EXPECT_EQ(targets_.back(), "timeout=500ms");
  // What cannot start in time is said at once.
  EXPECT_TRUE(
      absl::IsUnavailable(Run({pending, Says(503, kBlocked)}, base::Millis(2500), true).status()));
  // Without anybody to show it to the service is asked once.
  EXPECT_TRUE(absl::IsUnavailable(Run({Says(503, kBlocked)}, base::Millis(2500)).status()));
  EXPECT_EQ(targets_.back(), "timeout=2500ms");
  EXPECT_TRUE(absl::IsDeadlineExceeded(
      Run({Says(504, "{}", base::Millis(2500))}, base::Millis(2500)).status()));
}

}  // namespace
}  // namespace waypost::service
