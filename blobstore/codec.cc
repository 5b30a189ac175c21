#include <string>

#include "base/wire_reader.h"
#include "blobstore/blob_row.h"
#include "blobstore/blobstore.pb.h"

// The stored form of blob rows; the only file that knows the generated classes. A row with a
// placement, a group or a way of coming here that this release does not know is refused whole,
// because half a row would lose holdings when it is written again.

namespace waypost::blobstore {
namespace {

std::optional<Placement> PlacementOf(proto::Placement stored) {
  switch (stored) {
    case proto::PLACEMENT_INLINE:
      return Placement::kInline;
    case proto::PLACEMENT_FILE:
      return Placement::kFile;
    default:
      return std::nullopt;
  }
}

std::optional<Via> ViaOf(proto::Via stored) {
  switch (stored) {
    case proto::VIA_PUT:
      return Via::kPut;
    case proto::VIA_REFERENCE:
      return Via::kReference;
    case proto::VIA_FETCH:
      return Via::kFetch;
    default:
      return std::nullopt;
  }
}

}  // namespace

std::string EncodeBlobRow(const BlobRow& row) {
  proto::BlobRow stored;
  stored.set_size_bytes(row.size_bytes);
  stored.set_placement(static_cast<proto::Placement>(row.placement));
  stored.set_inline_sequence(row.inline_sequence);
  stored.set_inline_tail(row.inline_tail);
  stored.set_stored_ms(base::ToMs(row.stored));
  stored.set_verified_ms(base::ToMs(row.verified));
  stored.set_fetch_attempts(row.fetch_attempts);
  for (const auto& [group, holding] : row.holdings) {
    proto::Holding& out = *stored.add_holdings();
    out.set_group(std::string(group.bytes()));
    out.set_acquired_ms(base::ToMs(holding.acquired));
    out.set_via(static_cast<proto::Via>(holding.via));
    out.set_shares(holding.shares);
  }
  return stored.SerializeAsString();
}

std::optional<BlobRow> DecodeBlobRow(std::string_view payload) {
  proto::BlobRow stored;
  if (!stored.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) return std::nullopt;
  const auto placement = PlacementOf(stored.placement());
  if (!placement) return std::nullopt;
  BlobRow row;
  row.size_bytes = stored.size_bytes();
  row.placement = *placement;
  row.inline_sequence = stored.inline_sequence();
  row.inline_tail = stored.inline_tail();
  row.stored = base::FromMs(stored.stored_ms());
  row.verified = base::FromMs(stored.verified_ms());
  row.fetch_attempts = stored.fetch_attempts();
  for (const proto::Holding& holding : stored.holdings()) {
    const auto group = base::GroupId::FromBytes(holding.group());
    const auto via = ViaOf(holding.via());
    if (!group || !via) return std::nullopt;
    row.holdings[*group] = {
        .acquired = base::FromMs(holding.acquired_ms()), .via = *via, .shares = holding.shares()};
  }
  return row;
}

bool ReadView(std::string_view payload, HoldingsView& view) {
  view.groups.clear();
  view.size_bytes = 0;
  base::WireReader row(payload);
  while (row.Next()) {
    if (row.Is(proto::BlobRow::kSizeBytesFieldNumber, base::WireReader::kVarint)) {
      view.size_bytes = row.number();
    }
    if (!row.Is(proto::BlobRow::kHoldingsFieldNumber, base::WireReader::kBytes)) continue;
    base::WireReader holding(row.bytes());
    std::string_view group;
    while (holding.Next()) {
      if (holding.Is(proto::Holding::kGroupFieldNumber, base::WireReader::kBytes)) {
        group = holding.bytes();
      }
    }
    if (!holding.ok() || group.size() != base::GroupId::kBytes) return false;
    view.groups.push_back(group);
  }
  return row.ok();
}

}  // namespace waypost::blobstore
