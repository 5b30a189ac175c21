#include "blobstore/inline_table.h"

#include "base/key_codec.h"
#include "base/sha256.h"

namespace waypost::blobstore {

std::string EncodeInlineKey(uint64_t sequence) {
  std::string key;
  base::AppendU64(key, sequence);
  return key;
}

uint64_t AppendInline(base::WriteTxn& txn, std::string_view bytes) {
  uint64_t sequence = 1;
  {
    base::Cursor cursor(txn, base::Table::kInline);
    if (cursor.Last() && cursor.key().size() == 8) sequence = base::ReadU64(cursor.key()) + 1;
  }
  txn.PutRaw(base::Table::kInline, EncodeInlineKey(sequence), bytes);
  return sequence;
}

void DeleteInline(base::WriteTxn& txn, uint64_t sequence) {
  txn.Delete(base::Table::kInline, EncodeInlineKey(sequence));
}

std::optional<std::string> LoadInline(base::ReadTxn& txn, const base::BlobId& blob,
                                      const BlobRow& row) {
  const auto bytes = txn.GetRaw(base::Table::kInline, EncodeInlineKey(row.inline_sequence));
  if (!bytes || bytes->size() != row.size_bytes) return std::nullopt;
  if (base::Sha256::Of(*bytes) != blob) return std::nullopt;
  return std::string(*bytes);
}

}  // namespace waypost::blobstore
