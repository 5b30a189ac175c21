#include "syncgroup/group/member_shares.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "syncgroup/ledger/keys.h"

// A member that an admin admitted has its limits to itself. One that came by an invite shares one
// part with all whom the same member brought in; the first 64 of these have a small part of their
// own besides. Whom it brings in itself comes out of the shared part alone: else a tree of invites
// had no end. Who was removed is no member and counts no more.

namespace waypost::syncgroup {
namespace {

// Of those that one member brought in, as OwnShareOfInvited gives each a 64th.
constexpr std::size_t kOwnSharesMax = 64;

}  // namespace

base::WallTime AgeBegins(base::ReadTxn& txn, const base::GroupId& group, const GroupRow& row,
                         const base::PeerId& self, const base::PeerId& origin) {
  const auto member = LoadMember(txn, group, origin);
  if (!member) return row.created;
  const auto own = LoadMember(txn, group, self);
  return AgeBegins(member->admitted, member->first_seen, own ? own->admitted : row.created);
}

MemberShares::MemberShares(base::ReadTxn& txn, const base::GroupId& group, const GroupRow& row,
                           const base::PeerId& self, const MemberLimits& limits, base::WallTime now)
    : txn_(txn), group_(group), row_(row), self_(self), limits_(limits), now_(now) {}

MemberShares::Origin& MemberShares::Of(const base::PeerId& origin) {
  const auto it = origins_.find(origin);
  if (it != origins_.end()) return it->second;
  Origin& added = origins_[origin];
  added.use = LoadUse(txn_, group_, origin);
  added.since = AgeBegins(txn_, group_, row_, self_, origin);
  if (const auto member = LoadMember(txn_, group_, origin)) added.sponsor = member->sponsor;
  return added;
}

MemberShares::Brought& MemberShares::BroughtBy(const base::PeerId& sponsor) {
  const auto it = brought_by_.find(sponsor);
  if (it != brought_by_.end()) return it->second;
  Brought& brought = brought_by_[sponsor];
  std::vector<std::pair<base::WallTime, base::PeerId>> in_order;
  for (const Member& member : LoadMembers(txn_, group_)) {
    if (member.sponsor != sponsor) continue;
    brought.together += Of(member.peer).use;
    // By when it came here: its admission has the stamp that its sponsor gave it.
    in_order.emplace_back(Of(member.peer).since, member.peer);
  }
  const std::size_t first = std::min(in_order.size(), kOwnSharesMax);
  std::partial_sort(in_order.begin(), in_order.begin() + static_cast<std::ptrdiff_t>(first),
                    in_order.end());
  for (std::size_t i = 0; i < first; ++i) brought.own_share.insert(in_order[i].second);
  return brought;
}

std::optional<std::string> MemberShares::WhyNot(const base::PeerId& origin, const MemberUse& more) {
  const Origin& known = Of(origin);
  MemberUse with = known.use;
  with += more;
  if (const auto beyond = BeyondLimits(limits_, with, more, known.since, now_)) {
    return absl::StrCat("peer ", origin.ToHex(), " ", *beyond);
  }
  if (known.sponsor.IsZero()) return std::nullopt;
  const Brought& brought = BroughtBy(known.sponsor);
  if (more.membership == 0 && brought.own_share.contains(origin) &&
      !BeyondLimits(OwnShareOfInvited(limits_), with, more, known.since, now_)) {
    return std::nullopt;
  }
  MemberUse together = brought.together;
  together += more;
  const base::WallTime since = AgeBegins(txn_, group_, row_, self_, known.sponsor);
  if (const auto beyond = BeyondLimits(limits_, together, more, since, now_)) {
    return absl::StrCat("peer ", origin.ToHex(), ", with all that peer ", known.sponsor.ToHex(),
                        " brought in, ", *beyond, ", or let an admin admit it");
  }
  return std::nullopt;
}

void MemberShares::Took(const base::PeerId& origin, const MemberUse& more) {
  Origin& known = Of(origin);
  known.use += more;
  const auto brought = brought_by_.find(known.sponsor);
  if (brought != brought_by_.end()) brought->second.together += more;
}

uint64_t FetchBytesLeft(base::ReadTxn& txn, const base::GroupId& group, const MemberLimits& limits,
                        uint64_t first_by) {
  const uint64_t fetched = LoadCharge(txn, group, first_by);
  const auto member = FindMemberBy(txn, group, first_by);
  if (!member || member->sponsor.IsZero()) return BytesAllowed(limits, fetched);
  uint64_t together = 0;
  for (const Member& other : LoadMembers(txn, group)) {
    if (other.sponsor == member->sponsor) {
      together += LoadCharge(txn, group, FirstBy(other.peer));
    }
  }
  return std::max(BytesAllowed(limits, together), BytesAllowed(OwnShareOfInvited(limits), fetched));
}

}  // namespace waypost::syncgroup
