#include "blobstore/writers.h"

#include <algorithm>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/fault_point.h"
#include "base/log.h"
#include "base/status.h"

namespace waypost::blobstore {
namespace {

constexpr std::size_t kReadBackBytes = std::size_t{1} << 20;

absl::Status TooLong(uint64_t size_bytes) {
  return absl::OutOfRangeError(
      absl::StrCat("more bytes than the ", size_bytes, " that were announced"));
}

absl::Status CheckEnd(uint64_t written, uint64_t size_bytes, const base::BlobId& id,
                      const std::optional<base::BlobId>& expected) {
  if (written != size_bytes) {
    return absl::FailedPreconditionError(
        absl::StrCat("the body ended after ", written, " of ", size_bytes, " bytes"));
  }
  if (expected && id != *expected) {
    return base::DigestMismatchError(
        absl::StrCat("the bytes hash to ", id.ToHex(), ", not to ", expected->ToHex()));
  }
  return absl::OkStatus();
}

class PlainWriter final : public BlobWriter {
 public:
  PlainWriter(const WriterParts& parts, uint64_t size_bytes,
              std::unique_ptr<SpaceGate::Reservation> space, std::function<void()> on_end)
      : parts_(parts), size_(size_bytes), space_(std::move(space)), on_end_(std::move(on_end)) {}
  ~PlainWriter() override {
    if (on_end_) on_end_();
  }

  absl::Status Begin() {
    if (size_ <= parts_.inline_max_bytes) {
      memory_.reserve(size_);
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(file_, parts_.fs.CreateUnnamed(parts_.layout.partial()));
    return absl::OkStatus();
  }

  uint64_t offset() const override { return written_; }

  absl::Status Append(std::string_view data) override {
    if (data.size() > size_ - written_) return TooLong(size_);
    hasher_.Update(data);
    if (file_ == nullptr) {
      memory_.append(data);
    } else {
      RETURN_IF_ERROR(file_->WriteAt(written_, data));
      space_->Use(data.size());
    }
    written_ += data.size();
    return absl::OkStatus();
  }

  absl::StatusOr<StagedBlob> Finish(const std::optional<base::BlobId>& expected) override {
    const base::BlobId id = hasher_.Finish();
    RETURN_IF_ERROR(CheckEnd(written_, size_, id, expected));
    StagedBlob staged{.id = id, .size_bytes = size_};
    if (file_ == nullptr) {
      staged.placement = Placement::kInline;
      staged.inline_bytes = std::move(memory_);
      return staged;
    }
    staged.placement = Placement::kFile;
    base::FaultPoint("blob.written");
    RETURN_IF_ERROR(file_->Sync());
    base::FaultPoint("blob.synced");
    RETURN_IF_ERROR(parts_.placer.Place(id, *file_, std::nullopt));
    file_ = nullptr;
    return staged;
  }

  void Discard() override { file_ = nullptr; }

 private:
  const WriterParts& parts_;
  const uint64_t size_;
  std::unique_ptr<SpaceGate::Reservation> space_;
  std::function<void()> on_end_;
  std::string memory_;
  std::unique_ptr<base::File> file_;
  base::Sha256 hasher_;
  uint64_t written_ = 0;
};

class PartialWriter final : public BlobWriter {
 public:
  PartialWriter(const WriterParts& parts, const base::BlobId& blob, uint64_t size_bytes,
                std::unique_ptr<SpaceGate::Reservation> space, std::function<void()> on_end)
      : parts_(parts), blob_(blob), size_(size_bytes), space_(std::move(space)),
        on_end_(std::move(on_end)) {}

  ~PartialWriter() override {
    // What is here is worth keeping: the next attempt continues.
    if (file_ != nullptr && written_ > marked_) {
      const absl::Status kept = Mark();
      if (!kept.ok()) base::LogDebug("partial ", blob_.ToHex(), ": ", kept.ToString());
    }
    if (on_end_) on_end_();
  }

  absl::Status Begin() {
    const std::string path = parts_.layout.PartialFile(blob_);
    auto opened = parts_.fs.OpenWrite(path);
    if (opened.ok()) {
      file_ = std::move(*opened);
      const absl::Status resumed = Resume();
      if (resumed.ok()) return resumed;
      base::LogDebug("partial ", blob_.ToHex(), ": from zero: ", resumed.ToString());
      Discard();
      hasher_ = base::Sha256();
      written_ = marked_ = 0;
    } else if (!absl::IsNotFound(opened.status())) {
      return opened.status();
    }
    ASSIGN_OR_RETURN(file_, parts_.fs.CreateExclusive(path));
    return Mark();
  }

  uint64_t offset() const override { return written_; }

  absl::Status Append(std::string_view data) override {
    if (data.size() > size_ - written_) return TooLong(size_);
    hasher_.Update(data);
    RETURN_IF_ERROR(file_->WriteAt(written_, data));
    written_ += data.size();
    space_->Use(data.size());
    if (written_ - marked_ >= parts_.mark_bytes) return Mark();
    return absl::OkStatus();
  }

  absl::StatusOr<StagedBlob> Finish(const std::optional<base::BlobId>& expected) override {
    if (written_ != size_) return CheckEnd(written_, size_, blob_, blob_);  // kept: it can go on
    const base::BlobId id = hasher_.Finish();
    absl::Status status = CheckEnd(written_, size_, id, expected.value_or(blob_));
    base::FaultPoint("blob.written");
    if (status.ok()) status = file_->Sync();
    base::FaultPoint("blob.synced");
    if (status.ok()) status = parts_.placer.Place(id, *file_, parts_.layout.PartialFile(blob_));
    if (!status.ok()) {
      Discard();
      return status;
    }
    file_ = nullptr;
    parts_.fs.Remove(parts_.layout.MarkFile(blob_)).IgnoreError();
    return StagedBlob{.id = id, .size_bytes = size_, .placement = Placement::kFile};
  }

