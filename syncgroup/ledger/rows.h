#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "base/ids.h"
#include "base/index.h"
#include "base/time.h"
#include "syncgroup/membership/member_limits.h"
#include "syncgroup/membership/membership.h"
#include "syncgroup/protocol/entry.h"
#include "syncgroup/protocol/messages.h"
#include "syncgroup/protocol/types.h"

// Rows of syncgroup's tables as the room's own code sees them. Not for other rooms.
namespace waypost::syncgroup {

// An own numbering that is written no more because another member knows it further or otherwise
// than this index does: the index was restored, or copied.
struct RetiredNumbering {
  base::Incarnation incarnation;
  // Whether our copy of it parts from the members' is settled. Until then nothing of it is handed
  // out.
  bool resolved = false;
  // Not 0: entries from this generation on are being written again under the numbering of now.
  uint64_t rewrite_from = 0;
  bool drop = false;  // ... and leave the log, in favour of what the members have

  friend bool operator==(const RetiredNumbering&, const RetiredNumbering&) = default;
};

// How far the references have been folded again; see work.h.
struct RefoldProgress {
  enum class Phase : uint8_t { kNone = 0, kLog = 1, kSweep = 2 };
  Phase phase = Phase::kNone;
  uint64_t sequence = 0;  // kLog: up to here the log has been applied
  std::string key;        // kSweep: up to here left-overs were removed

  friend bool operator==(const RefoldProgress&, const RefoldProgress&) = default;
};

struct GroupRow {
  // kLeaving: gone for the app, still served, so that members can learn of it. kDropping: rows go.
  enum class State : uint8_t { kActive = 1, kLeaving = 2, kDropping = 3 };
  State state = State::kActive;
  std::string genesis;  // sealed
  std::string name;
  std::string description;
  bool is_public = false;
  Authority inviters = Authority::kAdmin;
  base::WallTime created;
  base::Incarnation incarnation;  // own numbering of now
  std::vector<RetiredNumbering> retired;
  base::Incarnation log;        // drawn when the log in this index was begun
  base::Incarnation log_token;  // stands for the log up to last_sequence
  uint64_t last_sequence = 0;
  base::WallTime latest;  // time of entries seen, for the hybrid clock
  uint64_t members = 0;
  uint64_t epoch = 1;  // references of an earlier one are left-overs of a fold before
  RefoldProgress refold;
  base::WallTime left;
  uint64_t left_generation = 0;  // of the own entry that says so
  // Entries of someone who was no member then were passed over in what others sent: should it be
  // admitted after all, everything is asked for again.
  bool passed_over = false;
  uint32_t drop_phase = 0;
  std::string drop_position;

  friend bool operator==(const GroupRow&, const GroupRow&) = default;
};

struct RefRow {
  std::optional<base::BlobId> blob;  // nullopt: deleted
  std::optional<uint64_t> size_bytes;
  Stamp stamp;
  uint64_t epoch = 0;

  friend bool operator==(const RefRow&, const RefRow&) = default;
};

struct LogRow {
  SealedEntry entry;
  base::Incarnation token;  // stands for the log up to here

  friend bool operator==(const LogRow&, const LogRow&) = default;
};

struct KnowledgeRow {
  Known known;
  ForkProof proof;  // when known.forked is not 0
  MemberUse used;   // by its entries so far
};

// The profiles that are kept of one numbering: the first `kept` of them for good, so that a fold is
// exact whatever is void of the numbering's end; of the rest the newest, and of those that lower
// the role the newest for each role.
struct ProfilesRow {
  std::optional<Stamp> newest;
  std::optional<Stamp> newest_normal;
  std::optional<Stamp> newest_leaf;
  uint32_t kept = 0;
  uint64_t kept_until = 0;  // no generation of those is beyond

