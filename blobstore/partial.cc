#include "blobstore/partial.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/fault_point.h"
#include "base/log.h"
#include "base/status.h"

// Partial files and their marks. Bytes beyond the mark are believed only under the same start of
// the machine; a file without a mark is worth nothing, and a mark must never be found beside a
// later file. So a mark is removed last, and whatever cannot be understood begins anew.

namespace waypost::blobstore {
namespace {

constexpr std::size_t kMarkBytesMax = 200;
constexpr base::Millis kForgottenAfter{int64_t{30} * 24 * 3600 * 1000};

// nullopt when it is not there or cannot be read: nothing is trusted then.
std::optional<PartialMark> ReadMark(base::FileSystem& fs, const std::string& path) {
  const auto text = base::ReadSmallFile(fs, path, kMarkBytesMax);
  return text.ok() ? DecodeMark(*text) : std::nullopt;
}

}  // namespace

// "1 <durable bytes> <boot id>" and a line feed; the 1 is the version.
std::string EncodeMark(const PartialMark& mark) {
  return absl::StrCat("1 ", mark.durable_bytes, " ", mark.boot_id, "\n");
}

std::optional<PartialMark> DecodeMark(std::string_view text) {
  const std::vector<std::string> words = absl::StrSplit(base::Abs(text), ' ');
  PartialMark mark;
  if (words.size() != 3 || !absl::SimpleAtoi(words[1], &mark.durable_bytes)) return std::nullopt;
  mark.boot_id = words[2].substr(0, words[2].find('\n'));
  if (mark.boot_id.empty() || EncodeMark(mark) != text) return std::nullopt;
  return mark;
}

PartialFiles::PartialFiles(base::FileSystem& fs, const Layout& layout, std::string boot_id)
    : fs_(fs), layout_(layout), boot_id_(std::move(boot_id)) {}

absl::Status PartialFiles::Recover(base::WallTime now) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, fs_.List(layout_.partial_dir()));
  std::set<base::BlobId> blobs;
  for (const std::string& name : names) {
    if (const auto parsed = Layout::ParsePartialName(name)) {
      blobs.insert(parsed->blob);
    } else {
      // Such as a mark that was being replaced.
      RETURN_IF_ERROR(fs_.Remove(absl::StrCat(layout_.partial_dir(), "/", name)));
    }
  }
  for (const base::BlobId& blob : blobs) {
    const absl::Status recovered = RecoverOne(blob, now);
    if (recovered.ok()) continue;
    base::LogWarning("a broken transfer begins anew: ", recovered.message());
    Remove(blob);
  }
  return absl::OkStatus();
}

absl::Status PartialFiles::RecoverOne(const base::BlobId& blob, base::WallTime now) {
  ASSIGN_OR_RETURN(const auto info, fs_.Stat(layout_.PartialPath(blob)));
  ASSIGN_OR_RETURN(const auto whole, fs_.Stat(layout_.BlobPath(blob)));
  const auto mark = ReadMark(fs_, layout_.MarkPath(blob));
  if (!info || whole || !mark || info->modified < now - kForgottenAfter) {
    Remove(blob);
    return absl::OkStatus();
  }
  if (mark->boot_id == boot_id_) return absl::OkStatus();
  // The machine went down: what was not synced may be anything. A file shorter than its mark is not
  // the one that was marked.
  const uint64_t keep = info->size < mark->durable_bytes ? 0 : mark->durable_bytes;
  if (keep == 0) {
    Remove(blob);
    return absl::OkStatus();
  }
  if (info->size > keep) {
    ASSIGN_OR_RETURN(const auto file, fs_.OpenWrite(layout_.PartialPath(blob)));
    RETURN_IF_ERROR(file->Truncate(keep));
    RETURN_IF_ERROR(file->Sync());
  }
  // From here on under this start of the machine.
  return base::ReplaceFile(fs_, layout_.MarkPath(blob),
                           EncodeMark({.durable_bytes = keep, .boot_id = boot_id_}));
}

uint64_t PartialFiles::Bytes(const base::BlobId& blob) {
  const auto info = fs_.Stat(layout_.PartialPath(blob));
  return info.ok() && info->has_value() ? (*info)->size : 0;
}

void PartialFiles::Drop(const base::BlobId& blob) {
  const auto claim = fetching_.Try(blob);
  if (claim) {
    Remove(blob);
    return;
  }
  base::MutexLock lock(mutex_);
  dropped_.insert(blob);
}

void PartialFiles::Remove(const base::BlobId& blob) {
  // The mark last: a file without a mark is worth nothing, a mark without a file neither, but a
  // mark must never be found beside a later file.
  for (const std::string& path : {layout_.PartialPath(blob), layout_.MarkPath(blob)}) {
    const absl::Status removed = fs_.Remove(path);
    if (!removed.ok() && !absl::IsNotFound(removed)) {
      base::LogWarning("cannot remove a partial file: ", removed.message());
    }
  }
}

