#include "blobstore/disk_blob_store.h"

#include <sys/resource.h>

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/log_bound.h"
#include "base/mutex.h"
#include "base/random.h"
#include "base/status.h"
#include "blobstore/blobs_disk.h"
#include "blobstore/inline_table.h"
#include "blobstore/open_files.h"
#include "blobstore/partial.h"
#include "blobstore/pipelined_writer.h"
#include "blobstore/reconcile.h"
#include "blobstore/shelf.h"
#include "blobstore/write_watch.h"
#include "blobstore/writers.h"

// Puts together what makes a store: shelf, partial files, space, open files. Bytes are durable
// under their name before a row names them (Install runs in the caller's transaction), and a row
// whose bytes are missing is reported once until they are installed anew. Open looks at row and
// file again where they disagree: "lost" must never be said of a blob that was only being replaced.

namespace waypost::blobstore {
namespace {

// Losses remembered so that each is counted once; more than these are counted whenever they are
// met.
constexpr std::size_t kLossesRemembered = 10000;

// What a trial of the disk writes.
constexpr std::size_t kTrialBytes = 4096;

// Blob files kept open.
constexpr std::size_t kOpenFilesMax = 64;
// Of the descriptors that this process may have, a share at most.
constexpr std::size_t kOpenFilesShare = 16;
constexpr std::size_t kTogetherMin = 8;

std::size_t KeptOpen() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
    return kOpenFilesMax;
  }
  return std::min<std::size_t>(kOpenFilesMax, limit.rlim_cur / kOpenFilesShare);
}

// Differs after each start of the machine.
std::string KernelBootId(base::FileSystem& fs) {
  const auto text = base::ReadSmallFile(fs, "/proc/sys/kernel/random/boot_id", 64);
  // Unknown: as if the machine had been down before every start.
  if (!text.ok() || text->size() < 2) return base::ToHex(base::RandomBytes(16));
  return text->substr(0, text->size() - 1);
}

class FileReader final : public base::ByteSource {
 public:
  FileReader(std::shared_ptr<const base::File> file, uint64_t size_bytes)
      : file_(std::move(file)), size_bytes_(size_bytes) {}
  uint64_t size_bytes() const override { return size_bytes_; }
  absl::StatusOr<std::size_t> ReadAt(uint64_t offset, std::span<char> buffer) const override {
    return file_->ReadAt(offset, buffer);
  }
  int fd() const override { return file_->fd(); }
  std::string_view in_memory() const override { return {}; }

 private:
  const std::shared_ptr<const base::File> file_;
  const uint64_t size_bytes_;
};

class InlineReader final : public base::ByteSource {
 public:
  explicit InlineReader(std::string bytes) : bytes_(std::move(bytes)) {}
  uint64_t size_bytes() const override { return bytes_.size(); }
  absl::StatusOr<std::size_t> ReadAt(uint64_t offset, std::span<char> buffer) const override {
    if (offset >= bytes_.size()) return 0;
    return bytes_.copy(buffer.data(), buffer.size(), offset);
  }
  int fd() const override { return -1; }
  std::string_view in_memory() const override { return bytes_; }

 private:
  const std::string bytes_;
};

}  // namespace

struct DiskBlobStore::Impl {
  Impl(base::Index& index_in, base::FileSystem& fs_in, const base::Clock& clock_in,
       DiskBlobStoreOptions options_in)
      : index(index_in),
        fs(fs_in),
        clock(clock_in),
        options(std::move(options_in)),
        shelf(fs, index, Layout(options.data_dir)),
        disk(fs, index, clock, shelf.layout()),
        partials(fs, shelf.layout(), options.boot_id.empty() ? KernelBootId(fs) : options.boot_id),
        space(
            std::make_shared<SpaceKeeper>(fs, clock, shelf.layout().blobs_dir(), options.min_free)),
        partial_space(fs, clock, shelf.layout().partial_dir(), options.min_free, "partial/"),
        writes(index, clock, [this] { return TryFiles(); }),
        max_blob(options.max_blob_bytes) {
    shelf.SetRottenHandler([this](const base::BlobId& blob) {
      open_files.Drop(blob);
      corrupt_total.Add();
      base::LogWarning("the file of blob ", blob.ToHex(),
                       " was not what it was any more: it is in quarantine/, and replaced by bytes "
                       "that were just brought");
    });
  }

