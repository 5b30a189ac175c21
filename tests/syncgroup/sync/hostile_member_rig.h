#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/status.h"
#include "syncgroup/group/group_change.h"
#include "syncgroup/ledger/rows.h"
#include "tests/support/hostile_member.h"
#include "tests/syncgroup/cluster.h"

namespace waypost::syncgroup {

// A group with a hostile member whose messages go through the codecs, as they would over a socket.
// One thread.
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

  std::size_t NumberingsOf(ClusterNode& node, const base::GroupId& group) {
    return NumberingsOf(node, group, hostile_.peer());
  }
  std::size_t NumberingsOf(ClusterNode& node, const base::GroupId& group,
                           const base::PeerId& origin) {
    std::size_t count = 0;
    CHECK(
        node.node()
            .index
            ->Read([&](base::ReadTxn& txn) { count = LoadKnowledgeOf(txn, group, origin).size(); })
            .ok());
    return count;
  }
  static std::size_t MembershipOpsOf(ClusterNode& node, const base::GroupId& group) {
    std::size_t count = 0;
    CHECK(
        node.node()
            .index->Read([&](base::ReadTxn& txn) { count = LoadMembershipOps(txn, group).size(); })
            .ok());
    return count;
  }
  // Of its references: another one begins when they are folded again from the log.
  static uint64_t EpochOf(ClusterNode& node, const base::GroupId& group) {
    uint64_t epoch = 0;
    CHECK(node.node()
              .index->Read([&](base::ReadTxn& txn) { epoch = LoadGroupRow(txn, group)->epoch; })
              .ok());
    return epoch;
  }
  static bool IsMember(ClusterNode& node, const base::GroupId& group, const base::PeerId& peer) {
    const auto members = node.groups().Members(group);
    CHECK(members.ok());
    return std::any_of(members->begin(), members->end(),
                       [&](const Member& member) { return member.peer == peer; });
  }
  // Of its index, since its start.
  static uint64_t CommitsOf(ClusterNode& node) {
    const std::string name = "waypost_index_commit_seconds_count ";
    const std::string all = node.node().parts.metrics.Render();
    const auto at = all.find(name);
    CHECK(at != std::string::npos);
    return std::stoull(all.substr(at + name.size()));
  }
  static absl::Status WriteAt(ClusterNode& admin, const base::GroupId& group, const Op& op) {
    return ChangeGroup(
        *admin.node().parts.group_core, *admin.node().parts.group_work, group,
        [&](GroupWriter& writer, const Member& self) { return WriteAllowed(writer, self, {op}); });
  }
  // Entries without an operation, each in a numbering of its own.
  std::vector<SealedEntry> EmptyNumberings(const base::GroupId& group, std::size_t count) {
    std::vector<SealedEntry> entries;
    for (std::size_t i = 0; i < count; ++i) {
      support::HostileMember::Numbering numbering = support::HostileMember::NewNumbering();
      entries.push_back(hostile_.Next(group, numbering, {}));
    }
    return entries;
  }

  Wire wire_;
  support::HostileMember hostile_{TestIdentities::Get().Number(kHostile), wire_.clock};
  const base::Incarnation log_ = base::NewIncarnation();
  uint64_t sequence_ = 0;
  std::size_t sent_bytes_ = 0;
};

}  // namespace waypost::syncgroup
