#include "blobstore/blob_listing.h"

#include <gtest/gtest.h>

#include "blobstore/blob_row.h"
#include "tests/fakes/temp_dir.h"
#include "tests/support/filled_ids.h"

namespace waypost::blobstore {
namespace {

using support::Blob;
using support::Group;

// Blobs 1 to 6 of as many bytes; the even ones may be served to group 1.
class BlobListingTest : public testing::Test {
 protected:
  BlobListingTest() : index_(*base::Index::Open({.dir = folder_.path()})) {
    const absl::Status written =
        index_->Update(base::Index::Lane::kForeground, [](base::WriteTxn& txn) {
          for (uint8_t n = 1; n <= 6; ++n) {
            BlobRow row{.size_bytes = n};
            if (n % 2 == 0) row.holdings[Group(1)] = {};
            StoreBlobRow(txn, Blob(n), row);
          }
          return absl::OkStatus();
        });
    EXPECT_TRUE(written.ok()) << written;
  }

  // All pages one after the other, as the sizes that they have: "1 2|3 4|".
  std::string Pages(const std::optional<base::GroupId>& group, std::size_t limit,
                    std::size_t rows_max = kRowsPerPage) {
    std::string all, after;
    do {
      BlobPage page;
      const absl::Status read = index_->Read(
          [&](base::ReadTxn& txn) { page = ListBlobs(txn, group, after, limit, rows_max); });
      EXPECT_TRUE(read.ok()) << read;
      for (const auto& blob : page.blobs) {
        EXPECT_EQ(blob.id, Blob(static_cast<uint8_t>(blob.size_bytes)));
        all += std::to_string(blob.size_bytes);
      }
      all += '|';
      after = page.next;
    } while (!after.empty() && all.size() < 100);
    return all;
  }

  const base::TempDir folder_;
  const std::unique_ptr<base::Index> index_;
};

TEST_F(BlobListingTest, PagesFollowEachOtherAndMissNothing) {
  EXPECT_EQ(Pages(std::nullopt, 10), "123456|");
  EXPECT_EQ(Pages(std::nullopt, 6), "123456|");
  EXPECT_EQ(Pages(std::nullopt, 4), "1234|56|");
  EXPECT_EQ(Pages(std::nullopt, 1), "1|2|3|4|5|6|");
}

TEST_F(BlobListingTest, AGroupSeesWhatMayBeServedToIt) {
  EXPECT_EQ(Pages(Group(1), 10), "246|");
  EXPECT_EQ(Pages(Group(1), 2), "24|6|");
  EXPECT_EQ(Pages(Group(2), 10), "|");
}

TEST_F(BlobListingTest, APageLooksAtSoManyRowsAndMayBeEmpty) {
  EXPECT_EQ(Pages(Group(1), 10, /*rows_max=*/3), "2|46|");
  EXPECT_EQ(Pages(Group(2), 10, /*rows_max=*/2), "|||");
}

}  // namespace
}  // namespace waypost::blobstore
