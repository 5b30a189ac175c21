#include "syncgroup/group/refs.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "syncgroup/group/group_change.h"
#include "syncgroup/ledger/keys.h"

// References, and putting blobs. A put is one transaction: the row, holdings in the groups for
// which this peer's own app vouches, and the reference if one was asked for; if that is refused,
// nothing of it is kept. Keys are checked before anything is written.

namespace waypost::syncgroup {
namespace {

using base::Index;

constexpr std::size_t kRowsPerRead = 10000;

absl::Status NoSuchKey(std::string_view key) {
  return absl::NotFoundError(absl::StrCat("no reference under key \"", base::Abs(key), "\""));
}

Ref RefOf(std::string_view key, const RefRow& row) {
  return {.key = std::string(key),
          .blob = *row.blob,
          .size_bytes = row.size_bytes,
          .updated = row.stamp.time,
          .origin = row.stamp.place.origin};
}

// The size that goes into a reference: of the bytes when they are here.
std::optional<uint64_t> KnownSize(base::ReadTxn& txn, const base::BlobId& blob) {
  const auto row = blobstore::LoadBlobRow(txn, blob);
  if (!row) return std::nullopt;
  return row->size_bytes;
}

// kAborted where what is under the key is not what the change was meant for.
absl::Status CheckCondition(base::ReadTxn& txn, const base::GroupId& group, std::string_view key,
                            const RefCondition& only_if) {
  if (!only_if) return absl::OkStatus();
  const auto row = LoadRefRow(txn, group, key);
  const std::optional<base::BlobId> now = row ? row->blob : std::nullopt;
  if (only_if(now)) return absl::OkStatus();
  return absl::AbortedError(
      now ? absl::StrCat("the reference under key \"", base::Abs(key), "\" is to blob ",
                         now->ToHex(), " now")
          : absl::StrCat("there is no reference under key \"", base::Abs(key), "\" now"));
}

}  // namespace

absl::StatusOr<Ref> Refs::Get(const base::GroupId& group, std::string_view key) const {
  RETURN_IF_ERROR(CheckKey(key));
  bool here = false;
  std::optional<RefRow> row;
  RETURN_IF_ERROR(core_.index.Read([&](base::ReadTxn& txn) {
    here = IsActive(txn, group);
    if (here) row = LoadRefRow(txn, group, key);
  }));
  if (!here) return NoSuchGroup(group);
  if (!row || !row->blob) return NoSuchKey(key);
  return RefOf(key, *row);
}

absl::StatusOr<std::vector<Ref>> Refs::List(const base::GroupId& group, std::string_view prefix,
                                            std::string_view after, std::size_t limit) const {
  Page page;
  ASSIGN_OR_RETURN(page, ListPage(group, prefix, after, limit, /*folders=*/false));
  return std::move(page.refs);
}

absl::StatusOr<Refs::Page> Refs::ListFolders(const base::GroupId& group, std::string_view prefix,
                                             std::string_view after, std::size_t limit) const {
  return ListPage(group, prefix, after, limit, /*folders=*/true);
}

absl::StatusOr<Refs::Page> Refs::ListPage(const base::GroupId& group, std::string_view prefix,
                                          std::string_view after, std::size_t limit,
                                          bool folders) const {
  // No key is longer, and a key of the table has a bounded length. A position behind a folder has
  // one byte more than a key.
  if (prefix.size() > kKeyBytesMax || after.size() > kKeyBytesMax + 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("a prefix or cursor has at most ", kKeyBytesMax, " bytes"));
  }
  Page page;
  std::string position(std::max(prefix, after));
  const std::string passed(position == after ? after : std::string_view());
  std::string told;  // up to where
  bool here = true;
  bool end = limit == 0;
  const std::string within = RefRowKey(group, prefix);
  while (here && !end) {
    RETURN_IF_ERROR(core_.index.Read([&](base::ReadTxn& txn) {
      here = IsActive(txn, group);
      end = true;
      base::Cursor cursor(txn, base::Table::kRefs);
      std::size_t looked = 0;
      bool more = here && cursor.Seek(RefRowKey(group, position));
      while (more && cursor.key().starts_with(within)) {
        if (!folders && page.refs.size() == limit) break;
        const std::string key(KeyOfRefRow(cursor.key()));
        const auto payload = cursor.payload();
        const auto row = payload ? DecodeRefRow(*payload) : std::nullopt;
        // What was deleted is passed over; a page of it must not hold a reader for long.
        if (looked++ == kRowsPerRead) {
          position = key;
          end = false;
          break;
        }
        if (key == passed || !row || !row->blob) {
          more = cursor.Next();
          continue;
        }
        if (page.refs.size() + page.prefixes.size() == limit) {
          page.next = told;
          break;
        }
        const std::size_t slash = folders ? key.find('/', prefix.size()) : std::string::npos;
        if (slash == std::string::npos) {
          page.refs.push_back(RefOf(key, *row));
          told = key;
          more = cursor.Next();
        } else {
          page.prefixes.push_back(key.substr(0, slash + 1));
          // Behind everything in it: no key has this byte, which is none of UTF-8.
          told = page.prefixes.back() + '\xFF';
          more = cursor.Seek(RefRowKey(group, told));
        }
      }
    }));
  }
  if (!here) return NoSuchGroup(group);
  return page;
}

