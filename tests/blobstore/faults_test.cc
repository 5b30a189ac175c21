// What disks and power do to a store: full, failing, cut off at every step.
#include <gtest/gtest.h>

#include <cerrno>
#include <set>
#include <string>
#include <vector>

#include "base/sha256.h"
#include "tests/blobstore/cutting_file_system.h"
#include "tests/blobstore/disk_rig.h"

namespace waypost::blobstore {
namespace {

using base::FakeFileSystem;
using base::Sha256;
using Op = FakeFileSystem::Op;

// Every file under blobs/ hashes to its name: nothing half is there.
void ExpectOnlyWholeFiles(DiskRig& rig) {
  for (const std::string& top : rig.Names(rig.layout.blobs_dir())) {
    if (rig.layout.blobs_dir() + "/" + top == rig.layout.marker()) continue;
    for (const std::string& sub : rig.Names(rig.layout.blobs_dir() + "/" + top)) {
      const std::string dir = rig.layout.blobs_dir() + "/" + top + "/" + sub;
      for (const std::string& name : rig.Names(dir)) {
        const auto bytes = base::ReadSmallFile(rig.fs, dir + "/" + name, 1 << 20);
        ASSERT_TRUE(bytes.ok());
        EXPECT_EQ(Sha256::Of(*bytes).ToHex(), name);
      }
    }
  }
}

// What was acknowledged is read back, and files and rows agree.
void ExpectKept(DiskRig& rig, const std::set<std::string>& acknowledged) {
  for (const std::string& bytes : acknowledged) {
    const auto read = rig.Read(Sha256::Of(bytes));
    ASSERT_TRUE(read.ok()) << bytes.size() << " bytes: " << read.status();
    EXPECT_EQ(*read, bytes);
  }
  ExpectOnlyWholeFiles(rig);
  const auto compared = rig.Reconcile();
  ASSERT_TRUE(compared.ok()) << compared.status();
  EXPECT_EQ(compared->lost, 0u);
  EXPECT_EQ(compared->quarantined, 0u);
}

// A put, two halves of a fetch with a pause between, another put of what is here already.
absl::Status Fetch(DiskRig& rig, const std::string& bytes, std::size_t from, std::size_t to) {
  const base::BlobId id = Sha256::Of(bytes);
  ASSIGN_OR_RETURN(const auto writer, rig.disk().StartFetch(id, bytes.size()));
  if (writer->offset() > from) from = writer->offset();
  if (writer->offset() < from) return absl::AbortedError("the beginning is gone");
  if (from < to) RETURN_IF_ERROR(AppendAll(*writer, bytes.substr(from, to - from), 3000));
  if (to < bytes.size()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const StagedBlob staged, writer->Finish(id));
  return InstallStaged(rig.disk(), rig.index(), staged);
}

// Files and one inline blob that arrived together.
absl::Status FetchTogether(DiskRig& rig, const std::vector<std::string>& all,
                           std::set<std::string>& acknowledged) {
  std::vector<ArrivedBlob> arrived;
  for (const std::string& bytes : all) {
    const base::BlobId id = Sha256::Of(bytes);
    ASSIGN_OR_RETURN(auto writer, rig.disk().StartFetch(id, bytes.size()));
    RETURN_IF_ERROR(AppendAll(*writer, bytes, 1000));
    arrived.push_back({std::move(writer), id});
  }
  const auto staged = rig.disk().FinishTogether(std::move(arrived));
  absl::Status first;
  for (std::size_t i = 0; i < all.size(); ++i) {
    absl::Status status = staged[i].status();
    if (status.ok()) status = InstallStaged(rig.disk(), rig.index(), *staged[i]);
    if (status.ok()) acknowledged.insert(all[i]);
    first.Update(status);
  }
  return first;
}

struct Script {
  std::string put = SomeBytes(3000, 1);
  std::string fetched = SomeBytes(30'000, 2);
  std::string last = SomeBytes(2000, 3);

  // Ends at the first error; adds what was acknowledged before.
  absl::Status Run(DiskRig& rig, std::set<std::string>& acknowledged) const {
    RETURN_IF_ERROR(rig.Open());
    RETURN_IF_ERROR(rig.Put(put));
    acknowledged.insert(put);
    RETURN_IF_ERROR(Fetch(rig, fetched, 0, 17'000));
    RETURN_IF_ERROR(Fetch(rig, fetched, 17'000, fetched.size()));
    acknowledged.insert(fetched);
    RETURN_IF_ERROR(rig.Put(put));
    RETURN_IF_ERROR(rig.Put(last));
    acknowledged.insert(last);
    return absl::OkStatus();
  }
};

// Two halves of many at once, some of them in folders that are there already.
struct TogetherScript {
  absl::Status Run(DiskRig& rig, std::set<std::string>& acknowledged) const {
    RETURN_IF_ERROR(rig.Open());
    std::vector<std::string> all = {SomeBytes(500, 100)};
    for (uint64_t i = 0; i < 9; ++i) all.push_back(SomeBytes(2000 + i, i));
    RETURN_IF_ERROR(FetchTogether(rig, {all.begin(), all.begin() + 8}, acknowledged));
    return FetchTogether(rig, all, acknowledged);
  }
};

// Runs the script with the power cut before its `step`th change. False when it has fewer.
template <class Script>
bool RunWithCut(int step, const std::function<void(FakeFileSystem&)>& cut) {
  DiskRig rig;
  CuttingFileSystem cutting(rig.fs);
  rig.SetOver(&cutting);
  cutting.CutBefore(step, [&] { cut(rig.fs); });
  std::set<std::string> acknowledged;
  const absl::Status ran = Script().Run(rig, acknowledged);
  const bool was_cut = cutting.dead();
  EXPECT_EQ(ran.ok(), !was_cut) << ran;
  rig.Close();
  cutting.Revive();
  rig.boot_id = "boot-2";
  EXPECT_TRUE(rig.Open().ok()) << "step " << step;
  ExpectKept(rig, acknowledged);
  // The next start finishes the work.
  EXPECT_TRUE(Script().Run(rig, acknowledged).ok()) << "step " << step;
  ExpectKept(rig, acknowledged);
  EXPECT_TRUE(rig.Names(rig.layout.partial_dir()).empty()) << "step " << step;
  rig.Close();
  rig.SetOver(nullptr);
  return was_cut;
}

TEST(PowerCut, AtEveryStepNothingAcknowledgedIsLost) {
  int step = 1;
  while (RunWithCut<Script>(step, [](FakeFileSystem& fs) { fs.PowerCut(); })) {
    ASSERT_FALSE(testing::Test::HasFailure()) << "step " << step;
    ASSERT_LT(++step, 500);
  }
  EXPECT_GT(step, 60) << "the script has become shorter than it was meant to be";
}

TEST(PowerCut, AtEveryStepWhatSurvivesByChanceDoesNoHarm) {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    int step = 1;
    while (RunWithCut<Script>(
        step, [&](FakeFileSystem& fs) { fs.PowerCutKeepingSome(seed * 1000 + step); })) {
      ASSERT_FALSE(testing::Test::HasFailure()) << "step " << step << " seed " << seed;
      ASSERT_LT(++step, 500);
    }
  }
}

TEST(PowerCut, AtEveryStepOfManyTogetherNothingAcknowledgedIsLost) {
  for (uint64_t seed = 0; seed <= 3; ++seed) {
    int step = 1;
    const auto cut = [&](FakeFileSystem& fs) {
      if (seed == 0) {
        fs.PowerCut();
      } else {
        fs.PowerCutKeepingSome(seed * 1000 + static_cast<uint64_t>(step));
      }
    };
    while (RunWithCut<TogetherScript>(step, cut)) {
      ASSERT_FALSE(testing::Test::HasFailure()) << "step " << step << " seed " << seed;
      ASSERT_LT(++step, 500);
    }
    EXPECT_GT(step, 60);
  }
}

TEST(PowerCut, AfterManyWereAcknowledgedTogetherTheyAreStillThere) {
  DiskRig rig;
  std::set<std::string> acknowledged;
  const uint64_t before = rig.fs.syncs();
  ASSERT_TRUE(TogetherScript().Run(rig, acknowledged).ok());
  EXPECT_EQ(acknowledged.size(), 10u);
  // Two syncs for each of the two calls, and what a start costs.
  EXPECT_LT(rig.fs.syncs() - before, 10u);
  rig.Close();
  rig.fs.PowerCut();
  rig.boot_id = "boot-2";
  ASSERT_TRUE(rig.Open().ok());
  ExpectKept(rig, acknowledged);
}

// Without a hook at the sync a test would pass on a store that syncs nothing.
TEST(PowerCut, AfterAnAcknowledgementEverythingIsStillThere) {
  DiskRig rig;
  std::set<std::string> acknowledged;
  ASSERT_TRUE(Script().Run(rig, acknowledged).ok());
  EXPECT_EQ(acknowledged.size(), 3u);
  rig.Close();
  rig.fs.PowerCut();
  rig.boot_id = "boot-2";
  ASSERT_TRUE(rig.Open().ok());
  ExpectKept(rig, acknowledged);
}

struct FailingCall {
  const char* name;
  Op op;
};

class FailingDisk : public testing::TestWithParam<FailingCall> {
 protected:
  template <class Script>
  void EachCallFailsOnce(std::size_t all);
};

// Each call of one kind fails once: the operation may fail, the store goes on, a repeat succeeds,
// and what was acknowledged is durable in the end.
template <class Script>
void FailingDisk::EachCallFailsOnce(std::size_t all) {
  for (const int error : {EIO, ENOSPC}) {
    for (int nth = 1; nth < 100; ++nth) {
      SCOPED_TRACE(testing::Message() << "call " << nth << " errno " << error);
      DiskRig rig;
      ASSERT_TRUE(rig.Open().ok());
      const uint64_t before = rig.fs.calls(GetParam().op);
      rig.fs.FailNth(GetParam().op, nth, error);
      std::set<std::string> acknowledged;
      const absl::Status ran = Script().Run(rig, acknowledged);
      const bool reached = rig.fs.calls(GetParam().op) - before >= static_cast<uint64_t>(nth);
      if (!reached) {
        EXPECT_TRUE(ran.ok()) << ran;
        break;
      }
      if (!ran.ok() && error == ENOSPC) {
        EXPECT_TRUE(base::IsNoSpace(ran)) << ran;
      }
      ExpectOnlyWholeFiles(rig);
      // Again, as a client or the fetcher would.
      const absl::Status again = Script().Run(rig, acknowledged);
      ASSERT_TRUE(again.ok()) << again;
      ASSERT_EQ(acknowledged.size(), all);
      rig.Close();
      rig.fs.PowerCut();
      rig.boot_id = "boot-2";
      ASSERT_TRUE(rig.Open().ok());
      ExpectKept(rig, acknowledged);
      if (testing::Test::HasFailure()) return;
    }
  }
}

TEST_P(FailingDisk, OneFailedCallLosesNothingAndStopsNothing) { EachCallFailsOnce<Script>(3); }
TEST_P(FailingDisk, OneFailedCallLosesNothingOfManyTogether) {
  EachCallFailsOnce<TogetherScript>(10);
}

INSTANTIATE_TEST_SUITE_P(
    Calls, FailingDisk,
    testing::Values(FailingCall{"OpenRead", Op::kOpenRead},
                    FailingCall{"OpenWrite", Op::kOpenWrite},
                    FailingCall{"CreateExclusive", Op::kCreateExclusive},
                    FailingCall{"CreateUnnamed", Op::kCreateUnnamed},
                    FailingCall{"Link", Op::kLink}, FailingCall{"Rename", Op::kRename},
                    FailingCall{"Remove", Op::kRemove}, FailingCall{"MakeDir", Op::kMakeDir},
                    FailingCall{"SyncDir", Op::kSyncDir}, FailingCall{"SyncAll", Op::kSyncAll},
                    FailingCall{"List", Op::kList}, FailingCall{"Stat", Op::kStat},
                    FailingCall{"FreeSpace", Op::kFreeSpace}, FailingCall{"Write", Op::kWrite},
                    FailingCall{"Flush", Op::kFlush}, FailingCall{"Read", Op::kRead},
                    FailingCall{"Sync", Op::kSync}, FailingCall{"CheckSynced", Op::kCheckSynced},
                    FailingCall{"Truncate", Op::kTruncate}, FailingCall{"Size", Op::kSize}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST(FullDisk, KeepsWhatAFetchHasWrittenAndGoesOnWhenThereIsRoom) {
  DiskRig rig;
  ASSERT_TRUE(rig.Open().ok());
  const std::string bytes = SomeBytes(30'000);
  const base::BlobId id = Sha256::Of(bytes);
  {
    const auto writer = rig.disk().StartFetch(id, bytes.size());
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE((*writer)->Append(bytes.substr(0, 20'000)).ok());
    rig.fs.SetFreeSpace(100);
    EXPECT_TRUE(base::IsNoSpace((*writer)->Append(bytes.substr(20'000, 5000))));
    EXPECT_EQ((*writer)->offset(), 20'000u);
  }
  EXPECT_EQ(rig.disk().PartialBytes(id), 20'000u);
  rig.SetRoom(1 << 20);
  ASSERT_TRUE(Fetch(rig, bytes, 20'000, bytes.size()).ok());
  EXPECT_EQ(*rig.Read(id), bytes);
}

TEST(FullDisk, WhereOnlyPartialFilesHaveNoRoomLargeFetchesWaitAndAllElseComes) {
  DiskRig rig;
  ASSERT_TRUE(rig.Open().ok());
  rig.fs.SetApart(rig.layout.partial_dir(), kFloor + 20'000);
  rig.clock.Advance(base::Millis(1000));
  const std::string bytes = SomeBytes(30'000);
  const auto refused = rig.disk().StartFetch(Sha256::Of(bytes), bytes.size()).status();
  EXPECT_TRUE(base::IsNoSpace(refused)) << refused;
  EXPECT_NE(refused.message().find("the disk of partial/"), std::string::npos) << refused;
  EXPECT_TRUE(rig.disk().CheckSpace(bytes.size()).ok()) << "who is smaller need not wait";
  EXPECT_TRUE(rig.Put(bytes).ok());
  const std::string small = SomeBytes(3000);
  EXPECT_TRUE(Fetch(rig, small, 0, small.size()).ok());
  rig.fs.SetApart(rig.layout.partial_dir(), kFloor + 200'000);
  rig.clock.Advance(base::Millis(1000));
  const std::string other = SomeBytes(30'001);
  EXPECT_TRUE(Fetch(rig, other, 0, other.size()).ok());
  EXPECT_EQ(*rig.Read(Sha256::Of(other)), other);
  // ... and where it finds no place when it is whole it does not begin.
  rig.SetRoom(10'000);
  const std::string third = SomeBytes(30'002);
  EXPECT_TRUE(base::IsNoSpace(rig.disk().StartFetch(Sha256::Of(third), third.size()).status()));
}

TEST(FoldersApart, AreSaidAtTheStart) {
  DiskRig rig;
  const auto open = [&] {
    testing::internal::CaptureStderr();
    EXPECT_TRUE(rig.Open().ok());
    return testing::internal::GetCapturedStderr();
  };
  EXPECT_EQ(open(), "");
  rig.fs.SetApart(rig.layout.partial_dir(), 1 << 20);
  rig.fs.SetApart(rig.layout.trash_dir(), 1 << 20);
  std::string said = open();
  EXPECT_NE(said.find("/data/partial, /data/trash are on another file system than /data/blobs"),
            std::string::npos)
      << said;
  EXPECT_EQ(said.find("quarantine"), std::string::npos) << said;
}

TEST(FullDisk, APutThatDoesNotFitLeavesNothing) {
  DiskRig rig;
  ASSERT_TRUE(rig.Open().ok());
  const std::string bytes = SomeBytes(3000);
  {
    const auto writer = rig.disk().StartPut(bytes.size());
    ASSERT_TRUE(writer.ok());
    rig.fs.SetFreeSpace(1000);
    EXPECT_TRUE(base::IsNoSpace((*writer)->Append(bytes)));
    EXPECT_TRUE(absl::IsFailedPrecondition((*writer)->Append("x")));
    EXPECT_TRUE(absl::IsFailedPrecondition((*writer)->Finish(std::nullopt).status()));
  }
  EXPECT_EQ(rig.fs.FreeSpace(kDataDir)->free_bytes, 1000u);
  EXPECT_EQ(rig.Names(rig.layout.blobs_dir()), std::vector<std::string>{"DISK"});
}

TEST(FailedSync, TheFileIsThrownAway) {
  DiskRig rig;
  ASSERT_TRUE(rig.Open().ok());
  const std::string bytes = SomeBytes(30'000);
  const base::BlobId id = Sha256::Of(bytes);
  {
    const auto writer = rig.disk().StartFetch(id, bytes.size());
    ASSERT_TRUE(writer.ok());
    rig.fs.FailNth(Op::kSync, 1, EIO);
    EXPECT_FALSE(AppendAll(**writer, bytes).ok());
  }
  EXPECT_EQ(rig.disk().PartialBytes(id), 0u) << "the kernel may have dropped any of it";
}

// A fetch of 30,000 bytes of which 9,000 are marked as on the disk.
struct MarkedFetch {
  MarkedFetch() {
    CHECK(rig.Open().ok());
    auto started = rig.disk().StartFetch(id, bytes.size());
    CHECK(started.ok());
    writer = *std::move(started);
    CHECK(writer->Append(bytes.substr(0, 9000)).ok());  // over mark_bytes
  }
  // What is left when the fetch ends here.
  uint64_t Kept() {
    writer = nullptr;
    return rig.disk().PartialBytes(id);
  }

  DiskRig rig;
  const std::string bytes = SomeBytes(30'000);
  const base::BlobId id = Sha256::Of(bytes);
  std::unique_ptr<BlobWriter> writer;
};

TEST(FailedWrite, OnlyWhatWasMarkedIsKept) {
  MarkedFetch fetch;
  ASSERT_TRUE(fetch.writer->Append(fetch.bytes.substr(9000, 2000)).ok());
  fetch.rig.fs.FailNth(Op::kWrite, 1, EIO);
  EXPECT_FALSE(fetch.writer->Append(fetch.bytes.substr(11'000, 1000)).ok());
  EXPECT_EQ(fetch.Kept(), 9000u);
}

// Bytes that the file held back could not be written: as a failed write, not as a failed sync.
TEST(FailedFlush, OnlyWhatWasMarkedIsKeptAndOnAFullDiskAll) {
  for (const int error : {EIO, ENOSPC}) {
    MarkedFetch fetch;
    fetch.rig.fs.FailNth(Op::kFlush, 1, error);
    EXPECT_FALSE(fetch.writer->Append(fetch.bytes.substr(9000, 9000)).ok());
    const uint64_t kept = fetch.Kept();
    EXPECT_EQ(kept, error == EIO ? 9000u : 18'000u) << error;
    ASSERT_TRUE(Fetch(fetch.rig, fetch.bytes, kept, fetch.bytes.size()).ok());
    EXPECT_EQ(*fetch.rig.Read(fetch.id), fetch.bytes);
  }
}

}  // namespace
}  // namespace waypost::blobstore
