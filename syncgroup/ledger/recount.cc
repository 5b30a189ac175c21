#include "syncgroup/ledger/recount.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "base/status.h"
#include "syncgroup/ledger/rows.h"

// Derived facts against what they derive from: counts against rows, mentions in signposts against
// references. Reads in pages and decides again in its write transactions. What it cannot be sure of
// it keeps: a mention without a reference stays.

namespace waypost::syncgroup {
namespace {

using base::BlobId;
using base::GroupId;
using base::Table;

constexpr std::size_t kPageRows = 1000;
// Blobs whose references are in memory at once, and blobs put right in one write transaction.
constexpr std::size_t kSliceBlobs = 65'536;
constexpr std::size_t kRepairsPerTxn = 20'000;

// The references of one group to one blob.
struct Keys {
  uint32_t count = 0;
  base::PeerId origin;  // of one of them
  base::WallTime when;
  std::optional<uint64_t> size_bytes;
};
using KeysOfBlob = std::map<GroupId, Keys>;
// In the order of ids: what is written must not hang on how ids hash.
using KeysOfBlobs = std::map<BlobId, KeysOfBlob>;

// Calls `visit(group, row)` for up to `limit` live references after `from`, which is moved; false
// at the end.
template <class Visit>
bool WalkRefs(base::ReadTxn& txn, std::string& from, std::size_t limit, const Visit& visit) {
  base::Cursor cursor(txn, Table::kRefs);
  std::size_t looked = 0;
  for (cursor.Seek(from); cursor.valid(); cursor.Next()) {
    if (cursor.key() == from) continue;
    if (looked++ == limit) return true;
    from = std::string(cursor.key());
    const auto payload = cursor.payload();
    const auto row = payload ? DecodeRefRow(*payload) : std::nullopt;
    const auto group = GroupId::FromBytes(cursor.key().substr(0, GroupId::kBytes));
    if (row && group && row->blob) visit(*group, *row);
  }
  return false;
}

void Note(KeysOfBlobs& blobs, const GroupId& group, const RefRow& row) {
  Keys& keys = blobs[*row.blob][group];
  ++keys.count;
  keys.origin = row.stamp.place.origin;
  keys.when = std::max(keys.when, row.stamp.time);
  if (row.size_bytes) keys.size_bytes = row.size_bytes;
}

bool Agrees(const std::optional<signpost::Signpost>& signpost, const KeysOfBlob& refs) {
  return std::all_of(refs.begin(), refs.end(), [&](const auto& item) {
    if (!signpost) return false;
    const auto mention = signpost->groups.find(item.first);
    return mention != signpost->groups.end() && mention->second.keys == item.second.count;
  });
}

// The part of all blobs whose ids begin with `slice` of `slices` equal ranges.
bool InSlice(const BlobId& blob, std::size_t slice, std::size_t slices) {
  const auto bytes = blob.bytes();
  const auto first = static_cast<std::size_t>(static_cast<uint8_t>(bytes[0])) << 8 |
                     static_cast<uint8_t>(bytes[1]);
  return first * slices / 65'536 == slice;
}

absl::StatusOr<std::vector<BlobId>> Suspects(base::Index& index, std::size_t slice,
                                             std::size_t slices) {
  KeysOfBlobs refs;
  std::string from;
  bool more = true;
  while (more) {
    RETURN_IF_ERROR(index.Read([&](base::ReadTxn& txn) {
      more = WalkRefs(txn, from, kPageRows, [&](const GroupId& group, const RefRow& row) {
        if (InSlice(*row.blob, slice, slices)) Note(refs, group, row);
      });
    }));
  }
  std::vector<BlobId> suspects;
  auto next = refs.begin();
  while (next != refs.end()) {
    RETURN_IF_ERROR(index.Read([&](base::ReadTxn& txn) {
      for (std::size_t n = 0; n < kPageRows && next != refs.end(); ++n, ++next) {
        if (!Agrees(signpost::LoadSignpost(txn, next->first), next->second)) {
          suspects.push_back(next->first);
        }
      }
    }));
  }
  std::sort(suspects.begin(), suspects.end());
  return suspects;
}

void Correct(base::WriteTxn& txn, const Ledger& ledger, const BlobId& blob,
             const KeysOfBlob& refs) {
  for (const auto& [group, keys] : refs) {
    const auto signpost = signpost::LoadSignpost(txn, blob);
    if (!signpost || !signpost->groups.contains(group)) {
      ledger.ApplyMention(txn, blob,
                          {.group = group,
                           .keys = static_cast<int>(keys.count),
                           .set_here = keys.origin == ledger.options().self,
                           .origin = keys.origin,
                           .locations = {keys.origin},
                           .when_seen = keys.when,
                           .size_bytes = keys.size_bytes});
    } else if (signpost->groups.at(group).keys != keys.count) {
      ledger.Change(txn, blob, [&, id = group, count = keys.count](BlobRecord& record) {
        record.signpost->groups[id].keys = count;
      });
    }
  }
}

absl::StatusOr<uint64_t> RepairSome(base::Index& index, const Ledger& ledger,
                                    const absl::flat_hash_set<BlobId>& suspects) {
  uint64_t changed = 0;
  RETURN_IF_ERROR(index.Update(base::Index::Lane::kBulk, [&](base::WriteTxn& txn) -> absl::Status {
    changed = 0;
    KeysOfBlobs refs;
    std::string from;
    WalkRefs(txn, from, SIZE_MAX, [&](const GroupId& group, const RefRow& row) {
      if (suspects.contains(*row.blob)) Note(refs, group, row);
    });
    if (!txn.status().ok()) return txn.status();
    for (const auto& [blob, keys] : refs) {
      if (Agrees(signpost::LoadSignpost(txn, blob), keys)) continue;  // put right meanwhile
      Correct(txn, ledger, blob, keys);
      ++changed;
    }
    return absl::OkStatus();
  }));
  return changed;
}

}  // namespace

Recount::Recount(const std::vector<GroupId>& groups) {
  for (const GroupId& group : groups) groups_[std::string(group.bytes())];
}

Counts* Recount::Of(std::string_view group) {
  const auto it = groups_.find(base::Abs(group));
  return it == groups_.end() ? nullptr : &it->second;
}

// As Ledger's Contribution, of the same facts.
void Recount::AddBlob(const signpost::SignpostView* signpost,
                      const blobstore::HoldingsView* holdings) {
  uint64_t size = 0;
  if (holdings != nullptr) {
    size = holdings->size_bytes;
    ++all_.blobs;
    all_.bytes += size;
    for (const std::string_view group : holdings->groups) {
      if (Counts* const counts = Of(group)) {
        ++counts->blobs;
        counts->bytes += size;
      }
    }
  } else if (signpost != nullptr) {
    size = signpost->size_hint_bytes;
  }
  if (signpost == nullptr) return;
  ++all_.signposts;
  if (signpost->wanted) {
    ++all_.wanted;
    all_.wanted_bytes += size;
    all_.stopped += signpost->stopped ? 1 : 0;
  }
  for (const signpost::MentionView& mention : signpost->mentions) {
    if (!mention.wanted) continue;
    if (Counts* const counts = Of(mention.group)) {
      ++counts->wanted;
      counts->wanted_bytes += size;
      counts->stopped += signpost->stopped ? 1 : 0;
    }
  }
}

bool Recount::AddRefs(base::ReadTxn& txn, std::string& from, std::size_t limit) {
  return WalkRefs(txn, from, limit, [&](const GroupId& group, const RefRow&) {
    ++all_.refs;
    if (Counts* const counts = Of(group.bytes())) ++counts->refs;
  });
}

std::vector<Recount::Difference> Recount::Compare(base::ReadTxn& txn, const Ledger& ledger) const {
  std::vector<Difference> differences;
  const auto compare = [&](const GroupId& group, const Counts& counted) {
    const Counts stored = ledger.LoadCounts(txn, group);
    if (stored != counted) differences.push_back({group, stored, counted});
  };
  compare(GroupId(), all_);
  for (const auto& [group, counts] : groups_) compare(*GroupId::FromBytes(group), counts);
  std::sort(differences.begin(), differences.end(),
            [](const Difference& a, const Difference& b) { return a.group < b.group; });
  return differences;
}

absl::StatusOr<uint64_t> RebuildMentions(base::Index& index, const Ledger& ledger) {
  uint64_t refs = 0;
  RETURN_IF_ERROR(index.Read([&](base::ReadTxn& txn) { refs = txn.Rows(Table::kRefs); }));
  const std::size_t slices = std::min<std::size_t>(refs / kSliceBlobs + 1, 65'536);
  uint64_t changed = 0;
  for (std::size_t slice = 0; slice < slices; ++slice) {
    ASSIGN_OR_RETURN(const auto suspects, Suspects(index, slice, slices));
    for (std::size_t at = 0; at < suspects.size(); at += kRepairsPerTxn) {
      const std::size_t end = std::min(at + kRepairsPerTxn, suspects.size());
      ASSIGN_OR_RETURN(const uint64_t some,
                       RepairSome(index, ledger,
                                  absl::flat_hash_set<BlobId>(
                                      suspects.begin() + static_cast<std::ptrdiff_t>(at),
                                      suspects.begin() + static_cast<std::ptrdiff_t>(end))));
      changed += some;
    }
  }
  return changed;
}

}  // namespace waypost::syncgroup
