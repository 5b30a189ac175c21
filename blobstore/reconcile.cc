// Compares files and rows, a folder at a time.
#include <map>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/sha256.h"
#include "base/status.h"
#include "blobstore/disk_blob_store_impl.h"

namespace waypost::blobstore {
namespace {

constexpr std::size_t kPageRows = 1000;
constexpr std::size_t kReadBytes = std::size_t{1} << 20;

struct Rows {
  std::set<base::BlobId> in_files;
  uint64_t looked_at = 0;
};

// The rows whose ids begin with `first_byte`, a page a transaction.
absl::StatusOr<Rows> RowsOfFolder(base::Index& index, unsigned first_byte) {
  Rows rows;
  std::string from(1, static_cast<char>(first_byte));
  bool more = true;
  while (more) {
    RETURN_IF_ERROR(index.Read([&](base::ReadTxn& txn) {
      base::Cursor cursor(txn, base::Table::kBlobs);
      std::size_t seen = 0;
      for (cursor.Seek(from); cursor.valid(); cursor.Next()) {
        const auto blob = base::BlobId::FromBytes(cursor.key());
        if (!blob || blob->array()[0] != first_byte) break;
        if (seen++ == kPageRows) {
          from = std::string(cursor.key());
          return absl::OkStatus();
        }
        ++rows.looked_at;
        const auto payload = cursor.payload();
        const auto row = payload ? DecodeBlobRow(*payload) : std::nullopt;
        if (row && row->placement == Placement::kFile) rows.in_files.insert(*blob);
      }
      more = false;
      return absl::OkStatus();
    }));
  }
  return rows;
}

absl::StatusOr<base::BlobId> HashFile(base::FileSystem& fs, const std::string& path,
                                      uint64_t& size) {
  ASSIGN_OR_RETURN(const auto file, fs.OpenRead(path));
  std::vector<char> buffer(kReadBytes);
  base::Sha256 hasher;
  size = 0;
  while (true) {
    ASSIGN_OR_RETURN(const std::size_t n, file->ReadAt(size, std::span<char>(buffer)));
    if (n == 0) return hasher.Finish();
    hasher.Update({buffer.data(), n});
    size += n;
  }
}

}  // namespace

absl::StatusOr<DiskBlobStore::ReconcileResult> DiskBlobStore::ReconcileFolder(
    unsigned folder, const ReconcileCallbacks& callbacks) {
  ReconcileResult result;
  const std::string outer = impl_->layout.OuterFolder(folder);
  std::map<base::BlobId, std::string> files;  // id -> path
  ASSIGN_OR_RETURN(const auto outer_info, impl_->fs.Stat(outer));
  if (outer_info) {
    ASSIGN_OR_RETURN(const auto inner_names, impl_->fs.List(outer));
    for (const std::string& inner : inner_names) {
      const std::string inner_path = absl::StrCat(outer, "/", inner);
      ASSIGN_OR_RETURN(const auto names, impl_->fs.List(inner_path));
      for (const std::string& name : names) {
        const auto blob = Layout::ParseName(name);
        if (blob && impl_->layout.BlobFile(*blob) == absl::StrCat(inner_path, "/", name)) {
          files.emplace(*blob, impl_->layout.BlobFile(*blob));
        }
      }
    }
  }
  // After the files: a blob that arrives meanwhile has its file first.
  ASSIGN_OR_RETURN(const Rows rows, RowsOfFolder(impl_->index, folder));
  result.files = files.size();
  result.rows = rows.looked_at;
  for (const auto& [blob, path] : files) {
    if (rows.in_files.contains(blob)) continue;
    StagedBlob staged{.id = blob, .placement = Placement::kFile};
    const auto hashed = HashFile(impl_->fs, path, staged.size_bytes);
    if (absl::IsNotFound(hashed.status())) continue;
    RETURN_IF_ERROR(hashed.status());
    if (*hashed == blob) {
      RETURN_IF_ERROR(callbacks.adopt(staged));
      ++result.adopted;
      continue;
    }
    base::LogWarning("file ", path, " does not hash to its name; moved to quarantine/. Check the disk.");
    RETURN_IF_ERROR(impl_->fs.Rename(path, impl_->layout.QuarantineFile(blob)));
    impl_->corrupt_total.Add();
    ++result.quarantined;
  }
  for (const base::BlobId& blob : rows.in_files) {
    if (files.contains(blob)) continue;
    ASSIGN_OR_RETURN(const auto info, impl_->fs.Stat(impl_->layout.BlobFile(blob)));
    if (info) continue;
    RETURN_IF_ERROR(callbacks.lost(blob));
    impl_->lost_total.Add();
    ++result.lost;
  }
  return result;
}

absl::StatusOr<bool> DiskBlobStore::FileMissing(const base::BlobId& blob, const BlobRow& row) {
  if (row.placement != Placement::kFile) return false;
  ASSIGN_OR_RETURN(const auto info, impl_->fs.Stat(impl_->layout.BlobFile(blob)));
  return !info || info->size != row.size_bytes;
}

}  // namespace waypost::blobstore
