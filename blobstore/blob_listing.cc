#include "blobstore/blob_listing.h"

#include "blobstore/blob_row.h"

// A page of `blobs`. The position is the key of the last row that was looked at, so that rows that
// do not fit are not looked at again.

namespace waypost::blobstore {

BlobPage ListBlobs(base::ReadTxn& txn, const std::optional<base::GroupId>& group,
                   std::string_view after, std::size_t limit, std::size_t rows_max) {
  BlobPage page;
  base::Cursor cursor(txn, base::Table::kBlobs);
  bool more = cursor.Seek(after);
  if (more && !after.empty() && cursor.key() == after) more = cursor.Next();
  std::string last;
  for (std::size_t rows = 0; more; more = cursor.Next()) {
    if (page.blobs.size() == limit || rows++ == rows_max) {
      page.next = last;
      break;
    }
    last = std::string(cursor.key());
    const auto payload = cursor.payload();
    const auto row = payload ? DecodeBlobRow(*payload) : std::nullopt;
    const auto id = base::BlobId::FromBytes(last);
    if (!row || !id || (group && !row->holdings.contains(*group))) continue;
    page.blobs.push_back({.id = *id, .size_bytes = row->size_bytes});
  }
  return page;
}

}  // namespace waypost::blobstore
