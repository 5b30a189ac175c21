#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <string>
#include <vector>

#include "base/key_codec.h"
#include "http/peer/batch_frames.h"
#include "syncgroup/protocol/wire_codec.h"
#include "tests/http/node.h"
#include "tests/http/peer/access_world.h"
#include "tests/syncgroup/seed.h"
#include "tests/syncgroup/test_node.h"

// What guessing tells, and what it costs.
namespace waypost::http {
namespace {

using syncgroup::Authority;
using syncgroup::BlobOf;
using syncgroup::GuessLimits;

TEST(Access, WhoGuessesIsSlowedDownAndWhoAsksForWhatItsGroupMentionsIsNot) {
  AccessWorld world(GuessLimits{});
  const base::GroupId group = world.Create("one");
  world.Admit(2, group, Authority::kReader);
  world.Admit(3, group, Authority::kReader);
  ASSERT_TRUE(world.here.Put("here", syncgroup::Refs::Target{group, "k"}).ok());
  ASSERT_TRUE(world.here.refs->Change(group, {{"l", BlobOf("wanted")}}).ok());
  for (int i = 0; i < 150; ++i) {
    ASSERT_EQ(world.Read(2, BlobOf("wanted"), {group}).status, 404) << i;
  }
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(world.Read(2, BlobOf(std::to_string(i)), {group}).status, 404) << i;
  }
  const Response late = world.Read(2, BlobOf("another"), {group});
  EXPECT_EQ(late.status, 429);
  EXPECT_TRUE(std::any_of(late.headers.begin(), late.headers.end(),
                          [](const auto& header) { return header.first == "Retry-After"; }));
  EXPECT_EQ(world.Read(2, BlobOf("here"), {group}).status, 200);
  EXPECT_EQ(world.Read(2, BlobOf("wanted"), {group}).status, 404);
  EXPECT_EQ(world.Read(3, BlobOf("another"), {group}).status, 404);
}

TEST(Access, WhoMayReadNothingThatItNamesIsRefusedAtOnceOverTheLimit) {
  AccessWorld world(GuessLimits{.takes = std::chrono::milliseconds(20)});
  const base::GroupId group = world.Create("one");
  ASSERT_TRUE(world.here.Put("here", syncgroup::Refs::Target{group, "k"}).ok());
  std::vector<base::BlobId> blobs = {BlobOf("here")};
  for (int i = 0; i < 100; ++i) blobs.push_back(BlobOf(std::to_string(i)));
  const auto answers = world.ReadMany(9, blobs, {group});
  EXPECT_EQ(answers.at(99).kind, FrameKind::kMiss);
  EXPECT_EQ(answers.at(100).kind, FrameKind::kLeftOut);
  const std::string body = syncgroup::EncodeBatchRequest(
      {.groups = {group}, .blobs = blobs, .blob_bytes_max = syncgroup::kBatchBlobBytesMax});
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(world.Call(9, "POST", "/peer/v1/blobs:batch", {}, body).status, 429);
  EXPECT_EQ(world.Read(9, BlobOf("here"), {group}).status, 429);
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(1));
}

TEST(Access, ABatchOfGuessesIsSlowedDownAsManyGuessesAre) {
  AccessWorld world(GuessLimits{.takes = std::chrono::microseconds(500)});
  const base::GroupId group = world.Create("one");
  world.Admit(2, group, Authority::kReader);
  ASSERT_TRUE(world.here.Put("here", syncgroup::Refs::Target{group, "k"}).ok());
  std::vector<base::BlobId> blobs = {BlobOf("here")};
  for (int i = 0; i < 150; ++i) blobs.push_back(BlobOf(std::to_string(i)));
  const auto began = std::chrono::steady_clock::now();
  const auto answers = world.ReadMany(2, blobs, {group});
  EXPECT_GE(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(50));
  EXPECT_EQ(answers.at(0).kind, FrameKind::kBlob);
  for (std::size_t i = 1; i < blobs.size(); ++i) {
    ASSERT_EQ(answers.at(i).kind, i <= 100 ? FrameKind::kMiss : FrameKind::kLeftOut) << i;
  }
  EXPECT_EQ(world.Read(2, BlobOf("another"), {group}).status, 429);
  EXPECT_EQ(world.ReadMany(2, {BlobOf("here")}, {group}).at(0).kind, FrameKind::kBlob);
}

