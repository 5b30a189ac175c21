#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/ids.h"
#include "base/index.h"
#include "syncgroup/group/groups.h"

namespace waypost::fetcher {

// Members of groups as one view of the index has them. Many attempts share what it gives: a batch
// costs its blobs and its members, and not one times the other. One thread; what was given is never
// changed and may outlive it.
class MembersOfGroups {
 public:
  // Beyond so many members in all that was given, whoever asks for many sets should go on with
  // another view: who belongs to many groups can mention each blob in other ones.
  static constexpr std::size_t kMembersMax = 16384;

  struct Member {
    std::vector<base::GroupId> groups;  // of the set, those that it is in; at most kReadGroupsMax
    bool is_server = false;             // in one of these
    base::PeerId sponsor;               // who brought it into all of them; zero: nobody
  };
  struct Set {
    std::vector<base::PeerId> order;  // each once, servers first
    absl::flat_hash_map<base::PeerId, Member> members;
  };

  MembersOfGroups(const syncgroup::Groups& groups, const base::PeerId& self)
      : groups_(groups), self_(self) {}
  // All but ourselves.
  std::shared_ptr<const Set> Of(base::ReadTxn& txn, const std::vector<base::GroupId>& groups);
  bool full() const { return given_ > kMembersMax; }

 private:
  std::shared_ptr<const Set> Make(base::ReadTxn& txn, const std::vector<base::GroupId>& groups);

  const syncgroup::Groups& groups_;
  const base::PeerId self_;
  std::size_t given_ = 0;  // members of all sets
  absl::flat_hash_map<base::GroupId, std::vector<syncgroup::Member>> rows_;
  std::map<std::vector<base::GroupId>, std::shared_ptr<const Set>> sets_;
};

}  // namespace waypost::fetcher
