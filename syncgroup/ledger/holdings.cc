#include <algorithm>
#include <set>
#include <utility>

#include "signpost/rules.h"
#include "syncgroup/ledger/ledger.h"
#include "syncgroup/ledger/rows.h"

// Where blob rows and their holdings begin and end. A put and a fetch differ in who may be served
// from then on and in when the bytes take the place of others; all else is written once, here.
// Counts, due rows and charges follow in Change.

namespace waypost::syncgroup {
namespace {

using blobstore::Via;

// The groups that get a holding; nullopt: nobody wants the bytes any more.
using Grants = std::optional<std::vector<base::GroupId>>;

Grants GrantsOf(base::ReadTxn&, const BlobRecord& record, const Ledger::ByPut& put) {
  std::set<base::GroupId> groups;
  if (put.reference_in) groups.insert(*put.reference_in);
  if (record.signpost) {
    for (const auto& [group, mention] : record.signpost->groups) {
      if (mention.set_here && mention.keys > 0) groups.insert(group);
    }
  }
  return std::vector<base::GroupId>(groups.begin(), groups.end());
}

Grants GrantsOf(base::ReadTxn& txn, const BlobRecord& record, const Ledger::ByFetch& fetch) {
  if (!record.signpost || record.signpost->stopped != base::kNever) return std::nullopt;
  std::vector<base::GroupId> groups;
  for (const base::GroupId& group : fetch.granted) {
    if (record.signpost->groups.contains(group) && IsActive(txn, group)) groups.push_back(group);
  }
  const bool asked = record.signpost->asked_until != base::kNever;
  if (groups.empty() && !asked) return std::nullopt;
  return groups;
}

Grants GrantsOf(base::ReadTxn&, const BlobRecord&, const Ledger::ByScan&) {
  return std::vector<base::GroupId>();
}

// Of bytes that were lost: who might have them may have them again.
void GiveBack(base::WriteTxn& txn, const base::BlobId& blob, blobstore::BlobRow& row) {
  const auto lost = blobstore::LoadLostRow(txn, blob);
  if (!lost) return;
  for (const auto& [group, holding] : lost->holdings) {
    if (IsActive(txn, group)) row.holdings.try_emplace(group, holding);
  }
  blobstore::DeleteLostRow(txn, blob);
}

void NoteFetched(BlobRecord& record, const blobstore::StagedBlob& staged,
                 const Ledger::ByFetch& fetch) {
  signpost::Signpost& signpost = *record.signpost;
  // The count lives on in the blob's row.
  record.row->fetch_attempts += signpost.fetch_attempts + 1;
  signpost.fetch_attempts = 0;
  signpost.size_hint_bytes = staged.size_bytes;
  signpost.partial_bytes = 0;
  signpost::Location& location = signpost.locations[fetch.source];
  location.when_seen = std::max(location.when_seen, fetch.when);
  location.denied = base::kNever;
}

}  // namespace

Ledger::Arrived Ledger::Arrive(base::WriteTxn& txn, blobstore::BlobStore& blobs,
                               const blobstore::StagedBlob& staged, const Arrival& arrival) const {
  const auto* put = std::get_if<ByPut>(&arrival);
  const auto* fetch = std::get_if<ByFetch>(&arrival);
  Arrived arrived;
  Change(txn, staged.id, [&](BlobRecord& record) {
    const Grants granted =
        std::visit([&](const auto& how) { return GrantsOf(txn, record, how); }, arrival);
    if (!granted) return;
    arrived = {.kept = true, .created = !record.row, .granted = *granted};
    const bool install = arrived.created || (put != nullptr && !put->whole_here) ||
                         blobs.Supersedes(staged, *record.row);
    if (arrived.created) record.row.emplace();
    if (install) blobs.Install(txn, staged, *record.row);
    const blobstore::Holding holding{.acquired = fetch != nullptr ? fetch->when : clock_.WallNow(),
                                     .via = fetch != nullptr ? Via::kFetch : Via::kPut};
    for (const base::GroupId& group : *granted) record.row->holdings.try_emplace(group, holding);
    if (arrived.created) GiveBack(txn, staged.id, *record.row);
    if (!record.signpost) return;
    if (put != nullptr || fetch != nullptr) {
      record.signpost->failures = 0;
      record.signpost->stopped = base::kNever;
      record.signpost->last_error = {};
    }
    if (fetch != nullptr) NoteFetched(record, staged, *fetch);
    if (!arrived.created) return;
    for (const auto& item : record.signpost->groups) {
      if (record.row->holdings.contains(item.first)) arrived.awaited_in.push_back(item.first);
    }
  });
  if (!arrived.kept) blobs.Discard(txn, staged);
  return arrived;
}

void Ledger::Grant(BlobRecord& record, const base::GroupId& group) const {
  if (!record.row) return;
  record.row->holdings.try_emplace(
      group, blobstore::Holding{.acquired = clock_.WallNow(), .via = Via::kReference});
}

void Ledger::Release(base::WriteTxn& txn, const base::BlobId& blob,
                     const base::GroupId& group) const {
  Change(txn, blob, [&](BlobRecord& record) {
    if (record.row) record.row->holdings.erase(group);
  });
  auto lost = blobstore::LoadLostRow(txn, blob);
  if (lost && lost->holdings.erase(group) > 0) blobstore::StoreLostRow(txn, blob, *lost);
}

void Ledger::Lose(base::WriteTxn& txn, const base::BlobId& blob) const {
  Change(txn, blob, [&](BlobRecord& record) {
    if (!record.row) return;
    if (!record.row->holdings.empty()) blobstore::StoreLostRow(txn, blob, *record.row);
    record.row.reset();
  });
}

}  // namespace waypost::syncgroup
