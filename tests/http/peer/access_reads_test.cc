#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "http/peer/batch_frames.h"
#include "tests/http/node.h"
#include "tests/http/peer/access_world.h"
#include "tests/support/rounds.h"
#include "tests/syncgroup/seed.h"
#include "tests/syncgroup/test_node.h"

// Reads against a model.
namespace waypost::http {
namespace {

using syncgroup::Authority;
using syncgroup::BlobOf;

class Model {
 public:
  explicit Model(uint64_t seed) : random_(seed) {
    for (const char* name : {"one", "two", "open"}) {
      groups_.push_back(world_.Create(name, std::string(name) == "open"));
    }
  }
  uint64_t Any(uint64_t n) { return random_() % n; }

  // Something happens.
  void Step() {
    const base::GroupId group = groups_[Any(groups_.size())];
    const uint64_t peer = 2 + Any(kPeers);
    const std::string content = Content();
    auto& members = members_[group];
    switch (Any(6)) {
      case 0:
        if (members.contains(peer)) return;
        members[peer] = static_cast<Authority>(1 + Any(3));
        world_.Admit(peer, group, members[peer]);
        return;
      case 1:
        if (!members.contains(peer)) return;
        members.erase(peer);
        world_.Remove(peer, group);
        return;
      case 2:  // from elsewhere: makes it wanted, and opens nothing
        if (!members.contains(peer)) return;
        world_.Mention(peer, group, content);
        if (members[peer] != Authority::kReader) mentions_[content].insert(group);
        return;
      case 3:  // a put, for every group where this peer's own app set a reference
        CHECK(world_.here.Put(content).ok());
        here_.insert(content);
        holdings_[content].insert(set_here_[content].begin(), set_here_[content].end());
        return;
      case 4:  // a put with a reference
        CHECK(world_.here.Put(content, syncgroup::Refs::Target{group, content}).ok());
        here_.insert(content);
        mentions_[content].insert(group);
        set_here_[content].insert(group);
        holdings_[content].insert(set_here_[content].begin(), set_here_[content].end());
        return;
      default:  // a reference by this peer's own app
        CHECK(world_.here.refs->Change(group, {{content, BlobOf(content)}}).ok());
        mentions_[content].insert(group);
        set_here_[content].insert(group);
        if (here_.contains(content)) holdings_[content].insert(group);
        return;
    }
  }

  // Each blob of a batch is answered as it would be by itself.
  void AskMany() {
    const uint64_t caller = 2 + Any(kPeers + 2);
    const std::vector<base::GroupId> asked = SomeGroups();
    std::vector<base::BlobId> blobs;
    for (uint64_t i = 0; i < 1 + Any(8); ++i) blobs.push_back(BlobOf(Content()));
    const auto answers = world_.ReadMany(caller, blobs, asked);
    for (std::size_t i = 0; i < blobs.size(); ++i) {
      const Response alone = world_.Read(caller, blobs[i], asked);
      if (alone.status == 404) {
        ASSERT_EQ(answers[i].kind, FrameKind::kMiss);
        ASSERT_EQ(answers[i].body, BodyOf(alone));
        continue;
      }
      ASSERT_EQ(answers[i].kind, FrameKind::kBlob);
      std::string names;
      for (std::size_t g = 0; g < asked.size(); ++g) {
        if ((answers[i].grants >> g & 1) == 0) continue;
        names += (names.empty() ? "" : ",") + asked[g].ToHex();
      }
      ASSERT_TRUE(std::any_of(alone.headers.begin(), alone.headers.end(), [&](const auto& header) {
        return header.first == "Waypost-Groups" && header.second == names;
      })) << names;
      ASSERT_EQ(BlobOf(answers[i].body), blobs[i]);
      ++together;
    }
  }

  void Ask() {
    const uint64_t caller = 2 + Any(kPeers + 2);  // two are never members
    const std::string content = Content();
    const std::vector<base::GroupId> asked = SomeGroups();
    std::set<std::string> granted;
    bool known = false;
    for (const base::GroupId& group : asked) {
      const bool may = group == groups_[2] || members_[group].contains(caller);
      if (may && holdings_[content].contains(group)) granted.insert(group.ToHex());
    }
    for (const base::GroupId& group : groups_) {
      known |= mentions_[content].contains(group) &&
               (group == groups_[2] || members_[group].contains(caller));
    }
    const Response response = world_.Read(caller, BlobOf(content), asked);
    ASSERT_EQ(response.status, granted.empty() ? 404 : 200);
    ++(granted.empty() ? refused : served);
    if (!granted.empty()) {
      std::set<std::string> names;
      for (const auto& [name, value] : response.headers) {
        if (name != "Waypost-Groups") continue;
        for (std::size_t at = 0; at < value.size(); at += 65) names.insert(value.substr(at, 64));
      }
      ASSERT_EQ(names, granted);
      return;
    }
    if (known) return;  // a group of the caller's mentions it: the answer may say where it is
    const Response nothing = world_.Read(caller, BlobOf("never heard of"), asked);
    ASSERT_EQ(response.status, nothing.status);
    ASSERT_EQ(response.headers, nothing.headers);
    ASSERT_EQ(BodyOf(response), BodyOf(nothing));
    ++alike;
  }

  uint64_t served = 0, refused = 0, alike = 0, together = 0;

 private:
  static constexpr uint64_t kPeers = 5;
  std::vector<base::GroupId> SomeGroups() {
    std::vector<base::GroupId> some;
    for (const base::GroupId& group : groups_) {
      if (Any(2) == 0) some.push_back(group);
    }
    if (some.empty()) some.push_back(groups_[Any(groups_.size())]);
    return some;
  }
  std::string Content() { return "content " + std::to_string(Any(40)); }

  // Answers that take their time say no more than others.
  AccessWorld world_{{.per_minute = 1000000000, .takes = std::chrono::microseconds(0)}};
  std::mt19937_64 random_;
  std::vector<base::GroupId> groups_;
  std::map<base::GroupId, std::map<uint64_t, Authority>> members_;
  std::map<std::string, std::set<base::GroupId>> mentions_, set_here_, holdings_;
  std::set<std::string> here_;
};

TEST(Access, ReadsAgreeWithTheModel) {
  const char* more = std::getenv("ACCESS_QUESTIONS");
  const uint64_t questions =
      more != nullptr ? std::strtoull(more, nullptr, 10) : support::Rounds(50000);
  const uint64_t seed = syncgroup::TestSeed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  uint64_t asked = 0, served = 0, alike = 0, together = 0;
  for (uint64_t round = 0; asked < questions; ++round) {
    Model model(seed + round);
    for (int i = 0; i < 10000 && asked < questions; ++i, ++asked) {
      if (i % 20 == 0) model.Step();
      model.Ask();
      if (i % 10 == 0) model.AskMany();
      if (testing::Test::HasFatalFailure()) return;
    }
    served += model.served;
    alike += model.alike;
    together += model.together;
  }
  EXPECT_GT(together, asked / 20);
  EXPECT_GT(served, asked / 20);
  EXPECT_GT(alike, asked / 20);
}

}  // namespace
}  // namespace waypost::http
