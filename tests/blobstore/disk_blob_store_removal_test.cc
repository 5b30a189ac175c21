#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/sha256.h"
#include "blobstore/disk_blob_store.h"
#include "blobstore/pipelined_writer.h"
#include "tests/blobstore/disk_blob_store_fixture.h"
#include "tests/blobstore/disk_rig.h"

// Losses, and blobs that leave.
namespace waypost::blobstore {
namespace {

using base::BlobId;
using base::Sha256;
using testing::ElementsAre;
using testing::IsEmpty;
using Op = base::FakeFileSystem::Op;

TEST_F(DiskBlobStoreTest, ALossIsReportedEachTimeAndCountedOnce) {
  const std::string bytes = SomeBytes(3000);
  const BlobId id = Sha256::Of(bytes);
  ASSERT_TRUE(rig_.Put(bytes).ok());
  EXPECT_FALSE(*IsLost(id, *rig_.Row(id)));
  rig_.Lose(id);
  EXPECT_TRUE(*IsLost(id, *rig_.Row(id)));
  EXPECT_TRUE(absl::IsDataLoss(rig_.Read(id).status()));
  EXPECT_TRUE(absl::IsDataLoss(rig_.Read(id).status()));
  EXPECT_THAT(rig_.losses(), ElementsAre(id, id));
  EXPECT_EQ(rig_.Metric("waypost_lost_blobs_total"), 1);
  ASSERT_TRUE(rig_.Put(bytes).ok());
  rig_.Lose(id);
  EXPECT_TRUE(absl::IsDataLoss(rig_.Read(id).status()));
  EXPECT_EQ(rig_.Metric("waypost_lost_blobs_total"), 2);
}

TEST_F(DiskBlobStoreTest, AnErrorIsNoLoss) {
  const std::string bytes = SomeBytes(3000);
  const BlobId id = Sha256::Of(bytes);
  ASSERT_TRUE(rig_.Put(bytes).ok());
  for (const Op op : {Op::kOpenRead, Op::kSize}) {
    rig_.fs.FailNth(op, 1, EIO);
    const absl::Status failed = rig_.Read(id).status();
    EXPECT_FALSE(failed.ok());
    EXPECT_FALSE(absl::IsDataLoss(failed)) << failed;
  }
  rig_.fs.FailNth(Op::kStat, 1, EIO);
  EXPECT_FALSE(IsLost(id, *rig_.Row(id)).ok());
  EXPECT_THAT(rig_.losses(), IsEmpty());
  EXPECT_EQ(*rig_.Read(id), bytes);
}

TEST_F(DiskBlobStoreTest, ARemovedFileGoesToTrashAndThenAway) {
  const std::string bytes = SomeBytes(3000);
  const BlobId id = Sha256::Of(bytes);
  ASSERT_TRUE(rig_.Put(bytes).ok());
  ASSERT_TRUE(RemoveBlob(rig_.disk(), rig_.index(), id).ok());
  EXPECT_FALSE(rig_.Exists(rig_.layout.BlobPath(id)));
  EXPECT_THAT(rig_.Names(rig_.layout.trash_dir()), ElementsAre(id.ToHex()));
  rig_.disk().EmptyTrash();
  EXPECT_THAT(rig_.Names(rig_.layout.trash_dir()), IsEmpty());
}

TEST_F(DiskBlobStoreTest, TrashLeftByACrashIsEmptiedAtTheStart) {
  rig_.WriteFile(rig_.layout.trash_dir() + "/anything", "x");
  Restart("boot-1");
  EXPECT_THAT(rig_.Names(rig_.layout.trash_dir()), IsEmpty());
}

TEST_F(DiskBlobStoreTest, AFailedRemovalRemovesNothing) {
  for (const uint64_t size : {uint64_t{500}, uint64_t{3000}}) {
    const std::string bytes = SomeBytes(size);
    const BlobId id = Sha256::Of(bytes);
    ASSERT_TRUE(rig_.Put(bytes).ok());
    EXPECT_FALSE(rig_.index()
                     .Update(base::Index::Lane::kForeground,
                             [&](base::WriteTxn& txn) -> absl::Status {
                               rig_.disk().Uninstall(txn, id, *LoadBlobRow(txn, id));
                               DeleteBlobRow(txn, id);
                               return absl::AbortedError("needed after all");
                             })
                     .ok());
    EXPECT_EQ(*rig_.Read(id), bytes);
  }
}

TEST_F(DiskBlobStoreTest, APutThatMeetsARemovalLosesNothing) {
  const std::string bytes = SomeBytes(3000);
  const BlobId id = Sha256::Of(bytes);
  ASSERT_TRUE(rig_.Put(bytes).ok());
  // The new put found the file whole; then the row is removed; then the put is installed.
  const auto staged = Stage(rig_.disk(), bytes);
  ASSERT_TRUE(staged.ok());
  ASSERT_TRUE(RemoveBlob(rig_.disk(), rig_.index(), id).ok());
  ASSERT_TRUE(InstallStaged(rig_.disk(), rig_.index(), *staged).ok());
  EXPECT_EQ(*rig_.Read(id), bytes);
  // Nothing protects it any longer.
  ASSERT_TRUE(RemoveBlob(rig_.disk(), rig_.index(), id).ok());
  EXPECT_FALSE(rig_.Exists(rig_.layout.BlobPath(id)));
}

TEST_F(DiskBlobStoreTest, RemovalAndInstallInOneBatchEndAsTheLastOfThem) {
  const std::string bytes = SomeBytes(3000);
  const BlobId id = Sha256::Of(bytes);
  ASSERT_TRUE(rig_.Put(bytes).ok());
  const auto staged = Stage(rig_.disk(), bytes);
  ASSERT_TRUE(staged.ok());
  ASSERT_TRUE(rig_.index()
                  .Update(base::Index::Lane::kForeground,
                          [&](base::WriteTxn& txn) {
                            rig_.disk().Uninstall(txn, id, *LoadBlobRow(txn, id));
                            DeleteBlobRow(txn, id);
                            BlobRow row;
                            rig_.disk().Install(txn, *staged, row);
                            StoreBlobRow(txn, id, row);
                            return absl::OkStatus();
                          })
                  .ok());
  EXPECT_EQ(*rig_.Read(id), bytes);
}

TEST_F(DiskBlobStoreTest, StagedBytesThatNobodyWantsAreGivenUp) {
  const std::string bytes = SomeBytes(3000);
  const auto staged = Stage(rig_.disk(), bytes);
  ASSERT_TRUE(staged.ok());
  ASSERT_TRUE(Discard(*staged).ok());
  EXPECT_FALSE(rig_.Exists(rig_.layout.BlobPath(staged->id)));
}

TEST_F(DiskBlobStoreTest, GivingUpStagedBytesLeavesThoseOfARow) {
  const std::string bytes = SomeBytes(3000);
  ASSERT_TRUE(rig_.Put(bytes).ok());
  const auto staged = Stage(rig_.disk(), bytes);
  ASSERT_TRUE(staged.ok());
  ASSERT_TRUE(Discard(*staged).ok());
  EXPECT_EQ(*rig_.Read(staged->id), bytes);
}

// Of large ones a thread of their own is behind the writer; who uses it does not see that.
TEST_F(DiskBlobStoreTest, FetchesThatAreHashedApartEndAloneAndTogether) {
  rig_.hash_apart_from_bytes = 4500;
  Restart("boot-1");
  std::vector<std::string> all;
  for (uint64_t i = 0; i < 12; ++i) all.push_back(SomeBytes(i % 2 == 0 ? 3000 : 200'000, 70 + i));
  std::vector<ArrivedBlob> arrived;
  for (const std::string& bytes : all) {
    const BlobId id = Sha256::Of(bytes);
    auto writer = rig_.disk().StartFetch(id, bytes.size());
    ASSERT_TRUE(writer.ok()) << writer.status();
    EXPECT_EQ(dynamic_cast<PipelinedWriter*>(writer->get()) != nullptr, bytes.size() > 4500);
    ASSERT_TRUE(AppendAll(**writer, bytes).ok());
    arrived.push_back({*std::move(writer), id});
  }
  const auto staged = rig_.disk().FinishTogether(std::move(arrived));
  for (std::size_t i = 0; i < all.size(); ++i) {
    ASSERT_TRUE(staged[i].ok()) << staged[i].status();
    ASSERT_TRUE(InstallStaged(rig_.disk(), rig_.index(), *staged[i]).ok());
    EXPECT_EQ(*rig_.Read(staged[i]->id), all[i]);
  }
  const std::string alone = SomeBytes(300'000, 99);
  FetchPart(alone, 100'000);
  const auto writer = rig_.disk().StartFetch(Sha256::Of(alone), alone.size());
  ASSERT_TRUE(writer.ok());
  EXPECT_EQ((*writer)->offset(), 100'000u) << "what was given up is continued";
  ASSERT_TRUE(AppendAll(**writer, alone.substr(100'000)).ok());
  const auto last = (*writer)->Finish(Sha256::Of(alone));
  ASSERT_TRUE(last.ok()) << last.status();
  ASSERT_TRUE(InstallStaged(rig_.disk(), rig_.index(), *last).ok());
  EXPECT_EQ(*rig_.Read(last->id), alone);
}

TEST_F(DiskBlobStoreTest, GivingUpOneOfTwoStagedBlobsLeavesTheOther) {
  const std::string bytes = SomeBytes(3000);
  const BlobId id = Sha256::Of(bytes);
  auto one = Stage(rig_.disk(), bytes);
  const auto other = Stage(rig_.disk(), bytes);
  ASSERT_TRUE(one.ok() && other.ok());
  ASSERT_TRUE(Discard(*one).ok());
  EXPECT_TRUE(rig_.Exists(rig_.layout.BlobPath(id)));
  *one = StagedBlob();
  ASSERT_TRUE(InstallStaged(rig_.disk(), rig_.index(), *other).ok());
  EXPECT_EQ(*rig_.Read(id), bytes);
}

TEST_F(DiskBlobStoreTest, AStagedBlobThatIsGoneProtectsNothing) {
  const std::string bytes = SomeBytes(3000);
  const BlobId id = Sha256::Of(bytes);
  ASSERT_TRUE(rig_.Put(bytes).ok());
  ASSERT_TRUE(Stage(rig_.disk(), bytes).ok());  // never installed: it was here
  ASSERT_TRUE(RemoveBlob(rig_.disk(), rig_.index(), id).ok());
  EXPECT_FALSE(rig_.Exists(rig_.layout.BlobPath(id)));
}

}  // namespace
}  // namespace waypost::blobstore
