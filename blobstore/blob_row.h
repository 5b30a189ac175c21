#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/index.h"

namespace waypost::blobstore {

// Stored numbers: never renumbered.
enum class Placement : uint8_t { kInline = 1, kFile = 2 };
enum class Via : uint8_t { kPut = 1, kReference = 2, kFetch = 3 };

// This peer may serve the blob's bytes to the group.
struct Holding {
  base::WallTime acquired;
  Via via = Via::kPut;
  uint32_t shares = 0;

  friend bool operator==(const Holding&, const Holding&) = default;
};

// A blob whose bytes are here. Table `blobs`, key: the 32 bytes of its id.
struct BlobRow {
  uint64_t size_bytes = 0;
  Placement placement = Placement::kFile;
  uint64_t inline_sequence = 0;  // key in `inline`, when placed there
  // The last of its bytes, where they would take a whole page of `inline` for themselves.
  std::string inline_tail;
  base::WallTime stored;
  base::WallTime verified;      // when its bytes last hashed to its id
  uint64_t fetch_attempts = 0;  // what it took to get it here
  std::map<base::GroupId, Holding> holdings;

  friend bool operator==(const BlobRow&, const BlobRow&) = default;
};

std::optional<BlobRow> LoadBlobRow(base::ReadTxn& txn, const base::BlobId& blob);
// Only syncgroup's Ledger calls these two: counts, due rows and signposts follow every change.
void StoreBlobRow(base::WriteTxn& txn, const base::BlobId& blob, const BlobRow& row);
void DeleteBlobRow(base::WriteTxn& txn, const base::BlobId& blob);

// The row of a blob whose bytes were here and are gone: its holdings come back with them. The same
// callers.
std::optional<BlobRow> LoadLostRow(base::ReadTxn& txn, const base::BlobId& blob);
void StoreLostRow(base::WriteTxn& txn, const base::BlobId& blob, const BlobRow& row);
void DeleteLostRow(base::WriteTxn& txn, const base::BlobId& blob);

// The codec, for scans that hold a payload already. nullopt when it does not parse.
std::string EncodeBlobRow(const BlobRow& row);
std::optional<BlobRow> DecodeBlobRow(std::string_view payload);

// What a scan reads of a row without decoding it.
struct HoldingsView {
  std::vector<std::string_view> groups;  // 32 bytes each, into the payload
  uint64_t size_bytes = 0;
};
// False when the payload does not parse; `view` is then worth nothing. One view is for use again
// and again, so that it allocates once. Several million rows a second.
bool ReadView(std::string_view payload, HoldingsView& view);

}  // namespace waypost::blobstore
