#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/file_system.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "base/sha256.h"
#include "blobstore/blob_store.h"
#include "blobstore/layout.h"
#include "blobstore/space_gate.h"

namespace waypost::blobstore {

// Puts files under their final names so that they survive a power cut. Thread-safe.
class Placer {
 public:
  Placer(base::FileSystem& fs, const Layout& layout) : fs_(fs), layout_(layout) {}

  // `file` is unnamed, or named `named_at`; its content is durable. When it returns OK, content and name
  // are. Replaces what had the name.
  absl::Status Place(const base::BlobId& blob, base::File& file,
                     const std::optional<std::string>& named_at);
  // Makes the folders of the blob and remembers which of them are durable: another thread may have made
  // one a moment ago without having synced its parent yet.
  absl::Status EnsureFolders(const base::BlobId& blob);

 private:
  absl::Status EnsureFolder(const std::string& folder, const std::string& parent);

  base::FileSystem& fs_;
  const Layout& layout_;
  base::Mutex mutex_;
  std::set<std::string> durable_ GUARDED_BY(mutex_);
};

// What may be trusted of a partial file: its bytes up to `synced` were on disk when the mark was made.
// After a kill the page cache still has the rest, after a power cut it does not: the boot id tells.
struct PartialMark {
  uint64_t total = 0;
  uint64_t synced = 0;
  std::string boot_id;
};
std::string EncodeMark(const PartialMark& mark);
std::optional<PartialMark> DecodeMark(std::string_view text);

struct WriterParts {
  base::FileSystem& fs;
  const Layout& layout;
  Placer& placer;
  uint64_t inline_max_bytes;
  uint64_t mark_bytes;
  std::string boot_id;
};

// A put, or a fetch too small for a partial file: in memory up to `inline_max_bytes`, else an unnamed file.
absl::StatusOr<std::unique_ptr<BlobWriter>> NewPlainWriter(
    const WriterParts& parts, uint64_t size_bytes, std::unique_ptr<SpaceGate::Reservation> space,
    std::function<void()> on_end);
// A fetch into partial/<hex>, continued where an earlier one ended.
absl::StatusOr<std::unique_ptr<BlobWriter>> NewPartialWriter(
    const WriterParts& parts, const base::BlobId& blob, uint64_t size_bytes,
    std::unique_ptr<SpaceGate::Reservation> space, std::function<void()> on_end);

}  // namespace waypost::blobstore
