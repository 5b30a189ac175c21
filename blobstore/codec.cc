#include "blobstore/blob_row.h"
#include "blobstore/blobstore.pb.h"

namespace waypost::blobstore {

std::string EncodeBlobRow(const BlobRow& row) {
  pb::BlobRow out;
  for (const auto& [group, holding] : row.holdings) {
    pb::Holding* added = out.add_holdings();
    added->set_group(std::string(group.bytes()));
    added->set_acquired_ms(base::ToMs(holding.acquired));
    added->set_via(static_cast<uint32_t>(holding.via));
    added->set_shares(holding.shares);
  }
  out.set_size_bytes(row.size_bytes);
  out.set_placement(static_cast<uint32_t>(row.placement));
  out.set_inline_sequence(row.inline_sequence);
  out.set_stored_ms(base::ToMs(row.stored));
  out.set_verified_ms(base::ToMs(row.verified));
  out.set_fetch_attempts(row.fetch_attempts);
  return out.SerializeAsString();
}

std::optional<BlobRow> DecodeBlobRow(std::string_view payload) {
  pb::BlobRow in;
  if (!in.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) return std::nullopt;
  BlobRow row;
  for (const pb::Holding& holding : in.holdings()) {
    const auto group = base::GroupId::FromBytes(holding.group());
    if (!group || holding.via() < 1 || holding.via() > 3) return std::nullopt;
    row.holdings[*group] = {.acquired = base::FromMs(holding.acquired_ms()),
                            .via = static_cast<Via>(holding.via()),
                            .shares = holding.shares()};
  }
  if (in.placement() < 1 || in.placement() > 2) return std::nullopt;
  row.size_bytes = in.size_bytes();
  row.placement = static_cast<Placement>(in.placement());
  row.inline_sequence = in.inline_sequence();
  row.stored = base::FromMs(in.stored_ms());
  row.verified = base::FromMs(in.verified_ms());
  row.fetch_attempts = in.fetch_attempts();
  return row;
}

}  // namespace waypost::blobstore
