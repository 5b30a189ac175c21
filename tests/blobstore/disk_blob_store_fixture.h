#pragma once

#include <gtest/gtest.h>

#include <string>

#include "base/sha256.h"
#include "blobstore/disk_blob_store.h"
#include "tests/blobstore/disk_rig.h"

namespace waypost::blobstore {

class DiskBlobStoreTest : public testing::Test {
 protected:
  DiskBlobStoreTest() { CHECK(rig_.Open().ok()); }
  void Restart(const std::string& boot_id) {
    rig_.boot_id = boot_id;
    ASSERT_TRUE(rig_.Open().ok());
  }
  // Fetches the first `to` bytes, then gives up.
  void FetchPart(const std::string& bytes, std::size_t to) {
    const auto writer = rig_.disk().StartFetch(base::Sha256::Of(bytes), bytes.size());
    ASSERT_TRUE(writer.ok()) << writer.status();
    const std::string left = bytes.substr((*writer)->offset(), to - (*writer)->offset());
    ASSERT_TRUE(AppendAll(**writer, left).ok());
  }
  absl::Status Discard(const StagedBlob& staged) {
    return rig_.index().Update(base::Index::Lane::kForeground, [&](base::WriteTxn& txn) {
      rig_.disk().Discard(txn, staged);
      return absl::OkStatus();
    });
  }
  // What the scan asks before it removes a row, without removing it.
  absl::StatusOr<bool> IsLost(const base::BlobId& id, const BlobRow& row) {
    absl::StatusOr<bool> lost = false;
    rig_.index()
        .Update(base::Index::Lane::kForeground,
                [&](base::WriteTxn& txn) -> absl::Status {
                  lost = rig_.disk().RemoveIfLost(txn, id, row);
                  return absl::AbortedError("only asked");
                })
        .IgnoreError();
    return lost;
  }

  DiskRig rig_;
};

}  // namespace waypost::blobstore
