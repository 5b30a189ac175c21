#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/events.h"
#include "base/ids.h"
#include "base/index.h"
#include "blobstore/blob_store.h"
#include "signpost/peer_book.h"
#include "signpost/rules.h"
#include "syncgroup/group/changes.h"
#include "syncgroup/group/group_options.h"
#include "syncgroup/ledger/ledger.h"
#include "syncgroup/protocol/entry.h"
#include "syncgroup/protocol/invite.h"
#include "syncgroup/protocol/messages.h"
#include "syncgroup/protocol/types.h"

namespace waypost::syncgroup {

// A change to references, as an app asks for it.
struct RefChange {
  std::string key;
  std::optional<base::BlobId> blob;  // nullopt: delete
};

// The groups of this peer: members, references and the replicated log, all kept in the index.
// Thread-safe; methods that change something return when it is durable. Errors carry the API's
// meaning: kNotFound (no such group, key, member, invite), kInvalidArgument, kAlreadyExists,
// kFailedPrecondition, kPermissionDenied, and for invites kCancelled = expired (410).
class GroupStore {
 public:
  using Options = GroupOptions;
  GroupStore(Options options, base::Index& index, const Ledger& ledger, blobstore::BlobStore& blobs,
             signpost::PeerBook& peers, const base::Clock& clock, base::EventLog& events);
  ~GroupStore();
  // Checks own knowledge against own log, resumes work cut off (leaving, folding again). Before
  // use.
  absl::Status Load();
  const base::PeerId& self() const;

  // ---- groups ----
  struct CreateOptions {
    std::string name;
    std::string description;
    bool is_public = false;
    Role role = Role::kNormal;
    bool duplicate = false;  // allow a name that is taken here
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
  absl::Status Leave(const base::GroupId& group);
  absl::Status RemoveMember(const base::GroupId& group, const base::PeerId& peer);
  absl::Status ChangeMember(const base::GroupId& group, const base::PeerId& peer,
                            std::optional<Role> role, std::optional<Authority> authority);

  // ---- invites ----
  struct InviteOptions {
    std::optional<Role> role;
    std::optional<Authority> authority;      // default writer
    uint32_t uses = 1;                       // at most 1,000
    base::Millis expires{24 * 3600 * 1000};  // from now; at most 7 days
  };
  absl::StatusOr<Invite> CreateInvite(const base::GroupId& group, const InviteOptions& options);
  // Those made here that can still be used, by id.
  absl::StatusOr<std::vector<InviteInfo>> Invites(const base::GroupId& group) const;
  absl::Status RevokeInvite(const base::GroupId& group, std::string_view id);
  // The inviter's side: the use and the admission are one transaction; the same peer asking again
  // gets the same answer and no second use is counted.
  absl::StatusOr<JoinReply> AcceptJoin(const base::PeerId& caller, const JoinRequest& request);
  // The joiner's side, before and after the call to the inviter.
  absl::StatusOr<JoinRequest> PrepareJoin(const Invite& invite, std::optional<Role> role);
  absl::StatusOr<GroupInfo> FinishJoin(const Invite& invite, const JoinRequest& request,
                                       const JoinReply& reply);

  // ---- references ----
  absl::StatusOr<Ref> GetRef(const base::GroupId& group, std::string_view key) const;
  // In key order, after `after`, those that begin with `prefix`.
  absl::StatusOr<std::vector<Ref>> ListRefs(const base::GroupId& group, std::string_view prefix,
                                            std::string_view after, std::size_t limit) const;
  // One entry, all or nothing, at most kOpsPerEntryMax.
  absl::Status ChangeRefs(const base::GroupId& group, const std::vector<RefChange>& changes);
  // Makes a staged blob known: row, a holding in every group that mentions it here and, with
  // `target`, the reference in the same transaction: if that is refused nothing is kept. `created`:
  // it was not here.
  struct PutResult {
    bool created = false;
    uint64_t size_bytes = 0;
  };
  struct RefTarget {
    base::GroupId group;
    std::string key;
  };
  absl::StatusOr<PutResult> Put(const blobstore::StagedBlob& staged,
                                const std::optional<RefTarget>& target);
  // Inside a transaction: may this peer serve the blob to `peer` under one of `groups`? Those
  // granted.
  std::vector<base::GroupId> Granted(base::ReadTxn& txn, const base::PeerId& peer,
                                     const base::BlobId& blob,
                                     const std::vector<base::GroupId>& groups) const;
  // Inside a transaction: how many bytes of the blob this peer may fetch under the groups that want
  // it, by limits.member_bytes.
  uint64_t FetchBytesAllowed(base::ReadTxn& txn, const BlobRecord& record) const;
  // Inside a transaction: does one of `groups` that is public, or in which `peer` is a member,
  // mention the blob? Then `peer` may well know of it, and asking is no guess.
  bool MentionedFor(base::ReadTxn& txn, const base::BlobId& blob, const base::PeerId& peer,
                    const std::vector<base::GroupId>& groups) const;

  // ---- look-ups inside a transaction ----
  bool IsMember(base::ReadTxn& txn, const base::GroupId& group, const base::PeerId& peer) const;
  std::optional<Member> FindMember(base::ReadTxn& txn, const base::GroupId& group,
                                   const base::PeerId& peer) const;
  bool Has(base::ReadTxn& txn, const base::GroupId& group) const;
  // Without counts.
  std::optional<GroupInfo> FindGroup(base::ReadTxn& txn, const base::GroupId& group) const;
  std::vector<Member> MembersOf(base::ReadTxn& txn, const base::GroupId& group) const;
  // What `caller` may learn of a blob's whereabouts as an answer to a miss; see
  // signpost::FilterFor.
  signpost::SharedSignpost SharedSignpostFor(base::ReadTxn& txn, const base::BlobId& blob,
                                             const base::PeerId& caller) const;

  // ---- after damage ----
  // Begins to fold again, from the log, the references of every group that lost rows of them.
  absl::Status RefoldDamaged();
  // Whether references of a group are being folded again: until that ends some may be missing.
  absl::StatusOr<bool> Refolding() const;

  // ---- for the chamber above, which replicates ----
  const struct Core& core() const;
  class GroupWork& work();

  void SetAccessListener(AccessListener listener);
  void SetLocalChangeListener(std::function<void(const LocalChange&)> listener);

  // Writes an own profile entry in each group where name or addresses are not those of now. For the
  // syncer: at its start and each minute.
  absl::Status PublishProfile();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace waypost::syncgroup
