#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/file_system.h"
#include "base/index.h"
#include "base/metrics.h"
#include "blobstore/blob_store.h"
#include "blobstore/space.h"

namespace waypost::blobstore {

struct DiskBlobStoreOptions {
  std::string data_dir;  // absolute; blobs/, partial/, quarantine/ and trash/ are made in it
  uint64_t inline_max_bytes = 16 * 1024;
  FreeSpaceFloor min_free;
  uint64_t max_blob_bytes = uint64_t{64} << 30;
  // A fetch of which so much is to come is hashed and written on a thread of its own.
  uint64_t hash_apart_from_bytes = uint64_t{8} << 20;
  // A fetch larger than this goes through a partial file that outlives the process.
  uint64_t partial_over_bytes = uint64_t{1} << 20;
  // Unsynced bytes of a partial file at most.
  uint64_t partial_mark_bytes = uint64_t{64} << 20;
  // Changes whenever the machine starts. Unsynced bytes of a partial file outlive the process, not
  // the machine: they are cut off after a start under another id. Empty: the kernel's boot_id.
  std::string boot_id;
  base::Metrics* metrics = nullptr;
};

// The real store, on the index and a file system, both of which outlive it; it outlives its
// writers, and the transactions in which Install and Uninstall were called.
class DiskBlobStore final : public BlobStore {
 public:
  // Makes the folders, empties trash/, cuts partial files back to their last mark after a machine
  // that went down. Walks no blob folder: ready does not wait for a walk. The data folder exists.
  static absl::StatusOr<std::unique_ptr<DiskBlobStore>> Open(base::Index& index,
                                                             base::FileSystem& fs,
                                                             const base::Clock& clock,
                                                             DiskBlobStoreOptions options);
  ~DiskBlobStore() override;

  // Called, on the thread that noticed, when a row's bytes are missing. Set before use.
  void SetLossHandler(std::function<void(const base::BlobId&)> on_loss);
  // Told whenever blobs/ is found not to be the folder that it was, with what to do (BlobsDisk), or
  // to be back, with nothing. Set before use.
  void SetAwayHandler(std::function<void(const std::string& away)> on_change);
  // Of what Open answered for the blob: does it hash to its id? Reads all of a file.
  bool IsWhole(const base::BlobId& blob, const base::ByteSource& source);
  // While it is away nothing is written there and no row is called lost; what is not in the index
  // is answered kUnavailable. kUnavailable, in words for the operator, by a look now.
  absl::Status CheckBlobsThere();
  // As it was seen last, without a look; empty: it is there.
  std::string away() const;
  // Told when the disk stops taking writes (why) and when it takes them again (nothing). Set before
  // use. `read_only`: as it was seen last. Looks at the disk, and while it is read-only tries to
  // write: CheckWrites, every few seconds.
  void SetReadOnlyHandler(std::function<void(const std::string& why)> on_change);
  std::string read_only() const;
  void CheckWrites();
  // Live settings.
  void SetMinFree(FreeSpaceFloor floor);
  void SetMaxBlob(uint64_t bytes);
  FreeSpaceFloor min_free() const;
  uint64_t blob_bytes_max() const;

  absl::StatusOr<std::unique_ptr<BlobWriter>> StartPut(std::optional<uint64_t> size_bytes) override;
  absl::StatusOr<std::unique_ptr<BlobWriter>> StartFetch(const base::BlobId& blob,
                                                         uint64_t size_bytes) override;
  std::vector<absl::StatusOr<StagedBlob>> FinishTogether(std::vector<ArrivedBlob> arrived) override;
  uint64_t PartialBytes(const base::BlobId& blob) override;
  void DropPartial(const base::BlobId& blob) override;
  absl::StatusOr<std::unique_ptr<base::ByteSource>> Open(const base::BlobId& blob) override;
  // Reads all of a blob: are its bytes right? A file that is not goes to quarantine/, and the blob
  // is lost here as one whose file is missing. kCancelled where `stop` (or null) says so; blocks.
  absl::StatusOr<bool> CheckBytes(const base::BlobId& blob, const std::function<bool()>& stop);
  void Install(base::WriteTxn& txn, const StagedBlob& staged, BlobRow& row) override;
  void Uninstall(base::WriteTxn& txn, const base::BlobId& blob, const BlobRow& row) override;
  void Discard(base::WriteTxn& txn, const StagedBlob& staged) override;
  bool WholeHere(const StagedBlob& staged) override;
  bool Supersedes(const StagedBlob& staged, const BlobRow& row) const override;
  uint64_t inline_max_bytes() const override;
  absl::Status CheckSpace(uint64_t size_bytes) override;
  absl::Status CheckDisk() override;
  // As looked at within the last second; zeros when the disk cannot be asked.
  base::FileSystem::Space DiskSpace();
  // Deletes what Uninstall moved to trash/. Blocks; StartPut and StartFetch call it too.
  void EmptyTrash();

  // What compares files and rows, one folder of 256 at a time; the scanner drives it. The callbacks
  // make the transactions (they belong to higher rooms): `adopt` a file that hashed to its name and
  // has no row, `lost` a row placed in a file that is not there; both decide again inside their
  // transaction. A file that does not hash to its name is moved to quarantine/ and counted as
  // corrupt.
  struct ReconcileCallbacks {
    std::function<absl::Status(const StagedBlob&)> adopt;
    std::function<absl::Status(const base::BlobId&)> lost;
  };
  struct ReconcileResult {
    uint64_t files = 0, rows = 0, adopted = 0, quarantined = 0, lost = 0;
  };
  // `folder` 0-255: the first byte of the ids. A file whose row says another length is quarantined
  // too, and its row lost. What cannot be read is an error, never a loss; so is a folder blobs/
  // that is away (kFailedPrecondition).
  absl::StatusOr<ReconcileResult> ReconcileFolder(unsigned folder,
                                                  const ReconcileCallbacks& callbacks);
  // Inside the transaction that removes `row` as lost. Looks again: true when its bytes are really
  // missing, since its file is not there or has another length, or its inline bytes were found
  // wrong by Open and not installed anew since. What is left of them is removed then; but a damaged
  // file stays, to be set aside by whoever replaces it.
  absl::StatusOr<bool> RemoveIfLost(base::WriteTxn& txn, const base::BlobId& blob,
                                    const BlobRow& row);

 private:
  struct Impl;
  explicit DiskBlobStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace waypost::blobstore
