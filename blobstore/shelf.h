#pragma once

#include <atomic>
#include <bitset>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "base/file_system.h"
#include "base/ids.h"
#include "base/index.h"
#include "base/mutex.h"
#include "blobstore/blob_row.h"
#include "blobstore/blob_store.h"
#include "blobstore/claims.h"
#include "blobstore/layout.h"

namespace waypost::blobstore {

// The folders of whole blobs: how a file gets its name, and how it leaves. Every change of a name
// under blobs/ happens here, under the claim of its blob. Thread-safe.
//
// Between the moment a file has its name and the commit that installs its row the blob is *pinned*:
// what removes the file of a row in the meantime leaves it alone.
class Shelf {
 public:
  Shelf(base::FileSystem& fs, base::Index& index, Layout layout);

  // Makes the folders that are missing, durably, deletes what is in trash/, and warns where they
  // are on several file systems.
  absl::Status Prepare();

  // Told of a file that a row vouched for and that turned out to be rotten, once it is out of the
  // way. Set before use.
  void SetRottenHandler(std::function<void(const base::BlobId&)> on_rotten);

  // Gives the verified bytes of `blob` their name by calling `put_in_place` (a link or rename to
  // the path it is given), unless a whole file has it already, which is read to be sure; durable
  // when it returns. What is there and not whole goes to quarantine/.
  struct Placed {
    std::shared_ptr<Pin> pin;
    bool used = false;  // `put_in_place` was called
  };
  absl::StatusOr<Placed> Place(const base::BlobId& blob, uint64_t size_bytes,
                               absl::FunctionRef<absl::Status(const std::string&)> put_in_place);
  // The same for many. SyncBytes, once all of their bytes are written; then the name of each, which
  // is not durable before SyncPlaced of all of them: where that fails, none of them is there.
  absl::Status SyncBytes();
  absl::StatusOr<Placed> PlaceUnsynced(
      const base::BlobId& blob, uint64_t size_bytes,
      absl::FunctionRef<absl::Status(const std::string&)> put_in_place);
  absl::Status SyncPlaced(std::span<const base::BlobId> blobs);

  std::shared_ptr<Pin> MakePin(const base::BlobId& blob);
  // By more than `own` pins.
  bool Pinned(const base::BlobId& blob, uint64_t own = 0);

  // Moves the file of a blob to trash/, unless the blob is claimed or pinned by more than `own`
  // pins. Does not wait: for AfterCommit.
  void Trash(const base::BlobId& blob, uint64_t own);
  // The same for the holder of the claim.
  absl::Status TrashClaimed(const base::BlobId& blob);
  // Deletes what is in trash/, if anything came since the last time.
  void EmptyTrash();

  // Moves a file, named `name` there, to quarantine/. The caller holds the claim if it is a blob's.
  absl::Status Quarantine(const std::string& path, std::string_view name);

  // Both read a whole file; kCancelled once `stop` says so.
  absl::StatusOr<base::BlobId> HashFile(const std::string& path,
                                        const std::function<bool()>& stop = nullptr);
  // A file that cannot be read to its end does not hash to anything.
  absl::StatusOr<bool> HashesTo(const std::string& path, const base::BlobId& blob,
                                const std::function<bool()>& stop = nullptr);
  absl::StatusOr<std::optional<BlobRow>> RowOf(const base::BlobId& blob);

  base::FileSystem& fs() { return fs_; }
  base::Index& index() { return index_; }
  const Layout& layout() const { return layout_; }
  Claims& claims() { return claims_; }

 private:
  friend class Pin;
  void WarnOfFoldersApart();
  void Unpin(const base::BlobId& blob);
  absl::Status NeedFolder(const base::BlobId& blob);
  absl::Status MakeFolder(const base::BlobId& blob);
  void TakeBack(const base::BlobId& blob);
  absl::StatusOr<bool> IsWhole(const base::BlobId& blob, uint64_t size_bytes);

  base::FileSystem& fs_;
  base::Index& index_;
  const Layout layout_;
  std::function<void(const base::BlobId&)> on_rotten_;
  Claims claims_;

  base::Mutex mutex_;
  // Folders blobs/ab and blobs/ab/cd whose names are known to be durable.
  std::bitset<256> tops_ GUARDED_BY(mutex_);
  std::bitset<65536> subs_ GUARDED_BY(mutex_);
  absl::flat_hash_map<base::BlobId, uint64_t> pins_ GUARDED_BY(mutex_);
  bool trash_waits_ GUARDED_BY(mutex_) = true;
};

// One pin of a blob. Thread-safe; ends before its shelf.
class Pin {
 public:
  Pin(Shelf& shelf, const base::BlobId& blob) : shelf_(shelf), blob_(blob) {}
  ~Pin() { Release(); }
  Pin(const Pin&) = delete;
  Pin& operator=(const Pin&) = delete;
  // Before it ends. Idempotent.
  void Release() {
    if (!released_.exchange(true)) shelf_.Unpin(blob_);
  }

 private:
  Shelf& shelf_;
  const base::BlobId blob_;
  std::atomic<bool> released_{false};
};

}  // namespace waypost::blobstore
