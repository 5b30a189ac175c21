#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "syncgroup/sync/syncer.h"
#include "tests/support/eventually.h"
#include "tests/syncgroup/test_node.h"

// What a poke makes the syncer ask for: the groups that it names, and all others in their time.

namespace waypost::syncgroup {
namespace {

// A member that answers everything and has no news.
class QuietMember final : public PeerClient {
 public:
  absl::StatusOr<HelloReply> Hello(const Endpoint&, const HelloRequest&, std::stop_token) override {
    return HelloReply();
  }
  absl::StatusOr<SyncReply> Sync(const Endpoint&, const SyncRequest& request,
                                 std::stop_token) override {
    SyncReply reply;
    std::vector<base::GroupId> groups;
    for (const SyncGroupRequest& asked : request.groups) {
      groups.push_back(asked.group);
      SyncGroupReply answer{.group = asked.group, .member = true};
      reply.groups.push_back(std::move(answer));
    }
    std::sort(groups.begin(), groups.end());
    base::MutexLock lock(mutex_);
    rounds_.push_back(std::move(groups));
    return reply;
  }
  absl::Status Poke(const Endpoint&, const PokeRequest& request, std::stop_token) override {
    base::MutexLock lock(mutex_);
    told_.insert(told_.end(), request.haves.begin(), request.haves.end());
    return absl::OkStatus();
  }
  absl::StatusOr<JoinReply> Join(const Endpoint&, const JoinRequest&, std::stop_token) override {
    return absl::UnimplementedError("");
  }
  absl::StatusOr<HeldReply> Held(const Endpoint&, const HeldRequest&, std::stop_token) override {
    return HeldReply();
  }
  // The groups of each request so far.
  std::vector<std::vector<base::GroupId>> Rounds() {
    base::MutexLock lock(mutex_);
    return rounds_;
  }
  // The blobs that it was told of.
  std::vector<base::BlobId> Told() {
    base::MutexLock lock(mutex_);
    return told_;
  }

 private:
  base::Mutex mutex_;
  std::vector<base::BlobId> told_ GUARDED_BY(mutex_);
  std::vector<std::vector<base::GroupId>> rounds_ GUARDED_BY(mutex_);
};

class PokeTest : public ::testing::Test {
 protected:
  PokeTest() {
    for (const char* name : {"one", "two", "three"}) groups_.push_back(Shared(name));
    std::sort(groups_.begin(), groups_.end());
  }
  base::GroupId Shared(const std::string& name) {
    const base::GroupId group = node_.groups->Create({.name = name})->id;
    const auto request = member_.invites->PrepareJoin(*node_.invites->Create(group, {}), {});
    CHECK(node_.invites->AcceptJoin(member_.self, *request).ok());
    return group;
  }
  Syncer& syncer() { return *node_.parts.syncer; }
  // Until each round has ended and the next one waits for time to pass.
  bool Settled() {
    return support::Eventually([&] {
      const auto status = syncer().Status(groups_[0]);
      return !client_.Rounds().empty() && status.size() == 1 && status[0].last_round_ok;
    });
  }

