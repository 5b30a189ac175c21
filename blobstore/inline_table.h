#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/index.h"
#include "blobstore/blob_row.h"

// Table `inline`: 8-byte big-endian sequence -> the raw bytes of a small blob, without an envelope:
// the id is their checksum. LMDB keeps a value of over half a page on pages of its own, of which
// the first begins with 16 bytes of LMDB's: one of 4,096 bytes would take two of them, to write and
// to keep. Its last bytes are kept in the blob's row instead.
namespace waypost::blobstore {

std::string EncodeInlineKey(uint64_t sequence);

// How many of the last bytes of a blob of `size_bytes` go into its row: 0 to kInlineTailMax. Pure.
inline constexpr std::size_t kInlineTailMax = 64;
std::size_t InlineTailBytes(std::size_t size_bytes);

// Appends after the last row, and says in `row` where.
void AppendInline(base::WriteTxn& txn, std::string_view bytes, BlobRow& row);
void DeleteInline(base::WriteTxn& txn, uint64_t sequence);
// The bytes of a row placed inline, if they are there and hash to its id.
std::optional<std::string> LoadInline(base::ReadTxn& txn, const base::BlobId& blob,
                                      const BlobRow& row);

}  // namespace waypost::blobstore
