#include "blobstore/shelf.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/fault_point.h"
#include "base/log.h"
#include "base/sha256.h"
#include "base/status.h"

// How files of blobs get their names and lose them, always under the claim of the blob. A folder's
// name is durable before a blob's name in it counts, and a name whose sync failed is taken away
// again, because the next sync may say that all is well. Anything that stands under a blob's name
// and is not whole goes to quarantine.

namespace waypost::blobstore {
namespace {

constexpr std::size_t kHashPieceBytes = std::size_t{1} << 20;
// Enough that a name which keeps coming back does not fill the folder.
constexpr unsigned kQuarantineSameName = 100;

absl::StatusOr<base::BlobId> HashOf(const base::File& file,
                                    const std::function<bool()>& stop = nullptr) {
  base::Sha256 hasher;
  std::vector<char> buffer(kHashPieceBytes);
  for (uint64_t offset = 0;;) {
    if (stop && stop()) return absl::CancelledError("stopped");
    ASSIGN_OR_RETURN(const std::size_t count, file.ReadAt(offset, std::span<char>(buffer)));
    hasher.Update({buffer.data(), count});
    if (count < buffer.size()) return hasher.Finish();
    offset += count;
  }
}

}  // namespace

Shelf::Shelf(base::FileSystem& fs, base::Index& index, Layout layout)
    : fs_(fs), index_(index), layout_(std::move(layout)) {}

void Shelf::SetRottenHandler(std::function<void(const base::BlobId&)> on_rotten) {
  on_rotten_ = std::move(on_rotten);
}

absl::Status Shelf::Prepare() {
  for (const std::string& dir : {layout_.blobs_dir(), layout_.partial_dir(),
                                 layout_.quarantine_dir(), layout_.trash_dir()}) {
    RETURN_IF_ERROR(fs_.MakeDir(dir).status());
  }
  RETURN_IF_ERROR(fs_.SyncDir(layout_.data_dir()));
  EmptyTrash();
  WarnOfFoldersApart();
  return absl::OkStatus();
}

void Shelf::WarnOfFoldersApart() {
  const auto blobs = fs_.FreeSpace(layout_.blobs_dir());
  if (!blobs.ok()) return;  // whoever writes there says why
  std::vector<std::string> apart;
  for (const std::string& dir :
       {layout_.partial_dir(), layout_.trash_dir(), layout_.quarantine_dir()}) {
    const auto space = fs_.FreeSpace(dir);
    if (space.ok() && !space->SamePlaceAs(*blobs)) apart.push_back(dir);
  }
  if (apart.empty()) return;
  base::LogWarning(absl::StrJoin(apart, ", "), apart.size() == 1 ? " is" : " are",
                   " on another file system than ", layout_.blobs_dir(),
                   " (or on another mount of the same one)",
                   ": all works, but what crosses is copied, so that large blobs are written twice "
                   "and need room on both. Put all four on one to spare that");
}

absl::StatusOr<Shelf::Placed> Shelf::Place(
    const base::BlobId& blob, uint64_t size_bytes,
    absl::FunctionRef<absl::Status(const std::string&)> put_in_place) {
  const Claims::Claim claim = claims_.Wait(blob);
  RETURN_IF_ERROR(NeedFolder(blob));
  const std::string path = layout_.BlobPath(blob);
  ASSIGN_OR_RETURN(const bool whole, IsWhole(blob, size_bytes));
  if (!whole) RETURN_IF_ERROR(put_in_place(path));
  base::FaultPoint("blob.linked");
  const absl::Status synced = fs_.SyncDir(layout_.BlobDir(blob));
  if (!synced.ok()) {
    // A folder that failed to sync may say it is well the next time: the name must be made anew
    // then.
    if (!whole) fs_.Remove(path).IgnoreError();
    return synced;
  }
  base::FaultPoint("blob.durable");
  return Placed{.pin = MakePin(blob), .used = !whole};
}

absl::Status Shelf::SyncBytes() {
  RETURN_IF_ERROR(fs_.SyncAll(layout_.blobs_dir()));
  base::FaultPoint("blob.synced");
  return absl::OkStatus();
}

absl::StatusOr<Shelf::Placed> Shelf::PlaceUnsynced(
    const base::BlobId& blob, uint64_t size_bytes,
    absl::FunctionRef<absl::Status(const std::string&)> put_in_place) {
  const Claims::Claim claim = claims_.Wait(blob);
  RETURN_IF_ERROR(MakeFolder(blob));
  ASSIGN_OR_RETURN(const bool whole, IsWhole(blob, size_bytes));
  if (!whole) RETURN_IF_ERROR(put_in_place(layout_.BlobPath(blob)));
  base::FaultPoint("blob.linked");
  return Placed{.pin = MakePin(blob), .used = !whole};
}

absl::Status Shelf::SyncPlaced(std::span<const base::BlobId> blobs) {
  const absl::Status synced = fs_.SyncAll(layout_.blobs_dir());
  if (!synced.ok()) {
    for (const base::BlobId& blob : blobs) TakeBack(blob);
    return synced;
  }
  base::FaultPoint("blob.durable");
  base::MutexLock lock(mutex_);
  for (const base::BlobId& blob : blobs) {
    const unsigned top = blob.array()[0];
    tops_[top] = true;
    subs_[top << 8 | blob.array()[1]] = true;
  }
  return absl::OkStatus();
}

// What failed to sync may say it is well the next time: the name goes, so that the bytes are
// written anew. Unless somebody else vouches for it, who has synced it too.
void Shelf::TakeBack(const base::BlobId& blob) {
  const Claims::Claim claim = claims_.Wait(blob);
  if (Pinned(blob, /*own=*/1)) return;
  const auto row = RowOf(blob);
  if (!row.ok() || (*row && (*row)->placement == Placement::kFile)) return;
  fs_.Remove(layout_.BlobPath(blob)).IgnoreError();
}

absl::Status Shelf::MakeFolder(const base::BlobId& blob) {
  const unsigned top = blob.array()[0];
  const unsigned sub = blob.array()[1];
  {
    base::MutexLock lock(mutex_);
    if (subs_[top << 8 | sub]) return absl::OkStatus();
  }
  RETURN_IF_ERROR(fs_.MakeDir(layout_.TopDir(top)).status());
  return fs_.MakeDir(layout_.SubDir(top, sub)).status();
}

absl::Status Shelf::NeedFolder(const base::BlobId& blob) {
  const unsigned top = blob.array()[0];
  const unsigned sub = blob.array()[1];
  bool top_known = false;
  {
    base::MutexLock lock(mutex_);
    if (subs_[top << 8 | sub]) return absl::OkStatus();
    top_known = tops_[top];
  }
  // That a folder is there does not say that its name is durable: another thread, or a process that
  // was killed, may have just made it.
  if (!top_known) {
    RETURN_IF_ERROR(fs_.MakeDir(layout_.TopDir(top)).status());
    RETURN_IF_ERROR(fs_.SyncDir(layout_.blobs_dir()));
  }
  RETURN_IF_ERROR(fs_.MakeDir(layout_.SubDir(top, sub)).status());
  RETURN_IF_ERROR(fs_.SyncDir(layout_.TopDir(top)));
  base::MutexLock lock(mutex_);
  tops_[top] = true;
  subs_[top << 8 | sub] = true;
  return absl::OkStatus();
}

absl::StatusOr<bool> Shelf::IsWhole(const base::BlobId& blob, uint64_t size_bytes) {
  const std::string path = layout_.BlobPath(blob);
  ASSIGN_OR_RETURN(const auto info, fs_.Stat(path));
  if (!info) return false;
  if (info->is_directory) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " is a folder where a blob should be; remove it"));
  }
  ASSIGN_OR_RETURN(const std::optional<BlobRow> row, RowOf(blob));
  const bool has_row = row && row->placement == Placement::kFile && row->size_bytes == size_bytes;
  if (info->size == size_bytes) {
    // Also where a row says that it was whole: who brings the bytes counts on them from here on.
    ASSIGN_OR_RETURN(const bool whole, HashesTo(path, blob));
    if (whole && has_row) return true;
    if (whole) {
      // Left by a crash between name and row, or put there by hand.
      ASSIGN_OR_RETURN(const auto file, fs_.OpenWrite(path));
      RETURN_IF_ERROR(file->Sync());
      return true;
    }
  }
  RETURN_IF_ERROR(Quarantine(path, blob.ToHex()));
  if (has_row && on_rotten_) on_rotten_(blob);
  return false;
}