  void AddMetrics() {
    if (options.metrics == nullptr) return;
    corrupt_total = options.metrics->AddCounter("waypost_corrupt_blobs_total",
                                                "Blobs whose bytes did not hash to their id.");
    lost_total = options.metrics->AddCounter("waypost_lost_blobs_total",
                                             "Blobs that were here and whose bytes are gone.");
    const base::Gauge free = options.metrics->AddGauge(
        "waypost_disk_free_bytes", "Bytes free on the disk of the data folder.");
    // The metrics may be rendered when this store is gone.
    options.metrics->AddRefresher([keeper = std::weak_ptr<SpaceKeeper>(space), free] {
      const auto alive = keeper.lock();
      if (alive == nullptr) return;
      const auto seen = alive->Space();
      if (seen.ok()) free.Set(static_cast<double>(seen->free_bytes));
    });
  }

  absl::StatusOr<std::unique_ptr<SpaceKeeper::Reservation>> Admit(uint64_t size_bytes) {
    RETURN_IF_ERROR(CheckSize(size_bytes));
    shelf.EmptyTrash();
    return space->Reserve(size_bytes);
  }
  absl::Status CheckSize(uint64_t size_bytes) {
    const uint64_t max = max_blob.load();
    if (size_bytes <= max) return absl::OkStatus();
    return absl::OutOfRangeError(
        absl::StrCat("a blob of ", size_bytes, " bytes is over store.max_blob (", max, " bytes)"));
  }
  absl::StatusOr<std::unique_ptr<BlobWriter>> NewGrowingWriter() {
    const uint64_t max = max_blob.load();
    shelf.EmptyTrash();
    ASSIGN_OR_RETURN(auto reservation, space->ReserveAsItGrows(max));
    return std::make_unique<GrowingWriter>(
        GrowingWriter::Limits{.memory_bytes = options.inline_max_bytes, .bytes = max},
        std::move(reservation), [this](auto size, auto room) -> GrowingWriter::Made {
          if (size) return NewWriter(*size, std::move(room), std::nullopt);
          RETURN_IF_ERROR(disk.Check());
          ASSIGN_OR_RETURN(auto file, fs.CreateUnnamed(shelf.layout().blobs_dir()));
          return std::make_unique<UnnamedWriter>(shelf, std::move(file), std::nullopt,
                                                 std::move(room), std::nullopt);
        });
  }

  absl::StatusOr<std::unique_ptr<BlobWriter>> NewPartialWriter(const base::BlobId& blob,
                                                               uint64_t size_bytes,
                                                               Claims::Claim claim) {
    RETURN_IF_ERROR(CheckSize(size_bytes));
    RETURN_IF_ERROR(disk.Check());
    shelf.EmptyTrash();
    const bool apart = PartialsApart();
    // Once it is whole it is copied there.
    if (apart) RETURN_IF_ERROR(space->Check(size_bytes));
    ASSIGN_OR_RETURN(auto writer, PartialWriter::Open(
                                      shelf, partials, blob, size_bytes, options.partial_mark_bytes,
                                      apart ? partial_space : *space, std::move(claim)));
    return std::unique_ptr<BlobWriter>(std::move(writer));
  }
  absl::StatusOr<std::unique_ptr<BlobWriter>> NewWriter(
      uint64_t size_bytes, std::unique_ptr<SpaceKeeper::Reservation> reservation,
      std::optional<Claims::Claim> claim) {
    if (size_bytes <= options.inline_max_bytes) {
      return std::make_unique<InlineWriter>(size_bytes, std::move(reservation), std::move(claim));
    }
    RETURN_IF_ERROR(disk.Check());
    ASSIGN_OR_RETURN(auto file, fs.CreateUnnamed(shelf.layout().blobs_dir()));
    return std::make_unique<UnnamedWriter>(shelf, std::move(file), size_bytes,
                                           std::move(reservation), std::move(claim));
  }

