#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "base/clock.h"
#include "base/file_system.h"
#include "base/index.h"
#include "base/mutex.h"
#include "blobstore/layout.h"

namespace waypost::blobstore {

// Is the disk with the blobs there? The folder blobs/ may be a disk of its own, and a start (or a
// day) at which that is not mounted must look like neither a loss of all blobs nor an empty store
// to write into. So a marker in blobs/ has a random id that the index remembers: where the two do
// not agree, the blobs are *away*, and whoever would drop a row or write a file asks here first.
//
// A folder without a remembered id gets one when one of the files that its rows name was found, or
// when no row names a file. Thread-safe; a look reads one small file.
class BlobsDisk {
 public:
  // All outlive it.
  BlobsDisk(base::FileSystem& fs, base::Index& index, const base::Clock& clock,
            const Layout& layout);

  // Told, on the thread that noticed and one after the other, whenever the blobs go away (why) or
  // are back (empty). It asks nothing here. Set before use.
  void SetListener(std::function<void(const std::string& away)> listener);
  // kUnavailable, in words for the operator, while they are away; as looked at within the last
  // second.
  absl::Status Check();
  // The same by a look now.
  absl::Status CheckNow();
  // As it was seen last, without a look; empty: they are there.
  std::string away() const;

 private:
  absl::Status Look(bool now);
  // Waits for its turn to look. False: `away` is what was seen within the last second.
  bool BeginLook(bool now, std::string& away);
  // Both are of whoever looks. Why they are away; empty: they are not. An error of the disk or the
  // index is an error.
  absl::StatusOr<std::string> Judge();
  absl::StatusOr<std::string> BeginMarker();

  base::FileSystem& fs_;
  base::Index& index_;
  const base::Clock& clock_;
  const Layout& layout_;
  std::function<void(const std::string&)> listener_;

  // Of whoever looks, one thread at a time: as the index has it; empty: not known yet.
  std::string id_;

  mutable base::Mutex mutex_;
  base::CondVar look_ended_;
  // Somebody reads the disk, which may hang, or tells the listener.
  bool looking_ GUARDED_BY(mutex_) = false;
  bool looked_ GUARDED_BY(mutex_) = false;
  base::SteadyTime looked_at_ GUARDED_BY(mutex_){};
  std::string away_ GUARDED_BY(mutex_);
};

}  // namespace waypost::blobstore
