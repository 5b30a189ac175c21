#include "signpost/due.h"

#include <algorithm>

#include "base/key_codec.h"
#include "base/status.h"
#include "signpost/rules.h"

// Due rows. Byte order of the key is the order in which blobs are taken: peer, lane, time, blob.
// The key is a function of the signpost alone, so that whoever has the signpost can find, move and
// remove its row.

namespace waypost::signpost {
namespace {

constexpr std::size_t kPeerAt = 0;
constexpr std::size_t kLaneAt = kPeerAt + base::PeerId::kBytes;
constexpr std::size_t kDueAt = kLaneAt + 1;
constexpr std::size_t kBlobAt = kDueAt + 8;
constexpr std::size_t kKeyBytes = kBlobAt + base::BlobId::kBytes;

// Times before 1970 would sort after all others.
uint64_t ToStored(base::WallTime time) {
  return static_cast<uint64_t>(std::max<int64_t>(base::ToMs(time), 0));
}

std::optional<base::WallTime> FromStored(std::string_view eight_bytes) {
  const uint64_t ms = base::ReadU64(eight_bytes);
  if (ms > static_cast<uint64_t>(INT64_MAX)) return std::nullopt;
  return base::FromMs(static_cast<int64_t>(ms));
}

}  // namespace

DueKey DueKeyOf(const base::BlobId& blob, const Signpost& signpost) {
  return {.first_peer = FirstPeer(signpost.locations),
          .lane = signpost.failures == 0 ? DueLane::kNew : DueLane::kRetry,
          .due = std::max({signpost.next_attempt, signpost.wanted_since, base::kNever}),
          .blob = blob};
}

std::string EncodeDueKey(const DueKey& key) {
  std::string bytes;
  bytes.reserve(kKeyBytes);
  bytes.append(key.first_peer.bytes());
  bytes.push_back(static_cast<char>(key.lane));
  base::AppendU64(bytes, ToStored(key.due));
  bytes.append(key.blob.bytes());
  return bytes;
}

std::optional<DueKey> DecodeDueKey(std::string_view bytes) {
  if (bytes.size() != kKeyBytes) return std::nullopt;
  const auto lane = static_cast<uint8_t>(bytes[kLaneAt]);
  if (lane != static_cast<uint8_t>(DueLane::kNew) &&
      lane != static_cast<uint8_t>(DueLane::kRetry)) {
    return std::nullopt;
  }
  const auto due = FromStored(bytes.substr(kDueAt, 8));
  if (!due) return std::nullopt;
  return DueKey{.first_peer = *base::PeerId::FromBytes(bytes.substr(kPeerAt, base::PeerId::kBytes)),
                .lane = static_cast<DueLane>(lane),
                .due = *due,
                .blob = *base::BlobId::FromBytes(bytes.substr(kBlobAt))};
}

void PutDueRow(base::WriteTxn& txn, const DueKey& key, base::WallTime wanted_since) {
  std::string value;
  base::AppendU64(value, ToStored(wanted_since));
  txn.Put(base::Table::kDue, EncodeDueKey(key), value);
}

bool DeleteDueRow(base::WriteTxn& txn, const DueKey& key) {
  return txn.Delete(base::Table::kDue, EncodeDueKey(key));
}

bool HasDueRow(base::ReadTxn& txn, const DueKey& key) {
  return txn.Get(base::Table::kDue, EncodeDueKey(key)).has_value();
}

std::optional<base::WallTime> DecodeWantedSince(std::string_view payload) {
  if (payload.size() != 8) return std::nullopt;
  return FromStored(payload);
}

std::optional<base::WallTime> DueRow::WantedSince() const {
  const auto payload = cursor.payload();
  return payload ? DecodeWantedSince(*payload) : std::nullopt;
}

std::optional<std::string> VisitDueRows(
    base::ReadTxn& txn, std::string_view from, std::size_t rows_max,
    absl::FunctionRef<void(std::string_view stored, const std::optional<DueKey>& key)> visit) {
  base::Cursor cursor(txn, base::Table::kDue);
  std::size_t rows = 0;
  for (cursor.Seek(from); cursor.valid(); cursor.Next()) {
    if (rows++ == rows_max) return std::string(cursor.key());
    visit(cursor.key(), DecodeDueKey(cursor.key()));
  }
  return std::nullopt;
}

bool DeleteRawDueRow(base::WriteTxn& txn, std::string_view stored) {
  return txn.Delete(base::Table::kDue, stored);
}

std::optional<DueKey> WalkDue(base::ReadTxn& txn, const DueRange& range,
                              absl::FunctionRef<bool(const DueRow&)> visit) {
  base::Cursor cursor(txn, base::Table::kDue);
  std::size_t taken = 0;
  for (cursor.Seek(EncodeDueKey(range.from)); cursor.valid(); cursor.Next()) {
    const auto key = DecodeDueKey(cursor.key());
    if (!key) continue;
    if (range.first_peer && key->first_peer != *range.first_peer) return std::nullopt;
    if (range.first_peer && range.lane && key->lane != *range.lane) return std::nullopt;
    if (taken == range.rows_max || !visit({.key = *key, .txn = txn, .cursor = cursor})) return key;
    ++taken;
  }
  return std::nullopt;
}

absl::StatusOr<std::optional<DueKey>> WalkDue(base::Index& index, const DueRange& range,
                                              absl::FunctionRef<bool(const DueRow&)> visit) {
  std::optional<DueKey> next;
  RETURN_IF_ERROR(index.Read([&](base::ReadTxn& txn) { next = WalkDue(txn, range, visit); }));
  return next;
}

}  // namespace waypost::signpost
