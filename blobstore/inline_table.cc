#include "blobstore/inline_table.h"

#include "base/key_codec.h"
#include "base/sha256.h"

// Small blobs as values of LMDB. New ones go to the end of the table, so that a commit of many
// writes neighbouring pages. What is read is hashed, because these rows have no envelope.

namespace waypost::blobstore {

std::string EncodeInlineKey(uint64_t sequence) {
  std::string key;
  base::AppendU64(key, sequence);
  return key;
}

std::size_t InlineTailBytes(std::size_t size_bytes) {
  // LMDB 0.9: PAGEHDRSZ, the page size of every machine that Debian 12 runs on by default, and
  // about the size (me_nodemax) up to which several values share a page.
  constexpr std::size_t kHeaderBytes = 16;
  constexpr std::size_t kPageBytes = 4096;
  if (size_bytes + kHeaderBytes <= kPageBytes) return 0;
  const std::size_t over = (size_bytes + kHeaderBytes) % kPageBytes;
  return over <= kInlineTailMax ? over : 0;
}

void AppendInline(base::WriteTxn& txn, std::string_view bytes, BlobRow& row) {
  uint64_t sequence = 1;
  {
    base::Cursor cursor(txn, base::Table::kInline);
    if (cursor.Last() && cursor.key().size() == 8) sequence = base::ReadU64(cursor.key()) + 1;
  }
  const std::size_t tail = InlineTailBytes(bytes.size());
  row.inline_sequence = sequence;
  row.inline_tail = bytes.substr(bytes.size() - tail);
  txn.PutRaw(base::Table::kInline, EncodeInlineKey(sequence), bytes.substr(0, bytes.size() - tail));
}

void DeleteInline(base::WriteTxn& txn, uint64_t sequence) {
  txn.Delete(base::Table::kInline, EncodeInlineKey(sequence));
}

std::optional<std::string> LoadInline(base::ReadTxn& txn, const base::BlobId& blob,
                                      const BlobRow& row) {
  const auto stored = txn.GetRaw(base::Table::kInline, EncodeInlineKey(row.inline_sequence));
  if (!stored || stored->size() + row.inline_tail.size() != row.size_bytes) return std::nullopt;
  std::string bytes;
  bytes.reserve(static_cast<std::size_t>(row.size_bytes));
  bytes.append(*stored).append(row.inline_tail);
  if (base::Sha256::Of(bytes) != blob) return std::nullopt;
  return bytes;
}

}  // namespace waypost::blobstore
