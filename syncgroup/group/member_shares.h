#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "base/ids.h"
#include "base/index.h"
#include "base/time.h"
#include "syncgroup/ledger/rows.h"
#include "syncgroup/membership/member_limits.h"

namespace waypost::syncgroup {

// Since when the age of `origin` counts in the group, for what it may bring. Of who is no member it
// is not known when it was one: since the group is here.
base::WallTime AgeBegins(base::ReadTxn& txn, const base::GroupId& group, const GroupRow& row,
                         const base::PeerId& self, const base::PeerId& origin);

// What members have brought into one group, as of one transaction, against what they may: each by
// its own limits, and those that came by the invites of one member together. Counts what was asked
// about once; of one thread.
class MemberShares {
 public:
  // `txn` outlives it.
  MemberShares(base::ReadTxn& txn, const base::GroupId& group, const GroupRow& row,
               const base::PeerId& self, const MemberLimits& limits, base::WallTime now);

  // What is beyond a limit if `origin` brings `more`, in words that name it and the settings;
  // nullopt: nothing.
  std::optional<std::string> WhyNot(const base::PeerId& origin, const MemberUse& more);
  void Took(const base::PeerId& origin, const MemberUse& more);

 private:
  struct Origin {
    MemberUse use;
    base::WallTime since;
    base::PeerId sponsor;
  };
  Origin& Of(const base::PeerId& origin);
  // All that came by the invites of one.
  struct Brought {
    MemberUse together;
    std::set<base::PeerId> own_share;  // those of them that have one
  };
  Brought& BroughtBy(const base::PeerId& sponsor);

  base::ReadTxn& txn_;
  const base::GroupId group_;
  const GroupRow& row_;
  const base::PeerId self_;
  const MemberLimits limits_;
  const base::WallTime now_;
  std::map<base::PeerId, Origin> origins_;
  std::map<base::PeerId, Brought> brought_by_;
};

// How many bytes may still be fetched because of the member that `first_by` stands for; see
// signpost::GroupMention::first_by.
uint64_t FetchBytesLeft(base::ReadTxn& txn, const base::GroupId& group, const MemberLimits& limits,
                        uint64_t first_by);

}  // namespace waypost::syncgroup
