// What the least member there is, a reader with a script, can bring about in a group: nothing that
// others notice. Its messages go through the codecs, as they would over a socket.
#include "tests/support/hostile_member.h"

#include <gtest/gtest.h>

#include <chrono>

#include "absl/strings/str_cat.h"
#include "tests/syncgroup/cluster.h"

namespace waypost::syncgroup {
namespace {

using support::HostileMember;

class HostileMemberTest : public testing::Test {
 protected:
  static constexpr uint64_t kHostile = 66;

  // A group of `victim` in which the hostile peer is a member.
  base::GroupId GroupWithHostile(ClusterNode& victim, Authority authority = Authority::kReader) {
    const base::GroupId group = victim.Create("photos", Role::kServer);
    ClusterNode joining(wire_, {.number = kHostile});
    CHECK(joining.JoinAt(victim, group, Role::kNormal, authority).ok());
    return group;
  }
  // What the victim does with a page of entries of the hostile one.
  Replication::Round Send(ClusterNode& victim, const base::GroupId& group, SyncGroupReply answer) {
    answer.group = group;
    answer.member = true;
    answer.cursor = {.log = log_, .sequence = ++sequence_};
    SyncReply reply;
    reply.groups.push_back(std::move(answer));
    const auto bytes = EncodeSyncReply(reply);
    CHECK(bytes.ok());
    auto sent = DecodeSyncReply(*bytes);
    CHECK(sent.ok());
    Replication::Round round;
    CHECK(victim.node().replication().ApplyPage(hostile_.peer(), *std::move(sent), round).ok());
    return round;
  }
  // What it answers the hostile one: the bytes, or why there are none.
  absl::StatusOr<std::string> Ask(ClusterNode& victim, const SyncRequest& request) {
    ASSIGN_OR_RETURN(const std::string bytes, EncodeSyncRequest(request));
    sent_bytes_ = bytes.size();
    ASSIGN_OR_RETURN(const SyncRequest heard, DecodeSyncRequest(bytes));
    ASSIGN_OR_RETURN(const SyncReply reply,
                     victim.node().parts.peer_service->Sync(hostile_.peer(), heard));
    return EncodeSyncReply(reply);
  }

  Wire wire_;
  HostileMember hostile_{TestIdentities::Get().Number(kHostile), wire_.clock};
  const base::Incarnation log_ = base::NewIncarnation();
  uint64_t sequence_ = 0;
  std::size_t sent_bytes_ = 0;
};

TEST_F(HostileMemberTest, ProbesDoNotMakeAnAnswerGrowBeyondAPage) {
  ClusterNode a(wire_, {.number = 1});
  const base::GroupId group = GroupWithHostile(a);
  // Entries of its own, for whose place it then asks again and again.
  HostileMember::Numbering numbering = HostileMember::NewNumbering();
  std::vector<SealedEntry> entries;
  for (int i = 0; i < 4; ++i) {
    std::vector<Op> ops;
    for (int j = 0; j < 200; ++j) {
      ops.push_back(DeleteRefOp{absl::StrCat(std::string(380, 'k'), i, "-", j)});
    }
    entries.push_back(hostile_.Next(group, numbering, std::move(ops)));
  }
  Send(a, group, {.entries = entries});
  SyncGroupRequest asked{.group = group};
  for (std::size_t i = 0; i < kProbesMax; ++i) {
    asked.probes.push_back({{hostile_.peer(), numbering.incarnation}, 1});
  }
  const auto once = Ask(a, {.groups = {asked}});
  ASSERT_TRUE(once.ok()) << once.status();
  EXPECT_LE(once->size(), kSyncPageBytesMax);
  // Those that were left out are asked again: the answer says how many were not.
  const auto reply = DecodeSyncReply(*once);
  ASSERT_TRUE(reply.ok());
  EXPECT_GT(reply->groups.at(0).probed.size(), 0u);
  EXPECT_LT(reply->groups.at(0).probes_answered.value_or(kProbesMax), kProbesMax);
  EXPECT_GT(reply->groups.at(0).probes_answered.value_or(kProbesMax), 0u);
  // A group named many times is no request.
  SyncRequest many;
  for (int i = 0; i < 4; ++i) many.groups.push_back(asked);
  const auto answer = Ask(a, many);
  EXPECT_TRUE(absl::IsInvalidArgument(answer.status()))
      << sent_bytes_ << " bytes asked for " << (answer.ok() ? answer->size() : 0);
}

}  // namespace
}  // namespace waypost::syncgroup
