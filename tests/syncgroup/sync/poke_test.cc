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
  absl::Status Poke(const Endpoint&, const PokeRequest&, std::stop_token) override {
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

 private:
  base::Mutex mutex_;
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

}  // namespace
}  // namespace waypost::syncgroup
