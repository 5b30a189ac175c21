#include "blobstore/blob_row.h"

// Rows of `blobs`. A payload whose checksum is right and that does not parse is reported as damaged
// and treated as absent, as every row is.

namespace waypost::blobstore {

std::optional<BlobRow> LoadBlobRow(base::ReadTxn& txn, const base::BlobId& blob) {
  const auto payload = txn.Get(base::Table::kBlobs, blob.bytes());
  if (!payload) return std::nullopt;
  auto row = DecodeBlobRow(*payload);
  if (!row) txn.ReportBadRow(base::Table::kBlobs, blob.bytes());
  return row;
}

void StoreBlobRow(base::WriteTxn& txn, const base::BlobId& blob, const BlobRow& row) {
  txn.Put(base::Table::kBlobs, blob.bytes(), EncodeBlobRow(row));
}

void DeleteBlobRow(base::WriteTxn& txn, const base::BlobId& blob) {
  txn.Delete(base::Table::kBlobs, blob.bytes());
}

}  // namespace waypost::blobstore
