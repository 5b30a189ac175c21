#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/index.h"
#include "base/index_impl.h"
#include "base/log.h"

// Rows that fail their check are moved out of the way, bytes and all, so that they are looked at
// once by the service and can be looked at later by a person. The move is an operation like any
// other, decided again in its transaction: a row that was replaced by a sound one meanwhile stays.

namespace waypost::base {
namespace {

// What is kept to be looked at, and how many may be on their way there. A disk that damages more
// than this needs no more evidence: further rows are only removed.
constexpr uint64_t kKeptMax = 10'000;
constexpr std::size_t kMovingMax = 10'000;

std::string BadRowKey(Table table, std::string_view key) {
  std::string kept(1, static_cast<char>(table));
  kept += key;
  if (kept.size() > kKeyBytesMax) kept.resize(kKeyBytesMax);
  return kept;
}

}  // namespace

std::vector<std::string> ReadTxn::BadRowKeys(Table table) {
  std::vector<std::string> keys;
  const std::string prefix = BadRowKey(table, "");
  Cursor cursor(*this, Table::kBadRows);
  for (cursor.Seek(prefix); cursor.valid() && cursor.key().starts_with(prefix); cursor.Next()) {
    keys.emplace_back(cursor.key().substr(prefix.size()));
  }
  return keys;
}

void Index::Impl::CountBadRow(Table table) {
  bad_row_counter.Add();
  const uint64_t count = ++bad_rows;
  if (IsPowerOfTwo(count)) {
    LogWarning("a row of the table ", TableName(table),
               " of the index was damaged and has been set aside (", count,
               " since the start): check the disk; what can be rebuilt will be");
  }
}

void Index::Impl::SetAside(WriteTxn& txn, Table table, std::string_view key,
                           std::string_view stored) {
  if (txn.Rows(Table::kBadRows) < kKeptMax) {
    txn.PutRaw(Table::kBadRows, BadRowKey(table, key), stored);
  }
}

std::size_t Index::Impl::Sweep(WriteTxn& txn, Table table) {
  const WriteTxn::Swept swept = txn.Sweep(table, kKeptMax);
  for (const auto& [key, stored] : swept.misplaced) txn.PutRaw(table, key, stored);
  for (const auto& [key, stored] : swept.bad) SetAside(txn, table, key, stored);
  const std::size_t bad = swept.bad.size() + swept.bad_beyond;
  txn.AfterCommit([this, table, bad] {
    ++sweeps[static_cast<std::size_t>(table)];
    for (std::size_t i = 0; i < bad; ++i) CountBadRow(table);
  });
  if (!swept.misplaced.empty()) {
    LogWarning("rows of the table ", TableName(table), " of the index were not in their order (",
               swept.misplaced.size(), ") and have been put in their place: check the disk");
  }
  return bad;
}

void Index::Impl::NoteDisorder(Table table) {
  // No row has an empty key.
  const std::pair<Table, std::string> name(table, "");
  {
    MutexLock lock(bad_rows_mutex);
    if (!bad_rows_moving.insert(name).second) return;
  }
  const auto sweep = [this, table](WriteTxn& txn) {
    Sweep(txn, table);
    return absl::OkStatus();
  };
  index.Submit(Lane::kBulk, sweep, [this, name](const absl::Status& status) {
    if (!status.ok()) LogDebug("a table could not be put in order: ", status.ToString());
    MutexLock lock(bad_rows_mutex);
    bad_rows_moving.erase(name);
  });
}

void Index::Impl::NoteBadRow(Table table, std::string_view key, std::string_view stored) {
  std::pair<Table, std::string> name(table, std::string(key));
  {
    MutexLock lock(bad_rows_mutex);
    if (bad_rows_moving.size() >= kMovingMax || !bad_rows_moving.insert(name).second) return;
  }
  const uint64_t swept = sweeps[static_cast<std::size_t>(table)].load();
  auto move = [this, name, swept, found = std::string(stored)](WriteTxn& txn) {
    const auto now = txn.GetRaw(name.first, name.second);
    if (now == found) {
      txn.AfterCommit([this, table = name.first] { CountBadRow(table); });
      SetAside(txn, name.first, name.second, found);
      txn.Delete(name.first, name.second);
      return absl::OkStatus();
    }
    // Its key is damaged, so that it stands where nobody finds it by it. Or it is set aside already
    // and was reported by a reader of an older moment, or was replaced by a sound row meanwhile.
    const bool asked = swept == sweeps[static_cast<std::size_t>(name.first)].load();
    if (asked && Sweep(txn, name.first) > 0) return absl::OkStatus();
    if (now) txn.AfterCommit([this, table = name.first] { CountBadRow(table); });
    return absl::OkStatus();
  };
  index.Submit(Lane::kBulk, std::move(move), [this, name](const absl::Status& status) {
    if (!status.ok()) LogDebug("a damaged row could not be set aside: ", status.ToString());
    MutexLock lock(bad_rows_mutex);
    bad_rows_moving.erase(name);
  });
}

}  // namespace waypost::base
