#include "base/reseal.h"

#include <string>
#include <utility>

#include "base/fault_point.h"
#include "base/status.h"

// A walk over all tables in pages, each a commit of its own that also says how far it came: the row
// "reseal" of `meta`, the table and the last key that was looked at.

namespace waypost::base {
namespace {

constexpr std::string_view kPositionKey = "reseal";
// Looked at, and written, in one commit: the first bounds its time, the second its size.
constexpr std::size_t kLookedAtMax = 100'000;
constexpr std::size_t kWrittenMax = 1'000;

bool HasSeals(Table table) {
  return table != Table::kInline && table != Table::kDue && table != Table::kBadRows;
}

struct Position {
  std::size_t table = 0;
  std::string after;  // empty: from the first row
};

Position ReadPosition(ReadTxn& txn) {
  const auto stored = txn.Get(Table::kMeta, kPositionKey);
  if (!stored || stored->empty()) return {};
  return {.table = static_cast<unsigned char>(stored->front()),
          .after = std::string(stored->substr(1))};
}

// The rows of one page of `table` that are to be written; moves `position` behind what it saw.
std::vector<std::pair<std::string, std::string>> ReadPage(WriteTxn& txn, Table table,
                                                          Position& position) {
  std::vector<std::pair<std::string, std::string>> rows;
  Cursor cursor(txn, table);
  bool more = cursor.Seek(position.after);
  if (more && cursor.key() == position.after) more = cursor.Next();
  for (std::size_t seen = 0; more && seen < kLookedAtMax && rows.size() < kWrittenMax; ++seen) {
    if (auto fresh = ResealRecord(table, cursor.key(), cursor.raw())) {
      rows.emplace_back(cursor.key(), *std::move(fresh));
    }
    position.after = std::string(cursor.key());
    more = cursor.Next();
  }
  if (!more) position = {.table = position.table + 1};
  return rows;
}

}  // namespace

absl::Status ResealRows(Index& index) {
  bool done = false;
  while (!done) {
    RETURN_IF_ERROR(index.Update(Index::Lane::kBulk, [&done](WriteTxn& txn) {
      Position position = ReadPosition(txn);
      while (position.table < kTableCount && !HasSeals(static_cast<Table>(position.table))) {
        position = {.table = position.table + 1};
      }
      done = position.table >= kTableCount;
      if (done) {
        txn.Delete(Table::kMeta, kPositionKey);
        return absl::OkStatus();
      }
      const auto table = static_cast<Table>(position.table);
      for (const auto& row : ReadPage(txn, table, position)) {
        txn.PutRaw(table, row.first, row.second);
      }
      txn.Put(Table::kMeta, kPositionKey,
              std::string(1, static_cast<char>(position.table)) + position.after);
      return absl::OkStatus();
    }));
    FaultPoint("migrate.page");
  }
  return absl::OkStatus();
}

}  // namespace waypost::base
