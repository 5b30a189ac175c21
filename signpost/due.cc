#include "signpost/due.h"

#include "base/key_codec.h"
#include "signpost/rules.h"

namespace waypost::signpost {
namespace {

constexpr std::size_t kDueKeyBytes = 32 + 1 + 8 + 32;

}  // namespace

DueKey DueKeyOf(const base::BlobId& blob, const Signpost& signpost) {
  return {.first_peer = FirstPeer(signpost.locations),
          .lane = signpost.failures == 0 ? Lane::kNew : Lane::kRetry,
          .due = signpost.next_attempt,
          .blob = blob};
}

std::string EncodeDueKey(const DueKey& key) {
  std::string bytes;
  bytes.reserve(kDueKeyBytes);
  bytes.append(key.first_peer.bytes());
  bytes.push_back(static_cast<char>(key.lane));
  base::AppendU64(bytes, static_cast<uint64_t>(base::ToMs(key.due)));
  bytes.append(key.blob.bytes());
  return bytes;
}

std::optional<DueKey> DecodeDueKey(std::string_view bytes) {
  if (bytes.size() != kDueKeyBytes) return std::nullopt;
  const auto lane = static_cast<uint8_t>(bytes[32]);
  if (lane != static_cast<uint8_t>(Lane::kNew) && lane != static_cast<uint8_t>(Lane::kRetry)) {
    return std::nullopt;
  }
  return DueKey{.first_peer = *base::PeerId::FromBytes(bytes.substr(0, 32)),
                .lane = static_cast<Lane>(lane),
                .due = base::FromMs(static_cast<int64_t>(base::ReadU64(bytes.substr(33, 8)))),
                .blob = *base::BlobId::FromBytes(bytes.substr(41, 32))};
}

void PutDueRow(base::WriteTxn& txn, const DueKey& key, base::WallTime wanted_since) {
  std::string value;
  base::AppendU64(value, static_cast<uint64_t>(base::ToMs(wanted_since)));
  txn.PutRaw(base::Table::kDue, EncodeDueKey(key), value);
}

bool DeleteDueRow(base::WriteTxn& txn, const DueKey& key) {
  return txn.Delete(base::Table::kDue, EncodeDueKey(key));
}

bool HasDueRow(base::ReadTxn& txn, const DueKey& key) {
  return txn.GetRaw(base::Table::kDue, EncodeDueKey(key)).has_value();
}

}  // namespace waypost::signpost
