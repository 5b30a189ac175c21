#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "base/thread.h"
#include "blobstore/blob_store.h"

namespace waypost::blobstore {

// Gives what is appended to another writer on a thread of its own, so that a large blob is hashed
// and written on one core while the next bytes of it are received and decrypted on another. Costs
// one copy and at most kBytesMax of memory. Errors of the writer come one Append late, or from
// Finish. Destroyed without Finish, everything that was appended is written first.
class PipelinedWriter final : public BlobWriter {
 public:
  static constexpr std::size_t kPieceBytes = std::size_t{64} << 10;
  // One that is being filled, one that is being written, and those between: so few that they stay
  // in a core's cache. Three MiB of pieces cost more than they gained.
  static constexpr std::size_t kPiecesBetween = 6;
  static constexpr std::size_t kBytesMax = (kPiecesBetween + 2) * kPieceBytes;

  explicit PipelinedWriter(std::unique_ptr<BlobWriter> writer);
  ~PipelinedWriter() override;

  uint64_t offset() const override { return offset_; }
  absl::Status Append(std::string_view data) override;
  absl::StatusOr<StagedBlob> Finish(const std::optional<base::BlobId>& expected) override;
  void Discard() override;
  absl::StatusOr<std::optional<StagedBlob>> FinishBytes(const base::BlobId& expected) override;
  absl::StatusOr<StagedBlob> Place(const base::BlobId& blob) override;

 private:
  void Loop();
  // The next piece; false at the end.
  bool Take(std::string& piece);
  // Waits while the writer is behind. What it said, if that was an error.
  absl::Status HandOver();
  // Ends the thread with everything written. What the writer said, if that was an error.
  absl::Status WriteAll();
  // The thread has ended: with everything written, or (`drop`) with what it was at.
  void End(bool drop);

  const std::unique_ptr<BlobWriter> writer_;  // the thread's until it has ended
  const uint64_t offset_;
  std::string filling_;

  base::Mutex mutex_;
  base::CondVar changed_;
  std::deque<std::string> waiting_ GUARDED_BY(mutex_);
  std::vector<std::string> empty_ GUARDED_BY(mutex_);  // to be filled again
  absl::Status error_ GUARDED_BY(mutex_);
  bool ending_ GUARDED_BY(mutex_) = false;
  base::Thread thread_;  // last: it uses all of the above
};

}  // namespace waypost::blobstore
