#include "blobstore/pipelined_writer.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/status.h"

// Two threads with a queue of pieces between them. After an error nothing more is written, since
// that would leave a gap; the caller hears of it with its next piece, or from Finish. The inner
// writer belongs to the thread until that has ended.

namespace waypost::blobstore {

PipelinedWriter::PipelinedWriter(std::unique_ptr<BlobWriter> writer)
    : writer_(std::move(writer)), offset_(writer_->offset()) {
  auto started = base::Thread::Start("blob-hash", [this] { Loop(); });
  if (!started.ok()) {
    // It goes on without, only slower.
    base::LogDebug("a fetch is hashed where it is received: ", started.status().message());
    return;
  }
  thread_ = *std::move(started);
  filling_.reserve(kPieceBytes);
}

PipelinedWriter::~PipelinedWriter() {
  if (!filling_.empty()) static_cast<void>(HandOver());
  End(/*drop=*/false);
}

bool PipelinedWriter::Take(std::string& piece) {
  base::MutexLock lock(mutex_);
  while (waiting_.empty() && !ending_) changed_.Wait(mutex_);
  if (waiting_.empty()) return false;
  piece = std::move(waiting_.front());
  waiting_.pop_front();
  changed_.NotifyAll();
  return true;
}

void PipelinedWriter::Loop() {
  absl::Status written;
  for (std::string piece; Take(piece);) {
    // After an error nothing more: it would leave a gap.
    if (written.ok()) written = base::WithinMemory([&] { return writer_->Append(piece); });
    piece.clear();
    base::MutexLock lock(mutex_);
    error_ = written;
    empty_.push_back(std::move(piece));
  }
}

absl::Status PipelinedWriter::HandOver() {
  base::MutexLock lock(mutex_);
  while (waiting_.size() >= kPiecesBetween) changed_.Wait(mutex_);
  if (!error_.ok()) return error_;
  waiting_.push_back(std::move(filling_));
  changed_.NotifyAll();
  filling_ = std::string();
  if (!empty_.empty()) {
    filling_ = std::move(empty_.back());
    empty_.pop_back();
  }
  filling_.reserve(kPieceBytes);
  return absl::OkStatus();
}

absl::Status PipelinedWriter::Append(std::string_view data) {
  // It has no thread, or has ended, and says so.
  if (!thread_.joinable()) return writer_->Append(data);
  while (!data.empty()) {
    const std::size_t some = std::min(data.size(), kPieceBytes - filling_.size());
    filling_.append(data.substr(0, some));
    data.remove_prefix(some);
    if (filling_.size() < kPieceBytes) continue;
    const absl::Status handed = HandOver();
    if (!handed.ok()) return handed;
  }
  return absl::OkStatus();
}

void PipelinedWriter::End(bool drop) {
  {
    base::MutexLock lock(mutex_);
    ending_ = true;
    if (drop) waiting_.clear();
    changed_.NotifyAll();
  }
  thread_.Join();
}

absl::Status PipelinedWriter::WriteAll() {
  const absl::Status handed = filling_.empty() ? absl::OkStatus() : HandOver();
  filling_.clear();
  End(/*drop=*/false);
  if (!handed.ok()) return handed;
  base::MutexLock lock(mutex_);
  return error_;
}

absl::StatusOr<StagedBlob> PipelinedWriter::Finish(const std::optional<base::BlobId>& expected) {
  RETURN_IF_ERROR(WriteAll());
  return writer_->Finish(expected);
}

absl::StatusOr<std::optional<StagedBlob>> PipelinedWriter::FinishBytes(
    const base::BlobId& expected) {
  RETURN_IF_ERROR(WriteAll());
  return writer_->FinishBytes(expected);
}

absl::StatusOr<StagedBlob> PipelinedWriter::Place(const base::BlobId& blob) {
  return writer_->Place(blob);
}

void PipelinedWriter::Discard() {
  filling_.clear();
  End(/*drop=*/true);
  writer_->Discard();
}

}  // namespace waypost::blobstore
