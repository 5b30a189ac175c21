#include "blobstore/blobs_disk.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "tests/blobstore/disk_rig.h"

// A folder blobs/ that is a disk of its own, and is not mounted at one start.
namespace waypost::blobstore {
namespace {

class BlobsDiskTest : public testing::Test {
 protected:
  BlobsDiskTest() { CHECK(rig_.Open().ok()); }

  static std::string Bytes(char fill) { return std::string(kContractInlineMax + 1000, fill); }
  static base::BlobId IdOf(const std::string& bytes) { return base::Sha256::Of(bytes); }
  // Whatever is mounted there, or nothing.
  void Unmount() {
    CHECK(rig_.fs.Rename(rig_.layout.blobs_dir(), kElsewhere).ok());
    CHECK(rig_.fs.MakeDir(rig_.layout.blobs_dir()).ok());
  }
  void Mount() {
    for (const std::string& name : rig_.Names(rig_.layout.blobs_dir())) {
      CHECK(rig_.fs.Remove(rig_.layout.blobs_dir() + "/" + name).ok());
    }
    CHECK(rig_.fs.Rename(kElsewhere, rig_.layout.blobs_dir()).ok());
    rig_.clock.Advance(base::Millis(1000));
  }
  // As a folder of a version that wrote no marker.
  void ForgetMarker() {
    CHECK(rig_.index()
              .Update(base::Index::Lane::kBulk,
                      [](base::WriteTxn& txn) {
                        txn.Delete(base::Table::kMeta, "blobs.marker");
                        return absl::OkStatus();
                      })
              .ok());
    CHECK(rig_.fs.Remove(rig_.layout.marker()).ok());
  }

