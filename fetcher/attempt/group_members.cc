#include "fetcher/attempt/group_members.h"

#include <utility>

#include "syncgroup/protocol/messages.h"

// Who may be asked for what is wanted in some groups. Made once for each set of groups, whatever
// the number of blobs that are wanted in it.

namespace waypost::fetcher {

std::shared_ptr<const MembersOfGroups::Set> MembersOfGroups::Of(
    base::ReadTxn& txn, const std::vector<base::GroupId>& groups) {
  std::shared_ptr<const Set>& set = sets_[groups];
  if (set == nullptr) set = Make(txn, groups);
  return set;
}

std::shared_ptr<const MembersOfGroups::Set> MembersOfGroups::Make(
    base::ReadTxn& txn, const std::vector<base::GroupId>& groups) {
  auto set = std::make_shared<Set>();
  std::vector<base::PeerId> others;
  for (const base::GroupId& group : groups) {
    const auto [rows, is_new] = rows_.try_emplace(group);
    if (is_new) rows->second = groups_.MembersOf(txn, group);
    for (const syncgroup::Member& row : rows->second) {
      if (row.peer == self_) continue;
      const bool server = row.role == syncgroup::Role::kServer;
      const auto [at, is_first] = set->members.try_emplace(row.peer);
      Member& member = at->second;
      if (is_first) {
        (server ? set->order : others).push_back(row.peer);
        member.sponsor = row.sponsor;
      } else if (row.sponsor.IsZero()) {
        member.sponsor = {};
      }
      member.is_server |= server;
      if (member.groups.size() < syncgroup::kReadGroupsMax) member.groups.push_back(group);
    }
  }
  set->order.insert(set->order.end(), others.begin(), others.end());
  given_ += set->order.size();
  return set;
}

}  // namespace waypost::fetcher