  void Discard() override {
    file_ = nullptr;
    parts_.fs.Remove(parts_.layout.PartialFile(blob_)).IgnoreError();
    parts_.fs.Remove(parts_.layout.MarkFile(blob_)).IgnoreError();
  }

 private:
  // Hashes what is here, so that Finish verifies the whole blob whoever sent which part.
  absl::Status Resume() {
    ASSIGN_OR_RETURN(const std::string text,
                     base::ReadSmallFile(parts_.fs, parts_.layout.MarkFile(blob_), 256));
    const auto mark = DecodeMark(text);
    if (!mark || mark->total != size_) return absl::FailedPreconditionError("another size");
    ASSIGN_OR_RETURN(const uint64_t here, file_->Size());
    if (here > size_) return absl::FailedPreconditionError("longer than the blob");
    std::vector<char> buffer(kReadBackBytes);
    while (written_ < here) {
      ASSIGN_OR_RETURN(const std::size_t n, file_->ReadAt(written_, std::span<char>(buffer)));
      if (n == 0) break;
      hasher_.Update({buffer.data(), n});
      written_ += n;
    }
    marked_ = std::min(mark->synced, written_);
    space_->Use(written_);
    return absl::OkStatus();
  }

  absl::Status Mark() {
    RETURN_IF_ERROR(file_->Sync());
    RETURN_IF_ERROR(base::ReplaceFile(
        parts_.fs, parts_.layout.MarkFile(blob_),
        EncodeMark({.total = size_, .synced = written_, .boot_id = parts_.boot_id})));
    marked_ = written_;
    base::FaultPoint("partial.marked");
    return absl::OkStatus();
  }

  const WriterParts& parts_;
  const base::BlobId blob_;
  const uint64_t size_;
  std::unique_ptr<SpaceGate::Reservation> space_;
  std::function<void()> on_end_;
  std::unique_ptr<base::File> file_;
  base::Sha256 hasher_;
  uint64_t written_ = 0;
  uint64_t marked_ = 0;
};

}  // namespace

absl::Status Placer::EnsureFolder(const std::string& folder, const std::string& parent) {
  {
    base::MutexLock lock(mutex_);
    if (durable_.contains(folder)) return absl::OkStatus();
  }
  RETURN_IF_ERROR(fs_.MakeDir(folder).status());
  RETURN_IF_ERROR(fs_.SyncDir(parent));
  base::MutexLock lock(mutex_);
  durable_.insert(folder);
  return absl::OkStatus();
}

absl::Status Placer::EnsureFolders(const base::BlobId& blob) {
  const std::string outer = layout_.OuterFolder(blob);
  RETURN_IF_ERROR(EnsureFolder(outer, layout_.blobs()));
  return EnsureFolder(layout_.InnerFolder(blob), outer);
}

absl::Status Placer::Place(const base::BlobId& blob, base::File& file,
                           const std::optional<std::string>& named_at) {
  RETURN_IF_ERROR(EnsureFolders(blob));
  const std::string path = layout_.BlobFile(blob);
  if (named_at) {
    RETURN_IF_ERROR(fs_.Rename(*named_at, path));
  } else if (absl::Status linked = fs_.Link(file, path); absl::IsAlreadyExists(linked)) {
    // Whole or not, ours has just been hashed: it takes the place of the other.
    const std::string beside = absl::StrCat(path, ".put", reinterpret_cast<uintptr_t>(&file));
    RETURN_IF_ERROR(fs_.Link(file, beside));
    RETURN_IF_ERROR(fs_.Rename(beside, path));
  } else if (!linked.ok()) {
    return linked;
  }
  base::FaultPoint("blob.linked");
  RETURN_IF_ERROR(fs_.SyncDir(layout_.InnerFolder(blob)));
  base::FaultPoint("blob.durable");
  return absl::OkStatus();
}

std::string EncodeMark(const PartialMark& mark) {
  return absl::StrCat("1 ", mark.total, " ", mark.synced, " ", mark.boot_id, "\n");
}

std::optional<PartialMark> DecodeMark(std::string_view text) {
  if (!text.ends_with('\n')) return std::nullopt;
  text.remove_suffix(1);
  const std::vector<std::string> parts = absl::StrSplit(base::Abs(text), ' ');
  PartialMark mark;
  if (parts.size() != 4 || parts[0] != "1" || !absl::SimpleAtoi(parts[1], &mark.total) ||
      !absl::SimpleAtoi(parts[2], &mark.synced)) {
    return std::nullopt;
  }
  mark.boot_id = parts[3];
  return mark;
}

absl::StatusOr<std::unique_ptr<BlobWriter>> NewPlainWriter(
    const WriterParts& parts, uint64_t size_bytes, std::unique_ptr<SpaceGate::Reservation> space,
    std::function<void()> on_end) {
  auto writer =
      std::make_unique<PlainWriter>(parts, size_bytes, std::move(space), std::move(on_end));
  RETURN_IF_ERROR(writer->Begin());
  return writer;
}

absl::StatusOr<std::unique_ptr<BlobWriter>> NewPartialWriter(
    const WriterParts& parts, const base::BlobId& blob, uint64_t size_bytes,
    std::unique_ptr<SpaceGate::Reservation> space, std::function<void()> on_end) {
  auto writer = std::make_unique<PartialWriter>(parts, blob, size_bytes, std::move(space),
                                                std::move(on_end));
  RETURN_IF_ERROR(writer->Begin());
  return writer;
}

}  // namespace waypost::blobstore
