#include "syncgroup/group/group_store.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "signpost/signpost_table.h"
#include "syncgroup/group/group_store_impl.h"
#include "syncgroup/group/work.h"
#include "syncgroup/ledger/codec.h"
#include "syncgroup/ledger/keys.h"
#include "syncgroup/protocol/wire_codec.h"

// Looking at groups, and who may read what. A question about rights reads membership, state and
// holding in the caller's one transaction, so that they belong to the same moment. Changes go
// through ChangeGroup, which refuses them where this peer is no member any more.

namespace waypost::syncgroup {

using base::Index;

absl::Status CheckAuthority(const Member& self, const Op& op) {
  if (AuthorityAllows(self.authority, op)) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat("this peer is a ", AuthorityName(self.authority),
                   " of the group; ask an admin for more authority"));
}

GroupInfo InfoOf(base::ReadTxn& txn, const base::PeerId& self, const base::GroupId& group,
                 const GroupRow& row) {
  GroupInfo info{.id = group,
                 .name = row.name,
                 .description = row.description,
                 .is_public = row.is_public,
                 .inviters = row.inviters,
                 .authority = Authority::kReader,
                 .members = row.members,
                 .created = row.created};
  if (const auto member = LoadMember(txn, group, self)) {
    info.role = member->role;
    info.authority = member->authority;
  }
  return info;
}

absl::Status GroupStore::Impl::ChangeGroup(const base::GroupId& group, const Change& change) {
  bool work_left = false;
  const absl::Status status =
      core.Update(Index::Lane::kForeground, [&](base::WriteTxn& txn, Effects& effects) {
        auto writer = GroupWriter::Open(core, txn, effects, group);
        if (!writer || writer->row().state != GroupRow::State::kActive) return NoSuchGroup(group);
        const auto member = LoadMember(txn, group, core.self());
        if (!member) {
          return absl::FailedPreconditionError(absl::StrCat(
              "this peer is no longer a member of group ", group.ToHex(), "; leave or join again"));
        }
        RETURN_IF_ERROR(change(*writer, *member));
        writer->Finish();
        work_left = effects.Of(group).work;
        return absl::OkStatus();
      });
  RETURN_IF_ERROR(status);
  if (!work_left) return absl::OkStatus();
  return work.Do(group, kStepsOfCall).status();
}

GroupStore::GroupStore(Options options, base::Index& index, const Ledger& ledger,
                       blobstore::BlobStore& blobs, signpost::PeerBook& peers,
                       const base::Clock& clock, base::EventLog& events)
    : impl_(
          std::make_unique<Impl>(std::move(options), index, ledger, blobs, peers, clock, events)) {}
GroupStore::~GroupStore() = default;

const base::PeerId& GroupStore::self() const { return impl_->core.self(); }

const Core& GroupStore::core() const { return impl_->core; }
GroupWork& GroupStore::work() { return impl_->work; }

void GroupStore::SetAccessListener(AccessListener listener) {
  impl_->core.SetAccessListener(std::move(listener));
}

void GroupStore::SetLocalChangeListener(std::function<void(const LocalChange&)> listener) {
  impl_->core.SetListener(std::move(listener));
}

namespace {

// Own knowledge must agree with the own log: if a row of either was damaged, the next number could
// be one that was used before.
bool OwnNumberingSound(base::ReadTxn& txn, const base::PeerId& self, const base::GroupId& group,
                       const GroupRow& row) {
  const Known known = LoadKnowledge(txn, group, {self, row.incarnation}).known;
  EntryPlace place{self, row.incarnation, known.generation};
  if (known.generation > 0) {
    const auto last = LoadEntryAt(txn, group, place);
    if (!last || HashEntry(last->bytes) != known.hash) return false;
  }
  ++place.generation;
  return !FindPlace(txn, group, place);
}

}  // namespace