  // A row's bytes are not here. Counted once until they are installed anew.
  absl::Status Lost(const base::BlobId& blob, const BlobRow& row, const std::string& why) {
    const bool first = Remember(blob, row);
    if (first) {
      lost_total.Add();
      if (row.placement == Placement::kInline) corrupt_total.Add();
      base::LogWarning("blob ", blob.ToHex(), " is lost here: ", why);
    }
    if (on_loss) on_loss(blob);
    return absl::DataLossError(absl::StrCat("blob ", blob.ToHex(), " is lost here: ", why));
  }
  bool Remember(const base::BlobId& blob, const BlobRow& row) {
    base::MutexLock lock(mutex);
    if (losses.size() >= kLossesRemembered) return !losses.contains(blob);
    return losses.insert_or_assign(blob, row.inline_sequence).second;
  }
  // Its bytes were installed or removed.
  void Forget(const base::BlobId& blob) {
    open_files.Drop(blob);
    base::MutexLock lock(mutex);
    losses.erase(blob);
  }

  // kAborted: the row changed meanwhile, look again.
  absl::StatusOr<std::unique_ptr<base::ByteSource>> OpenFile(const base::BlobId& blob,
                                                             const BlobRow& row, uint64_t version);

  bool PartialsApart() {
    const auto blobs = space->Space(), partial = partial_space.Space();
    return blobs.ok() && partial.ok() && !blobs->SamePlaceAs(*partial);
  }

  // A few bytes, durably.
  absl::Status TryToWrite(const std::string& dir) {
    ASSIGN_OR_RETURN(const auto file, fs.CreateUnnamed(dir));
    RETURN_IF_ERROR(file->WriteAt(0, std::string(kTrialBytes, '\0')));
    return file->Sync();
  }
  absl::Status TryBlobs() {
    RETURN_IF_ERROR(disk.Check());
    return TryToWrite(shelf.layout().blobs_dir());
  }
  absl::Status TryFiles() {
    RETURN_IF_ERROR(TryBlobs());
    return PartialsApart() ? TryToWrite(shelf.layout().partial_dir()) : absl::OkStatus();
  }
  template <class Result>
  Result Noted(Result result) {
    if (!result.ok()) writes.NoteFiles(result.status());
    return result;
  }

  // Are the bytes of a row, looked at now, not here?
  absl::StatusOr<bool> Missing(const base::BlobId& blob, const BlobRow& row);

  base::Index& index;
  base::FileSystem& fs;
  const base::Clock& clock;
  const DiskBlobStoreOptions options;
  Shelf shelf;
  BlobsDisk disk;
  PartialFiles partials;
  OpenFiles open_files{KeptOpen()};
  base::LogBound log;
  const std::shared_ptr<SpaceKeeper> space;
  SpaceKeeper partial_space;  // of use where partial/ is on a file system of its own
  WriteWatch writes;
  std::atomic<uint64_t> max_blob;
  std::function<void(const base::BlobId&)> on_loss;  // set before use
  base::Counter corrupt_total;
  base::Counter lost_total;

  base::Mutex mutex;
  // Reported and not installed anew since; the sequence of the inline bytes that were found wrong.
  absl::flat_hash_map<base::BlobId, uint64_t> losses GUARDED_BY(mutex);
};

// ---- lifecycle ----

DiskBlobStore::DiskBlobStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DiskBlobStore::~DiskBlobStore() = default;

