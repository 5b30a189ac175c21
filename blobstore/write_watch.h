#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "base/clock.h"
#include "base/index.h"
#include "base/mutex.h"

namespace waypost::blobstore {

// Does the disk take writes? A file system that met an error turns read-only by itself, one that
// was mounted so never was anything else: each write fails then with an error of its own, and this
// makes one state of them, with a reason, that ends when a write succeeds again. Thread-safe.
class WriteWatch {
 public:
  // `try_files` writes a few bytes where blobs go. All outlive it.
  WriteWatch(base::Index& index, const base::Clock& clock, std::function<absl::Status()> try_files);
  ~WriteWatch();
  WriteWatch(const WriteWatch&) = delete;
  WriteWatch& operator=(const WriteWatch&) = delete;

  // Told, on the thread that noticed, when writes stop (why) and when they go on (empty). It asks
  // nothing here. Set before use.
  void SetListener(std::function<void(const std::string& why)> listener);
  // What a write of files came to. Only an error that says read-only changes anything.
  void NoteFiles(const absl::Status& status);
  // Empty: writes are taken, as far as anybody knows.
  std::string why() const;
  // While there is a reason: writes to files and index for a trial. Blocks as long as the disk
  // does.
  void Try();

 private:
  void NoteCommit(const absl::Status& status);
  void Change(const std::string& why);

  base::Index& index_;
  const base::Clock& clock_;
  const std::function<absl::Status()> try_files_;
  std::function<void(const std::string&)> listener_;

  mutable base::Mutex mutex_;
  std::string why_ GUARDED_BY(mutex_);
};

}  // namespace waypost::blobstore
