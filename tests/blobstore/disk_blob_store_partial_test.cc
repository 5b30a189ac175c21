#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/sha256.h"
#include "blobstore/disk_blob_store.h"
#include "tests/blobstore/cutting_file_system.h"
#include "tests/blobstore/disk_blob_store_fixture.h"
#include "tests/blobstore/disk_rig.h"

// Partial files across starts.
namespace waypost::blobstore {
namespace {

using base::BlobId;
using base::Sha256;
using testing::ElementsAre;
using testing::IsEmpty;
using Op = base::FakeFileSystem::Op;

TEST_F(DiskBlobStoreTest, AfterAKilledProcessAFetchContinuesWithAllItHad) {
  const std::string bytes = SomeBytes(30'000);
  const BlobId id = Sha256::Of(bytes);
  const auto writer = rig_.disk().StartFetch(id, bytes.size());
  ASSERT_TRUE(AppendAll(**writer, bytes.substr(0, 5000)).ok());  // no mark but the first
  // The killed process leaves the files as they are: a second store sees what it would.
  auto after = DiskBlobStore::Open(rig_.index(), rig_.fs, rig_.clock,
                                   {.data_dir = kDataDir,
                                    .inline_max_bytes = kContractInlineMax,
                                    .min_free = {.bytes = 0},
                                    .partial_over_bytes = kContractPartialOver,
                                    .boot_id = "boot-1"});
  ASSERT_TRUE(after.ok());
  EXPECT_EQ((*after)->PartialBytes(id), 5000u);
}

TEST(PartialFile, AfterAPowerCutAFetchContinuesFromItsLastMark) {
  DiskRig rig;
  CuttingFileSystem cutting(rig.fs);
  rig.SetOver(&cutting);
  ASSERT_TRUE(rig.Open().ok());
  const std::string bytes = SomeBytes(30'000);
  const BlobId id = Sha256::Of(bytes);
  {
    const auto writer = rig.disk().StartFetch(id, bytes.size());
    ASSERT_TRUE((*writer)->Append(bytes.substr(0, 9000)).ok());  // marked: over mark_bytes
    ASSERT_TRUE((*writer)->Append(bytes.substr(9000, 4000)).ok());
    cutting.CutBefore(1, [&] { rig.fs.PowerCutKeepingSome(3); });
    ASSERT_FALSE((*writer)->Append(bytes.substr(13'000, 1000)).ok());
  }
  rig.Close();
  cutting.Revive();
  rig.boot_id = "boot-2";
  ASSERT_TRUE(rig.Open().ok());
  EXPECT_EQ(rig.disk().PartialBytes(id), 9000u);
  {
    const auto writer = rig.disk().StartFetch(id, bytes.size());
    ASSERT_EQ((*writer)->offset(), 9000u);
    ASSERT_TRUE(AppendAll(**writer, bytes.substr(9000)).ok());
    const auto staged = (*writer)->Finish(id);
    ASSERT_TRUE(staged.ok()) << staged.status();
    ASSERT_TRUE(InstallStaged(rig.disk(), rig.index(), *staged).ok());
  }
  EXPECT_EQ(*rig.Read(id), bytes);
  EXPECT_THAT(rig.Names(rig.layout.partial_dir()), IsEmpty());
  rig.Close();
}

TEST_F(DiskBlobStoreTest, AFetchThatGaveUpIsWholeAfterAPowerCut) {
  const std::string bytes = SomeBytes(30'000);
  FetchPart(bytes, 5000);
  rig_.Close();
  rig_.fs.PowerCut();
  Restart("boot-2");
  EXPECT_EQ(rig_.disk().PartialBytes(Sha256::Of(bytes)), 5000u);
  // And again, without a fetch in between.
  rig_.Close();
  rig_.fs.PowerCut();
  Restart("boot-3");
  EXPECT_EQ(rig_.disk().PartialBytes(Sha256::Of(bytes)), 5000u);
}

TEST_F(DiskBlobStoreTest, TheStartRemovesPartialFilesThatAreWorthNothing) {
  const std::string bytes = SomeBytes(30'000);
  const BlobId id = Sha256::Of(bytes);
  const BlobId other = Sha256::Of("other");
  FetchPart(bytes, 5000);
  rig_.WriteFile(rig_.layout.partial_dir() + "/notes.txt", "x");
  rig_.WriteFile(rig_.layout.PartialPath(other), "without a mark");
  rig_.WriteFile(rig_.layout.MarkPath(Sha256::Of("third")), "1 5 boot-1\n");
  rig_.WriteFile(rig_.layout.MarkPath(id) + ".new", "1 ");
  Restart("boot-1");
  EXPECT_THAT(rig_.Names(rig_.layout.partial_dir()), ElementsAre(id.ToHex(), id.ToHex() + ".mark"));
  // Nobody continued it for 30 days.
  rig_.clock.SetWall(rig_.fs.Stat(rig_.layout.PartialPath(id))->value().modified +
                     base::Millis(int64_t{30} * 24 * 3600 * 1000 + 1));
  Restart("boot-1");
  EXPECT_THAT(rig_.Names(rig_.layout.partial_dir()), IsEmpty());
}

TEST_F(DiskBlobStoreTest, APartialFileOfABlobThatIsHereIsRemoved) {
  const std::string bytes = SomeBytes(30'000);
  FetchPart(bytes, 5000);
  ASSERT_TRUE(rig_.Put(bytes).ok());
  Restart("boot-1");
  EXPECT_THAT(rig_.Names(rig_.layout.partial_dir()), IsEmpty());
}

TEST_F(DiskBlobStoreTest, ALargeFetchIsSyncedAsItGoes) {
  const std::string bytes = SomeBytes(60'000);
  const auto writer = rig_.disk().StartFetch(Sha256::Of(bytes), bytes.size());
  const uint64_t before = rig_.fs.calls(Op::kSync);
  ASSERT_TRUE(AppendAll(**writer, bytes, 1000).ok());
  // 60,000 bytes with a mark every 8,000; each syncs the file and the mark.
  EXPECT_EQ(rig_.fs.calls(Op::kSync) - before, 2 * (60'000 / 8000));
}

}  // namespace
}  // namespace waypost::blobstore