bool PartialFiles::TakeDropped(const base::BlobId& blob) {
  base::MutexLock lock(mutex_);
  return dropped_.erase(blob) > 0;
}

absl::StatusOr<Claims::Claim> PartialFiles::Claim(const base::BlobId& blob) {
  auto claim = fetching_.Try(blob);
  if (!claim) {
    return absl::FailedPreconditionError(
        absl::StrCat("blob ", blob.ToHex(), " is being fetched already"));
  }
  TakeDropped(blob);
  return *std::move(claim);
}

absl::StatusOr<std::unique_ptr<PartialFiles::Partial>> PartialFiles::Open(const base::BlobId& blob,
                                                                          uint64_t size_bytes,
                                                                          Claims::Claim claim) {
  const std::string path = layout_.PartialPath(blob);
  auto file = fs_.OpenWrite(path);
  uint64_t size = 0;
  uint64_t marked = 0;
  if (file.ok()) {
    ASSIGN_OR_RETURN(const base::File::State state, (*file)->Look());
    size = state.size;
    if (const auto mark = ReadMark(fs_, layout_.MarkPath(blob))) {
      marked = std::min(mark->durable_bytes, size);
    }
  } else if (!absl::IsNotFound(file.status())) {
    return file.status();
  }
  if (!file.ok() || size > size_bytes) {
    // Also the mark of an earlier file, which says nothing of this one.
    Remove(blob);
    RETURN_IF_ERROR(WriteFirstMark(blob));
    file = fs_.CreateExclusive(path);
    if (!file.ok()) return file.status();
    size = marked = 0;
  }
  return std::unique_ptr<Partial>(
      new Partial(*this, blob, std::move(claim), *std::move(file), size, marked));
}

absl::Status PartialFiles::WriteFirstMark(const base::BlobId& blob) {
  ASSIGN_OR_RETURN(const auto file, fs_.CreateExclusive(layout_.MarkPath(blob)));
  return file->WriteAt(0, EncodeMark({.durable_bytes = 0, .boot_id = boot_id_}));
}

PartialFiles::Partial::Partial(PartialFiles& files, const base::BlobId& blob, Claims::Claim claim,
                               std::unique_ptr<base::File> file, uint64_t size, uint64_t marked)
    : files_(files),
      blob_(blob),
      path_(files.layout_.PartialPath(blob)),
      claim_(std::move(claim)),
      file_(std::move(file)),
      size_(size),
      marked_(marked) {
  // What this peer fetches it keeps for others; what an app puts here, peers fetch at once.
  file_->KeepOutOfCache();
}

PartialFiles::Partial::~Partial() {
  if (file_ == nullptr) return;
  if (files_.TakeDropped(blob_)) {
    Drop();
  } else {
    Keep();
  }
}

absl::Status PartialFiles::Partial::Append(std::string_view data) {
  const absl::Status written = file_->WriteAt(size_, data);
  if (written.ok()) {
    size_ += data.size();
  } else if (!base::IsNoSpace(written)) {
    write_failed_ = true;
  }
  return written;
}

absl::Status PartialFiles::Partial::Sync() {
  const absl::Status written = file_->Flush();
  if (!written.ok()) {
    write_failed_ = write_failed_ || !base::IsNoSpace(written);
    return written;
  }
  const absl::Status synced = file_->Sync();
  sync_failed_ = sync_failed_ || !synced.ok();
  return synced;
}

absl::Status PartialFiles::Partial::Mark() {
  RETURN_IF_ERROR(Sync());
  // Syncs the folder too, and with it the file's name.
  RETURN_IF_ERROR(
      base::ReplaceFile(files_.fs_, files_.layout_.MarkPath(blob_),
                        EncodeMark({.durable_bytes = size_, .boot_id = files_.boot_id_})));
  marked_ = size_;
  base::FaultPoint("partial.marked");
  return absl::OkStatus();
}

void PartialFiles::Partial::Keep() {
  // After an fsync that failed nothing in the file can be believed; after a write that failed only
  // what was durable before. On a full disk what was written in full stands.
  const uint64_t keep = sync_failed_ ? 0 : write_failed_ ? marked_ : size_;
  if (keep == 0) {
    Drop();
    return;
  }
  absl::Status kept = file_->Truncate(keep);
  size_ = keep;
  if (kept.ok() && keep != marked_) kept = Mark();
  // Without its mark it serves until the next start.
  if (!kept.ok() && (sync_failed_ || !base::IsNoSpace(kept))) Drop();
}

void PartialFiles::Partial::Placed() {
  file_ = nullptr;
  files_.fs_.Remove(files_.layout_.MarkPath(blob_)).IgnoreError();
}

void PartialFiles::Partial::Drop() {
  file_ = nullptr;
  files_.Remove(blob_);
}

}  // namespace waypost::blobstore
