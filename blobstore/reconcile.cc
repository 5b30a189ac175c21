#include "blobstore/reconcile.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"
#include "blobstore/layout.h"

// Files against rows, one folder at a time. Rows are read first, so that a blob stored meanwhile
// shows as a file without a row; whatever looks wrong is looked at again under the claim of its
// blob before anything is moved or called lost.

namespace waypost::blobstore {
namespace {

constexpr std::size_t kPageRows = 1000;

}  // namespace

absl::StatusOr<DiskBlobStore::ReconcileResult> Reconciler::Run(unsigned folder) {
  // Rows first: a blob stored meanwhile shows as a file without a row, which is looked up again.
  RETURN_IF_ERROR(LoadRows(folder));
  result_.rows = rows_.size();
  const std::string top = shelf_.layout().TopDir(folder);
  ASSIGN_OR_RETURN(const auto info, shelf_.fs().Stat(top));
  if (info) {
    ASSIGN_OR_RETURN(const std::vector<std::string> names, shelf_.fs().List(top));
    for (const std::string& name : names) {
      const auto sub = Layout::ParseFolder(name);
      if (sub) RETURN_IF_ERROR(CompareSubFolder(folder, *sub));
    }
  }
  RETURN_IF_ERROR(RowsWithoutFile());
  return result_;
}

absl::Status Reconciler::LoadRows(unsigned folder) {
  const char first_byte = static_cast<char>(folder);
  std::string from(1, first_byte);
  while (!from.empty()) {
    RETURN_IF_ERROR(shelf_.index().Read([&](base::ReadTxn& txn) {
      base::Cursor cursor(txn, base::Table::kBlobs);
      std::size_t seen = 0;
      cursor.Seek(from);
      from.clear();
      for (; cursor.valid() && cursor.key()[0] == first_byte; cursor.Next()) {
        if (seen++ == kPageRows) {
          from = std::string(cursor.key());
          break;
        }
        const auto blob = base::BlobId::FromBytes(cursor.key());
        const auto payload = cursor.payload();
        if (!blob || !payload) continue;
        const auto row = DecodeBlobRow(*payload);
        if (row) rows_[*blob] = {.size_bytes = row->size_bytes, .placement = row->placement};
      }
    }));
  }
  return absl::OkStatus();
}

absl::Status Reconciler::CompareSubFolder(unsigned folder, unsigned sub) {
  const std::string dir = shelf_.layout().SubDir(folder, sub);
  ASSIGN_OR_RETURN(const auto info, shelf_.fs().Stat(dir));
  if (!info || !info->is_directory) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::vector<std::string> names, shelf_.fs().List(dir));
  for (const std::string& name : names) {
    const std::string path = absl::StrCat(dir, "/", name);
    ++result_.files;
    if (const auto blob = Layout::ParseBlobName(folder, sub, name)) {
      RETURN_IF_ERROR(CompareFile(*blob, path));
      continue;
    }
    ASSIGN_OR_RETURN(const auto stranger, shelf_.fs().Stat(path));
    if (!stranger || stranger->is_directory) continue;
    base::LogWarning("a file that is no blob was moved to quarantine: ", path);
    RETURN_IF_ERROR(shelf_.Quarantine(path, name));
    ++result_.quarantined;
  }
  return absl::OkStatus();
}

absl::Status Reconciler::CompareFile(const base::BlobId& blob, const std::string& path) {
  ASSIGN_OR_RETURN(const auto seen, shelf_.fs().Stat(path));
  if (!seen || seen->is_directory) return absl::OkStatus();
  const auto listed = rows_.find(blob);
  if (listed != rows_.end() && listed->second.placement == Placement::kFile &&
      listed->second.size_bytes == seen->size) {
    rows_.erase(listed);
    return absl::OkStatus();
  }
  StagedBlob staged = {.id = blob, .placement = Placement::kFile};
  {
    // Nobody else places this blob from here on: row and file are looked at again.
    const Claims::Claim claim = shelf_.claims().Wait(blob);
    ASSIGN_OR_RETURN(const auto info, shelf_.fs().Stat(path));
    ASSIGN_OR_RETURN(const auto row, shelf_.RowOf(blob));
    if (!info) return absl::OkStatus();
    if (row && row->placement == Placement::kInline) {
      // Its bytes moved into the index once, or this moment move out of it.
      return shelf_.Pinned(blob) ? absl::OkStatus() : shelf_.TrashClaimed(blob);
    }
    if (row && row->size_bytes == info->size) {
      rows_.erase(blob);
      return absl::OkStatus();
    }
    bool whole = false;
    if (!row) {
      ASSIGN_OR_RETURN(const base::BlobId found, shelf_.HashFile(path));
      whole = found == blob;
    }
    if (!whole) {
      base::LogWarning("a file that is not the blob of its name was moved to quarantine: ", path);
      RETURN_IF_ERROR(shelf_.Quarantine(path, blob.ToHex()));
      ++result_.quarantined;
      return absl::OkStatus();  // its row, if any, is lost
    }
    staged.size_bytes = info->size;
    staged.pin = shelf_.MakePin(blob);
  }
  RETURN_IF_ERROR(callbacks_.adopt(staged));
  ++result_.adopted;
  return absl::OkStatus();
}

absl::Status Reconciler::RowsWithoutFile() {
  for (const auto& item : rows_) {
    if (item.second.placement != Placement::kFile) continue;
    const std::string path = shelf_.layout().BlobPath(item.first);
    ASSIGN_OR_RETURN(const auto info, shelf_.fs().Stat(path));
    if (info && info->size == item.second.size_bytes) continue;  // put again meanwhile
    ASSIGN_OR_RETURN(const auto row, shelf_.RowOf(item.first));
    if (!row || row->placement != Placement::kFile || row->size_bytes != item.second.size_bytes) {
      continue;
    }
    // Looks again, and at the disk as well.
    RETURN_IF_ERROR(callbacks_.lost(item.first));
    base::LogWarning("blob ", item.first.ToHex(), " is lost here: its file is missing");
    ++result_.lost;
  }
  return absl::OkStatus();
}

}  // namespace waypost::blobstore
