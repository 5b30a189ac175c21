#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"

// Where things are in the data folder; the one place that builds and parses these paths:
//   blobs/ab/cd/<hex>      a blob, named by its id
//   partial/<hex>          a fetch under way; partial/<hex>.mark says how much of it may be trusted
//   quarantine/<hex>       a file that did not hash to its name
//   trash/<hex>            about to be removed
namespace waypost::blobstore {

class Layout {
 public:
  explicit Layout(std::string data_dir) : root_(std::move(data_dir)) {}

  std::string blobs() const { return root_ + "/blobs"; }
  std::string partial() const { return root_ + "/partial"; }
  std::string quarantine() const { return root_ + "/quarantine"; }
  std::string trash() const { return root_ + "/trash"; }

  std::string OuterFolder(const base::BlobId& blob) const;  // blobs/ab
  std::string InnerFolder(const base::BlobId& blob) const;  // blobs/ab/cd
  std::string BlobFile(const base::BlobId& blob) const;
  std::string PartialFile(const base::BlobId& blob) const { return partial() + "/" + blob.ToHex(); }
  std::string MarkFile(const base::BlobId& blob) const { return PartialFile(blob) + ".mark"; }
  std::string QuarantineFile(const base::BlobId& blob) const {
    return quarantine() + "/" + blob.ToHex();
  }
  std::string TrashFile(const base::BlobId& blob) const { return trash() + "/" + blob.ToHex(); }
  // The outer folder of a first byte, 0-255.
  std::string OuterFolder(unsigned first_byte) const;

  // The blob a name in partial/ or an inner folder belongs to; nullopt for a name that is not an id.
  static std::optional<base::BlobId> ParseName(std::string_view name);
  // The blob of "<hex>.mark".
  static std::optional<base::BlobId> ParseMarkName(std::string_view name);

 private:
  std::string root_;
};

}  // namespace waypost::blobstore