absl::StatusOr<std::unique_ptr<DiskBlobStore>> DiskBlobStore::Open(base::Index& index,
                                                                   base::FileSystem& fs,
                                                                   const base::Clock& clock,
                                                                   DiskBlobStoreOptions options) {
  auto impl = std::make_unique<Impl>(index, fs, clock, std::move(options));
  impl->AddMetrics();
  RETURN_IF_ERROR(impl->shelf.Prepare());
  RETURN_IF_ERROR(impl->partials.Recover(clock.WallNow()));
  // Away is no reason not to start: what is in the index is served, and people see why.
  impl->disk.CheckNow().IgnoreError();
  return std::unique_ptr<DiskBlobStore>(new DiskBlobStore(std::move(impl)));
}

void DiskBlobStore::SetLossHandler(std::function<void(const base::BlobId&)> on_loss) {
  impl_->on_loss = std::move(on_loss);
}
void DiskBlobStore::SetAwayHandler(std::function<void(const std::string&)> on_change) {
  impl_->disk.SetListener(std::move(on_change));
}
absl::Status DiskBlobStore::CheckBlobsThere() { return impl_->disk.CheckNow(); }
std::string DiskBlobStore::away() const { return impl_->disk.away(); }
void DiskBlobStore::SetMinFree(FreeSpaceFloor floor) {
  impl_->space->SetFloor(floor);
  impl_->partial_space.SetFloor(floor);
}
void DiskBlobStore::SetMaxBlob(uint64_t bytes) { impl_->max_blob = bytes; }
FreeSpaceFloor DiskBlobStore::min_free() const { return impl_->space->floor(); }
uint64_t DiskBlobStore::blob_bytes_max() const { return impl_->max_blob; }
void DiskBlobStore::EmptyTrash() { impl_->shelf.EmptyTrash(); }

// ---- writing ----

absl::StatusOr<std::unique_ptr<BlobWriter>> DiskBlobStore::StartPut(
    std::optional<uint64_t> size_bytes) {
  if (!size_bytes) return impl_->Noted(impl_->NewGrowingWriter());
  ASSIGN_OR_RETURN(auto reservation, impl_->Noted(impl_->Admit(*size_bytes)));
  return impl_->Noted(impl_->NewWriter(*size_bytes, std::move(reservation), std::nullopt));
}

absl::StatusOr<std::unique_ptr<BlobWriter>> DiskBlobStore::StartFetch(const base::BlobId& blob,
                                                                      uint64_t size_bytes) {
  ASSIGN_OR_RETURN(auto claim, impl_->partials.Claim(blob));
  std::unique_ptr<BlobWriter> writer;
  if (size_bytes > impl_->options.partial_over_bytes) {
    ASSIGN_OR_RETURN(writer,
                     impl_->Noted(impl_->NewPartialWriter(blob, size_bytes, std::move(claim))));
  } else {
    ASSIGN_OR_RETURN(auto reservation, impl_->Noted(impl_->Admit(size_bytes)));
    ASSIGN_OR_RETURN(writer, impl_->Noted(impl_->NewWriter(size_bytes, std::move(reservation),
                                                           std::move(claim))));
  }
  if (size_bytes - writer->offset() < impl_->options.hash_apart_from_bytes) return writer;
  return std::make_unique<PipelinedWriter>(std::move(writer));
}

std::vector<absl::StatusOr<StagedBlob>> DiskBlobStore::FinishTogether(
    std::vector<ArrivedBlob> arrived) {
  // A sync of the file system waits for what others wrote there too: not for a few files.
  const bool together = arrived.size() >= kTogetherMin;
  std::vector<absl::StatusOr<StagedBlob>> results;
  std::vector<std::size_t> files;
  for (const ArrivedBlob& blob : arrived) {
    if (!together) {
      results.push_back(blob.writer->Finish(blob.expected));
      continue;
    }
    auto staged = blob.writer->FinishBytes(blob.expected);
    if (!staged.ok()) {
      results.push_back(staged.status());
    } else if (*staged) {
      results.push_back(**std::move(staged));
    } else {
      files.push_back(results.size());
      results.push_back(absl::UnavailableError("not durable yet"));
    }
  }
  if (files.empty()) return results;
  const absl::Status bytes_synced = impl_->shelf.SyncBytes();
  std::vector<base::BlobId> placed;
  for (const std::size_t i : files) {
    results[i] = bytes_synced.ok() ? arrived[i].writer->Place(arrived[i].expected)
                                   : absl::StatusOr<StagedBlob>(bytes_synced);
    if (results[i].ok()) placed.push_back(arrived[i].expected);
  }
  if (placed.empty()) return results;
  const absl::Status synced = impl_->shelf.SyncPlaced(placed);
  for (const std::size_t i : files) {
    if (results[i].ok() && !synced.ok()) results[i] = synced;
  }
  return results;
}

