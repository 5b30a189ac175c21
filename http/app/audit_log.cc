#include "http/app/audit_log.h"

#include <algorithm>
#include <utility>

#include "base/key_codec.h"
#include "base/log.h"
#include "base/status.h"
#include "base/utf8.h"
#include "http/message/json.h"

// A row a deed. Each new one takes the oldest with it where there are too many or they are too old,
// a few at a time, so that the table keeps its size and no write is long.

namespace waypost::http {
namespace {

using base::Table;

// Removed with one that is written, at most.
constexpr std::size_t kDroppedAtOnce = 10;
constexpr std::size_t kTimeBytes = 8;

std::string Encode(const AuditLog::Act& act) {
  Json row = {{"act", act.act}, {"what", act.what}};
  if (!act.token.empty()) row["token"] = act.token;
  if (act.group) row["group"] = act.group->ToHex();
  return Dump(row);
}

std::optional<AuditLog::Act> Decode(std::string_view key, std::string_view payload) {
  const Json row = Json::parse(payload, nullptr, /*allow_exceptions=*/false);
  if (!row.is_object() || key.size() != 2 * kTimeBytes) return std::nullopt;
  const auto text = [&row](const char* name) {
    return row.contains(name) && row[name].is_string() ? row[name].get<std::string>() : "";
  };
  AuditLog::Act act{.time = base::FromMs(static_cast<int64_t>(base::ReadU64(key))),
                    .token = text("token"),
                    .act = text("act"),
                    .what = text("what")};
  if (act.act.empty()) return std::nullopt;
  if (const std::string group = text("group"); !group.empty()) {
    act.group = base::GroupId::FromHex(group);
    if (!act.group) return std::nullopt;
  }
  return act;
}

}  // namespace

void AuditLog::DropOldest(base::WriteTxn& txn, base::WallTime now) const {
  const std::string too_old = PositionAt(now - base::Millis(kept_ms_));
  const uint64_t rows_max = rows_max_;
  uint64_t rows = txn.Rows(Table::kAudit);
  for (std::size_t dropped = 0; dropped < kDroppedAtOnce; ++dropped, --rows) {
    base::Cursor cursor(txn, Table::kAudit);
    if (!cursor.Seek("") || (rows < rows_max && cursor.key() >= too_old)) return;
    txn.Delete(Table::kAudit, std::string(cursor.key()));
  }
}

std::string AuditLog::PositionAt(base::WallTime time) {
  std::string position;
  base::AppendU64(position, static_cast<uint64_t>(std::max<int64_t>(base::ToMs(time), 0)));
  return position;
}

void AuditLog::Note(Act act) {
  act.time = clock_.WallNow();
  act.what = base::CutText(act.what, kWhatBytesMax);
  const absl::Status written =
      index_.Update(base::Index::Lane::kForeground, [this, &act](base::WriteTxn& txn) {
        DropOldest(txn, act.time);
        // Behind all that are there, also after the clock was set back.
        std::string key = PositionAt(act.time);
        uint64_t number = 0;
        base::Cursor cursor(txn, Table::kAudit);
        if (cursor.Last() && cursor.key().size() == 2 * kTimeBytes &&
            cursor.key().substr(0, kTimeBytes) >= key) {
          key = std::string(cursor.key().substr(0, kTimeBytes));
          number = base::ReadU64(cursor.key().substr(kTimeBytes)) + 1;
        }
        base::AppendU64(key, number);
        txn.Put(Table::kAudit, key, Encode(act));
        return absl::OkStatus();
      });
  if (!written.ok()) {
    base::LogWarning("not written into the audit: ", act.act, " by the token \"", act.token,
                     "\": ", written.ToString());
  }
}

std::vector<AuditLog::Item> AuditLog::Read(base::ReadTxn& txn, std::string_view from,
                                           const std::optional<base::GroupId>& group,
                                           std::size_t limit) {
  std::vector<Item> items;
  base::Cursor cursor(txn, Table::kAudit);
  for (bool more = cursor.Seek(from); more && items.size() < limit; more = cursor.Next()) {
    const auto payload = cursor.payload();
    if (!payload) continue;
    if (auto act = Decode(cursor.key(), *payload)) {
      if (group && act->group != group) continue;
      items.push_back({std::string(cursor.key()), *std::move(act)});
    } else {
      txn.ReportBadRow(Table::kAudit, cursor.key());
    }
  }
  return items;
}

}  // namespace waypost::http
