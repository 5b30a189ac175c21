#include "signpost/signpost_table.h"

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