uint64_t DiskBlobStore::PartialBytes(const base::BlobId& blob) {
  return impl_->partials.Bytes(blob);
}
void DiskBlobStore::DropPartial(const base::BlobId& blob) { impl_->partials.Drop(blob); }

void DiskBlobStore::Install(base::WriteTxn& txn, const StagedBlob& staged, BlobRow& row) {
  const bool was_here = row.stored != base::kNever;
  const BlobRow before = row;
  if (was_here && before.placement == Placement::kInline) DeleteInline(txn, before.inline_sequence);
  const base::WallTime now = impl_->clock.WallNow();
  row.size_bytes = staged.size_bytes;
  row.placement = staged.placement;
  row.inline_sequence = 0;
  row.inline_tail.clear();
  // A new sequence each time: a report about the old bytes does not hit the new ones.
  if (staged.placement == Placement::kInline) AppendInline(txn, staged.inline_bytes, row);
  if (!was_here) row.stored = now;
  row.verified = now;
  const bool drop_file =
      was_here && before.placement == Placement::kFile && staged.placement == Placement::kInline;
  txn.AfterCommit([impl = impl_.get(), blob = staged.id, pin = staged.pin, drop_file] {
    impl->Forget(blob);
    if (pin != nullptr) pin->Release();
    if (drop_file) impl->shelf.Trash(blob, /*own=*/0);
  });
}

void DiskBlobStore::Uninstall(base::WriteTxn& txn, const base::BlobId& blob, const BlobRow& row) {
  const bool file = row.placement == Placement::kFile;
  if (!file) DeleteInline(txn, row.inline_sequence);
  txn.AfterCommit([impl = impl_.get(), blob, file] {
    impl->Forget(blob);
    if (file) impl->shelf.Trash(blob, /*own=*/0);
  });
}

void DiskBlobStore::Discard(base::WriteTxn& txn, const StagedBlob& staged) {
  if (staged.placement != Placement::kFile) return;  // in memory alone
  const auto row = LoadBlobRow(txn, staged.id);
  if (row && row->placement == Placement::kFile) return;
  // It is pinned once by its owner, who keeps it until the commit.
  txn.AfterCommit([impl = impl_.get(), blob = staged.id] { impl->shelf.Trash(blob, /*own=*/1); });
}

bool DiskBlobStore::Supersedes(const StagedBlob& staged, const BlobRow& row) const {
  return row.placement == Placement::kInline && staged.placement == Placement::kFile;
}

bool DiskBlobStore::IsWhole(const base::BlobId& blob, const base::ByteSource& source) {
  // Inline bytes were hashed by Open.
  if (source.size_bytes() == 0 || !source.in_memory().empty()) return true;
  return impl_->shelf.HashesTo(impl_->shelf.layout().BlobPath(blob), blob).value_or(false);
}

bool DiskBlobStore::WholeHere(const StagedBlob& staged) {
  const auto source = Open(staged.id);
  if (!source.ok()) return false;
  // A staged file has the name of a file that is whole; one that would be inline today is read.
  return staged.placement == Placement::kFile || IsWhole(staged.id, **source);
}

uint64_t DiskBlobStore::inline_max_bytes() const { return impl_->options.inline_max_bytes; }

// ---- reading ----

