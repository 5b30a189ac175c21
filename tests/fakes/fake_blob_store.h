#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/index.h"
#include "base/mutex.h"
#include "base/sha256.h"
#include "base/status.h"
#include "blobstore/blob_store.h"

namespace waypost::blobstore {

// Blob bytes in memory; rows are in the index, as with the real store, whose contract it passes.
// Every blob counts as a file. Outlives its writers.
class FakeBlobStore final : public BlobStore {
 public:
  FakeBlobStore(base::Index& index, const base::Clock& clock) : index_(index), clock_(clock) {}

  // ---- for tests ----
  // Bytes that may still be announced.
  void SetRoom(uint64_t bytes) {
    base::MutexLock lock(mutex_);
    room_ = bytes;
  }
  void SetMaxBlob(uint64_t bytes) {
    base::MutexLock lock(mutex_);
    max_blob_ = bytes;
  }
  // The bytes are gone, the row stays.
  void Lose(const base::BlobId& blob) {
    base::MutexLock lock(mutex_);
    bytes_.erase(blob);
  }
  std::vector<base::BlobId> losses() {
    base::MutexLock lock(mutex_);
    return losses_;
  }

  // ---- BlobStore ----
  absl::StatusOr<std::unique_ptr<BlobWriter>> StartPut(uint64_t size_bytes) override {
    RETURN_IF_ERROR(Reserve(size_bytes));
    return std::make_unique<Writer>(*this, std::nullopt, size_bytes);
  }
  std::vector<absl::StatusOr<StagedBlob>> FinishTogether(
      std::vector<ArrivedBlob> arrived) override {
    std::vector<absl::StatusOr<StagedBlob>> results;
    for (const ArrivedBlob& blob : arrived) results.push_back(blob.writer->Finish(blob.expected));
    return results;
  }
  absl::StatusOr<std::unique_ptr<BlobWriter>> StartFetch(const base::BlobId& blob,
                                                         uint64_t size_bytes) override {
    RETURN_IF_ERROR(Reserve(size_bytes));
    {
      base::MutexLock lock(mutex_);
      if (!fetching_.insert(blob).second) {
        reserved_ -= size_bytes;
        return absl::FailedPreconditionError("being fetched already");
      }
      if (partial_[blob].size() > size_bytes) partial_[blob].clear();
    }
    return std::make_unique<Writer>(*this, blob, size_bytes);
  }
  uint64_t PartialBytes(const base::BlobId& blob) override {
    base::MutexLock lock(mutex_);
    const auto found = partial_.find(blob);
    return found == partial_.end() ? 0 : found->second.size();
  }
  void DropPartial(const base::BlobId& blob) override {
    base::MutexLock lock(mutex_);
    (fetching_.contains(blob) ? void(dropped_.insert(blob)) : void(partial_.erase(blob)));
  }

  absl::StatusOr<std::unique_ptr<base::ByteSource>> Open(const base::BlobId& blob) override {
    std::optional<BlobRow> row;
    RETURN_IF_ERROR(index_.Read([&](base::ReadTxn& txn) {
      row = LoadBlobRow(txn, blob);
      return absl::OkStatus();
    }));
    if (!row) return absl::NotFoundError("not here");
    base::MutexLock lock(mutex_);
    const auto found = bytes_.find(blob);
    if (found == bytes_.end() || found->second->size() != row->size_bytes) {
      losses_.push_back(blob);
      return absl::DataLossError("lost");
    }
    return std::make_unique<Reader>(found->second);
  }
  void Install(base::WriteTxn&, const StagedBlob& staged, BlobRow& row) override {
    row.size_bytes = staged.size_bytes;
    row.placement = Placement::kFile;
    if (row.stored == base::kNever) row.stored = clock_.WallNow();
    row.verified = clock_.WallNow();
  }
  void Uninstall(base::WriteTxn& txn, const base::BlobId& blob, const BlobRow&) override {
    txn.AfterCommit([this, blob] {
      base::MutexLock lock(mutex_);
      bytes_.erase(blob);
    });
  }
  void Discard(base::WriteTxn& txn, const StagedBlob& staged) override {
    if (!LoadBlobRow(txn, staged.id)) Uninstall(txn, staged.id, BlobRow());
  }
  bool Supersedes(const StagedBlob&, const BlobRow&) const override { return false; }
  uint64_t inline_max_bytes() const override { return 0; }
  absl::Status CheckSpace(uint64_t size_bytes) override {
    base::MutexLock lock(mutex_);
    if (room_ >= reserved_ && room_ - reserved_ >= size_bytes) return absl::OkStatus();
    return base::NoSpaceError("below store.min_free");
  }

