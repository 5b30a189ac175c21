#include "blobstore/disk_blob_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <vector>

#include "base/sha256.h"
#include "base/thread.h"
#include "blobstore/inline_table.h"
#include "tests/blobstore/disk_blob_store_fixture.h"
#include "tests/blobstore/disk_rig.h"

// Where bytes are kept, and that what is kept is what its name says.
namespace waypost::blobstore {
namespace {

using base::BlobId;
using base::Sha256;
using testing::ElementsAre;
using testing::HasSubstr;
using Op = base::FakeFileSystem::Op;

TEST_F(DiskBlobStoreTest, SmallBlobsAreRowsAndLargeOnesFiles) {
  const std::string small = SomeBytes(kContractInlineMax);
  const std::string large = SomeBytes(kContractInlineMax + 1);
  ASSERT_TRUE(rig_.Put(small).ok());
  ASSERT_TRUE(rig_.Put(large).ok());
  const BlobId small_id = Sha256::Of(small);
  const BlobId large_id = Sha256::Of(large);
  EXPECT_EQ(rig_.Row(small_id)->placement, Placement::kInline);
  EXPECT_EQ(rig_.Row(small_id)->inline_sequence, 1u);
  EXPECT_FALSE(rig_.Exists(rig_.layout.BlobPath(small_id)));
  EXPECT_EQ(rig_.Row(large_id)->placement, Placement::kFile);
  EXPECT_TRUE(rig_.Exists(rig_.layout.BlobPath(large_id)));
  EXPECT_EQ(rig_.Row(large_id)->stored, rig_.clock.WallNow());
}

// Sizes around those at which LMDB would take one more page, and that the index really takes less.
TEST_F(DiskBlobStoreTest, ASmallBlobTakesNoPageForItsLastBytes) {
  EXPECT_EQ(InlineTailBytes(0), 0u);
  EXPECT_EQ(InlineTailBytes(4080), 0u);
  EXPECT_EQ(InlineTailBytes(4081), 1u);
  EXPECT_EQ(InlineTailBytes(4096), 16u);
  EXPECT_EQ(InlineTailBytes(4144), 64u);
  EXPECT_EQ(InlineTailBytes(4145), 0u);
  EXPECT_EQ(InlineTailBytes(8176), 0u);
  EXPECT_EQ(InlineTailBytes(8192), 16u);
  EXPECT_EQ(InlineTailBytes(16384), 16u);
  rig_.Close();
  rig_.inline_max = 16384;
  Restart("boot-2");
  std::vector<std::string> blobs;
  for (std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{4080}, std::size_t{4081}, std::size_t{4096},
        std::size_t{4144}, std::size_t{4145}, std::size_t{8192}, std::size_t{16384}}) {
    blobs.push_back(SomeBytes(size));
    ASSERT_TRUE(rig_.Put(blobs.back()).ok());
  }
  for (const std::string& bytes : blobs) {
    EXPECT_EQ(*rig_.Read(Sha256::Of(bytes)), bytes) << bytes.size();
    EXPECT_EQ(rig_.Row(Sha256::Of(bytes))->inline_tail.size(), InlineTailBytes(bytes.size()));
  }
  const auto bytes_of = [&](std::size_t size) {
    const uint64_t before = rig_.index().used_bytes();
    for (int i = 0; i < 200; ++i) {
      std::string bytes = SomeBytes(size);
      bytes[0] = static_cast<char>(i);
      bytes[1] = static_cast<char>(size);
      EXPECT_TRUE(rig_.Put(bytes).ok());
    }
    return (rig_.index().used_bytes() - before) / 200;
  };
  EXPECT_LT(bytes_of(4096), 5500u);
  EXPECT_GT(bytes_of(4145), 8000u) << "else the tail is for nothing";
}

TEST_F(DiskBlobStoreTest, APutThatIsRepeatedKeepsTheFileAndTheTimeItCame) {
  const std::string bytes = SomeBytes(3000);
  ASSERT_TRUE(rig_.Put(bytes).ok());
  const base::WallTime stored = rig_.clock.WallNow();
  const uint64_t links = rig_.fs.calls(Op::kLink);
  rig_.clock.Advance(base::Millis(5000));
  ASSERT_TRUE(rig_.Put(bytes).ok());
  EXPECT_EQ(rig_.fs.calls(Op::kLink), links) << "the file is whole";
  EXPECT_EQ(rig_.Row(Sha256::Of(bytes))->stored, stored);
  EXPECT_EQ(rig_.Row(Sha256::Of(bytes))->verified, rig_.clock.WallNow());
}

TEST_F(DiskBlobStoreTest, AFileThatIsNotWholeGivesWayToANewPut) {
  const std::string bytes = SomeBytes(3000);
  const BlobId id = Sha256::Of(bytes);
  ASSERT_TRUE(rig_.Put(bytes).ok());
  rig_.WriteFile(rig_.layout.BlobPath(id), bytes.substr(0, 2999));
  EXPECT_TRUE(absl::IsDataLoss(rig_.Read(id).status()));
  ASSERT_TRUE(rig_.Put(bytes).ok());
  EXPECT_EQ(*rig_.Read(id), bytes);
  EXPECT_THAT(rig_.Names(rig_.layout.quarantine_dir()), ElementsAre(id.ToHex()));
}

TEST_F(DiskBlobStoreTest, AFileThatRottedGivesWayToWhateverBringsTheBytesAgain) {
  const std::string bytes = SomeBytes(3000);
  const BlobId id = Sha256::Of(bytes);
  ASSERT_TRUE(rig_.Put(bytes).ok());
  const auto fetch = [&] {
    std::vector<ArrivedBlob> arrived;
    for (uint64_t seed = 1; seed <= 10; ++seed) {
      const std::string each = SomeBytes(3000, seed);
      auto writer = rig_.disk().StartFetch(Sha256::Of(each), each.size());
      CHECK(writer.ok() && AppendAll(**writer, each).ok());
      arrived.push_back({.writer = *std::move(writer), .expected = Sha256::Of(each)});
    }
    return rig_.disk().FinishTogether(std::move(arrived))[0].status();
  };
  std::size_t rotten = 0;
  for (const bool together : {false, true}) {
    const auto file = rig_.fs.OpenWrite(rig_.layout.BlobPath(id));
    ASSERT_TRUE(file.ok() && (*file)->WriteAt(1500, "rot").ok());
    EXPECT_NE(*rig_.Read(id), bytes);  // and so it is open
    ASSERT_TRUE((together ? fetch() : Stage(rig_.disk(), bytes).status()).ok());
    EXPECT_EQ(*rig_.Read(id), bytes) << together;
    EXPECT_EQ(rig_.Names(rig_.layout.quarantine_dir()).size(), ++rotten);
    EXPECT_EQ(rig_.Metric("waypost_corrupt_blobs_total"), rotten);
  }
}

TEST_F(DiskBlobStoreTest, AFileThatWouldBeInlineTodayIsReadBeforeItCounts) {
  const std::string bytes = SomeBytes(3000);
  const BlobId id = Sha256::Of(bytes);
  ASSERT_TRUE(rig_.Put(bytes).ok());
  rig_.inline_max = 4000;
  ASSERT_TRUE(rig_.Open().ok());
  const auto staged = Stage(rig_.disk(), bytes);
  ASSERT_TRUE(staged.ok()) << staged.status();
  EXPECT_TRUE(rig_.disk().WholeHere(*staged));
  const auto file = rig_.fs.OpenWrite(rig_.layout.BlobPath(id));
  ASSERT_TRUE(file.ok() && (*file)->WriteAt(1500, "rot").ok());
  EXPECT_FALSE(rig_.disk().WholeHere(*staged));
}

TEST_F(DiskBlobStoreTest, AFileSystemThatTurnsReadOnlyIsSaidAndWritesGoOnAfterwards) {
  const std::string bytes = SomeBytes(3000);
  ASSERT_TRUE(rig_.Put(bytes).ok());
  std::vector<std::string> told;
  rig_.disk().SetReadOnlyHandler([&](const std::string& why) { told.push_back(why); });
  // Noticed by the first that writes, or by a look.
  for (const bool by_a_look : {false, true}) {
    told.clear();
    rig_.fs.SetReadOnly(true);
    if (by_a_look) {
      rig_.clock.Advance(base::Millis(1000));
      rig_.disk().CheckWrites();
    }
    for (const std::size_t size : {3001u, by_a_look ? 10u : 3002u}) {
      const absl::Status put = rig_.Put(SomeBytes(size));
      EXPECT_TRUE(base::IsReadOnly(put) && absl::IsUnavailable(put)) << put;
      EXPECT_TRUE(base::RetryAfterOf(put).has_value());
    }
    EXPECT_EQ(*rig_.Read(Sha256::Of(bytes)), bytes);
    EXPECT_NE(rig_.disk().read_only(), "");
    rig_.disk().CheckWrites();
    EXPECT_EQ(told, std::vector<std::string>{rig_.disk().read_only()});
    rig_.fs.SetReadOnly(false);
    rig_.clock.Advance(base::Millis(1000));
    rig_.disk().CheckWrites();
    EXPECT_EQ(rig_.disk().read_only(), "");
    EXPECT_EQ(told.size(), 2u);
    EXPECT_TRUE(rig_.Put(SomeBytes(by_a_look ? 3001 : 10)).ok());
  }
}

TEST_F(DiskBlobStoreTest, WithoutADescriptorAReadIsToBeTriedAgainAndKeptFilesGoFirst) {
  const std::string bytes = SomeBytes(3000);
  const std::string kept = SomeBytes(3000, 2);
  ASSERT_TRUE(rig_.Put(bytes).ok() && rig_.Put(kept).ok());
  ASSERT_TRUE(rig_.Read(Sha256::Of(kept)).ok());
  const uint64_t opened = rig_.fs.calls(Op::kOpenRead);
  rig_.fs.FailNth(Op::kOpenRead, 1, EMFILE);
  EXPECT_EQ(*rig_.Read(Sha256::Of(bytes)), bytes);
  EXPECT_TRUE(rig_.Read(Sha256::Of(kept)).ok());
  EXPECT_EQ(rig_.fs.calls(Op::kOpenRead) - opened, 3u) << "the other one was not given up";
  rig_.Open().IgnoreError();
  rig_.fs.FailNth(Op::kOpenRead, 1, EMFILE);
  rig_.fs.FailNth(Op::kOpenRead, 1, EMFILE);
  testing::internal::CaptureStderr();
  const absl::Status full = rig_.Read(Sha256::Of(bytes)).status();
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_TRUE(absl::IsUnavailable(full)) << full;
  EXPECT_TRUE(base::RetryAfterOf(full).has_value());
  EXPECT_THAT(log, HasSubstr("warning a read was answered 503: "));
  EXPECT_THAT(log, HasSubstr("raise the service's limit of descriptors"));
  EXPECT_TRUE(rig_.losses().empty());
}

TEST_F(DiskBlobStoreTest, AFileThatCannotBeReadGivesWayToo) {
  const std::string bytes = SomeBytes(3000);
  const BlobId id = Sha256::Of(bytes);
  ASSERT_TRUE(rig_.Put(bytes).ok());
  rig_.fs.FailNth(Op::kRead, 1, EIO);
  ASSERT_TRUE(rig_.Put(bytes).ok());
  EXPECT_EQ(*rig_.Read(id), bytes);
  EXPECT_EQ(rig_.Names(rig_.layout.quarantine_dir()).size(), 1u);
}

TEST_F(DiskBlobStoreTest, AStrayFileOfTheRightLengthIsHashedBeforeItIsBelieved) {
  const std::string bytes = SomeBytes(3000);
  const BlobId id = Sha256::Of(bytes);
  ASSERT_TRUE(Stage(rig_.disk(), bytes).ok());  // never installed
  std::string wrong = bytes;
  wrong[1500] ^= 1;
  rig_.WriteFile(rig_.layout.BlobPath(id), wrong);
  ASSERT_TRUE(rig_.Put(bytes).ok());
  EXPECT_EQ(*rig_.Read(id), bytes);
  EXPECT_THAT(rig_.Names(rig_.layout.quarantine_dir()), ElementsAre(id.ToHex()));
}

TEST_F(DiskBlobStoreTest, AStrayFileThatIsTheBlobIsMadeDurable) {
  const std::string bytes = SomeBytes(3000);
  const BlobId id = Sha256::Of(bytes);
  ASSERT_TRUE(Stage(rig_.disk(), bytes).ok());
  ASSERT_TRUE(rig_.fs.Remove(rig_.layout.BlobPath(id)).ok());
  {
    const auto file = rig_.fs.CreateExclusive(rig_.layout.BlobPath(id));
    ASSERT_TRUE((*file)->WriteAt(0, bytes).ok());  // by somebody who syncs nothing
  }
  ASSERT_TRUE(rig_.Put(bytes).ok());
  rig_.Close();
  rig_.fs.PowerCut();
  Restart("boot-2");
  EXPECT_EQ(*rig_.Read(id), bytes);
}

TEST_F(DiskBlobStoreTest, AfterAFailedFolderSyncTheNameIsMadeAnew) {
  const std::string bytes = SomeBytes(3000);
  const BlobId id = Sha256::Of(bytes);
  ASSERT_TRUE(rig_.Put(SomeBytes(3000, 5)).ok());
  // The folders of this blob's name come first: blobs/, blobs/ab, then blobs/ab/cd.
  rig_.fs.FailNth(Op::kSyncDir, 3, EIO);
  EXPECT_FALSE(rig_.Put(bytes).ok());
  EXPECT_FALSE(rig_.Exists(rig_.layout.BlobPath(id)));
  ASSERT_TRUE(rig_.Put(bytes).ok());
  EXPECT_EQ(*rig_.Read(id), bytes);
}

TEST_F(DiskBlobStoreTest, AChangeOfTheInlineLimitMovesABlobWhenItIsPutAgain) {
  const std::string bytes = SomeBytes(500);
  const BlobId id = Sha256::Of(bytes);
  ASSERT_TRUE(rig_.Put(bytes).ok());
  rig_.inline_max = 100;
  Restart("boot-1");
  EXPECT_EQ(*rig_.Read(id), bytes);
  ASSERT_TRUE(rig_.Put(bytes).ok());
  EXPECT_EQ(rig_.Row(id)->placement, Placement::kFile);
  EXPECT_EQ(rig_.Row(id)->inline_sequence, 0u);
  EXPECT_EQ(*rig_.Read(id), bytes);
  rig_.inline_max = kContractInlineMax;
  Restart("boot-1");
  ASSERT_TRUE(rig_.Put(bytes).ok());
  EXPECT_EQ(rig_.Row(id)->placement, Placement::kInline);
  EXPECT_FALSE(rig_.Exists(rig_.layout.BlobPath(id)));
  EXPECT_EQ(*rig_.Read(id), bytes);
  uint64_t inline_rows = 0;
  ASSERT_TRUE(rig_.index()
                  .Read([&](base::ReadTxn& txn) { inline_rows = txn.Rows(base::Table::kInline); })
                  .ok());
  EXPECT_EQ(inline_rows, 1u) << "no bytes are left behind";
}

TEST_F(DiskBlobStoreTest, DamagedInlineBytesAreNeverServed) {
  const std::string bytes = SomeBytes(500);
  const BlobId id = Sha256::Of(bytes);
  ASSERT_TRUE(rig_.Put(bytes).ok());
  const BlobRow row = *rig_.Row(id);
  EXPECT_FALSE(*IsLost(id, row));
  rig_.Lose(id);
  const absl::Status refused = rig_.Read(id).status();
  EXPECT_TRUE(absl::IsDataLoss(refused));
  EXPECT_THAT(std::string(base::Std(refused.message())), HasSubstr(id.ToHex()));
  EXPECT_EQ(rig_.Metric("waypost_corrupt_blobs_total"), 1);
  EXPECT_TRUE(*IsLost(id, row));
  ASSERT_TRUE(rig_.Put(bytes).ok());
  EXPECT_FALSE(*IsLost(id, *rig_.Row(id))) << "put anew";
  EXPECT_EQ(*rig_.Read(id), bytes);
}

TEST_F(DiskBlobStoreTest, ManyThreadsPutRemoveReadAndCompare) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 60;
  // Few blobs, so that the threads meet; thread 0's own are never removed.
  std::vector<std::string> shared;
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    shared.push_back(SomeBytes(seed % 2 == 0 ? 3000 : 500, seed));
  }
  std::atomic<int> wrong{0};
  {
    std::vector<base::Thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back("store-" + std::to_string(t), [&, t] {
        for (int i = 0; i < kRounds; ++i) {
          const std::string& bytes = shared[static_cast<std::size_t>(i * 7 + t) % shared.size()];
          const BlobId id = Sha256::Of(bytes);
          if (!rig_.Put(bytes).ok()) ++wrong;
          const auto read = rig_.Read(id);
          if (read.ok() ? *read != bytes : !absl::IsNotFound(read.status())) ++wrong;
          if (i % 3 == 0) RemoveBlob(rig_.disk(), rig_.index(), id).IgnoreError();
          const std::string own = SomeBytes(2000, static_cast<uint64_t>(1000 + t * kRounds + i));
          if (!rig_.Put(own).ok() || *rig_.Read(Sha256::Of(own)) != own) ++wrong;
        }
      });
    }
    threads.emplace_back("compare", [&] {
      for (int i = 0; i < 3; ++i) {
        const auto result = rig_.Reconcile();
        if (!result.ok() || result->quarantined != 0) ++wrong;
      }
    });
  }
  EXPECT_EQ(wrong, 0);
  // Whatever order they came in: rows and files agree in the end.
  ASSERT_TRUE(rig_.Reconcile().ok());
  const auto settled = rig_.Reconcile();
  ASSERT_TRUE(settled.ok());
  EXPECT_EQ(settled->adopted + settled->quarantined + settled->lost, 0u);
  for (int n = 0; n < kThreads * kRounds; ++n) {
    const std::string own = SomeBytes(2000, static_cast<uint64_t>(1000 + n));
    EXPECT_EQ(*rig_.Read(Sha256::Of(own)), own);
  }
}

TEST_F(DiskBlobStoreTest, ShowsTheFreeSpaceWhenMetricsAreRendered) {
  rig_.SetRoom(123'456 - kFloor);
  EXPECT_THAT(rig_.metrics.Render(), HasSubstr("waypost_disk_free_bytes 123456"));
  EXPECT_THAT(rig_.metrics.Render(), HasSubstr("waypost_lost_blobs_total 0"));
  EXPECT_THAT(rig_.metrics.Render(), HasSubstr("waypost_corrupt_blobs_total 0"));
  rig_.Close();
  rig_.metrics.Render();  // the store is gone
}

}  // namespace
}  // namespace waypost::blobstore
