#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "base/index.h"
#include "syncgroup/group/core.h"
#include "syncgroup/group/work.h"
#include "syncgroup/ledger/ledger.h"
#include "syncgroup/protocol/types.h"

namespace waypost::syncgroup {

// The groups of this peer: founding and leaving them, their settings, who is a member and as what.
// Thread-safe; methods that change something return when it is durable. Errors carry the API's
// meaning: kNotFound (no such group or member), kInvalidArgument, kAlreadyExists,
// kFailedPrecondition, kPermissionDenied. Borrows what the groups share; it outlives them.
class Groups {
 public:
  Groups(const Core& core, GroupWork& work) : core_(core), work_(work) {}
  // Checks own knowledge against own log, resumes work cut off (leaving, folding again). Before
  // use.
  absl::Status Load();
  const base::PeerId& self() const { return core_.self(); }

  // ---- what apps ask ----
  struct CreateOptions {
    std::string name;
    std::string description;
    bool is_public = false;
    std::optional<Role> role;  // nullopt: node.role
    bool duplicate = false;    // allow a name that is taken here
  };
  absl::StatusOr<GroupInfo> Create(const CreateOptions& options);
  // An admin's. What is left out stays.
  struct Settings {
    std::optional<std::string> name;
    std::optional<std::string> description;
    std::optional<bool> is_public;
    std::optional<Authority> inviters;  // admins, writers and admins, or everybody
  };
  absl::StatusOr<GroupInfo> ChangeSettings(const base::GroupId& group, const Settings& settings);
  // In id order, after `after` (zero: from the first).
  absl::StatusOr<std::vector<GroupInfo>> List(const base::GroupId& after, std::size_t limit) const;
  absl::StatusOr<GroupInfo> Find(const base::GroupId& group) const;
  absl::StatusOr<std::vector<Member>> Members(const base::GroupId& group) const;
  // How many bytes the mentions of each member have made this peer fetch so far.
  absl::StatusOr<std::map<base::PeerId, uint64_t>> BytesFetchedFor(
      const base::GroupId& group) const;
  // How many groups this peer is in. From memory, whatever the index does.
  uint64_t Count() const { return core_.servers.Groups(); }
  // Those in which nobody is a server, by id, with their names. From memory too.
  std::vector<std::pair<base::GroupId, std::string>> WithoutServer() const {
    return core_.servers.WithoutServer();
  }
  absl::Status Leave(const base::GroupId& group);
  absl::Status RemoveMember(const base::GroupId& group, const base::PeerId& peer);
  absl::Status ChangeMember(const base::GroupId& group, const base::PeerId& peer,
                            std::optional<Role> role, std::optional<Authority> authority);

  // Writes an own profile entry in each group where name or addresses are not those of now. For the
  // syncer: at its start and each minute.
  absl::Status PublishProfile();

  // ---- look-ups inside a transaction ----
  bool IsMember(base::ReadTxn& txn, const base::GroupId& group, const base::PeerId& peer) const;
  std::optional<Member> FindMember(base::ReadTxn& txn, const base::GroupId& group,
                                   const base::PeerId& peer) const;
  bool Has(base::ReadTxn& txn, const base::GroupId& group) const;
  // Without counts.
  std::optional<GroupInfo> FindGroup(base::ReadTxn& txn, const base::GroupId& group) const;
  std::vector<Member> MembersOf(base::ReadTxn& txn, const base::GroupId& group) const;
  // How many bytes of the blob this peer may fetch under the groups that want it, by
  // limits.member_bytes.
  uint64_t FetchBytesAllowed(base::ReadTxn& txn, const BlobRecord& record) const;

  // ---- after damage ----
  // Begins to fold again, from the log, the references of every group that lost rows of them, and
  // of `also`.
  absl::Status RefoldDamaged(const std::set<base::GroupId>& also);
  // Whether references of a group are being folded again: until that ends some may be missing.
  absl::StatusOr<bool> Refolding() const;

 private:
  const Core& core_;
  GroupWork& work_;
};

}  // namespace waypost::syncgroup
