#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/index.h"

namespace waypost::blobstore {

struct BlobPage {
  struct Item {
    base::BlobId id;
    uint64_t size_bytes = 0;
  };
  std::vector<Item> blobs;  // in the order of ids
  std::string next;         // what the next page begins after; empty: there is none
};

// Rows that one page looks at, at most: a page of a group with few blobs may be short, or empty
// with a next one.
inline constexpr std::size_t kRowsPerPage = 10000;

// Up to `limit` of the blobs that are here, those behind the position `after` (what `next` said;
// empty: from the first). With a group only those that may be served to it.
BlobPage ListBlobs(base::ReadTxn& txn, const std::optional<base::GroupId>& group,
                   std::string_view after, std::size_t limit, std::size_t rows_max = kRowsPerPage);

}  // namespace waypost::blobstore