TEST(Access, ABatchLeavesOutWhatIsTooLargeOrFitsNoMore) {
  AccessWorld world;
  const base::GroupId group = world.Create("one");
  world.Admit(2, group, Authority::kReader);
  std::vector<base::BlobId> blobs;
  const auto put = [&](const std::string& content) {
    ASSERT_TRUE(world.here.Put(content, syncgroup::Refs::Target{group, content.substr(0, 9)}).ok());
    blobs.push_back(BlobOf(content));
  };
  put("small");
  put(std::string(1001, 'l'));
  const auto answers = world.ReadMany(2, blobs, {group}, 1000);
  EXPECT_EQ(answers.at(0).kind, FrameKind::kBlob);
  EXPECT_EQ(answers.at(1).kind, FrameKind::kLeftOut);
  EXPECT_EQ(base::ReadU64(answers.at(1).body), 1001u);
  EXPECT_EQ(world.ReadMany(2, blobs, {group}, 1001).at(1).kind, FrameKind::kBlob);
  // More than one answer carries.
  blobs.clear();
  for (char c = 'a'; c < 'k'; ++c) put(std::string(std::size_t{1} << 20, c));
  const auto large = world.ReadMany(2, blobs, {group});
  for (std::size_t i = 0; i < blobs.size(); ++i) {
    EXPECT_EQ(large.at(i).kind, i < 8 ? FrameKind::kBlob : FrameKind::kLeftOut) << i;
  }
  // Answers that are not read leave room for others, of their own peer too as long as it lasts.
  std::vector<Response> unread;
  const std::string body = syncgroup::EncodeBatchRequest(
      {.groups = {group}, .blobs = blobs, .blob_bytes_max = syncgroup::kBatchBlobBytesMax});
  for (int i = 0; i < 4; ++i) {
    unread.push_back(world.Call(2, "POST", "/peer/v1/blobs:batch", {}, body));
  }
  EXPECT_EQ(world.ReadMany(2, blobs, {group}).at(0).kind, FrameKind::kLeftOut);
  world.Admit(3, group, Authority::kReader);
  EXPECT_EQ(world.ReadMany(3, blobs, {group}).at(0).kind, FrameKind::kBlob);
  unread.clear();
  EXPECT_EQ(world.ReadMany(2, blobs, {group}).at(0).kind, FrameKind::kBlob);
}

// Sanitizers have times of their own.
#ifndef WAYPOST_SANITIZED
TEST(Access, MissingAndForbiddenTakeTheSameTime) {
  AccessWorld world;
  const base::GroupId mine = world.Create("mine");
  const base::GroupId theirs = world.Create("theirs");
  world.Admit(2, mine, Authority::kWriter);
  std::vector<base::BlobId> forbidden, missing;
  for (int i = 0; i < 64; ++i) {
    const std::string name = std::to_string(i);
    ASSERT_TRUE(world.here.Put(name, syncgroup::Refs::Target{theirs, name}).ok());
    forbidden.push_back(BlobOf(name));
    missing.push_back(BlobOf("not " + name));
  }
  std::mt19937_64 random(syncgroup::TestSeed());
  struct Sample {
    double us;
    bool forbidden;
  };
  // At best of three: another program's turn in the middle of one run says nothing of this one.
  double apart = 0, right = 0;
  for (int attempt = 0; attempt < 3; ++attempt) {
    std::vector<Sample> samples;
    for (int i = 0; i < 12000; ++i) {
      const bool is_forbidden = random() % 2 == 0;
      const base::BlobId& blob = (is_forbidden ? forbidden : missing)[random() % 64];
      const auto begin = std::chrono::steady_clock::now();
      ASSERT_EQ(world.Read(2, blob, {mine}).status, 404);
      const std::chrono::duration<double, std::micro> took =
          std::chrono::steady_clock::now() - begin;
      samples.push_back({took.count(), is_forbidden});
    }
    const auto half = samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 2);
    const auto median = [&](bool which) {
      std::vector<double> times;
      for (const Sample& sample : samples) {
        if (sample.forbidden == which) times.push_back(sample.us);
      }
      std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2),
                       times.end());
      return times[times.size() / 2];
    };
    apart = std::abs(median(true) - median(false));
    // The best threshold, and which side of it, on the first half.
    std::vector<Sample> learned(samples.begin(), half);
    std::sort(learned.begin(), learned.end(),
              [](const Sample& a, const Sample& b) { return a.us < b.us; });
    const auto all = std::count_if(learned.begin(), learned.end(),
                                   [](const Sample& sample) { return sample.forbidden; });
    double threshold = 0;
    std::ptrdiff_t best = -1, below = 0, seen = 0;
    bool forbidden_above = true;
    for (const Sample& sample : learned) {
      ++seen;
      below += sample.forbidden ? 1 : 0;
      const std::ptrdiff_t above_right = (all - below) + (seen - below);
      const std::ptrdiff_t below_right = static_cast<std::ptrdiff_t>(learned.size()) - above_right;
      if (std::max(above_right, below_right) <= best) continue;
      best = std::max(above_right, below_right);
      threshold = sample.us;
      forbidden_above = above_right >= below_right;
    }
    right = static_cast<double>(std::count_if(half, samples.end(),
                                              [&](const Sample& sample) {
                                                return (sample.us > threshold) ==
                                                       (sample.forbidden == forbidden_above);
                                              })) /
            static_cast<double>(samples.end() - half);
    RecordProperty("median_apart_us", std::to_string(apart));
    RecordProperty("threshold_right", std::to_string(right));
    if (apart < 2 && right < 0.52) break;
  }
  EXPECT_LT(apart, 2) << "microseconds between the medians";
  EXPECT_LT(right, 0.52) << "of the answers are told apart";
}
#endif

}  // namespace
}  // namespace waypost::http