  static constexpr char kElsewhere[] = "/data/elsewhere";
  DiskRig rig_;
};

TEST_F(BlobsDiskTest, AnEmptyFolderInItsPlaceLosesNothing) {
  ASSERT_TRUE(rig_.Put(Bytes('a')).ok());
  ASSERT_TRUE(rig_.Put("in the index").ok());
  for (const bool restarted : {true, false}) {
    rig_.Close();
    ASSERT_TRUE(rig_.Open().ok());
    if (restarted) rig_.Close();
    Unmount();
    if (restarted) {
      ASSERT_TRUE(rig_.Open().ok());
    }
    EXPECT_TRUE(absl::IsUnavailable(rig_.Read(IdOf(Bytes('a'))).status()));
    EXPECT_NE(rig_.disk().away().find("Is its disk mounted?"), std::string::npos);
    EXPECT_TRUE(rig_.Read(IdOf("in the index")).ok());
    EXPECT_TRUE(absl::IsFailedPrecondition(rig_.Reconcile().status()));
    EXPECT_TRUE(absl::IsUnavailable(rig_.Put(Bytes('b')))) << "under the mount point";
    EXPECT_TRUE(absl::IsUnavailable(rig_.disk().CheckSpace(1)));
    EXPECT_TRUE(rig_.Put("also in the index").ok());
    EXPECT_TRUE(rig_.losses().empty());
    EXPECT_TRUE(rig_.Row(IdOf(Bytes('a'))));
    EXPECT_FALSE(rig_.Exists(rig_.layout.marker())) << "nobody says that this is the disk";
    Mount();
    EXPECT_TRUE(rig_.disk().CheckBlobsThere().ok());
    EXPECT_EQ(rig_.disk().away(), "");
    EXPECT_EQ(*rig_.Read(IdOf(Bytes('a'))), Bytes('a'));
    EXPECT_EQ(rig_.Reconcile()->lost, 0u);
  }
  EXPECT_EQ(rig_.Metric("waypost_lost_blobs_total"), 0);
}

TEST_F(BlobsDiskTest, AnotherDiskIsNotThisOne) {
  ASSERT_TRUE(rig_.Put(Bytes('a')).ok());
  const auto own = base::ReadSmallFile(rig_.fs, rig_.layout.marker(), 100);
  ASSERT_TRUE(own.ok());
  rig_.WriteFile(rig_.layout.marker(), std::string(32, '0') + "\n");
  EXPECT_TRUE(absl::IsUnavailable(rig_.disk().CheckBlobsThere()));
  EXPECT_NE(rig_.disk().away().find(own->substr(0, 32)), std::string::npos)
      << "what to write if it is so: " << rig_.disk().away();
  rig_.WriteFile(rig_.layout.marker(), *own);
  EXPECT_TRUE(rig_.disk().CheckBlobsThere().ok());
}

TEST_F(BlobsDiskTest, AFolderOfBeforeGetsAMarkerWhenOneOfItsFilesIsThere) {
  ASSERT_TRUE(rig_.Put(Bytes('a')).ok());
  ASSERT_TRUE(rig_.Put(Bytes('b')).ok());
  rig_.Close();
  ForgetMarker();
  Unmount();
  ASSERT_TRUE(rig_.Open().ok());
  EXPECT_NE(rig_.disk().away().find("of 2 files"), std::string::npos) << rig_.disk().away();
  EXPECT_FALSE(rig_.Exists(rig_.layout.marker()));
  EXPECT_TRUE(absl::IsFailedPrecondition(rig_.Reconcile().status()));
  Mount();
  rig_.Lose(IdOf(Bytes('a')));
  EXPECT_TRUE(rig_.disk().CheckBlobsThere().ok());
  EXPECT_TRUE(rig_.Exists(rig_.layout.marker()));
  EXPECT_EQ(rig_.Reconcile()->lost, 1u) << "what is really gone";
}

TEST_F(BlobsDiskTest, OfAFolderOfBeforeAnOperatorCanSayThatTheBlobsAreGone) {
  ASSERT_TRUE(rig_.Put(Bytes('a')).ok());
  ForgetMarker();
  rig_.Lose(IdOf(Bytes('a')));
  rig_.Close();
  ASSERT_TRUE(rig_.Open().ok());
  EXPECT_NE(rig_.disk().away().find("write \"gone\" into"), std::string::npos);
  rig_.WriteFile(rig_.layout.marker(), "gone\n");
  EXPECT_TRUE(rig_.disk().CheckBlobsThere().ok());
  EXPECT_EQ(rig_.Reconcile()->lost, 1u);
  // It has an id of its own now.
  EXPECT_EQ(base::ReadSmallFile(rig_.fs, rig_.layout.marker(), 100)->size(), 33u);
}

TEST_F(BlobsDiskTest, AnErrorOfTheDiskIsNeitherThereNorAway) {
  ASSERT_TRUE(rig_.Put(Bytes('a')).ok());
  rig_.fs.FailNth(base::FakeFileSystem::Op::kOpenRead, 1, EIO);
  const absl::Status looked = rig_.disk().CheckBlobsThere();
  EXPECT_FALSE(looked.ok());
  EXPECT_FALSE(absl::IsUnavailable(looked));
  EXPECT_EQ(rig_.disk().away(), "") << "what was seen last";
  EXPECT_TRUE(rig_.disk().CheckBlobsThere().ok());
}

TEST_F(BlobsDiskTest, WhoeverListensIsToldOfEachChangeOnce) {
  ASSERT_TRUE(rig_.Put(Bytes('a')).ok());
  std::vector<bool> told;
  rig_.disk().SetAwayHandler([&](const std::string& away) { told.push_back(!away.empty()); });
  Unmount();
  for (int i = 0; i < 3; ++i) rig_.disk().CheckBlobsThere().IgnoreError();
  Mount();
  for (int i = 0; i < 3; ++i) rig_.disk().CheckBlobsThere().IgnoreError();
  EXPECT_EQ(told, (std::vector{true, false}));
}

}  // namespace
}  // namespace waypost::blobstore
