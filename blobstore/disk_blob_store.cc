#include "blobstore/disk_blob_store.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/fault_point.h"
#include "base/key_codec.h"
#include "base/log.h"
#include "base/sha256.h"
#include "base/status.h"
#include "blobstore/disk_blob_store_impl.h"

namespace waypost::blobstore {
namespace {

class FileReader final : public BlobReader {
 public:
  FileReader(std::unique_ptr<base::File> file, uint64_t size)
      : file_(std::move(file)), size_(size) {}
  uint64_t size_bytes() const override { return size_; }
  absl::StatusOr<std::size_t> ReadAt(uint64_t offset, std::span<char> buffer) const override {
    return file_->ReadAt(offset, buffer);
  }
  int fd() const override { return file_->fd(); }
  std::string_view inline_bytes() const override { return {}; }

 private:
  const std::unique_ptr<base::File> file_;
  const uint64_t size_;
};

class InlineReader final : public BlobReader {
 public:
  explicit InlineReader(std::string bytes) : bytes_(std::move(bytes)) {}
  uint64_t size_bytes() const override { return bytes_.size(); }
  absl::StatusOr<std::size_t> ReadAt(uint64_t offset, std::span<char> buffer) const override {
    if (offset >= bytes_.size()) return std::size_t{0};
    return bytes_.copy(buffer.data(), buffer.size(), offset);
  }
  int fd() const override { return -1; }
  std::string_view inline_bytes() const override { return bytes_; }

