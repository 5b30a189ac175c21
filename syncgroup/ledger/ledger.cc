#include "syncgroup/ledger/ledger.h"

#include <algorithm>
#include <limits>

#include "base/clock.h"
#include "signpost/due.h"
#include "signpost/rules.h"
#include "signpost/signpost_table.h"
#include "syncgroup/ledger/keys.h"
#include "syncgroup/ledger/rows.h"

// Reads both rows of a blob, lets the caller change them, settles what the rules derive from them,
// and writes what differs: rows, due row, counts, charges. What is taken from the counts is exactly
// what was added for this blob before, as its rows record it; so counts stay exact whatever roles
// do meanwhile.

namespace waypost::syncgroup {
namespace {

using signpost::DueKey;
using signpost::Signpost;

// What one blob adds to the counts, as its rows say. wanted_since and the mentions' `wanted` are
// the facts as they were counted.
struct Contribution {
  std::map<base::GroupId, Counts> groups;  // the zero group among them
};

uint64_t SizeOf(const BlobRecord& record) {
  if (record.row) return record.row->size_bytes;
  return record.signpost ? record.signpost->size_hint_bytes.value_or(0) : 0;
}

bool IsWanted(const BlobRecord& record) {
  return record.signpost && record.signpost->wanted_since != base::kNever;
}
bool IsStopped(const BlobRecord& record) {
  return record.signpost && record.signpost->stopped != base::kNever;
}

bool WasWantedIn(const BlobRecord& before, const base::GroupId& group) {
  if (!before.signpost) return false;
  const auto it = before.signpost->groups.find(group);
  return it != before.signpost->groups.end() && it->second.wanted;
}

Contribution ContributionOf(const BlobRecord& record) {
  Contribution result;
  Counts& all = result.groups[base::GroupId()];
  const uint64_t size = SizeOf(record);
  if (record.signpost) {
    all.signposts = 1;
    for (const auto& [group, mention] : record.signpost->groups) {
      if (!mention.wanted) continue;
      result.groups[group] = {
          .wanted = 1, .wanted_bytes = size, .stopped = IsStopped(record) ? uint64_t{1} : 0};
    }
  }
  if (IsWanted(record)) {
    all.wanted = 1;
    all.wanted_bytes = size;
    all.stopped = IsStopped(record) ? 1 : 0;
  }
  if (record.row) {
    all.blobs = 1;
    all.bytes = size;
    for (const auto& [group, holding] : record.row->holdings) {
      result.groups[group].blobs = 1;
      result.groups[group].bytes = size;
    }
  }
  return result;
}

// A count that was damaged, or sizes that nobody can have, must not make it wrap around: the scan
// puts it right.
uint64_t Moved(uint64_t value, uint64_t minus, uint64_t plus) {
  value += std::min(plus, std::numeric_limits<uint64_t>::max() - value);
  return value > minus ? value - minus : 0;
}

Counts Moved(Counts counts, const Counts& minus, const Counts& plus) {
  counts.wanted = Moved(counts.wanted, minus.wanted, plus.wanted);
  counts.wanted_bytes = Moved(counts.wanted_bytes, minus.wanted_bytes, plus.wanted_bytes);
  counts.stopped = Moved(counts.stopped, minus.stopped, plus.stopped);
  counts.blobs = Moved(counts.blobs, minus.blobs, plus.blobs);
  counts.bytes = Moved(counts.bytes, minus.bytes, plus.bytes);
  counts.signposts = Moved(counts.signposts, minus.signposts, plus.signposts);
  return counts;
}

bool FetchedFor(const BlobRecord& record, const base::GroupId& group) {
  if (!record.row) return false;
  const auto it = record.row->holdings.find(group);
  return it != record.row->holdings.end() && it->second.via == blobstore::Via::kFetch;
}

// What of the blob stands to the charge of the member that mentioned it first in the group.
uint64_t ChargedIn(const BlobRecord& record, const base::GroupId& group,
                   const signpost::GroupMention& mention) {
  if (FetchedFor(record, group)) return record.row->size_bytes;
  return mention.wanted ? record.signpost->partial_bytes : 0;
}

// What came is charged for ever: what was deleted since took room all the same. What is begun is
// charged as long as it lies here, or who serves the beginnings of blobs without end would fill the
// disk and pay for nothing.
void Charge(base::WriteTxn& txn, const BlobRecord& before, const BlobRecord& after) {
  const auto charge = [&](const base::GroupId& group, uint64_t first_by, uint64_t minus,
                          uint64_t plus) {
    if (first_by == 0 || minus == plus) return;
    const uint64_t bytes = LoadCharge(txn, group, first_by);
    StoreCharge(txn, group, first_by, Moved(bytes, minus, plus));
  };
  if (before.signpost) {
    for (const auto& [group, mention] : before.signpost->groups) {
      if (FetchedFor(before, group)) continue;
      charge(group, mention.first_by, ChargedIn(before, group, mention), 0);
    }
  }
  if (after.signpost) {
    for (const auto& [group, mention] : after.signpost->groups) {
      if (FetchedFor(before, group)) continue;
      charge(group, mention.first_by, 0, ChargedIn(after, group, mention));
    }
  }
}

std::vector<base::GroupId> GrantedSince(const BlobRecord& before, const BlobRecord& after) {
  std::vector<base::GroupId> granted;
  if (!after.row) return granted;
  for (const auto& [group, holding] : after.row->holdings) {
    if (!before.row || !before.row->holdings.contains(group)) granted.push_back(group);
  }
  return granted;
}

std::optional<DueKey> DueOf(const base::BlobId& blob, const BlobRecord& record) {
  if (!IsWanted(record) || IsStopped(record)) return std::nullopt;
  return signpost::DueKeyOf(blob, *record.signpost);
}

// What became wanted within the same second is due at the same time, and so goes in the order of
// its ids: those that travel together are neighbours in every table, and their commit writes a page
// for many of them instead of one for each.
base::WallTime BeganNear(base::WallTime now) {
  constexpr int64_t kSecond = 1000;
  return base::FromMs(base::ToMs(now) / kSecond * kSecond);
}

bool Same(const BlobRecord& a, const BlobRecord& b) {
  return a.signpost == b.signpost && a.row == b.row;
}

}  // namespace

Ledger::Ledger(Options options, const base::Clock& clock) : options_(options), clock_(clock) {}

BlobRecord Ledger::Load(base::ReadTxn& txn, const base::BlobId& blob) const {
  return {.signpost = signpost::LoadSignpost(txn, blob), .row = blobstore::LoadBlobRow(txn, blob)};
}

bool Ledger::WantedIn(base::ReadTxn& txn, const base::GroupId& group,
                      const BlobRecord& record) const {
  if (!record.signpost) return false;
  const auto mention = record.signpost->groups.find(group);
  if (mention == record.signpost->groups.end() || mention->second.keys == 0) return false;
  if (record.row && record.row->holdings.contains(group)) return false;
  const auto role = LoadRole(txn, group, options_.self);
  return role && (role == Role::kServer || mention->second.set_here);
}

// Makes the derived parts of the record what the rules say; `before` tells what is new.
void Ledger::Settle(base::ReadTxn& txn, const BlobRecord& before, BlobRecord& record) const {
  if (!record.signpost) return;
  Signpost& signpost = *record.signpost;
  const base::WallTime now = clock_.WallNow();
  bool new_want = false;
  bool wanted = false;
  for (auto it = signpost.groups.begin(); it != signpost.groups.end();) {
    if (it->second.keys == 0) {
      it = signpost.groups.erase(it);
      continue;
    }
    const bool want = WantedIn(txn, it->first, record);
    new_want |= want && !WasWantedIn(before, it->first);
    it->second.wanted = want;
    wanted |= want;
    ++it;
  }
  // What an app asked for has arrived, or nobody asks any more.
  if (record.row || signpost.asked_until <= now) signpost.asked_until = base::kNever;
  const bool asked = signpost.asked_until != base::kNever;
  new_want |= asked && !(before.signpost && before.signpost->asked_until != base::kNever);
  // What was begun has become the blob, or its file goes. A row alone says neither: what is held
  // under one group may be on its way for another.
  if ((record.row && !before.row) || (!wanted && !asked)) signpost.partial_bytes = 0;
  if (!wanted && !asked) {
    signpost.wanted_since = base::kNever;
  } else if (new_want) {
    if (signpost.wanted_since == base::kNever) signpost.wanted_since = now;
    signpost.stopped = base::kNever;
    signpost.next_attempt = BeganNear(now);
  } else if (signpost.wanted_since == base::kNever) {
    signpost.wanted_since = now;  // the row was damaged or made by hand
  }
  signpost::TrimLocations(signpost.locations, options_.max_locations);
}

void Ledger::Change(base::WriteTxn& txn, const base::BlobId& blob,
                    absl::FunctionRef<void(BlobRecord&)> change) const {
  const BlobRecord before = Load(txn, blob);
  BlobRecord after = before;
  change(after);
  Settle(txn, before, after);

  const bool changed = !Same(before, after);
  if (changed && after.signpost) {
    const base::WallTime now = clock_.WallNow();
    if (after.signpost->created == base::kNever) after.signpost->created = now;
    after.signpost->updated = now;
  }
  if (changed) {
    if (after.signpost && after.signpost != before.signpost) {
      signpost::StoreSignpost(txn, blob, *after.signpost);
    } else if (!after.signpost && before.signpost) {
      signpost::DeleteSignpost(txn, blob);
    }
    if (after.row && after.row != before.row) {
      blobstore::StoreBlobRow(txn, blob, *after.row);
    } else if (!after.row && before.row) {
      blobstore::DeleteBlobRow(txn, blob);
    }
    MoveCounts(txn, before, after);
    Charge(txn, before, after);
  }
  MoveDueRow(txn, blob, before, after);
}

void Ledger::MoveDueRow(base::WriteTxn& txn, const base::BlobId& blob, const BlobRecord& before,
                        const BlobRecord& after) const {
  BlobChange change{.blob = blob, .due_after = DueOf(blob, after)};
  // Also where nothing changed: the row may be missing, and this is how it is put back.
  if (before.signpost) {
    const DueKey key = signpost::DueKeyOf(blob, *before.signpost);
    if (change.due_after == key) {
      if (signpost::HasDueRow(txn, key)) change.due_before = key;
    } else if (signpost::DeleteDueRow(txn, key)) {
      change.due_before = key;
    }
  }
  if (change.due_after && change.due_after != change.due_before) {
    signpost::PutDueRow(txn, *change.due_after, after.signpost->wanted_since);
  }
  change.wanted = change.due_after.has_value();
  change.stored = !before.row && after.row;
  change.granted = GrantedSince(before, after);
  const uint64_t evidence = before.signpost ? before.signpost->evidence : 0;
  change.evidence = after.signpost && after.signpost->evidence > evidence;
  const bool wanted_before = IsWanted(before) && !IsStopped(before);
  if (wake_ != nullptr &&
      (change.due_before != change.due_after || change.stored || !change.granted.empty() ||
       change.evidence || change.wanted != wanted_before)) {
    txn.AfterCommit([wake = wake_, change] { wake->OnBlobChange(change); });
  }
}

void Ledger::ApplyMention(base::WriteTxn& txn, const base::BlobId& blob,
                          const Mention& mention) const {
  Change(txn, blob, [&](BlobRecord& record) {
    if (mention.keys < 0) {
      if (!record.signpost) return;
      const auto it = record.signpost->groups.find(mention.group);
      if (it != record.signpost->groups.end() && it->second.keys > 0) --it->second.keys;
      return;
    }
    Signpost& signpost = record.NeedSignpost();
    const base::WallTime now = clock_.WallNow();
    signpost::GroupMention& here = signpost.groups[mention.group];
    if (here.keys == 0 && !mention.origin.IsZero() && mention.origin != options_.self) {
      here.first_by = FirstBy(mention.origin);
    }
    here.keys += static_cast<uint32_t>(mention.keys);
    here.set_here |= mention.set_here;
    if (!signpost.size_hint_bytes) signpost.size_hint_bytes = mention.size_bytes;
    signpost::Locations learned;
    for (const base::PeerId& peer : mention.locations) {
      if (peer == options_.self || peer.IsZero()) continue;
      learned[peer] = {.when_seen = mention.when_seen,
                       .is_server = LoadRole(txn, mention.group, peer) == Role::kServer};
    }
    const bool gained = signpost::MergeLocations(signpost.locations, learned, now);
    if (mention.grants) Grant(record, mention.group);
    // A mention is a reason to try again, whatever was known before.
    if (mention.keys > 0 || gained) {
      ++signpost.evidence;
      signpost.next_attempt = std::min(signpost.next_attempt, now);
    }
    if (mention.keys > 0) signpost.stopped = base::kNever;
  });
}

void Ledger::AnnounceMembership(base::WriteTxn& txn, const base::GroupId& group) const {
  if (wake_ == nullptr) return;
  txn.AfterCommit([wake = wake_, group] { wake->OnMembershipChange(group); });
}

bool Ledger::Consistent(base::ReadTxn& txn, const base::BlobId& blob) const {
  const BlobRecord record = Load(txn, blob);
  BlobRecord settled = record;
  Settle(txn, record, settled);
  if (!Same(record, settled)) return false;
  if (!record.signpost) return true;
  const bool has = signpost::HasDueRow(txn, signpost::DueKeyOf(blob, *record.signpost));
  return has == DueOf(blob, record).has_value();
}

Counts Ledger::LoadCounts(base::ReadTxn& txn, const base::GroupId& group_or_zero) const {
  return LoadCountsRow(txn, group_or_zero);
}

void Ledger::StoreCounts(base::WriteTxn& txn, const base::GroupId& group_or_zero,
                         const Counts& counts) const {
  StoreCountsRow(txn, group_or_zero, counts);
  if (group_or_zero != base::GroupId()) return;
  txn.AfterCommit([this, counts] {
    base::MutexLock lock(mutex_);
    known_ = counts;
  });
}

Counts Ledger::KnownCounts() const {
  base::MutexLock lock(mutex_);
  return known_;
}

absl::Status Ledger::RememberCounts(base::Index& index) const {
  return index.Read([this](base::ReadTxn& txn) {
    const Counts counts = LoadCountsRow(txn, base::GroupId());
    base::MutexLock lock(mutex_);
    known_ = counts;
  });
}

void Ledger::MoveCounts(base::WriteTxn& txn, const BlobRecord& before,
                        const BlobRecord& after) const {
  Contribution minus = ContributionOf(before);
  const Contribution plus = ContributionOf(after);
  for (const auto& [group, counts] : plus.groups) minus.groups.try_emplace(group);
  for (const auto& [group, taken] : minus.groups) {
    const auto it = plus.groups.find(group);
    const Counts given = it == plus.groups.end() ? Counts() : it->second;
    if (taken == given) continue;
    StoreCounts(txn, group, Moved(LoadCountsRow(txn, group), taken, given));
  }
}

void Ledger::AddRefs(base::WriteTxn& txn, const base::GroupId& group, int64_t delta) const {
  if (delta == 0) return;
  for (const base::GroupId& key : {group, base::GroupId()}) {
    Counts counts = LoadCountsRow(txn, key);
    counts.refs = delta > 0 ? counts.refs + static_cast<uint64_t>(delta)
                            : Moved(counts.refs, static_cast<uint64_t>(-delta), 0);
    StoreCounts(txn, key, counts);
  }
}

}  // namespace waypost::syncgroup