 private:
  using Bytes = std::shared_ptr<const std::string>;

  class Reader final : public base::ByteSource {
   public:
    explicit Reader(Bytes bytes) : bytes_(std::move(bytes)) {}
    uint64_t size_bytes() const override { return bytes_->size(); }
    absl::StatusOr<std::size_t> ReadAt(uint64_t offset, std::span<char> buffer) const override {
      if (offset >= bytes_->size()) return std::size_t{0};
      return bytes_->copy(buffer.data(), buffer.size(), offset);
    }
    int fd() const override { return -1; }
    std::string_view in_memory() const override { return *bytes_; }

   private:
    const Bytes bytes_;
  };

  class Writer final : public BlobWriter {
   public:
    Writer(FakeBlobStore& store, std::optional<base::BlobId> fetched, uint64_t size_bytes)
        : store_(store), fetched_(fetched), size_bytes_(size_bytes) {
      if (!fetched_) return;
      base::MutexLock lock(store_.mutex_);
      bytes_ = store_.partial_[*fetched_];
    }
    ~Writer() override {
      base::MutexLock lock(store_.mutex_);
      store_.reserved_ -= size_bytes_;
      if (!fetched_) return;
      const bool dropped = store_.dropped_.erase(*fetched_) > 0;
      if (ended_ || dropped) {
        store_.partial_.erase(*fetched_);
      } else {
        store_.partial_[*fetched_] = bytes_;
      }
      store_.fetching_.erase(*fetched_);
    }
    uint64_t offset() const override { return bytes_.size(); }
    absl::Status Append(std::string_view data) override {
      if (ended_) return absl::FailedPreconditionError("ended");
      if (data.size() > size_bytes_ - bytes_.size()) return absl::OutOfRangeError("too many bytes");
      bytes_.append(data);
      return absl::OkStatus();
    }
    absl::StatusOr<StagedBlob> Finish(const std::optional<base::BlobId>& expected) override {
      if (ended_ || bytes_.size() != size_bytes_) return absl::FailedPreconditionError("too few");
      Discard();
      const base::BlobId id = base::Sha256::Of(bytes_);
      if (expected && id != *expected) return base::DigestMismatchError("another hash");
      base::MutexLock lock(store_.mutex_);
      store_.bytes_[id] = std::make_shared<const std::string>(bytes_);
      return StagedBlob{
          .id = id, .size_bytes = size_bytes_, .placement = Placement::kFile, .inline_bytes = {}};
    }
    void Discard() override {
      ended_ = true;
      if (!fetched_) return;
      base::MutexLock lock(store_.mutex_);
      store_.partial_.erase(*fetched_);
    }

   private:
    FakeBlobStore& store_;
    const std::optional<base::BlobId> fetched_;
    const uint64_t size_bytes_;
    std::string bytes_;
    bool ended_ = false;
  };

  absl::Status Reserve(uint64_t size_bytes) {
    base::MutexLock lock(mutex_);
    if (size_bytes > max_blob_) return absl::OutOfRangeError("over store.max_blob");
    if (room_ < reserved_ || room_ - reserved_ < size_bytes) {
      return base::NoSpaceError("below store.min_free");
    }
    reserved_ += size_bytes;
    return absl::OkStatus();
  }

  base::Index& index_;
  const base::Clock& clock_;
  base::Mutex mutex_;
  std::map<base::BlobId, Bytes> bytes_ GUARDED_BY(mutex_);
  std::map<base::BlobId, std::string> partial_ GUARDED_BY(mutex_);
  std::set<base::BlobId> fetching_ GUARDED_BY(mutex_);
  std::set<base::BlobId> dropped_ GUARDED_BY(mutex_);
  std::vector<base::BlobId> losses_ GUARDED_BY(mutex_);
  uint64_t room_ GUARDED_BY(mutex_) = uint64_t{1} << 40;
  uint64_t reserved_ GUARDED_BY(mutex_) = 0;
  uint64_t max_blob_ GUARDED_BY(mutex_) = uint64_t{1} << 40;
};

}  // namespace waypost::blobstore
