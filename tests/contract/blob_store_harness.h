#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/index.h"
#include "base/sha256.h"
#include "base/status.h"
#include "blobstore/blob_row.h"
#include "blobstore/blob_store.h"

// What tests of blob stores share: the harness of the contract suite, and puts and reads as the
// service does them.
namespace waypost::blobstore {

// A store on an empty index, and the hold a test has on what is around it.
class BlobStoreHarness {
 public:
  virtual ~BlobStoreHarness() = default;
  virtual BlobStore& store() = 0;
  virtual base::Index& index() = 0;
  // Room above the free-space floor, seen at once.
  virtual void SetRoom(uint64_t bytes) = 0;
  virtual void SetMaxBlob(uint64_t bytes) = 0;
  // Takes the bytes of an installed blob away behind the store's back.
  virtual void Lose(const base::BlobId& blob) = 0;
  virtual std::vector<base::BlobId> losses() = 0;
};

// Sizes at which a store may change its ways: set its inline limit and its limit for partial files
// to these.
inline constexpr uint64_t kContractInlineMax = 1000;
inline constexpr uint64_t kContractPartialOver = 4000;

// Reproducible bytes; no two seeds alike.
inline std::string SomeBytes(std::size_t size, uint64_t seed = 1) {
  std::string bytes(size, '\0');
  uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;
  for (char& byte : bytes) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    byte = static_cast<char>(state >> 56);
  }
  return bytes;
}

// Writes `bytes` in pieces of `piece`.
inline absl::Status AppendAll(BlobWriter& writer, std::string_view bytes, std::size_t piece = 700) {
  while (!bytes.empty()) {
    RETURN_IF_ERROR(writer.Append(bytes.substr(0, piece)));
    bytes.remove_prefix(std::min(piece, bytes.size()));
  }
  return absl::OkStatus();
}

inline absl::Status InstallStaged(BlobStore& store, base::Index& index, const StagedBlob& staged) {
  return index.Update(base::Index::Lane::kForeground, [&](base::WriteTxn& txn) {
    BlobRow row = LoadBlobRow(txn, staged.id).value_or(BlobRow());
    store.Install(txn, staged, row);
    StoreBlobRow(txn, staged.id, row);
    return absl::OkStatus();
  });
}

inline absl::StatusOr<StagedBlob> Stage(BlobStore& store, const std::string& bytes) {
  ASSIGN_OR_RETURN(const auto writer, store.StartPut(bytes.size()));
  RETURN_IF_ERROR(AppendAll(*writer, bytes));
  return writer->Finish(base::Sha256::Of(bytes));
}

// As the service does it: acknowledged when it returns OK.
inline absl::Status PutBlob(BlobStore& store, base::Index& index, const std::string& bytes) {
  ASSIGN_OR_RETURN(const StagedBlob staged, Stage(store, bytes));
  return InstallStaged(store, index, staged);
}

inline absl::Status RemoveBlob(BlobStore& store, base::Index& index, const base::BlobId& blob) {
  return index.Update(base::Index::Lane::kForeground, [&](base::WriteTxn& txn) -> absl::Status {
    const auto row = LoadBlobRow(txn, blob);
    if (!row) return absl::NotFoundError("no row");
    store.Uninstall(txn, blob, *row);
    DeleteBlobRow(txn, blob);
    return absl::OkStatus();
  });
}

inline absl::StatusOr<std::string> ReadBlob(BlobStore& store, const base::BlobId& blob) {
  ASSIGN_OR_RETURN(const auto reader, store.Open(blob));
  std::string bytes(reader->size_bytes() + 1, '\0');
  ASSIGN_OR_RETURN(const std::size_t count, reader->ReadAt(0, std::span<char>(bytes)));
  bytes.resize(count);
  return bytes;
}

}  // namespace waypost::blobstore