absl::StatusOr<std::unique_ptr<base::ByteSource>> DiskBlobStore::Impl::OpenFile(
    const base::BlobId& blob, const BlobRow& row, uint64_t version) {
  if (auto kept = open_files.Find(blob)) {
    // One look instead of opening, looking and closing.
    const auto state = kept->Look();
    if (state.ok() && state->named && state->size == row.size_bytes) {
      return std::make_unique<FileReader>(std::move(kept), row.size_bytes);
    }
    open_files.Drop(blob);
  }
  auto file = fs.OpenRead(shelf.layout().BlobPath(blob));
  if (base::IsNoDescriptor(file.status())) {
    // Those kept open for later are the first to go.
    open_files.Clear();
    file = fs.OpenRead(shelf.layout().BlobPath(blob));
    if (base::IsNoDescriptor(file.status()) && log.May("no descriptor", clock.SteadyNow())) {
      base::LogWarning("a read was answered 503: ", file.status().message());
    }
  }
  const bool is_there = file.ok();
  if (is_there) {
    std::shared_ptr<const base::File> shared = *std::move(file);
    ASSIGN_OR_RETURN(const base::File::State state, shared->Look());
    if (state.size == row.size_bytes) {
      open_files.Put(blob, shared, version);
      return std::make_unique<FileReader>(std::move(shared), row.size_bytes);
    }
  } else if (!absl::IsNotFound(file.status())) {
    return file.status();
  }
  // Perhaps it was removed, or put again, since the row was read.
  ASSIGN_OR_RETURN(const std::optional<BlobRow> now, shelf.RowOf(blob));
  if (now != row) return absl::AbortedError("the blob was replaced meanwhile");
  RETURN_IF_ERROR(disk.CheckNow());
  return Lost(blob, row, is_there ? "its file has another length" : "its file is missing");
}

absl::StatusOr<std::unique_ptr<base::ByteSource>> DiskBlobStore::Open(const base::BlobId& blob) {
  // Twice at most in practice: once more for each change between look-up and open.
  for (int tries = 0; tries < 10; ++tries) {
    const uint64_t version = impl_->open_files.version();
    std::optional<BlobRow> row;
    std::optional<std::string> bytes;
    RETURN_IF_ERROR(impl_->index.Read([&](base::ReadTxn& txn) {
      row = LoadBlobRow(txn, blob);
      if (row && row->placement == Placement::kInline) bytes = LoadInline(txn, blob, *row);
    }));
    if (!row) return absl::NotFoundError(absl::StrCat("blob ", blob.ToHex(), " is not here"));
    if (row->placement == Placement::kInline) {
      if (!bytes) return impl_->Lost(blob, *row, "its bytes in the index are damaged");
      return std::unique_ptr<base::ByteSource>(new InlineReader(*std::move(bytes)));
    }
    auto reader = impl_->OpenFile(blob, *row, version);
    if (!absl::IsAborted(reader.status())) return reader;
  }
  return absl::UnavailableError(absl::StrCat("blob ", blob.ToHex(), " is changing; try again"));
}

absl::StatusOr<bool> DiskBlobStore::CheckBytes(const base::BlobId& blob,
                                               const std::function<bool()>& stop) {
  // Says what is missing, and hashes what the index has.
  RETURN_IF_ERROR(Open(blob).status());
  const std::string path = impl_->shelf.layout().BlobPath(blob);
  ASSIGN_OR_RETURN(const std::optional<BlobRow> found, impl_->shelf.RowOf(blob));
  if (!found || found->placement != Placement::kFile) return true;
  // Without the claim, which others may wait for: most files are whole.
  const auto hash = impl_->shelf.HashFile(path, stop);
  if (hash.ok() && *hash == blob) return true;
  // Removed meanwhile, perhaps: with the claim it is seen.
  if (!hash.ok() && !absl::IsNotFound(hash.status())) return hash.status();
  const Claims::Claim claim = impl_->shelf.claims().Wait(blob);
  ASSIGN_OR_RETURN(const std::optional<BlobRow> row, impl_->shelf.RowOf(blob));
  if (!row || row->placement != Placement::kFile) return true;  // removed or put anew meanwhile
  ASSIGN_OR_RETURN(const bool whole, impl_->shelf.HashesTo(path, blob, stop));
  if (whole) return true;
  impl_->open_files.Drop(blob);
  RETURN_IF_ERROR(impl_->shelf.Quarantine(path, blob.ToHex()));
  impl_->Lost(blob, *row, "its file has other bytes").IgnoreError();
  return false;
}

