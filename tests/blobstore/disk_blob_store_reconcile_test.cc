#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/sha256.h"
#include "blobstore/disk_blob_store.h"
#include "tests/blobstore/disk_blob_store_fixture.h"
#include "tests/blobstore/disk_rig.h"

// Files against rows.
namespace waypost::blobstore {
namespace {

using base::BlobId;
using base::Sha256;
using Op = base::FakeFileSystem::Op;

TEST_F(DiskBlobStoreTest, ReconcilingWhatAgreesChangesNothing) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    ASSERT_TRUE(rig_.Put(SomeBytes(seed % 2 == 0 ? 3000 : 500, seed)).ok());
  }
  const uint64_t reads = rig_.fs.calls(Op::kRead);
  const auto result = rig_.Reconcile();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->files, 10u);
  EXPECT_EQ(result->rows, 20u);
  EXPECT_EQ(result->adopted + result->quarantined + result->lost, 0u);
  EXPECT_EQ(rig_.fs.calls(Op::kRead), reads) << "files with a row are not hashed";
}

TEST_F(DiskBlobStoreTest, AFileWithoutARowIsAdoptedIfItIsWhatItsNameSays) {
  const std::string bytes = SomeBytes(3000);
  const BlobId id = Sha256::Of(bytes);
  ASSERT_TRUE(Stage(rig_.disk(), bytes).ok());
  const auto result = rig_.Reconcile();
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->adopted, 1u);
  EXPECT_EQ(*rig_.Read(id), bytes);
  EXPECT_EQ(rig_.Reconcile()->adopted, 0u);
}

TEST_F(DiskBlobStoreTest, AFileThatIsNotTheBlobOfItsNameGoesToQuarantine) {
  const std::string bytes = SomeBytes(3000);
  const BlobId id = Sha256::Of(bytes);
  ASSERT_TRUE(Stage(rig_.disk(), bytes).ok());
  rig_.WriteFile(rig_.layout.BlobPath(id), "garbage");
  rig_.WriteFile(rig_.layout.BlobDir(id) + "/notes.txt", "garbage");
  const auto result = rig_.Reconcile();
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->quarantined, 2u);
  EXPECT_EQ(result->adopted, 0u);
  EXPECT_THAT(rig_.Names(rig_.layout.quarantine_dir()),
              testing::UnorderedElementsAre(id.ToHex(), "notes.txt"));
  EXPECT_EQ(rig_.Metric("waypost_corrupt_blobs_total"), 2);
  // A second one of the same name does not overwrite the first.
  rig_.WriteFile(rig_.layout.BlobPath(id), "more garbage");
  EXPECT_EQ(rig_.Reconcile()->quarantined, 1u);
  EXPECT_THAT(rig_.Names(rig_.layout.quarantine_dir()), testing::Contains(id.ToHex() + ".1"));
}

TEST_F(DiskBlobStoreTest, ARowWhoseFileIsGoneIsLost) {
  const std::string bytes = SomeBytes(3000);
  const BlobId id = Sha256::Of(bytes);
  ASSERT_TRUE(rig_.Put(bytes).ok());
  rig_.Lose(id);
  const auto result = rig_.Reconcile();
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->lost, 1u);
  EXPECT_EQ(rig_.Row(id), std::nullopt);
  EXPECT_EQ(rig_.Metric("waypost_lost_blobs_total"), 1);
}

TEST_F(DiskBlobStoreTest, ARowWhoseFileHasAnotherLengthIsLostAndTheFileQuarantined) {
  const std::string bytes = SomeBytes(3000);
  const BlobId id = Sha256::Of(bytes);
  ASSERT_TRUE(rig_.Put(bytes).ok());
  rig_.WriteFile(rig_.layout.BlobPath(id), bytes.substr(0, 100));
  const auto result = rig_.Reconcile();
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->lost, 1u);
  EXPECT_EQ(result->quarantined, 1u);
  EXPECT_EQ(rig_.Row(id), std::nullopt);
}

TEST_F(DiskBlobStoreTest, AFileWhoseBytesMovedIntoTheIndexIsTrash) {
  const std::string bytes = SomeBytes(500);
  const BlobId id = Sha256::Of(bytes);
  ASSERT_TRUE(rig_.Put(bytes).ok());
  ASSERT_TRUE(rig_.fs.MakeDir(rig_.layout.TopDir(id.array()[0])).ok());
  ASSERT_TRUE(rig_.fs.MakeDir(rig_.layout.BlobDir(id)).ok());
  rig_.WriteFile(rig_.layout.BlobPath(id), bytes);
  const auto result = rig_.Reconcile();
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->adopted + result->quarantined + result->lost, 0u);
  EXPECT_FALSE(rig_.Exists(rig_.layout.BlobPath(id)));
  EXPECT_EQ(*rig_.Read(id), bytes);
}

TEST(Reconcile, AnErrorOfTheDiskConcludesNothing) {
  for (const Op op : {Op::kStat, Op::kList, Op::kOpenRead, Op::kRead}) {
    for (int nth = 1;; ++nth) {
      ASSERT_LT(nth, 2000);
      DiskRig rig;
      ASSERT_TRUE(rig.Open().ok());
      const std::string kept = SomeBytes(3000, 1);
      ASSERT_TRUE(rig.Put(kept).ok());
      ASSERT_TRUE(Stage(rig.disk(), SomeBytes(3000, 2)).ok());
      const uint64_t before = rig.fs.calls(op);
      rig.fs.FailNth(op, nth, EIO);
      const auto result = rig.Reconcile();
      if (rig.fs.calls(op) - before < static_cast<uint64_t>(nth)) {
        EXPECT_TRUE(result.ok());
        break;
      }
      EXPECT_FALSE(result.ok()) << nth;
      EXPECT_EQ(rig.Metric("waypost_lost_blobs_total"), 0);
      EXPECT_EQ(rig.Metric("waypost_corrupt_blobs_total"), 0);
      ASSERT_EQ(*rig.Read(Sha256::Of(kept)), kept);
      EXPECT_EQ(rig.Reconcile()->lost, 0u);
    }
  }
}

TEST_F(DiskBlobStoreTest, AManyPagedFolderIsComparedWhole) {
  // 2,500 rows under one first byte, without files.
  ASSERT_TRUE(rig_.index()
                  .Update(base::Index::Lane::kBulk,
                          [&](base::WriteTxn& txn) {
                            for (unsigned i = 0; i < 2500; ++i) {
                              std::string id(32, '\x07');
                              id[1] = static_cast<char>(i >> 8);
                              id[2] = static_cast<char>(i);
                              BlobRow row;
                              row.size_bytes = 5;
                              row.stored = base::FromMs(1);
                              StoreBlobRow(txn, *BlobId::FromBytes(id), row);
                            }
                            return absl::OkStatus();
                          })
                  .ok());
  const auto result = rig_.Reconcile();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->rows, 2500u);
  EXPECT_EQ(result->lost, 2500u);
}

}  // namespace
}  // namespace waypost::blobstore
