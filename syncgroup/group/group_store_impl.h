#pragma once

#include <utility>

#include "base/clock.h"
#include "syncgroup/group/core.h"
#include "syncgroup/group/group_store.h"
#include "syncgroup/group/group_writer.h"
#include "syncgroup/group/work.h"
#include "syncgroup/ledger/rows.h"

namespace waypost::syncgroup {

struct GroupStore::Impl {
  // Transactions of work that a call does itself before it leaves the rest to the syncer.
  static constexpr std::size_t kStepsOfCall = 20;

  Impl(Options options, base::Index& index, const Ledger& ledger, blobstore::BlobStore& blobs,
       signpost::PeerBook& peers, const base::Clock& clock, base::EventLog& events)
      : core{.options = std::move(options),
             .index = index,
             .ledger = ledger,
             .blobs = blobs,
             .peers = peers,
             .clock = clock,
             .events = events},
        work(core) {}

  Core core;
  GroupWork work;

  // Runs `change` on a group that is here and in which this peer is a member; its errors end the
  // transaction. Work that follows is begun.
  using Change = std::function<absl::Status(GroupWriter&, const Member& self)>;
  absl::Status ChangeGroup(const base::GroupId& group, const Change& change);
};

// Which operation an app wants is refused for lack of authority.
absl::Status CheckAuthority(const Member& self, const Op& op);

// As FindGroup of a row that was loaded already; no counts.
GroupInfo InfoOf(base::ReadTxn& txn, const base::PeerId& self, const base::GroupId& group,
                 const GroupRow& row);

}  // namespace waypost::syncgroup