std::shared_ptr<Pin> Shelf::MakePin(const base::BlobId& blob) {
  base::MutexLock lock(mutex_);
  ++pins_[blob];
  return std::make_shared<Pin>(*this, blob);
}

void Shelf::Unpin(const base::BlobId& blob) {
  base::MutexLock lock(mutex_);
  const auto found = pins_.find(blob);
  if (--found->second == 0) pins_.erase(found);
}

bool Shelf::Pinned(const base::BlobId& blob, uint64_t own) {
  base::MutexLock lock(mutex_);
  const auto found = pins_.find(blob);
  return found != pins_.end() && found->second > own;
}

void Shelf::Trash(const base::BlobId& blob, uint64_t own) {
  const auto claim = claims_.Try(blob);
  // Someone is putting it back this moment.
  if (!claim || Pinned(blob, own)) return;
  const absl::Status moved = TrashClaimed(blob);
  // What could not be moved stays as a file without a row.
  if (!moved.ok() && !absl::IsNotFound(moved)) {
    base::LogDebug("cannot move a blob to trash: ", moved.message());
  }
}

absl::Status Shelf::TrashClaimed(const base::BlobId& blob) {
  const absl::Status moved = fs_.Rename(layout_.BlobPath(blob), layout_.TrashPath(blob));
  // trash/ is on another file system: it goes at once.
  if (absl::IsUnimplemented(moved)) return fs_.Remove(layout_.BlobPath(blob));
  RETURN_IF_ERROR(moved);
  base::MutexLock lock(mutex_);
  trash_waits_ = true;
  return absl::OkStatus();
}