// ---- space, reconciliation ----

// Of blobs/ alone: where only partial/ is ill or full, each large blob waits for itself and small
// ones come.
absl::Status DiskBlobStore::CheckDisk() {
  const absl::Status tried = impl_->TryBlobs();
  impl_->writes.NoteFiles(tried);
  return tried;
}

void DiskBlobStore::SetReadOnlyHandler(std::function<void(const std::string&)> on_change) {
  impl_->writes.SetListener(std::move(on_change));
}
std::string DiskBlobStore::read_only() const { return impl_->writes.why(); }
void DiskBlobStore::CheckWrites() {
  impl_->writes.NoteFiles(impl_->space->Check(0));
  impl_->writes.NoteFiles(impl_->partial_space.Check(0));
  impl_->writes.Try();
}

absl::Status DiskBlobStore::CheckSpace(uint64_t size_bytes) {
  RETURN_IF_ERROR(impl_->disk.Check());
  impl_->shelf.EmptyTrash();
  return impl_->space->Check(size_bytes);
}

base::FileSystem::Space DiskBlobStore::DiskSpace() {
  const auto space = impl_->space->Space();
  return space.ok() ? *space : base::FileSystem::Space();
}

absl::StatusOr<DiskBlobStore::ReconcileResult> DiskBlobStore::ReconcileFolder(
    unsigned folder, const ReconcileCallbacks& callbacks) {
  CHECK(folder < 256);
  const auto away = [&] { return absl::FailedPreconditionError(impl_->disk.away()); };
  if (!impl_->disk.Check().ok() && !impl_->disk.away().empty()) return away();
  impl_->shelf.EmptyTrash();
  const ReconcileCallbacks counting = {.adopt = callbacks.adopt,
                                       .lost = [&](const base::BlobId& blob) {
                                         // Before: it may be installed anew as soon as the callback
                                         // returns.
                                         const bool first = impl_->Remember(blob, {});
                                         RETURN_IF_ERROR(callbacks.lost(blob));
                                         if (first) impl_->lost_total.Add();
                                         return absl::OkStatus();
                                       }};
  Reconciler reconciler(impl_->shelf, counting);
  auto result = reconciler.Run(folder);
  impl_->corrupt_total.Add(static_cast<double>(reconciler.result().quarantined));
  if (!result.ok() && !impl_->disk.away().empty()) return away();  // it went meanwhile
  return result;
}

absl::StatusOr<bool> DiskBlobStore::Impl::Missing(const base::BlobId& blob, const BlobRow& row) {
  if (row.placement == Placement::kInline) {
    base::MutexLock lock(mutex);
    const auto found = losses.find(blob);
    return found != losses.end() && found->second == row.inline_sequence;
  }
  ASSIGN_OR_RETURN(const auto info, fs.Stat(shelf.layout().BlobPath(blob)));
  if (info && !info->is_directory && info->size == row.size_bytes) return false;
  // A disk that is not mounted has lost nothing.
  RETURN_IF_ERROR(disk.CheckNow());
  return true;
}

absl::StatusOr<bool> DiskBlobStore::RemoveIfLost(base::WriteTxn& txn, const base::BlobId& blob,
                                                 const BlobRow& row) {
  ASSIGN_OR_RETURN(const bool missing, impl_->Missing(blob, row));
  if (missing && row.placement == Placement::kInline) Uninstall(txn, blob, row);
  return missing;
}

}  // namespace waypost::blobstore
