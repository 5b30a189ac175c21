#include "blobstore/writers.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/fault_point.h"
#include "base/status.h"

// The ways in: into memory, into a file without a name, first the one and then the other, into a
// partial file that can be continued. All hash every byte from the first on and check length and
// hash before anything has a name; one that failed or ended refuses everything that follows.

namespace waypost::blobstore {
namespace {

constexpr std::size_t kReadBytes = std::size_t{1} << 20;
constexpr std::size_t kWriteBytes = std::size_t{32} << 10;

absl::Status EndedError() { return absl::FailedPreconditionError("this writer has ended"); }

}  // namespace

// ---- BodyCheck ----

absl::Status BodyCheck::Fits(std::size_t bytes) const {
  if (ended_) return EndedError();
  if (!announced_ || bytes <= *announced_ - received_) return absl::OkStatus();
  return absl::OutOfRangeError(
      absl::StrCat("more bytes than the ", *announced_, " that were announced"));
}

void BodyCheck::Take(std::string_view data) {
  hasher_.Update(data);
  received_ += data.size();
}

absl::StatusOr<base::BlobId> BodyCheck::Verify(const std::optional<base::BlobId>& expected) {
  if (ended_) return EndedError();
  if (announced_ && received_ != *announced_) {
    return absl::FailedPreconditionError(
        absl::StrCat(received_, " bytes came of the ", *announced_, " that were announced"));
  }
  ended_ = true;
  const base::BlobId found = hasher_.Finish();
  if (expected && found != *expected) {
    return base::DigestMismatchError(absl::StrCat("the bytes hash to ", found.ToHex(), ", not to ",
                                                  expected->ToHex(), "; nothing was kept"));
  }
  return found;
}

// ---- InlineWriter ----

InlineWriter::InlineWriter(uint64_t size_bytes,
                           std::unique_ptr<SpaceKeeper::Reservation> reservation,
                           std::optional<Claims::Claim> claim)
    : check_(size_bytes), reservation_(std::move(reservation)), claim_(std::move(claim)) {
  bytes_.reserve(size_bytes);
}

absl::Status InlineWriter::Append(std::string_view data) {
  RETURN_IF_ERROR(check_.Fits(data.size()));
  check_.Take(data);
  bytes_.append(data);
  return absl::OkStatus();
}

absl::StatusOr<StagedBlob> InlineWriter::Finish(const std::optional<base::BlobId>& expected) {
  ASSIGN_OR_RETURN(const base::BlobId id, check_.Verify(expected));
  return StagedBlob{.id = id,
                    .size_bytes = bytes_.size(),
                    .placement = Placement::kInline,
                    .inline_bytes = std::move(bytes_),
                    .pin = nullptr};
}

void InlineWriter::Discard() { check_.End(); }

// ---- UnnamedWriter ----

UnnamedWriter::UnnamedWriter(Shelf& shelf, std::unique_ptr<base::File> file,
                             std::optional<uint64_t> size_bytes,
                             std::unique_ptr<SpaceKeeper::Reservation> reservation,
                             std::optional<Claims::Claim> claim)
    : shelf_(shelf),
      file_(std::move(file)),
      check_(size_bytes),
      reservation_(std::move(reservation)),
      claim_(std::move(claim)) {}

absl::Status UnnamedWriter::Append(std::string_view data) {
  if (file_ == nullptr) return EndedError();
  RETURN_IF_ERROR(check_.Fits(data.size()));
  // Piece by piece, so that a large one is hashed while it is still in the cache.
  while (!data.empty()) {
    const std::string_view piece = data.substr(0, kWriteBytes);
    const absl::Status written = file_->WriteAt(check_.received_bytes(), piece);
    if (!written.ok()) {
      Discard();
      return written;
    }
    if (const absl::Status room = reservation_->Written(piece.size()); !room.ok()) {
      Discard();
      return room;
    }
    check_.Take(piece);
    data.remove_prefix(piece.size());
  }
  return absl::OkStatus();
}

absl::StatusOr<StagedBlob> UnnamedWriter::Finish(const std::optional<base::BlobId>& expected) {
  if (file_ == nullptr) return EndedError();
  ASSIGN_OR_RETURN(const base::BlobId id, check_.Verify(expected));
  // Closed on return: without a name it is gone then.
  const std::unique_ptr<base::File> file = std::move(file_);
  base::FaultPoint("blob.written");
  RETURN_IF_ERROR(file->Sync());
  base::FaultPoint("blob.synced");
  ASSIGN_OR_RETURN(auto placed,
                   shelf_.Place(id, check_.received_bytes(), [&](const std::string& path) {
                     return shelf_.fs().Link(*file, path);
                   }));
  return StagedFile(id, std::move(placed));
}

absl::StatusOr<std::optional<StagedBlob>> UnnamedWriter::FinishBytes(const base::BlobId& expected) {
  if (file_ == nullptr) return EndedError();
  RETURN_IF_ERROR(check_.Verify(expected).status());
  RETURN_IF_ERROR(file_->Flush());
  base::FaultPoint("blob.written");
  return std::optional<StagedBlob>();
}

absl::StatusOr<StagedBlob> UnnamedWriter::Place(const base::BlobId& blob) {
  if (file_ == nullptr) return EndedError();
  const std::unique_ptr<base::File> file = std::move(file_);
  RETURN_IF_ERROR(file->CheckSynced());
  ASSIGN_OR_RETURN(auto placed, shelf_.PlaceUnsynced(blob, check_.received_bytes(),
                                                     [&](const std::string& path) {
                                                       return shelf_.fs().Link(*file, path);
                                                     }));
  return StagedFile(blob, std::move(placed));
}

StagedBlob UnnamedWriter::StagedFile(const base::BlobId& id, Shelf::Placed placed) const {
  return {.id = id,
          .size_bytes = check_.received_bytes(),
          .placement = Placement::kFile,
          .inline_bytes = {},
          .pin = std::move(placed.pin)};
}

void UnnamedWriter::Discard() { file_ = nullptr; }

// ---- GrowingWriter ----

absl::Status GrowingWriter::Begin(std::optional<uint64_t> size_bytes) {
  ASSIGN_OR_RETURN(writer_, make_(size_bytes, std::move(reservation_)));
  const std::string bytes = std::move(bytes_);
  return writer_->Append(bytes);
}

absl::Status GrowingWriter::Append(std::string_view data) {
  if (ended_) return EndedError();
  if (data.size() > limits_.bytes - received_) {
    Discard();
    return absl::OutOfRangeError(
        absl::StrCat("a blob of more bytes is over store.max_blob (", limits_.bytes, " bytes)"));
  }
  absl::Status taken;
  if (writer_ == nullptr && data.size() <= limits_.memory_bytes - bytes_.size()) {
    bytes_.append(data);
  } else {
    if (writer_ == nullptr) taken = Begin(std::nullopt);
    if (taken.ok()) taken = writer_->Append(data);
  }
  received_ += data.size();
  if (!taken.ok()) Discard();
  return taken;
}

absl::StatusOr<StagedBlob> GrowingWriter::Finish(const std::optional<base::BlobId>& expected) {
  if (std::exchange(ended_, true)) return EndedError();
  if (writer_ == nullptr) RETURN_IF_ERROR(Begin(received_));
  return writer_->Finish(expected);
}

void GrowingWriter::Discard() {
  ended_ = true;
  if (writer_ != nullptr) writer_->Discard();
  bytes_.clear();
}

// ---- PartialWriter ----

PartialWriter::PartialWriter(Shelf& shelf, std::unique_ptr<PartialFiles::Partial> partial,
                             uint64_t size_bytes, uint64_t mark_every_bytes)
    : shelf_(shelf),
      partial_(std::move(partial)),
      check_(size_bytes),
      mark_every_bytes_(mark_every_bytes) {}

absl::StatusOr<std::unique_ptr<PartialWriter>> PartialWriter::Open(
    Shelf& shelf, PartialFiles& files, const base::BlobId& blob, uint64_t size_bytes,
    uint64_t mark_every_bytes, SpaceKeeper& space, Claims::Claim claim) {
  // What is here already takes no more space. A file that cannot be continued is written anew.
  const uint64_t here = std::min(files.Bytes(blob), size_bytes);
  ASSIGN_OR_RETURN(auto reservation, space.Reserve(size_bytes - here));
  ASSIGN_OR_RETURN(auto partial, files.Open(blob, size_bytes, std::move(claim)));
  std::unique_ptr<PartialWriter> writer(
      new PartialWriter(shelf, std::move(partial), size_bytes, mark_every_bytes));
  writer->reservation_ = std::move(reservation);
  RETURN_IF_ERROR(writer->Rehash());
  return writer;
}

absl::Status PartialWriter::Rehash() {
  std::vector<char> buffer(std::min<uint64_t>(kReadBytes, partial_->size()));
  while (check_.received_bytes() < partial_->size()) {
    const uint64_t left = partial_->size() - check_.received_bytes();
    const std::size_t want = std::min<uint64_t>(buffer.size(), left);
    const auto count = partial_->ReadAt(check_.received_bytes(), {buffer.data(), want});
    if (!count.ok() || *count != want) {
      Discard();
      if (!count.ok()) return base::Annotate(count.status(), "a partial file was thrown away");
      return absl::DataLossError("a partial file became shorter and was thrown away");
    }
    check_.Take({buffer.data(), want});
  }
  return absl::OkStatus();
}

absl::Status PartialWriter::Append(std::string_view data) {
  if (partial_ == nullptr) return EndedError();
  RETURN_IF_ERROR(check_.Fits(data.size()));
  RETURN_IF_ERROR(partial_->Append(data));
  check_.Take(data);
  RETURN_IF_ERROR(reservation_->Written(data.size()));
  if (partial_->unmarked_bytes() >= mark_every_bytes_) return partial_->Mark();
  return absl::OkStatus();
}

absl::StatusOr<StagedBlob> PartialWriter::Finish(const std::optional<base::BlobId>& expected) {
  if (partial_ == nullptr) return EndedError();
  const auto id = check_.Verify(expected);
  if (!id.ok()) {
    if (base::IsDigestMismatch(id.status())) Discard();
    return id.status();
  }
  base::FaultPoint("blob.written");
  RETURN_IF_ERROR(partial_->Sync());
  base::FaultPoint("blob.synced");
  const uint64_t size = check_.received_bytes();
  ASSIGN_OR_RETURN(auto placed, shelf_.Place(*id, size, [&](const std::string& path) {
    return base::MoveFile(shelf_.fs(), partial_->path(), path);
  }));
  if (placed.used) {
    partial_->Placed();
    partial_ = nullptr;
  } else {
    Discard();
  }
  return StagedBlob{.id = *id,
                    .size_bytes = size,
                    .placement = Placement::kFile,
                    .inline_bytes = {},
                    .pin = std::move(placed.pin)};
}

void PartialWriter::Discard() {
  if (partial_ != nullptr) partial_->Drop();
  partial_ = nullptr;
}

}  // namespace waypost::blobstore