absl::Status GroupStore::Load() {
  const Core& core = impl_->core;
  std::vector<base::GroupId> groups;
  std::vector<base::GroupId> unsound;
  std::vector<base::GroupId> left;
  RETURN_IF_ERROR(core.index.Read([&](base::ReadTxn& txn) {
    VisitPrefix(txn, base::Table::kGroups, "", [&](std::string_view key, std::string_view) {
      if (const auto group = GroupOfKey(key)) groups.push_back(*group);
      return true;
    });
    for (const base::GroupId& group : groups) {
      const auto row = LoadGroupRow(txn, group);
      if (!row) continue;
      if (row->state == GroupRow::State::kLeaving) left.push_back(group);
      if (row->state == GroupRow::State::kActive &&
          !OwnNumberingSound(txn, core.self(), group, *row)) {
        unsound.push_back(group);
      }
    }
    return absl::OkStatus();
  }));
  for (const base::GroupId& group : unsound) {
    base::LogWarning("group ", group.ToHex(),
                     ": own log and knowledge disagree; a new numbering begins");
    RETURN_IF_ERROR(
        core.Update(Index::Lane::kForeground, [&](base::WriteTxn& txn, Effects& effects) {
          auto writer = GroupWriter::Open(core, txn, effects, group);
          if (!writer) return absl::OkStatus();
          writer->Retire();
          writer->Finish();
          return absl::OkStatus();
        }));
  }
  // Members were told before the end of the last run, or learn of it from each other.
  for (const base::GroupId& group : left) {
    RETURN_IF_ERROR(core.Update(Index::Lane::kForeground, [&](base::WriteTxn& txn, Effects&) {
      auto row = LoadGroupRow(txn, group);
      if (!row) return absl::OkStatus();
      row->state = GroupRow::State::kDropping;
      StoreGroupRow(txn, group, *row);
      return absl::OkStatus();
    }));
  }
  for (const base::GroupId& group : groups) {
    RETURN_IF_ERROR(impl_->work.Finish(group));
  }
  return absl::OkStatus();
}

// ---- look-ups ----

absl::StatusOr<std::vector<GroupInfo>> GroupStore::List(const base::GroupId& after,
                                                        std::size_t limit) const {
  std::vector<GroupInfo> infos;
  RETURN_IF_ERROR(impl_->core.index.Read([&](base::ReadTxn& txn) {
    base::Cursor cursor(txn, base::Table::kGroups);
    for (bool more = cursor.Seek(after.IsZero() ? std::string() : GroupKey(after));
         more && infos.size() < limit; more = cursor.Next()) {
      const auto group = GroupOfKey(cursor.key());
      const auto payload = cursor.payload();
      if (!group || *group == after || !payload) continue;
      const auto row = DecodeGroupRow(*payload);
      if (!row || row->state != GroupRow::State::kActive) continue;
      infos.push_back(InfoOf(txn, impl_->core.self(), *group, *row));
      infos.back().counts = impl_->core.ledger.LoadCounts(txn, *group);
    }
    return absl::OkStatus();
  }));
  return infos;
}

absl::StatusOr<GroupInfo> GroupStore::Find(const base::GroupId& group) const {
  std::optional<GroupInfo> info;
  RETURN_IF_ERROR(impl_->core.index.Read([&](base::ReadTxn& txn) {
    info = FindGroup(txn, group);
    if (info) info->counts = impl_->core.ledger.LoadCounts(txn, group);
    return absl::OkStatus();
  }));
  if (!info) return NoSuchGroup(group);
  return *std::move(info);
}

absl::StatusOr<std::vector<Member>> GroupStore::Members(const base::GroupId& group) const {
  std::optional<std::vector<Member>> members;
  RETURN_IF_ERROR(impl_->core.index.Read([&](base::ReadTxn& txn) {
    if (Has(txn, group)) members = LoadMembers(txn, group);
    return absl::OkStatus();
  }));
  if (!members) return NoSuchGroup(group);
  return *std::move(members);
}

bool GroupStore::IsMember(base::ReadTxn& txn, const base::GroupId& group,
                          const base::PeerId& peer) const {
  return FindMember(txn, group, peer).has_value();
}

std::optional<Member> GroupStore::FindMember(base::ReadTxn& txn, const base::GroupId& group,
                                             const base::PeerId& peer) const {
  return Has(txn, group) ? LoadMember(txn, group, peer) : std::nullopt;
}

