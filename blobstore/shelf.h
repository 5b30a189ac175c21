#pragma once

#include <bitset>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/file_system.h"
#include "base/ids.h"
#include "base/index.h"
#include "base/mutex.h"
#include "blobstore/blob_row.h"
#include "blobstore/claims.h"
#include "blobstore/layout.h"

namespace waypost::blobstore {

// The folders of whole blobs: how a file gets its name, and how it leaves. Every change of a name under
// blobs/ happens here, under the claim of its blob. Thread-safe.
//
// Between the moment a file has its name and the transaction that installs its row the blob is *pinned*:
// what removes the file of a row in the meantime leaves it alone.
class Shelf {
 public:
  Shelf(base::FileSystem& fs, base::Index& index, const base::Clock& clock, Layout layout);

  // Makes the folders that are missing, durably, and deletes what is in trash/.
  absl::Status Prepare();

  // Gives the verified bytes of `blob` their name by calling `put_in_place` (a link or rename to the
  // path it is given), unless a whole file has it already; durable when it returns, and pinned. What is
  // there and not whole goes to quarantine/. True if `put_in_place` was used.
  absl::StatusOr<bool> Place(const base::BlobId& blob, uint64_t size_bytes,
                             absl::FunctionRef<absl::Status(const std::string&)> put_in_place);

  void Pin(const base::BlobId& blob);
  void Unpin(const base::BlobId& blob);
  bool Pinned(const base::BlobId& blob);

  // Moves the file of a blob to trash/, unless the blob is pinned or claimed. Does not wait: for
  // AfterCommit.
  void Trash(const base::BlobId& blob);
  // The same for the holder of the claim.
  absl::Status TrashClaimed(const base::BlobId& blob);
  // Deletes what is in trash/, if anything came since the last time.
  void EmptyTrash();

  // Moves a file, named `name` there, to quarantine/. The caller holds the claim if it is a blob's.
  absl::Status Quarantine(const std::string& path, std::string_view name);

  // Reads a whole file.
  absl::StatusOr<base::BlobId> HashFile(const std::string& path);
  absl::StatusOr<std::optional<BlobRow>> RowOf(const base::BlobId& blob);

  base::FileSystem& fs() { return fs_; }
  base::Index& index() { return index_; }
  const base::Clock& clock() const { return clock_; }
  const Layout& layout() const { return layout_; }
  Claims& claims() { return claims_; }

 private:
  struct PinRow {
    uint64_t count = 0;
    base::SteadyTime last;
  };
  absl::Status NeedFolder(const base::BlobId& blob);
  absl::StatusOr<bool> IsWhole(const base::BlobId& blob, uint64_t size_bytes);
  void DropOldPins() EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  base::FileSystem& fs_;
  base::Index& index_;
  const base::Clock& clock_;
  const Layout layout_;
  Claims claims_;

  base::Mutex mutex_;
  // Folders blobs/ab and blobs/ab/cd whose names are known to be durable.
  std::bitset<256> tops_ GUARDED_BY(mutex_);
  std::bitset<65536> subs_ GUARDED_BY(mutex_);
  absl::flat_hash_map<base::BlobId, PinRow> pins_ GUARDED_BY(mutex_);
  bool trash_waits_ GUARDED_BY(mutex_) = true;
};

}  // namespace waypost::blobstore
