#include "blobstore/layout.h"

#include "absl/strings/str_cat.h"
#include "base/status.h"

// Builds and parses the names of blob files. A name that is parsed must be exactly the one that
// would be built, so that two names never stand for one blob.

namespace waypost::blobstore {
namespace {

constexpr std::string_view kMarkSuffix = ".mark";

std::string FolderName(unsigned byte) {
  const char c = static_cast<char>(byte);
  return base::ToHex({&c, 1});
}

unsigned TopOf(const base::BlobId& blob) { return blob.array()[0]; }
unsigned SubOf(const base::BlobId& blob) { return blob.array()[1]; }

}  // namespace

Layout::Layout(const std::string& data_dir)
    : data_dir_(data_dir),
      blobs_dir_(data_dir + "/blobs"),
      marker_(blobs_dir_ + "/DISK"),
      partial_dir_(data_dir + "/partial"),
      quarantine_dir_(data_dir + "/quarantine"),
      trash_dir_(data_dir + "/trash") {}

std::string Layout::TopDir(unsigned top) const {
  return absl::StrCat(blobs_dir_, "/", FolderName(top));
}
std::string Layout::SubDir(unsigned top, unsigned sub) const {
  return absl::StrCat(blobs_dir_, "/", FolderName(top), "/", FolderName(sub));
}
std::string Layout::BlobDir(const base::BlobId& blob) const {
  return SubDir(TopOf(blob), SubOf(blob));
}
std::string Layout::BlobPath(const base::BlobId& blob) const {
  return absl::StrCat(BlobDir(blob), "/", blob.ToHex());
}
std::string Layout::PartialPath(const base::BlobId& blob) const {
  return absl::StrCat(partial_dir_, "/", blob.ToHex());
}
std::string Layout::MarkPath(const base::BlobId& blob) const {
  return absl::StrCat(PartialPath(blob), base::Abs(kMarkSuffix));
}
std::string Layout::QuarantinePath(std::string_view name, unsigned n) const {
  std::string path = absl::StrCat(quarantine_dir_, "/", base::Abs(name));
  if (n > 0) absl::StrAppend(&path, ".", n);
  return path;
}
std::string Layout::TrashPath(const base::BlobId& blob) const {
  return absl::StrCat(trash_dir_, "/", blob.ToHex());
}

std::optional<unsigned> Layout::ParseFolder(std::string_view name) {
  const auto byte = base::FromHex(name);
  if (!byte || byte->size() != 1) return std::nullopt;
  return static_cast<unsigned char>((*byte)[0]);
}

std::optional<base::BlobId> Layout::ParseBlobName(unsigned top, unsigned sub,
                                                  std::string_view name) {
  const auto blob = base::BlobId::FromHex(name);
  if (!blob || TopOf(*blob) != top || SubOf(*blob) != sub) return std::nullopt;
  return blob;
}

std::optional<Layout::PartialName> Layout::ParsePartialName(std::string_view name) {
  PartialName parsed;
  parsed.is_mark = name.ends_with(kMarkSuffix);
  if (parsed.is_mark) name.remove_suffix(kMarkSuffix.size());
  const auto blob = base::BlobId::FromHex(name);
  if (!blob) return std::nullopt;
  parsed.blob = *blob;
  return parsed;
}

}  // namespace waypost::blobstore
