#include "base/file_system.h"
#include "tests/blobstore/disk_rig.h"
#include "tests/contract/blob_store_contract.h"

namespace waypost::blobstore {
namespace {

// The real store on the real file system; free space comes from the test.
class PosixHarness final : public BlobStoreHarness {
 public:
  PosixHarness() {
    CHECK(posix_->MakeDir(dir_ / "index").ok());
    auto index = base::Index::Open({.dir = dir_ / "index"});
    CHECK(index.ok());
    index_ = *std::move(index);
    auto store = DiskBlobStore::Open(*index_, *posix_, clock_,
                                     {.data_dir = dir_.path(),
                                      .inline_max_bytes = kContractInlineMax,
                                      .min_free = {.bytes = 0},
                                      .partial_over_bytes = kContractPartialOver,
                                      .partial_mark_bytes = 3000});
    CHECK(store.ok());
    store_ = *std::move(store);
    store_->SetLossHandler([this](const base::BlobId& blob) { losses_.push_back(blob); });
  }
  BlobStore& store() override { return *store_; }
  base::Index& index() override { return *index_; }
  void SetRoom(uint64_t bytes) override {
    // Others write to this disk too; the store looks again when this clock has moved a second.
    clock_.Advance(base::Millis(1000));
    store_->SetMinFree({.bytes = store_->DiskSpace().free_bytes - bytes});
  }
  void SetMaxBlob(uint64_t bytes) override { store_->SetMaxBlob(bytes); }
  void Lose(const base::BlobId& blob) override {
    if (posix_->Remove(Layout(dir_.path()).BlobPath(blob)).ok()) return;
    CHECK(index_
              ->Update(base::Index::Lane::kForeground,
                       [&](base::WriteTxn& txn) {
                         base::Cursor cursor(txn, base::Table::kInline);
                         CHECK(cursor.Last());
                         txn.Delete(base::Table::kInline, std::string(cursor.key()));
                         return absl::OkStatus();
                       })
              .ok());
  }
  std::vector<base::BlobId> losses() override { return losses_; }

 private:
  base::TempDir dir_;
  base::FakeClock clock_;
  const std::unique_ptr<base::FileSystem> posix_ = base::NewPosixFileSystem();
  std::unique_ptr<base::Index> index_;
  std::unique_ptr<DiskBlobStore> store_;
  std::vector<base::BlobId> losses_;
};

INSTANTIATE_TEST_SUITE_P(Disk, BlobStoreContract, testing::Values([] {
                           auto rig = std::make_unique<DiskRig>();
                           CHECK(rig->Open().ok());
                           return rig;
                         }));
INSTANTIATE_TEST_SUITE_P(Posix, BlobStoreContract,
                         testing::Values([] { return std::make_unique<PosixHarness>(); }));

}  // namespace
}  // namespace waypost::blobstore
