// A process that ends at each point of the write path, on a real disk: what the next start finds.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "base/fault_point.h"
#include "base/file_system.h"
#include "base/sha256.h"
#include "blobstore/disk_blob_store.h"
#include "tests/contract/blob_store_harness.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/temp_dir.h"

namespace waypost::blobstore {
namespace {

using base::Sha256;

struct Opened {
  explicit Opened(const std::string& dir) {
    CHECK(fs->MakeDir(dir + "/index").ok());
    auto index_or = base::Index::Open({.dir = dir + "/index"});
    CHECK(index_or.ok());
    index = *std::move(index_or);
    auto store_or = DiskBlobStore::Open(*index, *fs, clock,
                                        {.data_dir = dir,
                                         .inline_max_bytes = 100,
                                         .min_free = {.bytes = 0},
                                         .partial_over_bytes = 10'000,
                                         .partial_mark_bytes = 20'000});
    CHECK(store_or.ok());
    store = *std::move(store_or);
  }
  base::FakeClock clock;
  std::unique_ptr<base::FileSystem> fs = base::NewPosixFileSystem();
  std::unique_ptr<base::Index> index;
  std::unique_ptr<DiskBlobStore> store;
};

struct CrashCase {
  const char* point;
  bool fetch;
  bool here_after;  // the row was committed before the crash
};

class CrashAt : public testing::TestWithParam<CrashCase> {};

TEST_P(CrashAt, TheNextStartGoesOn) {
  const CrashCase& c = GetParam();
  const base::TempDir dir;
  const std::string bytes = SomeBytes(50'000);
  const base::BlobId id = Sha256::Of(bytes);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    // No other thread existed at the fork; this process opens everything for itself.
    Opened opened(dir.path());
    if (!base::EnableFaultPoints(c.point).ok()) _exit(1);
    auto writer =
        c.fetch ? opened.store->StartFetch(id, bytes.size()) : opened.store->StartPut(bytes.size());
    if (!writer.ok() || !AppendAll(**writer, bytes).ok()) _exit(2);
    const auto staged = (*writer)->Finish(id);
    if (!staged.ok() || !InstallStaged(*opened.store, *opened.index, *staged).ok()) _exit(3);
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  ASSERT_EQ(WEXITSTATUS(status), base::kFaultPointExit);

  Opened opened(dir.path());
  EXPECT_EQ(opened.store->Open(id).ok(), c.here_after);
  const DiskBlobStore::ReconcileCallbacks callbacks = {
      .adopt =
          [&](const StagedBlob& staged) {
            return InstallStaged(*opened.store, *opened.index, staged);
          },
      .lost = [](const base::BlobId&) { return absl::InternalError("nothing may be lost"); }};
  const auto compared = opened.store->ReconcileFolder(id.array()[0], callbacks);
  ASSERT_TRUE(compared.ok()) << compared.status();
  EXPECT_EQ(compared->quarantined, 0u);
  // The fetch continues where the killed process was; the put is made again.
  auto writer =
      c.fetch ? opened.store->StartFetch(id, bytes.size()) : opened.store->StartPut(bytes.size());
  ASSERT_TRUE(writer.ok()) << writer.status();
  if (c.fetch && std::string(c.point) == "partial.marked") {
    EXPECT_GE((*writer)->offset(), 20'000u);
  }
  ASSERT_TRUE(AppendAll(**writer, bytes.substr((*writer)->offset())).ok());
  const auto staged = (*writer)->Finish(id);
  ASSERT_TRUE(staged.ok()) << staged.status();
  ASSERT_TRUE(InstallStaged(*opened.store, *opened.index, *staged).ok());
  EXPECT_EQ(*ReadBlob(*opened.store, id), bytes);
}

INSTANTIATE_TEST_SUITE_P(
    Points, CrashAt,
    testing::Values(CrashCase{"blob.written", false, false}, CrashCase{"blob.synced", false, false},
                    CrashCase{"blob.linked", false, false}, CrashCase{"blob.durable", false, false},
                    CrashCase{"index.before", false, false},
                    CrashCase{"index.committed", false, true},
                    CrashCase{"partial.marked", true, false},
                    CrashCase{"blob.written", true, false}, CrashCase{"blob.synced", true, false},
                    CrashCase{"blob.linked", true, false}, CrashCase{"blob.durable", true, false},
                    CrashCase{"index.committed", true, true}),
    [](const auto& tested) {
      std::string name = tested.param.fetch ? "Fetch_" : "Put_";
      for (const char* at = tested.param.point; *at != '\0'; ++at) name += *at == '.' ? '_' : *at;
      return name;
    });

}  // namespace
}  // namespace waypost::blobstore
