#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "base/sha256.h"
#include "blobstore/blob_store.h"
#include "blobstore/partial.h"
#include "blobstore/shelf.h"
#include "blobstore/space.h"

namespace waypost::blobstore {

// What every way in has: a size that was announced, if one was, and a hash to be met.
class BodyCheck {
 public:
  explicit BodyCheck(std::optional<uint64_t> announced_bytes) : announced_(announced_bytes) {}
  uint64_t received_bytes() const { return received_; }
  // kOutOfRange if `bytes` more would be too many; kFailedPrecondition after the end.
  absl::Status Fits(std::size_t bytes) const;
  void Take(std::string_view data);
  // What the bytes hash to. kFailedPrecondition: not all are here, and nothing has changed.
  // IsDigestMismatch: they are not `expected`. Once.
  absl::StatusOr<base::BlobId> Verify(const std::optional<base::BlobId>& expected);
  // From now on nothing fits and nothing verifies.
  void End() { ended_ = true; }

 private:
  const std::optional<uint64_t> announced_;
  uint64_t received_ = 0;
  bool ended_ = false;
  base::Sha256 hasher_;
};

// Bytes of a small blob, kept in memory until they are written with their row.
class InlineWriter final : public BlobWriter {
 public:
  InlineWriter(uint64_t size_bytes, std::unique_ptr<SpaceKeeper::Reservation> reservation,
               std::optional<Claims::Claim> claim);
  uint64_t offset() const override { return check_.received_bytes(); }
  absl::Status Append(std::string_view data) override;
  absl::StatusOr<StagedBlob> Finish(const std::optional<base::BlobId>& expected) override;
  void Discard() override;

 private:
  BodyCheck check_;
  const std::unique_ptr<SpaceKeeper::Reservation> reservation_;
  const std::optional<Claims::Claim> claim_;
  std::string bytes_;
};

// A file without a name until it is whole: gone with the process, whatever happens.
class UnnamedWriter final : public BlobWriter {
 public:
  // Without a size it takes whatever comes.
  UnnamedWriter(Shelf& shelf, std::unique_ptr<base::File> file, std::optional<uint64_t> size_bytes,
                std::unique_ptr<SpaceKeeper::Reservation> reservation,
                std::optional<Claims::Claim> claim);
  uint64_t offset() const override { return check_.received_bytes(); }
  absl::Status Append(std::string_view data) override;
  absl::StatusOr<StagedBlob> Finish(const std::optional<base::BlobId>& expected) override;
  absl::StatusOr<std::optional<StagedBlob>> FinishBytes(const base::BlobId& expected) override;
  absl::StatusOr<StagedBlob> Place(const base::BlobId& blob) override;
  void Discard() override;

 private:
  StagedBlob StagedFile(const base::BlobId& id, Shelf::Placed placed) const;

  Shelf& shelf_;
  std::unique_ptr<base::File> file_;  // null once it is discarded or has failed
  BodyCheck check_;
  const std::unique_ptr<SpaceKeeper::Reservation> reservation_;
  const std::optional<Claims::Claim> claim_;
};

// Bytes of which nobody has said how many they are: in memory while they are few, then in a file
// without a name.
class GrowingWriter final : public BlobWriter {
 public:
  struct Limits {
    uint64_t memory_bytes;  // what stays in memory
    uint64_t bytes;         // store.max_blob
  };
  using Made = absl::StatusOr<std::unique_ptr<BlobWriter>>;
  // A writer for exactly `size_bytes`, or for a file of any length.
  using Make = std::function<Made(std::optional<uint64_t> size_bytes,
                                  std::unique_ptr<SpaceKeeper::Reservation> reservation)>;
  GrowingWriter(Limits limits, std::unique_ptr<SpaceKeeper::Reservation> reservation, Make make)
      : limits_(limits), make_(std::move(make)), reservation_(std::move(reservation)) {}
  uint64_t offset() const override { return received_; }
  absl::Status Append(std::string_view data) override;
  absl::StatusOr<StagedBlob> Finish(const std::optional<base::BlobId>& expected) override;
  void Discard() override;

 private:
  // From here on `writer_` has the bytes.
  absl::Status Begin(std::optional<uint64_t> size_bytes);

  const Limits limits_;
  const Make make_;
  std::unique_ptr<SpaceKeeper::Reservation> reservation_;  // until there is a writer
  std::string bytes_;                                      // the same
  std::unique_ptr<BlobWriter> writer_;
  uint64_t received_ = 0;
  bool ended_ = false;
};

// A partial file, which outlives the process.
class PartialWriter final : public BlobWriter {
 public:
  // Reads what is there already, to hash it: takes a while for a large file.
  static absl::StatusOr<std::unique_ptr<PartialWriter>> Open(
      Shelf& shelf, PartialFiles& files, const base::BlobId& blob, uint64_t size_bytes,
      uint64_t mark_every_bytes, SpaceKeeper& space, Claims::Claim claim);
  uint64_t offset() const override { return check_.received_bytes(); }
  absl::Status Append(std::string_view data) override;
  absl::StatusOr<StagedBlob> Finish(const std::optional<base::BlobId>& expected) override;
  void Discard() override;

 private:
  PartialWriter(Shelf& shelf, std::unique_ptr<PartialFiles::Partial> partial, uint64_t size_bytes,
                uint64_t mark_every_bytes);
  absl::Status Rehash();

  Shelf& shelf_;
  std::unique_ptr<PartialFiles::Partial> partial_;  // null once it is placed or dropped
  BodyCheck check_;
  const uint64_t mark_every_bytes_;
  std::unique_ptr<SpaceKeeper::Reservation> reservation_;
};

}  // namespace waypost::blobstore
