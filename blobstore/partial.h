#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/file_system.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "blobstore/claims.h"
#include "blobstore/layout.h"

namespace waypost::blobstore {

// What the mark of a partial file says.
struct PartialMark {
  uint64_t durable_bytes = 0;
  std::string boot_id;  // of the machine's start under which it was made; no spaces
};
std::string EncodeMark(const PartialMark& mark);
std::optional<PartialMark> DecodeMark(std::string_view text);

// The files of fetches that have not ended. Each has a mark beside it: how many of its bytes are
// known to be durable, and under which start of the machine. Bytes beyond the mark are trusted as
// long as the machine runs that wrote them, also when the process was killed. Thread-safe.
class PartialFiles {
 public:
  PartialFiles(base::FileSystem& fs, const Layout& layout, std::string boot_id);

  // After a start: cuts each file back to its mark if the machine was down meanwhile; removes those
  // without one, those whose blob is here whole, those that nothing continued for 30 days before
  // `now`, and whatever else is in the folder.
  absl::Status Recover(base::WallTime now);

  // 0 for none.
  uint64_t Bytes(const base::BlobId& blob);
  // Now, or when its writer ends.
  void Drop(const base::BlobId& blob);

  // One partial file being written. One thread. Held by one at a time; outlived by its
  // PartialFiles.
  class Partial {
   public:
    // Keeps what was written, synced and marked, unless it was placed or dropped.
    ~Partial();
    Partial(const Partial&) = delete;
    Partial& operator=(const Partial&) = delete;

    uint64_t size() const { return size_; }
    absl::StatusOr<std::size_t> ReadAt(uint64_t offset, std::span<char> buffer) const {
      return file_->ReadAt(offset, buffer);
    }
    absl::Status Append(std::string_view data);
    uint64_t unmarked_bytes() const { return size_ - marked_; }
    // Syncs and marks all that was written.
    absl::Status Mark();
    // Syncs without a mark: before it is moved away.
    absl::Status Sync();
    // Its name, for a rename away from here; Placed() after that.
    const std::string& path() const { return path_; }
    void Placed();
    void Drop();

   private:
    friend class PartialFiles;
    Partial(PartialFiles& files, const base::BlobId& blob, Claims::Claim claim,
            std::unique_ptr<base::File> file, uint64_t size, uint64_t marked);
    void Keep();

    PartialFiles& files_;
    const base::BlobId blob_;
    const std::string path_;
    const Claims::Claim claim_;
    std::unique_ptr<base::File> file_;  // null once it is placed or dropped
    uint64_t size_;                     // bytes written in full
    uint64_t marked_;                   // of them, durable for certain
    bool write_failed_ = false;
    bool sync_failed_ = false;
  };
  // Continues the file of `blob`, or begins one. One longer than `size_bytes` is thrown away first.
  absl::StatusOr<std::unique_ptr<Partial>> Open(const base::BlobId& blob, uint64_t size_bytes,
                                                Claims::Claim claim);
  // kFailedPrecondition while there is a fetch of it.
  absl::StatusOr<Claims::Claim> Claim(const base::BlobId& blob);

 private:
  absl::Status RecoverOne(const base::BlobId& blob, base::WallTime now);
  void Remove(const base::BlobId& blob);
  bool TakeDropped(const base::BlobId& blob);
  // Not durable: it only says that the machine still runs.
  absl::Status WriteFirstMark(const base::BlobId& blob);

  base::FileSystem& fs_;
  const Layout& layout_;
  const std::string boot_id_;
  Claims fetching_;
  base::Mutex mutex_;
  // Asked to be dropped while it was being written.
  absl::flat_hash_set<base::BlobId> dropped_ GUARDED_BY(mutex_);
};

}  // namespace waypost::blobstore