bool GroupStore::Has(base::ReadTxn& txn, const base::GroupId& group) const {
  const auto row = LoadGroupRow(txn, group);
  return row && row->state == GroupRow::State::kActive;
}

std::optional<GroupInfo> GroupStore::FindGroup(base::ReadTxn& txn,
                                               const base::GroupId& group) const {
  const auto row = LoadGroupRow(txn, group);
  if (!row || row->state != GroupRow::State::kActive) return std::nullopt;
  return InfoOf(txn, impl_->core.self(), group, *row);
}

std::vector<Member> GroupStore::MembersOf(base::ReadTxn& txn, const base::GroupId& group) const {
  return Has(txn, group) ? LoadMembers(txn, group) : std::vector<Member>();
}

signpost::SharedSignpost GroupStore::SharedSignpostFor(base::ReadTxn& txn, const base::BlobId& blob,
                                                       const base::PeerId& caller) const {
  const auto signpost = signpost::LoadSignpost(txn, blob);
  if (!signpost) return {};
  const signpost::FilterView view{
      .self = self(),
      .is_public =
          [&](const base::GroupId& group) {
            const auto row = LoadGroupRow(txn, group);
            return row && row->state == GroupRow::State::kActive && row->is_public;
          },
      .is_member = [&](const base::GroupId& group,
                       const base::PeerId& peer) { return IsMember(txn, group, peer); },
  };
  return signpost::FilterFor(*signpost, caller, view, impl_->core.ledger.options().max_locations);
}

namespace {

// Who knows the id of a public group may read what it holds.
bool MayRead(base::ReadTxn& txn, const base::GroupId& group, const base::PeerId& peer) {
  const auto row = LoadGroupRow(txn, group);
  return row && row->state == GroupRow::State::kActive &&
         (row->is_public || LoadMember(txn, group, peer));
}

}  // namespace

std::vector<base::GroupId> GroupStore::Granted(base::ReadTxn& txn, const base::PeerId& peer,
                                               const base::BlobId& blob,
                                               const std::vector<base::GroupId>& groups) const {
  std::vector<base::GroupId> granted;
  const auto row = blobstore::LoadBlobRow(txn, blob);
  if (!row) return granted;
  for (const base::GroupId& group : groups) {
    if (row->holdings.contains(group) && MayRead(txn, group, peer)) granted.push_back(group);
  }
  return granted;
}

uint64_t GroupStore::FetchBytesAllowed(base::ReadTxn& txn, const BlobRecord& record) const {
  constexpr uint64_t kAll = std::numeric_limits<uint64_t>::max();
  if (!record.signpost || record.signpost->asked_until != base::kNever) return kAll;
  std::optional<uint64_t> allowed;
  for (const auto& [group, mention] : record.signpost->groups) {
    if (!mention.wanted) continue;
    if (mention.first_by == 0 || mention.set_here) return kAll;
    const uint64_t fetched = LoadCharge(txn, group, mention.first_by);
    allowed = std::max(allowed.value_or(0), BytesAllowed(impl_->core.options.limits, fetched));
  }
  return allowed.value_or(kAll);
}

absl::StatusOr<std::map<base::PeerId, uint64_t>> GroupStore::BytesFetchedFor(
    const base::GroupId& group) const {
  std::map<base::PeerId, uint64_t> charges;
  RETURN_IF_ERROR(impl_->core.index.Read([&](base::ReadTxn& txn) {
    for (const Member& member : LoadMembers(txn, group)) {
      charges[member.peer] = LoadCharge(txn, group, FirstBy(member.peer));
    }
    return absl::OkStatus();
  }));
  return charges;
}

bool GroupStore::MentionedFor(base::ReadTxn& txn, const base::BlobId& blob,
                              const base::PeerId& peer,
                              const std::vector<base::GroupId>& groups) const {
  const auto signpost = signpost::LoadSignpost(txn, blob);
  if (!signpost) return false;
  return std::any_of(groups.begin(), groups.end(), [&](const base::GroupId& group) {
    return signpost->groups.contains(group) && MayRead(txn, group, peer);
  });
}

}  // namespace waypost::syncgroup