void Shelf::EmptyTrash() {
  {
    base::MutexLock lock(mutex_);
    if (!trash_waits_) return;
    trash_waits_ = false;
  }
  const auto names = fs_.List(layout_.trash_dir());
  if (!names.ok()) {
    base::LogWarning("cannot empty ", layout_.trash_dir(), ": ", names.status().message());
    return;
  }
  for (const std::string& name : *names) {
    const absl::Status removed = fs_.Remove(absl::StrCat(layout_.trash_dir(), "/", name));
    if (!removed.ok() && !absl::IsNotFound(removed)) {
      base::LogWarning("cannot empty trash: ", removed.message());
    }
  }
}

absl::Status Shelf::Quarantine(const std::string& path, std::string_view name) {
  for (unsigned n = 0; n < kQuarantineSameName; ++n) {
    const std::string to = layout_.QuarantinePath(name, n);
    ASSIGN_OR_RETURN(const auto taken, fs_.Stat(to));
    if (!taken) return base::MoveFile(fs_, path, to);
  }
  return fs_.Remove(path);
}

absl::StatusOr<base::BlobId> Shelf::HashFile(const std::string& path,
                                             const std::function<bool()>& stop) {
  ASSIGN_OR_RETURN(const auto file, fs_.OpenRead(path));
  return HashOf(*file, stop);
}

absl::StatusOr<bool> Shelf::HashesTo(const std::string& path, const base::BlobId& blob,
                                     const std::function<bool()>& stop) {
  ASSIGN_OR_RETURN(const auto file, fs_.OpenRead(path));
  const auto found = HashOf(*file, stop);
  if (absl::IsCancelled(found.status())) return found.status();
  if (!found.ok()) base::LogWarning("a stored file cannot be read: ", found.status().ToString());
  return found.ok() && *found == blob;
}

absl::StatusOr<std::optional<BlobRow>> Shelf::RowOf(const base::BlobId& blob) {
  std::optional<BlobRow> row;
  RETURN_IF_ERROR(index_.Read([&](base::ReadTxn& txn) { row = LoadBlobRow(txn, blob); }));
  return row;
}

}  // namespace waypost::blobstore
