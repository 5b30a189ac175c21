#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"

namespace waypost::blobstore {

// Where blob bytes are in the data folder: the one place that builds and parses these names.
//   blobs/DISK               which disk this is; see blobs_disk.h
//   blobs/ab/cd/<64 hex>     a whole blob under its id, which begins with abcd
//   partial/<64 hex>         a fetch that has not ended
//   partial/<64 hex>.mark    how much of it is known to be durable
//   quarantine/<name>[.n]    what was found under a name that its bytes do not hash to
//   trash/<64 hex>           removed, about to be deleted
class Layout {
 public:
  explicit Layout(const std::string& data_dir);

  const std::string& data_dir() const { return data_dir_; }
  const std::string& blobs_dir() const { return blobs_dir_; }
  const std::string& marker() const { return marker_; }
  const std::string& partial_dir() const { return partial_dir_; }
  const std::string& quarantine_dir() const { return quarantine_dir_; }
  const std::string& trash_dir() const { return trash_dir_; }

  // blobs/ab; `top` 0-255, the first byte of the ids in it.
  std::string TopDir(unsigned top) const;
  // blobs/ab/cd; `sub` 0-255, the second byte.
  std::string SubDir(unsigned top, unsigned sub) const;
  std::string BlobDir(const base::BlobId& blob) const;
  std::string BlobPath(const base::BlobId& blob) const;
  std::string PartialPath(const base::BlobId& blob) const;
  std::string MarkPath(const base::BlobId& blob) const;
  // `n` 0 for the first of that name.
  std::string QuarantinePath(std::string_view name, unsigned n) const;
  std::string TrashPath(const base::BlobId& blob) const;

  // "ab" to 0xab; nullopt for any other name.
  static std::optional<unsigned> ParseFolder(std::string_view name);
  // The blob whose place is `name` in blobs/<top>/<sub>; nullopt if no blob's place is there.
  static std::optional<base::BlobId> ParseBlobName(unsigned top, unsigned sub,
                                                   std::string_view name);
  struct PartialName {
    base::BlobId blob;
    bool is_mark = false;
  };
  static std::optional<PartialName> ParsePartialName(std::string_view name);

 private:
  std::string data_dir_;
  std::string blobs_dir_;
  std::string marker_;
  std::string partial_dir_;
  std::string quarantine_dir_;
  std::string trash_dir_;
};

}  // namespace waypost::blobstore