  base::TempDir dir_, member_dir_;
  base::FakeClock clock_;
  QuietMember client_;
  TestNode node_{PeerNumber(1), dir_.path(), clock_, &client_};
  TestNode member_{PeerNumber(2), member_dir_.path(), clock_};
  std::vector<base::GroupId> groups_;
};

TEST_F(PokeTest, OnlyTheGroupsThatItNamesArePulledAtOnce) {
  syncer().Start();
  ASSERT_TRUE(Settled());
  const std::size_t before = client_.Rounds().size();
  ASSERT_EQ(client_.Rounds().back(), groups_);
  syncer().OnPoke(member_.self, {groups_[1]});
  ASSERT_TRUE(support::Eventually([&] { return client_.Rounds().size() > before; }));
  EXPECT_EQ(client_.Rounds().at(before), std::vector<base::GroupId>{groups_[1]});
  // The others in their time.
  EXPECT_TRUE(clock_.AdvanceUntil([&] { return client_.Rounds().back() == groups_; }));
}

TEST_F(PokeTest, GroupsThatAreNotSharedArePulledByNobody) {
  syncer().Start();
  ASSERT_TRUE(Settled());
  const std::size_t before = client_.Rounds().size();
  syncer().OnPoke(member_.self, {base::GroupId()});
  syncer().OnPoke(member_.self, {groups_[2]});
  ASSERT_TRUE(support::Eventually([&] { return client_.Rounds().size() > before; }));
  EXPECT_EQ(client_.Rounds().at(before), std::vector<base::GroupId>{groups_[2]});
}

TEST_F(PokeTest, OfArrivalsAHundredThousandWaitToBeToldToAMember) {
  syncer().Start();
  ASSERT_TRUE(Settled());
  // It asked for them before, and hears of them when time passes.
  const auto arrives = [&](int number) {
    const base::BlobId blob = BlobOf(std::to_string(number));
    syncer().NoteToldNo(member_.self, {blob}, {groups_[0]});
    syncer().OnGranted(blob, {groups_[0]});
    return blob;
  };
  base::BlobId last, beyond;
  for (int i = 1; i <= 100'000; ++i) last = arrives(i);
  beyond = arrives(100'001);
  const auto told = [&](const base::BlobId& blob) {
    const std::vector<base::BlobId> all = client_.Told();
    return std::find(all.begin(), all.end(), blob) != all.end();
  };
  ASSERT_TRUE(clock_.AdvanceUntil([&] { return client_.Told().size() >= 100'000; }));
  EXPECT_TRUE(told(last));
  // There is room again.
  const base::BlobId later = arrives(100'002);
  ASSERT_TRUE(clock_.AdvanceUntil([&] { return told(later); }));
  EXPECT_FALSE(told(beyond));
  EXPECT_EQ(client_.Told().size(), 100'001u);
}

TEST_F(PokeTest, OfBlobsThatAMemberSaysItHasAsManyAreNotedAsItMayMention) {
  base::TempDir dir;
  TestNode node(PeerNumber(3), dir.path(), clock_, nullptr, {}, {.burst = 5, .per_second = 1});
  const base::GroupId group = node.groups->Create({.name = "limited"})->id;
  const auto request = member_.invites->PrepareJoin(*node.invites->Create(group, {}), {});
  ASSERT_TRUE(node.invites->AcceptJoin(member_.self, *request).ok());
  std::vector<base::BlobId> blobs;
  for (int i = 0; i < 6; ++i) {
    blobs.push_back(BlobOf(std::to_string(i)));
    ASSERT_TRUE(node.refs->Change(group, {{std::to_string(i), blobs.back()}}).ok());
  }
  const base::BlobId last = blobs.back();
  blobs.pop_back();
  const auto note = [&](const std::vector<base::BlobId>& some) {
    return node.replication().NoteHaves(member_.self, some);
  };
  const auto noted = [&](const base::BlobId& blob) {
    return node.Record(blob).signpost->locations.contains(member_.self);
  };
  ASSERT_TRUE(note(blobs).ok());
  EXPECT_TRUE(noted(blobs[4]));
  // What is known already is no news, and what nobody mentions none either.
  EXPECT_TRUE(note(blobs).ok());
  EXPECT_TRUE(note({BlobOf("mentioned nowhere")}).ok());
  const absl::Status refused = note({last});
  EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
  EXPECT_LE(base::RetryAfterOf(refused).value(), base::Millis(1001));
  EXPECT_FALSE(noted(last));
  clock_.Advance(base::Millis(1500));
  EXPECT_TRUE(note({last}).ok());
  EXPECT_TRUE(noted(last));
}

}  // namespace
}  // namespace waypost::syncgroup
