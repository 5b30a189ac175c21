#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/index.h"
#include "blobstore/blob_row.h"

// Table `inline`: 8-byte big-endian sequence -> the raw bytes of a small blob, without an envelope:
// the id is their checksum.
namespace waypost::blobstore {

std::string EncodeInlineKey(uint64_t sequence);

// Appends after the last row; answers its sequence.
uint64_t AppendInline(base::WriteTxn& txn, std::string_view bytes);
void DeleteInline(base::WriteTxn& txn, uint64_t sequence);
// The bytes of a row placed inline, if they are there and hash to its id.
std::optional<std::string> LoadInline(base::ReadTxn& txn, const base::BlobId& blob,
                                      const BlobRow& row);

}  // namespace waypost::blobstore
