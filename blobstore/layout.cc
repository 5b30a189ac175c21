#include "blobstore/layout.h"

namespace waypost::blobstore {
namespace {

constexpr std::string_view kMarkSuffix = ".mark";

}  // namespace

std::string Layout::OuterFolder(unsigned first_byte) const {
  const char byte = static_cast<char>(first_byte);
  return blobs() + "/" + base::ToHex({&byte, 1});
}

std::string Layout::OuterFolder(const base::BlobId& blob) const {
  return blobs() + "/" + base::ToHex(blob.bytes().substr(0, 1));
}

std::string Layout::InnerFolder(const base::BlobId& blob) const {
  return OuterFolder(blob) + "/" + base::ToHex(blob.bytes().substr(1, 1));
}

std::string Layout::BlobFile(const base::BlobId& blob) const {
  return InnerFolder(blob) + "/" + blob.ToHex();
}

std::optional<base::BlobId> Layout::ParseName(std::string_view name) {
  return base::BlobId::FromHex(name);
}

std::optional<base::BlobId> Layout::ParseMarkName(std::string_view name) {
  if (!name.ends_with(kMarkSuffix)) return std::nullopt;
  return ParseName(name.substr(0, name.size() - kMarkSuffix.size()));
}

}  // namespace waypost::blobstore
