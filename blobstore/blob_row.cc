#include "blobstore/blob_row.h"

// Rows of `blobs`. A payload whose checksum is right and that does not parse is reported as damaged
// and treated as absent, as every row is.

namespace waypost::blobstore {

namespace {

std::optional<BlobRow> Load(base::ReadTxn& txn, base::Table table, const base::BlobId& blob) {
  const auto payload = txn.Get(table, blob.bytes());
  if (!payload) return std::nullopt;
  auto row = DecodeBlobRow(*payload);
  if (!row) txn.ReportBadRow(table, blob.bytes());
  return row;
}

}  // namespace

std::optional<BlobRow> LoadBlobRow(base::ReadTxn& txn, const base::BlobId& blob) {
  return Load(txn, base::Table::kBlobs, blob);
}
std::optional<BlobRow> LoadLostRow(base::ReadTxn& txn, const base::BlobId& blob) {
  return Load(txn, base::Table::kLost, blob);
}

void StoreBlobRow(base::WriteTxn& txn, const base::BlobId& blob, const BlobRow& row) {
  txn.Put(base::Table::kBlobs, blob.bytes(), EncodeBlobRow(row));
}

void DeleteBlobRow(base::WriteTxn& txn, const base::BlobId& blob) {
  txn.Delete(base::Table::kBlobs, blob.bytes());
}

void StoreLostRow(base::WriteTxn& txn, const base::BlobId& blob, const BlobRow& row) {
  txn.Put(base::Table::kLost, blob.bytes(), EncodeBlobRow(row));
}

void DeleteLostRow(base::WriteTxn& txn, const base::BlobId& blob) {
  txn.Delete(base::Table::kLost, blob.bytes());
}

}  // namespace waypost::blobstore
