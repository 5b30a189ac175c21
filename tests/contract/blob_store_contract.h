#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/index.h"
#include "base/sha256.h"
#include "base/status.h"
#include "blobstore/blob_row.h"
#include "blobstore/blob_store.h"
#include "tests/contract/blob_store_harness.h"

// What every BlobStore does. One source of a test binary includes this and instantiates
// BlobStoreContract with a factory of harnesses.
namespace waypost::blobstore {

class BlobStoreContract
    : public testing::TestWithParam<std::function<std::unique_ptr<BlobStoreHarness>()>> {
 protected:
  BlobStoreContract() : harness_(GetParam()()) {}
  BlobStore& store() { return harness_->store(); }
  absl::Status Put(const std::string& bytes) { return PutBlob(store(), harness_->index(), bytes); }
  std::optional<BlobRow> Row(const base::BlobId& blob) {
    std::optional<BlobRow> row;
    EXPECT_TRUE(
        harness_->index().Read([&](base::ReadTxn& txn) { row = LoadBlobRow(txn, blob); }).ok());
    return row;
  }

  const std::unique_ptr<BlobStoreHarness> harness_;
};

inline const uint64_t kContractSizes[] = {
    0,    1,    kContractInlineMax - 1, kContractInlineMax,       kContractInlineMax + 1,
    2500, 3999, kContractPartialOver,   kContractPartialOver + 1, 20'000};

TEST_P(BlobStoreContract, WhatIsPutIsReadBackAtAnySize) {
  for (const uint64_t size : kContractSizes) {
    const std::string bytes = SomeBytes(size, size + 1);
    ASSERT_TRUE(Put(bytes).ok()) << size;
    const base::BlobId id = base::Sha256::Of(bytes);
    const auto read = ReadBlob(store(), id);
    ASSERT_TRUE(read.ok()) << size << read.status();
    EXPECT_EQ(*read, bytes) << size;
    const auto row = Row(id);
    ASSERT_TRUE(row);
    EXPECT_EQ(row->size_bytes, size);
    EXPECT_NE(row->stored, base::kNever);
    EXPECT_NE(row->verified, base::kNever);
  }
}

TEST_P(BlobStoreContract, WhatIsFetchedIsReadBackAtAnySize) {
  for (const uint64_t size : kContractSizes) {
    const std::string bytes = SomeBytes(size, size + 1);
    const base::BlobId id = base::Sha256::Of(bytes);
    {
      const auto writer = store().StartFetch(id, size);
      ASSERT_TRUE(writer.ok()) << writer.status();
      EXPECT_EQ((*writer)->offset(), 0u);
      ASSERT_TRUE(AppendAll(**writer, bytes).ok());
      EXPECT_EQ((*writer)->offset(), size);
      const auto staged = (*writer)->Finish(id);
      ASSERT_TRUE(staged.ok()) << size << staged.status();
      EXPECT_EQ(staged->id, id);
      EXPECT_EQ(staged->size_bytes, size);
      ASSERT_TRUE(InstallStaged(store(), harness_->index(), *staged).ok());
    }
    EXPECT_EQ(store().PartialBytes(id), 0u);
    EXPECT_EQ(*ReadBlob(store(), id), bytes) << size;
  }
}

TEST_P(BlobStoreContract, ManyEndTogetherAndABadOneCostsOnlyItself) {
  std::vector<std::string> all;
  for (uint64_t i = 0; i < 20; ++i) all.push_back(SomeBytes(i % 2 == 0 ? 300 : 5000 + i, 50 + i));
  std::vector<ArrivedBlob> arrived;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const base::BlobId id = base::Sha256::Of(all[i]);
    auto writer = store().StartFetch(id, all[i].size());
    ASSERT_TRUE(writer.ok());
    std::string sent = all[i];
    if (i == 7) sent[0] = static_cast<char>(sent[0] ^ 1);
    if (i == 9) sent.pop_back();
    ASSERT_TRUE((*writer)->Append(sent).ok());
    arrived.push_back({*std::move(writer), id});
  }
  const auto staged = store().FinishTogether(std::move(arrived));
  ASSERT_EQ(staged.size(), all.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (i == 7 || i == 9) {
      EXPECT_EQ(base::IsDigestMismatch(staged[i].status()), i == 7) << staged[i].status();
      EXPECT_FALSE(staged[i].ok());
      continue;
    }
    ASSERT_TRUE(staged[i].ok()) << staged[i].status();
    EXPECT_EQ(staged[i]->id, base::Sha256::Of(all[i]));
    ASSERT_TRUE(InstallStaged(store(), harness_->index(), *staged[i]).ok());
    EXPECT_EQ(*ReadBlob(store(), base::Sha256::Of(all[i])), all[i]);
  }
  EXPECT_TRUE(absl::IsNotFound(store().Open(base::Sha256::Of(all[7])).status()));
}

TEST_P(BlobStoreContract, ReadsAnyRange) {
  for (const uint64_t size : {uint64_t{500}, uint64_t{9000}}) {
    const std::string bytes = SomeBytes(size);
    ASSERT_TRUE(Put(bytes).ok());
    const auto reader = store().Open(base::Sha256::Of(bytes));
    ASSERT_TRUE(reader.ok());
    EXPECT_EQ((*reader)->size_bytes(), size);
    std::string buffer(100, 'x');
    EXPECT_EQ(*(*reader)->ReadAt(250, std::span<char>(buffer)), 100u);
    EXPECT_EQ(buffer, bytes.substr(250, 100));
    EXPECT_EQ(*(*reader)->ReadAt(size - 30, std::span<char>(buffer)), 30u);
    EXPECT_EQ(buffer.substr(0, 30), bytes.substr(size - 30));
    EXPECT_EQ(*(*reader)->ReadAt(size, std::span<char>(buffer)), 0u);
    EXPECT_EQ(*(*reader)->ReadAt(size + 1000, std::span<char>(buffer)), 0u);
    if ((*reader)->fd() < 0 && size <= kContractInlineMax) {
      EXPECT_EQ((*reader)->in_memory(), bytes);
    }
  }
}

TEST_P(BlobStoreContract, WithoutAnExpectedIdTheHashNamesTheBlob) {
  for (const uint64_t size : {uint64_t{10}, uint64_t{3000}}) {
    const std::string bytes = SomeBytes(size);
    const auto writer = store().StartPut(size);
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE(AppendAll(**writer, bytes).ok());
    const auto staged = (*writer)->Finish(std::nullopt);
    ASSERT_TRUE(staged.ok());
    EXPECT_EQ(staged->id, base::Sha256::Of(bytes));
  }
}

TEST_P(BlobStoreContract, BytesOfWhichNobodySaidHowManyAreABlobLikeAnyOther) {
  for (const uint64_t size : kContractSizes) {
    const std::string bytes = SomeBytes(size);
    const auto writer = store().StartPut(std::nullopt);
    ASSERT_TRUE(writer.ok()) << writer.status();
    ASSERT_TRUE(AppendAll(**writer, bytes).ok());
    EXPECT_EQ((*writer)->offset(), size);
    const auto staged = (*writer)->Finish(std::nullopt);
    ASSERT_TRUE(staged.ok()) << size << staged.status();
    EXPECT_EQ(staged->id, base::Sha256::Of(bytes));
    EXPECT_EQ(staged->size_bytes, size);
    EXPECT_EQ(staged->placement,
              size <= kContractInlineMax ? Placement::kInline : Placement::kFile);
    EXPECT_TRUE(absl::IsFailedPrecondition((*writer)->Append("x")));

    const auto wrong = store().StartPut(std::nullopt);
    ASSERT_TRUE(AppendAll(**wrong, bytes).ok());
    EXPECT_TRUE(base::IsDigestMismatch((*wrong)->Finish(base::Sha256::Of("another")).status()));
  }
}

TEST_P(BlobStoreContract, BytesOfWhichNobodySaidHowManyEndAtTheLimit) {
  harness_->SetMaxBlob(5000);
  const auto writer = store().StartPut(std::nullopt);
  ASSERT_TRUE(writer.ok());
  EXPECT_TRUE((*writer)->Append(SomeBytes(5000)).ok());
  const absl::Status refused = (*writer)->Append("x");
  EXPECT_TRUE(absl::IsOutOfRange(refused)) << refused;
  EXPECT_THAT(std::string(base::Std(refused.message())), testing::HasSubstr("store.max_blob"));
  EXPECT_TRUE(absl::IsFailedPrecondition((*writer)->Finish(std::nullopt).status()));
}

TEST_P(BlobStoreContract, NothingIsHereBeforeItsRowIs) {
  for (const uint64_t size : {uint64_t{10}, uint64_t{3000}}) {
    const std::string bytes = SomeBytes(size);
    ASSERT_TRUE(Stage(store(), bytes).ok());
    EXPECT_TRUE(absl::IsNotFound(store().Open(base::Sha256::Of(bytes)).status()));
  }
}

TEST_P(BlobStoreContract, AWrongDigestKeepsNothing) {
  const base::BlobId wrong = base::Sha256::Of("something else");
  for (const uint64_t size : kContractSizes) {
    const std::string bytes = SomeBytes(size);
    {
      const auto writer = store().StartPut(size);
      ASSERT_TRUE(AppendAll(**writer, bytes).ok());
      const auto staged = (*writer)->Finish(wrong);
      EXPECT_TRUE(base::IsDigestMismatch(staged.status())) << size << staged.status();
    }
    {
      const auto writer = store().StartFetch(wrong, size);
      ASSERT_TRUE(AppendAll(**writer, bytes).ok());
      const auto staged = (*writer)->Finish(wrong);
      EXPECT_TRUE(base::IsDigestMismatch(staged.status())) << size << staged.status();
      EXPECT_TRUE(absl::IsFailedPrecondition((*writer)->Finish(wrong).status()));
    }
    EXPECT_EQ(store().PartialBytes(wrong), 0u) << size;
    EXPECT_TRUE(absl::IsNotFound(store().Open(wrong).status()));
    EXPECT_TRUE(absl::IsNotFound(store().Open(base::Sha256::Of(bytes)).status()));
  }
}

TEST_P(BlobStoreContract, ABodyOfAnotherLengthIsRefused) {
  for (const uint64_t size : {uint64_t{10}, uint64_t{3000}, uint64_t{9000}}) {
    const std::string bytes = SomeBytes(size);
    const auto writer = store().StartPut(size);
    ASSERT_TRUE(AppendAll(**writer, bytes.substr(1)).ok());
    EXPECT_TRUE(absl::IsFailedPrecondition((*writer)->Finish(std::nullopt).status()));
    EXPECT_TRUE(absl::IsOutOfRange((*writer)->Append("xy")));
    EXPECT_EQ((*writer)->offset(), size - 1);
    // Neither refusal spoils it.
    ASSERT_TRUE((*writer)->Append("x").ok());
    EXPECT_TRUE(absl::IsOutOfRange((*writer)->Append("y")));
    EXPECT_TRUE((*writer)->Finish(base::Sha256::Of(bytes.substr(1) + "x")).ok());
  }
}

TEST_P(BlobStoreContract, ADiscardedWriterHasEnded) {
  for (const uint64_t size : {uint64_t{10}, uint64_t{3000}, uint64_t{9000}}) {
    const std::string bytes = SomeBytes(size);
    const auto writer = store().StartFetch(base::Sha256::Of(bytes), size);
    ASSERT_TRUE(AppendAll(**writer, bytes).ok());
    (*writer)->Discard();
    EXPECT_EQ(store().PartialBytes(base::Sha256::Of(bytes)), 0u);
    EXPECT_TRUE(absl::IsFailedPrecondition((*writer)->Finish(std::nullopt).status())) << size;
  }
}

TEST_P(BlobStoreContract, ABrokenFetchContinuesWhereItWas) {
  const std::string bytes = SomeBytes(9000);
  const base::BlobId id = base::Sha256::Of(bytes);
  uint64_t here = 0;
  for (const uint64_t piece : {uint64_t{2000}, uint64_t{1}, uint64_t{5000}}) {
    const auto writer = store().StartFetch(id, bytes.size());
    ASSERT_TRUE(writer.ok()) << writer.status();
    ASSERT_EQ((*writer)->offset(), here);
    ASSERT_TRUE(AppendAll(**writer, bytes.substr(here, piece)).ok());
    here += piece;
  }
  EXPECT_EQ(store().PartialBytes(id), here);
  {
    const auto writer = store().StartFetch(id, bytes.size());
    ASSERT_EQ((*writer)->offset(), here);
    ASSERT_TRUE(AppendAll(**writer, bytes.substr(here)).ok());
    const auto staged = (*writer)->Finish(id);
    ASSERT_TRUE(staged.ok()) << staged.status();
    ASSERT_TRUE(InstallStaged(store(), harness_->index(), *staged).ok());
  }
  EXPECT_EQ(store().PartialBytes(id), 0u);
  EXPECT_EQ(*ReadBlob(store(), id), bytes);
}

TEST_P(BlobStoreContract, AResumedFileThatDoesNotMatchIsDropped) {
  const std::string bytes = SomeBytes(9000);
  const base::BlobId id = base::Sha256::Of(bytes);
  {
    const auto writer = store().StartFetch(id, bytes.size());
    ASSERT_TRUE(AppendAll(**writer, SomeBytes(4000, 99)).ok());
  }
  {
    const auto writer = store().StartFetch(id, bytes.size());
    ASSERT_EQ((*writer)->offset(), 4000u);
    ASSERT_TRUE(AppendAll(**writer, bytes.substr(4000)).ok());
    EXPECT_TRUE(base::IsDigestMismatch((*writer)->Finish(id).status()));
  }
  EXPECT_EQ(store().PartialBytes(id), 0u);
  const auto writer = store().StartFetch(id, bytes.size());
  EXPECT_EQ((*writer)->offset(), 0u);
}

TEST_P(BlobStoreContract, APartialFileLongerThanTheBlobIsThrownAway) {
  const base::BlobId id = base::Sha256::Of("x");
  {
    const auto writer = store().StartFetch(id, 20'000);
    ASSERT_TRUE(AppendAll(**writer, SomeBytes(9000)).ok());
  }
  const auto writer = store().StartFetch(id, 8000);
  ASSERT_TRUE(writer.ok()) << writer.status();
  EXPECT_EQ((*writer)->offset(), 0u);
}

TEST_P(BlobStoreContract, APartialFileCanBeDroppedAlsoWhileItIsWritten) {
  const base::BlobId id = base::Sha256::Of("x");
  {
    const auto writer = store().StartFetch(id, 20'000);
    ASSERT_TRUE(AppendAll(**writer, SomeBytes(9000)).ok());
  }
  ASSERT_EQ(store().PartialBytes(id), 9000u);
  store().DropPartial(id);
  EXPECT_EQ(store().PartialBytes(id), 0u);
  {
    const auto writer = store().StartFetch(id, 20'000);
    ASSERT_TRUE(AppendAll(**writer, SomeBytes(9000)).ok());
    store().DropPartial(id);
  }
  EXPECT_EQ(store().PartialBytes(id), 0u);
  store().DropPartial(id);  // nothing there: no harm
}

TEST_P(BlobStoreContract, OneFetchOfABlobAtATime) {
  for (const uint64_t size : {uint64_t{10}, uint64_t{3000}, uint64_t{9000}}) {
    const base::BlobId id = base::Sha256::Of("x");
    {
      const auto writer = store().StartFetch(id, size);
      ASSERT_TRUE(writer.ok());
      EXPECT_TRUE(absl::IsFailedPrecondition(store().StartFetch(id, size).status()));
      EXPECT_TRUE(store().StartFetch(base::Sha256::Of("y"), size).ok());
      EXPECT_TRUE(store().StartPut(size).ok());
    }
    EXPECT_TRUE(store().StartFetch(id, size).ok());
  }
}

TEST_P(BlobStoreContract, TwoWritersOfOneBlobBothSucceed) {
  for (const uint64_t size : {uint64_t{10}, uint64_t{3000}, uint64_t{9000}}) {
    const std::string bytes = SomeBytes(size, size);
    const base::BlobId id = base::Sha256::Of(bytes);
    const auto put = store().StartPut(size);
    const auto fetch = store().StartFetch(id, size);
    ASSERT_TRUE(AppendAll(**put, bytes).ok());
    ASSERT_TRUE(AppendAll(**fetch, bytes).ok());
    const auto first = (*put)->Finish(id);
    ASSERT_TRUE(first.ok()) << first.status();
    const auto second = (*fetch)->Finish(id);
    ASSERT_TRUE(second.ok()) << second.status();
    ASSERT_TRUE(InstallStaged(store(), harness_->index(), *second).ok());
    ASSERT_TRUE(InstallStaged(store(), harness_->index(), *first).ok());
    EXPECT_EQ(*ReadBlob(store(), id), bytes);
  }
}

TEST_P(BlobStoreContract, AFailedTransactionInstallsNothing) {
  for (const uint64_t size : {uint64_t{10}, uint64_t{3000}}) {
    const std::string bytes = SomeBytes(size, size);
    const auto staged = Stage(store(), bytes);
    ASSERT_TRUE(staged.ok());
    EXPECT_TRUE(absl::IsAborted(harness_->index().Update(base::Index::Lane::kForeground,
                                                         [&](base::WriteTxn& txn) -> absl::Status {
                                                           BlobRow row;
                                                           store().Install(txn, *staged, row);
                                                           StoreBlobRow(txn, staged->id, row);
                                                           return absl::AbortedError("refused");
                                                         })));
    EXPECT_TRUE(absl::IsNotFound(store().Open(staged->id).status()));
    ASSERT_TRUE(InstallStaged(store(), harness_->index(), *staged).ok());
    EXPECT_EQ(*ReadBlob(store(), staged->id), bytes);
  }
}

TEST_P(BlobStoreContract, WhatIsRemovedIsNotHereButStillReadByWhoHasItOpen) {
  for (const uint64_t size : {uint64_t{10}, uint64_t{3000}}) {
    const std::string bytes = SomeBytes(size, size);
    const base::BlobId id = base::Sha256::Of(bytes);
    ASSERT_TRUE(Put(bytes).ok());
    const auto reader = store().Open(id);
    ASSERT_TRUE(reader.ok());
    ASSERT_TRUE(RemoveBlob(store(), harness_->index(), id).ok());
    EXPECT_TRUE(absl::IsNotFound(store().Open(id).status()));
    std::string buffer(size, '\0');
    EXPECT_EQ(*(*reader)->ReadAt(0, std::span<char>(buffer)), size);
    EXPECT_EQ(buffer, bytes);
    ASSERT_TRUE(Put(bytes).ok());
    EXPECT_EQ(*ReadBlob(store(), id), bytes);
  }
}

TEST_P(BlobStoreContract, LostBytesAreReportedAndComeBackWithAPut) {
  for (const uint64_t size : {uint64_t{10}, uint64_t{3000}}) {
    const std::string bytes = SomeBytes(size, size);
    const base::BlobId id = base::Sha256::Of(bytes);
    ASSERT_TRUE(Put(bytes).ok());
    EXPECT_THAT(harness_->losses(), testing::Not(testing::Contains(id)));
    harness_->Lose(id);
    EXPECT_TRUE(absl::IsDataLoss(store().Open(id).status()));
    EXPECT_THAT(harness_->losses(), testing::Contains(id));
    ASSERT_TRUE(Put(bytes).ok());
    EXPECT_EQ(*ReadBlob(store(), id), bytes);
  }
}

TEST_P(BlobStoreContract, SpaceIsPromisedOnce) {
  harness_->SetRoom(10'000);
  {
    const auto first = store().StartPut(6000);
    ASSERT_TRUE(first.ok()) << first.status();
    EXPECT_TRUE(base::IsNoSpace(store().StartPut(6000).status()));
    EXPECT_TRUE(base::IsNoSpace(store().StartFetch(base::Sha256::Of("x"), 6000).status()));
    EXPECT_TRUE(base::IsNoSpace(store().CheckSpace(6000)));
    EXPECT_TRUE(store().CheckSpace(4000).ok());
    EXPECT_TRUE(store().StartFetch(base::Sha256::Of("x"), 4000).ok());
  }
  EXPECT_TRUE(store().StartPut(6000).ok());
  const auto refused = store().StartPut(10'001);
  ASSERT_TRUE(base::IsNoSpace(refused.status()));
  EXPECT_THAT(std::string(base::Std(refused.status().message())),
              testing::HasSubstr("store.min_free"));
  // A fetch that was refused is no fetch under way.
  EXPECT_TRUE(base::IsNoSpace(store().StartFetch(base::Sha256::Of("z"), 10'001).status()));
  EXPECT_TRUE(store().StartFetch(base::Sha256::Of("z"), 5000).ok());
}

TEST_P(BlobStoreContract, ABlobOverTheLimitIsRefused) {
  harness_->SetMaxBlob(5000);
  EXPECT_TRUE(store().StartPut(5000).ok());
  const auto put = store().StartPut(5001);
  EXPECT_TRUE(absl::IsOutOfRange(put.status()));
  EXPECT_THAT(std::string(base::Std(put.status().message())), testing::HasSubstr("store.max_blob"));
  EXPECT_TRUE(absl::IsOutOfRange(store().StartFetch(base::Sha256::Of("x"), 5001).status()));
}

}  // namespace waypost::blobstore