  friend bool operator==(const ProfilesRow&, const ProfilesRow&) = default;
};

struct InviteRow {
  base::GroupId group;
  std::string verifier;  // checks proofs; the secret itself is kept nowhere
  std::optional<Role> role;
  Authority authority = Authority::kWriter;
  uint32_t uses_left = 0;
  base::WallTime created;
  base::WallTime expires;
  std::vector<base::PeerId> used_by;
  uint32_t bad_proofs = 0;
};

std::optional<GroupRow> LoadGroupRow(base::ReadTxn& txn, const base::GroupId& group);
// Is the group here, and not about to be left?
bool IsActive(base::ReadTxn& txn, const base::GroupId& group);
// Those of all groups here, by id.
std::vector<std::pair<base::GroupId, GroupRow>> LoadGroupRows(base::ReadTxn& txn);
void StoreGroupRow(base::WriteTxn& txn, const base::GroupId& group, const GroupRow& row);

std::optional<Member> LoadMember(base::ReadTxn& txn, const base::GroupId& group,
                                 const base::PeerId& peer);
// The member that a charge is for; see LoadCharge.
std::optional<Member> FindMemberBy(base::ReadTxn& txn, const base::GroupId& group,
                                   uint64_t first_by);
// Only whether `peer` is a member, and as what: cheaper, for what is asked of every reference.
std::optional<Role> LoadRole(base::ReadTxn& txn, const base::GroupId& group,
                             const base::PeerId& peer);
std::vector<Member> LoadMembers(base::ReadTxn& txn, const base::GroupId& group);
void StoreMember(base::WriteTxn& txn, const base::GroupId& group, const Member& member);

// Nothing of an unknown origin counts.
OriginCut LoadCut(base::ReadTxn& txn, const base::GroupId& group, const base::PeerId& origin);
std::map<base::PeerId, OriginCut> LoadCuts(base::ReadTxn& txn, const base::GroupId& group);
void StoreCut(base::WriteTxn& txn, const base::GroupId& group, const base::PeerId& origin,
              const OriginCut& cut);

std::vector<StampedOp> LoadMembershipOps(base::ReadTxn& txn, const base::GroupId& group);
// The latest operation that ends a membership of `peer`, by whom says its place: it may have left
// before, and been admitted again.
std::optional<Stamp> LatestRemoval(base::ReadTxn& txn, const base::GroupId& group,
                                   const base::PeerId& peer);
// ... of everybody: one walk, as that of one.
std::map<base::PeerId, Stamp> LatestRemovals(base::ReadTxn& txn, const base::GroupId& group);
void StoreMembershipOp(base::WriteTxn& txn, const base::GroupId& group, const StampedOp& op);

ProfilesRow LoadProfiles(base::ReadTxn& txn, const base::GroupId& group,
                         const OriginKey& numbering);
// Of all numberings of one origin.
std::map<OriginKey, ProfilesRow> LoadProfilesOf(base::ReadTxn& txn, const base::GroupId& group,
                                                const base::PeerId& origin);
void StoreProfiles(base::WriteTxn& txn, const base::GroupId& group, const OriginKey& numbering,
                   const ProfilesRow& row);

std::optional<RefRow> LoadRefRow(base::ReadTxn& txn, const base::GroupId& group,
                                 std::string_view key);
void StoreRefRow(base::WriteTxn& txn, const base::GroupId& group, std::string_view key,
                 const RefRow& row);
std::optional<RefRow> DecodeRefRow(std::string_view payload);

std::optional<LogRow> LoadLogRow(base::ReadTxn& txn, const base::GroupId& group, uint64_t sequence);
void StoreLogRow(base::WriteTxn& txn, const base::GroupId& group, uint64_t sequence,
                 const EntryPlace& place, const LogRow& row);
void DeleteLogRow(base::WriteTxn& txn, const base::GroupId& group, uint64_t sequence,
                  const EntryPlace& place);
std::optional<LogRow> DecodeLogRow(std::string_view payload);
std::optional<uint64_t> FindPlace(base::ReadTxn& txn, const base::GroupId& group,
                                  const EntryPlace& place);
// The entry at a place of the log.
std::optional<SealedEntry> LoadEntryAt(base::ReadTxn& txn, const base::GroupId& group,
                                       const EntryPlace& place);

KnowledgeRow LoadKnowledge(base::ReadTxn& txn, const base::GroupId& group,
                           const OriginKey& numbering);
void StoreKnowledge(base::WriteTxn& txn, const base::GroupId& group, const OriginKey& numbering,
                    const KnowledgeRow& row);
// What has been taken of one origin, under all its numberings.
MemberUse LoadUse(base::ReadTxn& txn, const base::GroupId& group, const base::PeerId& origin);
// From `first` on, before `end` (nullopt: to the last), at most `max` of them; `next` is the first
// that was left out.
struct KnowledgePage {
  Knowledge knowledge;
  std::optional<OriginKey> next;
};
KnowledgePage LoadKnowledgePage(base::ReadTxn& txn, const base::GroupId& group,
                                const OriginKey& first, const std::optional<OriginKey>& end,
                                std::size_t max);
// Of the whole group, or of one origin.
Knowledge LoadAllKnowledge(base::ReadTxn& txn, const base::GroupId& group);
Knowledge LoadKnowledgeOf(base::ReadTxn& txn, const base::GroupId& group,
                          const base::PeerId& origin);

// Of one origin: all, or where there are more than an entry can name those with the most entries.
Knowledge LongestNumberings(base::ReadTxn& txn, const base::GroupId& group,
                            const base::PeerId& origin, std::size_t max);

LogCursor LoadCursor(base::ReadTxn& txn, const base::GroupId& group, const base::PeerId& peer);
void StoreCursor(base::WriteTxn& txn, const base::GroupId& group, const base::PeerId& peer,
                 const LogCursor& cursor);

Counts LoadCountsRow(base::ReadTxn& txn, const base::GroupId& group_or_zero);
void StoreCountsRow(base::WriteTxn& txn, const base::GroupId& group_or_zero, const Counts& counts);

// Bytes ever fetched because of a member; see signpost::GroupMention::first_by.
uint64_t LoadCharge(base::ReadTxn& txn, const base::GroupId& group, uint64_t first_by);
void StoreCharge(base::WriteTxn& txn, const base::GroupId& group, uint64_t first_by,
                 uint64_t fetched_bytes);

std::optional<InviteRow> LoadInvite(base::ReadTxn& txn, std::string_view id);
void StoreInvite(base::WriteTxn& txn, std::string_view id, const InviteRow& row);
std::optional<InviteRow> DecodeInvite(std::string_view payload);

// Calls `visit(key, payload)` for the sound rows whose keys begin with `prefix`, in order, until it
// answers false. No writes through the transaction meanwhile.
void VisitPrefix(base::ReadTxn& txn, base::Table table, std::string_view prefix,
                 absl::FunctionRef<bool(std::string_view key, std::string_view payload)> visit);
// Deletes up to `limit` rows whose keys begin with `prefix`; how many.
std::size_t DeletePrefix(base::WriteTxn& txn, base::Table table, std::string_view prefix,
                         std::size_t limit);

}  // namespace waypost::syncgroup
