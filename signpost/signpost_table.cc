#include "signpost/signpost_table.h"

// Rows of `signposts`. A payload whose checksum is right and that does not parse is reported as
// damaged and treated as absent, as every row is.

namespace waypost::signpost {

std::optional<Signpost> LoadSignpost(base::ReadTxn& txn, const base::BlobId& blob) {
  const auto payload = txn.Get(base::Table::kSignposts, blob.bytes());
  if (!payload) return std::nullopt;
  auto signpost = DecodeSignpost(*payload);
  if (!signpost) txn.ReportBadRow(base::Table::kSignposts, blob.bytes());
  return signpost;
}

void StoreSignpost(base::WriteTxn& txn, const base::BlobId& blob, const Signpost& signpost) {
  txn.Put(base::Table::kSignposts, blob.bytes(), EncodeSignpost(signpost));
}

void DeleteSignpost(base::WriteTxn& txn, const base::BlobId& blob) {
  txn.Delete(base::Table::kSignposts, blob.bytes());
}

}  // namespace waypost::signpost