 private:
  const std::string bytes_;
};

std::string SequenceKey(uint64_t sequence) {
  std::string key;
  base::AppendU64(key, sequence);
  return key;
}

// Differs after each start of the machine; the same while a page cache lives.
std::string BootId(base::FileSystem& fs) {
  auto text = base::ReadSmallFile(fs, "/proc/sys/kernel/random/boot_id", 64);
  if (!text.ok()) return "unknown";
  while (!text->empty() && text->back() == '\n') text->pop_back();
  return *text;
}

}  // namespace

DiskBlobStore::DiskBlobStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DiskBlobStore::~DiskBlobStore() = default;

absl::StatusOr<std::unique_ptr<DiskBlobStore>> DiskBlobStore::Open(base::Index& index,
                                                                   base::FileSystem& fs,
                                                                   const base::Clock& clock,
                                                                   DiskBlobStoreOptions options) {
  auto impl = std::make_unique<Impl>(index, fs, clock, std::move(options));
  for (const std::string& folder : {impl->layout.blobs(), impl->layout.partial(),
                                    impl->layout.quarantine(), impl->layout.trash()}) {
    RETURN_IF_ERROR(fs.MakeDir(folder).status());
  }
  RETURN_IF_ERROR(fs.SyncDir(impl->options.data_dir));
  impl->gate.SetFloor(impl->options.min_free);
  impl->writer_parts.reset(new WriterParts{.fs = fs,
                                           .layout = impl->layout,
                                           .placer = impl->placer,
                                           .inline_max_bytes = impl->options.inline_max_bytes,
                                           .mark_bytes = impl->options.partial_mark_bytes,
                                           .boot_id = BootId(fs)});
  RETURN_IF_ERROR(impl->EmptyTrash());
  RETURN_IF_ERROR(impl->PreparePartials());
  if (base::Metrics* metrics = impl->options.metrics) {
    impl->corrupt_total = metrics->AddCounter("waypost_corrupt_blobs_total",
                                              "Stored blobs that no longer hash to their id.");
    impl->lost_total =
        metrics->AddCounter("waypost_lost_blobs_total", "Stored blobs whose bytes are gone.");
    base::Gauge free = metrics->AddGauge("waypost_disk_free_bytes", "Free on the data disk.");
    metrics->AddRefresher([gate = &impl->gate, free] {
      free.Set(static_cast<double>(gate->Space().free_bytes));
    });
  }
  return std::unique_ptr<DiskBlobStore>(new DiskBlobStore(std::move(impl)));
}

absl::Status DiskBlobStore::Impl::EmptyTrash() {
  ASSIGN_OR_RETURN(const auto names, fs.List(layout.trash()));
  for (const std::string& name : names) {
    RETURN_IF_ERROR(fs.Remove(absl::StrCat(layout.trash(), "/", name)));
  }
  return absl::OkStatus();
}

absl::Status DiskBlobStore::Impl::PreparePartials() {
  ASSIGN_OR_RETURN(const auto names, fs.List(layout.partial()));
  for (const std::string& name : names) {
    const std::string path = absl::StrCat(layout.partial(), "/", name);
    if (const auto marked = Layout::ParseMarkName(name)) {
      ASSIGN_OR_RETURN(const auto data, fs.Stat(layout.PartialFile(*marked)));
      if (!data) RETURN_IF_ERROR(fs.Remove(path));
      continue;
    }
    const auto blob = Layout::ParseName(name);
    const auto text = blob ? base::ReadSmallFile(fs, layout.MarkFile(*blob), 256)
                           : absl::StatusOr<std::string>(absl::NotFoundError(""));
    const auto mark = text.ok() ? DecodeMark(*text) : std::nullopt;
    if (!mark) {
      RETURN_IF_ERROR(fs.Remove(path));
      continue;
    }
    if (mark->boot_id == writer_parts->boot_id) continue;
    // The machine went down meanwhile: what was not synced may be anything.
    ASSIGN_OR_RETURN(auto file, fs.OpenWrite(path));
    ASSIGN_OR_RETURN(const uint64_t size, file->Size());
    if (size > mark->synced) {
      RETURN_IF_ERROR(file->Truncate(mark->synced));
      RETURN_IF_ERROR(file->Sync());
    }
  }
  return absl::OkStatus();
}

void DiskBlobStore::SetLossHandler(std::function<void(const base::BlobId&)> on_loss) {
  impl_->on_loss = std::move(on_loss);
}
void DiskBlobStore::SetMinFree(FreeSpaceFloor floor) { impl_->gate.SetFloor(floor); }
void DiskBlobStore::SetMaxBlob(uint64_t bytes) { impl_->max_blob_bytes = bytes; }
absl::Status DiskBlobStore::CheckSpace(uint64_t size_bytes) {
  return impl_->gate.Check(size_bytes);
}
base::FileSystem::Space DiskBlobStore::DiskSpace() { return impl_->gate.Space(); }

absl::Status DiskBlobStore::Impl::CheckSize(uint64_t size_bytes) const {
  const uint64_t limit = max_blob_bytes;
  if (size_bytes <= limit) return absl::OkStatus();
  return absl::OutOfRangeError(absl::StrCat("a blob of ", size_bytes, " bytes is over the ", limit,
                                            " of store.max_blob"));
}

absl::StatusOr<std::unique_ptr<BlobWriter>> DiskBlobStore::StartPut(uint64_t size_bytes) {
  RETURN_IF_ERROR(impl_->CheckSize(size_bytes));
  ASSIGN_OR_RETURN(auto space, impl_->gate.Reserve(size_bytes));
  return NewPlainWriter(*impl_->parts(), size_bytes, std::move(space), nullptr);
}

absl::StatusOr<std::unique_ptr<BlobWriter>> DiskBlobStore::StartFetch(const base::BlobId& blob,
                                                                      uint64_t size_bytes) {
  RETURN_IF_ERROR(impl_->CheckSize(size_bytes));
  const bool partial = size_bytes > impl_->options.partial_over_bytes;
  const uint64_t here = partial ? std::min(PartialBytes(blob), size_bytes) : 0;
  ASSIGN_OR_RETURN(auto space, impl_->gate.Reserve(size_bytes - here));
  {
    base::MutexLock lock(impl_->mutex);
    if (!impl_->fetching.insert(blob).second) {
      return absl::FailedPreconditionError(
          absl::StrCat("blob ", blob.ToHex(), " is being fetched already"));
    }
  }
  auto on_end = [impl = impl_.get(), blob] {
    base::MutexLock lock(impl->mutex);
    impl->fetching.erase(blob);
  };
  if (!partial) {
    return NewPlainWriter(*impl_->parts(), size_bytes, std::move(space), std::move(on_end));
  }
  return NewPartialWriter(*impl_->parts(), blob, size_bytes, std::move(space), std::move(on_end));
}

uint64_t DiskBlobStore::PartialBytes(const base::BlobId& blob) {
  const auto info = impl_->fs.Stat(impl_->layout.PartialFile(blob));
  return info.ok() && *info ? (*info)->size : 0;
}

void DiskBlobStore::DropPartial(const base::BlobId& blob) {
  {
    base::MutexLock lock(impl_->mutex);
    if (impl_->fetching.contains(blob)) return;  // its writer decides
  }
  impl_->fs.Remove(impl_->layout.PartialFile(blob)).IgnoreError();
  impl_->fs.Remove(impl_->layout.MarkFile(blob)).IgnoreError();
}

void DiskBlobStore::Impl::ReportLoss(const base::BlobId& blob, const std::string& why) {
  base::LogWarning("blob ", blob.ToHex(), ": ", why, "; it will be fetched again. Check the disk.");
  if (on_loss) on_loss(blob);
}

absl::StatusOr<std::unique_ptr<BlobReader>> DiskBlobStore::Open(const base::BlobId& blob) {
  std::optional<BlobRow> row;
  std::optional<std::string> bytes;
  RETURN_IF_ERROR(impl_->index.Read([&](base::ReadTxn& txn) {
    row = LoadBlobRow(txn, blob);
    if (row && row->placement == Placement::kInline) {
      if (const auto stored =
              txn.GetRaw(base::Table::kInline, SequenceKey(row->inline_sequence))) {
        bytes = std::string(*stored);
      }
    }
    return absl::OkStatus();
  }));
  if (!row) return absl::NotFoundError(absl::StrCat("blob ", blob.ToHex(), " is not here"));
  if (row->placement == Placement::kInline) {
    // The table has no checksums: the id is.
    if (bytes && base::Sha256::Of(*bytes) == blob) {
      return std::make_unique<InlineReader>(*std::move(bytes));
    }
    if (bytes) impl_->corrupt_total.Add();
    impl_->ReportLoss(blob, bytes ? "its bytes in the index are damaged" : "its bytes are gone");
    return absl::DataLossError(absl::StrCat("the bytes of blob ", blob.ToHex(), " are damaged"));
  }
  auto file = impl_->fs.OpenRead(impl_->layout.BlobFile(blob));
  if (!file.ok() && !absl::IsNotFound(file.status())) return file.status();
  if (file.ok()) {
    ASSIGN_OR_RETURN(const uint64_t size, (*file)->Size());
    if (size == row->size_bytes) return std::make_unique<FileReader>(*std::move(file), size);
  }
  impl_->ReportLoss(blob, file.ok() ? "its file has another length" : "its file is gone");
  return absl::DataLossError(absl::StrCat("the file of blob ", blob.ToHex(), " is missing"));
}

void DiskBlobStore::Install(base::WriteTxn& txn, const StagedBlob& staged, BlobRow& row) {
  const bool was_inline = row.placement == Placement::kInline && row.inline_sequence != 0;
  if (was_inline) txn.Delete(base::Table::kInline, SequenceKey(row.inline_sequence));
  row.size_bytes = staged.size_bytes;
  row.placement = staged.placement;
  row.inline_sequence = 0;
  if (staged.placement == Placement::kInline) {
    uint64_t last = 0;
    {
      base::Cursor cursor(txn, base::Table::kInline);
      if (cursor.Last()) last = base::ReadU64(cursor.key());
    }
    row.inline_sequence = last + 1;
    txn.PutRaw(base::Table::kInline, SequenceKey(row.inline_sequence), staged.inline_bytes);
  }
  const base::WallTime now = impl_->clock.WallNow();
  if (row.stored == base::kNever) row.stored = now;
  row.verified = now;
}

void DiskBlobStore::Uninstall(base::WriteTxn& txn, const base::BlobId& blob, const BlobRow& row) {
  if (row.placement == Placement::kInline) {
    txn.Delete(base::Table::kInline, SequenceKey(row.inline_sequence));
    return;
  }
  txn.AfterCommit([impl = impl_.get(), blob] {
    const std::string trash = impl->layout.TrashFile(blob);
    const absl::Status moved = impl->fs.Rename(impl->layout.BlobFile(blob), trash);
    if (moved.ok()) impl->fs.Remove(trash).IgnoreError();
  });
}

}  // namespace waypost::blobstore