absl::Status Refs::Change(const base::GroupId& group, const std::vector<RefChange>& changes) {
  if (changes.empty()) return absl::InvalidArgumentError("no change is named");
  if (changes.size() > kOpsPerEntryMax) {
    return absl::InvalidArgumentError(
        absl::StrCat(changes.size(), " changes; at most ", kOpsPerEntryMax, " at once"));
  }
  std::set<std::string_view> keys;
  for (const RefChange& change : changes) {
    RETURN_IF_ERROR(CheckKey(change.key));
    if (!keys.insert(change.key).second) {
      return absl::InvalidArgumentError(absl::StrCat("key \"", change.key, "\" is changed twice"));
    }
  }
  return ChangeGroup(
      core_, work_, group, [&](GroupWriter& writer, const Member& self) -> absl::Status {
        std::vector<Op> ops;
        for (const RefChange& change : changes) {
          if (change.blob) {
            RETURN_IF_ERROR(CheckCondition(writer.txn(), group, change.key, change.only_if));
            ops.push_back(
                PutRefOp{change.key, *change.blob, KnownSize(writer.txn(), *change.blob)});
            continue;
          }
          const auto row = LoadRefRow(writer.txn(), group, change.key);
          if (!row || !row->blob) return NoSuchKey(change.key);
          RETURN_IF_ERROR(CheckCondition(writer.txn(), group, change.key, change.only_if));
          ops.push_back(DeleteRefOp{change.key});
        }
        return WriteAllowed(writer, self, std::move(ops));
      });
}

absl::StatusOr<Refs::PutResult> Refs::Put(const blobstore::StagedBlob& staged,
                                          const std::optional<Target>& target) {
  if (target) RETURN_IF_ERROR(CheckKey(target->key));
  // A row whose bytes are gone or rotten gets the new ones.
  const bool whole = core_.blobs.WholeHere(staged);
  PutResult result{.size_bytes = staged.size_bytes};
  const absl::Status status = core_.Update(Index::Lane::kForeground, [&](base::WriteTxn& txn,
                                                                         Effects& effects) {
    std::optional<GroupWriter> writer =
        target ? GroupWriter::Open(core_, txn, effects, target->group) : std::nullopt;
    if (target) {
      if (!writer || writer->row().state != GroupRow::State::kActive) {
        return NoSuchGroup(target->group);
      }
      const auto self = LoadMember(txn, target->group, core_.self());
      if (!self) {
        return absl::FailedPreconditionError("this peer is no longer a member of the group");
      }
      RETURN_IF_ERROR(CheckAuthority(*self, {PutRefOp{}}));
      RETURN_IF_ERROR(CheckCondition(txn, target->group, target->key, target->only_if));
    }
    Ledger::ByPut put{.whole_here = whole};
    if (target) put.reference_in = target->group;
    const Ledger::Arrived arrived = core_.ledger.Arrive(txn, core_.blobs, staged, put);
    for (const base::GroupId& group : arrived.awaited_in) {
      effects.Of(group).haves.push_back(staged.id);
    }
    result.created = arrived.created;
    result.granted = arrived.granted;
    if (result.created) {
      Effects::Event stored{
          base::EventKind::kBlobStored,
          {{"blob", staged.id.ToHex()}, {"size", absl::StrCat(staged.size_bytes)}, {"via", "put"}}};
      if (target) {
        stored.fields.emplace_back("group", target->group.ToHex());
        stored.fields.emplace_back("key", target->key);
      }
      effects.events.push_back(std::move(stored));
    }
    if (writer) {
      writer->Write({PutRefOp{target->key, staged.id, staged.size_bytes}});
      writer->Finish();
    }
    return absl::OkStatus();
  });
  RETURN_IF_ERROR(status);
  return result;
}

}  // namespace waypost::syncgroup
