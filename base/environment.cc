#include "base/environment.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <memory>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"
#include "base/units.h"

// LMDB as this service needs it: opened once a process, checked for a file that is too short before
// anybody reads, grown and reopened behind a gate. Nothing may use the map while it moves, so the
// writer closes the gate, waits until the last reader has left, and opens it again.

namespace waypost::base {
namespace {

// Half of what a process can address: a larger map is a mistake, not a need.
constexpr uint64_t kMapBytesMax = uint64_t{64} << 40;
constexpr uint64_t kMapStep = uint64_t{1} << 20;
// A write that was cut short leaves a disk with nearly nothing; what file systems keep back is
// less.
constexpr uint64_t kNearlyFull = uint64_t{16} << 20;

// After an attempt to open it that failed.
constexpr Millis kReopenAgain{1000};

// The folders that are open in this process. It is process-wide as the locks it protects are.
struct OpenFolders {
  Mutex mutex;
  std::set<std::pair<uint64_t, uint64_t>> folders GUARDED_BY(mutex);
};
OpenFolders& Folders() {
  static OpenFolders* const folders = new OpenFolders;
  return *folders;
}

// Of this process, in bytes: what it may address at most (RLIMIT_AS); 0: no limit.
uint64_t AddressSpaceLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return 0;
  return limit.rlim_cur;
}

// What it addresses now; 0 where nobody says.
uint64_t AddressSpaceUsed() {
  std::ifstream file("/proc/self/statm");
  uint64_t pages = 0;
  file >> pages;
  return pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

uint64_t PageSize(MDB_env* env) {
  MDB_stat stat;
  mdb_env_stat(env, &stat);
  return stat.ms_psize;
}

}  // namespace

absl::Status LmdbStatus(int error, std::string_view what) {
  const std::string message = absl::StrCat("index: ", Abs(what), ": ", mdb_strerror(error));
  switch (error) {
    case MDB_SUCCESS:
      return absl::OkStatus();
    case ENOSPC:
      return NoSpaceError(absl::StrCat(message, "; make room on the disk of the data folder"));
    case EDQUOT:
      return NoSpaceError(absl::StrCat(message, "; the quota of the service's user is used up"));
    case EFBIG:
      return NoSpaceError(absl::StrCat(message, "; raise the service's limit on file sizes"));
    case MDB_MAP_FULL:
      return NoSpaceError(absl::StrCat(message, "; raise index.map_size"));
    case MDB_BAD_VALSIZE:
      return absl::InvalidArgumentError(absl::StrCat(message, " (keys have 1 to 511 bytes)"));
    case EROFS:
      return ReadOnlyError(message);
    case MDB_PANIC:
      return absl::UnavailableError(absl::StrCat(message, "; it is opened anew"));
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
      return absl::DataLossError(
          absl::StrCat(message, "; check the disk and restore the data folder from a copy"));
    default:
      return absl::InternalError(message);
  }
}

absl::StatusOr<std::unique_ptr<Environment>> Environment::Open(const std::string& dir,
                                                               uint64_t map_size) {
  map_size = (map_size + kMapStep - 1) / kMapStep * kMapStep;
  std::unique_ptr<Environment> environment(new Environment(dir, std::max(map_size, kMapStep)));
  RETURN_IF_ERROR(environment->Claim());
  environment->FitMap();
  RETURN_IF_ERROR(environment->OpenFiles());
  return environment;
}

Environment::~Environment() {
  Close();
  if (!claimed_) return;
  OpenFolders& folders = Folders();
  MutexLock lock(folders.mutex);
  folders.folders.erase({device_, inode_});
}

absl::Status Environment::Claim() {
  struct stat info;
  if (stat(dir_.c_str(), &info) != 0)
    return ErrnoStatus(errno, absl::StrCat("the index folder ", dir_));
  device_ = info.st_dev;
  inode_ = info.st_ino;
  OpenFolders& folders = Folders();
  MutexLock lock(folders.mutex);
  claimed_ = folders.folders.insert({device_, inode_}).second;
  if (claimed_) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the index in ", dir_, " is already open in this process"));
}

// Half of what is left goes to the map: stacks of threads and all that is read want the rest.
void Environment::FitMap() {
  const uint64_t limit = AddressSpaceLimit();
  if (limit == 0) return;
  const uint64_t used = std::min(limit, AddressSpaceUsed());
  const uint64_t fits = std::max((limit - used) / 2 / kMapStep * kMapStep, kMapStep);
  if (map_size_ <= fits) return;
  LogWarning("index.map_size is ", HumanSize(map_size_), ", and this process may address ",
             HumanSize(limit), " (ulimit -v, LimitAS of systemd): the index starts with a map of ",
             HumanSize(fits), "; lower index.map_size, or raise the limit");
  map_size_ = fits;
}

absl::Status Environment::OpenFiles() {
  const auto failed = [this](int error, const char* what) {
    CloseFiles();
    const std::string message = absl::StrCat("the index in ", dir_, " cannot be opened: ", what);
    const absl::Status status = LmdbStatus(error, message);
    if (IsNoSpace(status)) return Annotate(status, "free some space and start again");
    if (error == ENOMEM) {
      const uint64_t limit = AddressSpaceLimit();
      return absl::InternalError(absl::StrCat(
          status.message(), ": a map of ", HumanSize(map_size_),
          " (index.map_size), or of all that ",
          "is in it, has no room in the address space of this process",
          limit == 0 ? ""
                     : absl::StrCat(", which is limited to ", HumanSize(limit),
                                    " (ulimit -v, LimitAS of systemd): raise that limit")));
    }
    return absl::InternalError(
        absl::StrCat(status.message(),
                     "; check the disk and the owner of the folder; if the files are damaged, "
                     "restore the data folder from a copy"));
  };
  if (const int error = mdb_env_create(&env_)) return failed(error, "creating it");
  mdb_env_set_maxdbs(env_, kTableCount);
  mdb_env_set_maxreaders(env_, kReaderSlots);
  if (const int error = mdb_env_set_mapsize(env_, map_size_))
    return failed(error, "sizing its map");
  // Never NOSYNC, NOMETASYNC or WRITEMAP: an acknowledged row survives a power cut.
  if (const int error = mdb_env_open(env_, dir_.c_str(), MDB_NOTLS, 0600)) {
    return failed(error, "opening its files");
  }
  int dead = 0;
  if (const int error = mdb_reader_check(env_, &dead))
    return failed(error, "clearing dead readers");
  MDB_envinfo info;
  mdb_env_info(env_, &info);
  map_size_ = info.me_mapsize;
  const absl::Status filled = FillUp();
  const absl::Status status = filled.ok() ? OpenTables() : filled;
  if (status.ok()) {
    NoteCommit();
  } else {
    CloseFiles();
  }
  return status;
}

// A file shorter than its pages would end the process with SIGBUS at the first read beyond its end.
// Pages of zeros are answered with MDB_CORRUPTED or fail their checksum instead. (A file may be
// shorter by a few pages that were never written because they were free again at the commit.)
absl::Status Environment::FillUp() {
  mdb_filehandle_t fd;
  mdb_env_get_fd(env_, &fd);
  struct stat info;
  if (fstat(fd, &info) != 0) return ErrnoStatus(errno, absl::StrCat("the index in ", dir_));
  const uint64_t used = BytesInUse();
  if (static_cast<uint64_t>(info.st_size) >= used) return absl::OkStatus();
  LogWarning("the index in ", dir_, " has ", info.st_size, " bytes where ", used,
             " are in use: if this comes again, restore the data folder from a copy");
  if (ftruncate(fd, static_cast<off_t>(used)) != 0) {
    return ErrnoStatus(errno, absl::StrCat("filling up the index in ", dir_));
  }
  return absl::OkStatus();
}

absl::Status Environment::OpenTables() {
  MDB_txn* txn = nullptr;
  int error = mdb_txn_begin(env_, nullptr, 0, &txn);
  for (std::size_t i = 0; i < kTableCount && error == 0; ++i) {
    error = mdb_dbi_open(txn, TableName(static_cast<Table>(i)), MDB_CREATE, &dbis_[i]);
  }
  if (error == 0) {
    error = mdb_txn_commit(txn);
  } else if (txn != nullptr) {
    mdb_txn_abort(txn);
  }
  if (error == 0) return absl::OkStatus();
  const absl::Status status = LmdbStatus(error, absl::StrCat("opening the tables of ", dir_));
  if (IsNoSpace(status)) return status;
  return absl::InternalError(absl::StrCat(
      status.message(),
      "; check the disk; if the files are damaged, restore the data folder from a copy"));
}

void Environment::CloseFiles() {
  if (env_ != nullptr) mdb_env_close(env_);
  env_ = nullptr;
}

absl::StatusOr<MDB_txn*> Environment::BeginRead() {
  MDB_txn* txn = nullptr;
  {
    MutexLock lock(mutex_);
    while (gate_closed_ || active_ >= kReadersMax) changed_.Wait(mutex_);
    RETURN_IF_ERROR(state_);
    ++active_;
    if (!idle_.empty()) {
      txn = idle_.back();
      idle_.pop_back();
    }
  }
  const bool renewed = txn != nullptr;
  const int error = renewed ? mdb_txn_renew(txn) : mdb_txn_begin(env_, nullptr, MDB_RDONLY, &txn);
  if (error == 0) return txn;
  if (renewed) mdb_txn_abort(txn);
  EndRead(nullptr);
  return LmdbStatus(error, "beginning to read");
}

bool Environment::MayReopen() {
  MutexLock lock(mutex_);
  return reopen_failed_ == SteadyTime() || SteadyNow() - reopen_failed_ >= kReopenAgain;
}

absl::Status Environment::State() {
  MutexLock lock(mutex_);
  return state_;
}

void Environment::EndRead(MDB_txn* txn) {
  if (txn != nullptr) mdb_txn_reset(txn);
  MutexLock lock(mutex_);
  if (txn != nullptr) idle_.push_back(txn);
  --active_;
  // Waiting are the writer for the last one to leave, or readers for a place: both are rare.
  if (active_ == 0 || active_ + 1 == kReadersMax) changed_.NotifyAll();
}

uint64_t Environment::UsedBytes() const { return used_.load(); }

void Environment::NoteCommit() { used_.store(BytesInUse()); }

uint64_t Environment::BytesInUse() {
  MDB_envinfo info;
  mdb_env_info(env_, &info);
  return (info.me_last_pgno + 1) * PageSize(env_);
}

void Environment::CloseGate() {
  std::vector<MDB_txn*> idle;
  {
    MutexLock lock(mutex_);
    gate_closed_ = true;
    while (active_ != 0) changed_.Wait(mutex_);
    idle.swap(idle_);
  }
  for (MDB_txn* const txn : idle) mdb_txn_abort(txn);
}

void Environment::OpenGate(absl::Status state) {
  MutexLock lock(mutex_);
  gate_closed_ = false;
  state_ = std::move(state);
  changed_.NotifyAll();
}

absl::StatusOr<MDB_txn*> Environment::BeginWrite() {
  if (env_ == nullptr) RETURN_IF_ERROR(Reopen());
  MDB_txn* txn = nullptr;
  int error = mdb_txn_begin(env_, nullptr, 0, &txn);
  if (error == MDB_PANIC) {
    RETURN_IF_ERROR(Reopen());
    error = mdb_txn_begin(env_, nullptr, 0, &txn);
  }
  if (error == 0) return txn;
  return LmdbStatus(error, absl::StrCat("beginning to write in ", dir_));
}

void Environment::Mend() {
  const auto txn = BeginWrite();
  if (txn.ok()) mdb_txn_abort(*txn);
}

bool Environment::DiskIsFull() const {
  mdb_filehandle_t fd;
  struct statvfs disk;
  struct stat file;
  rlimit limit;
  if (mdb_env_get_fd(env_, &fd) != 0) return false;
  if (fstatvfs(fd, &disk) == 0 && uint64_t{disk.f_bavail} * disk.f_frsize < kNearlyFull)
    return true;
  return fstat(fd, &file) == 0 && getrlimit(RLIMIT_FSIZE, &limit) == 0 &&
         limit.rlim_cur != RLIM_INFINITY &&
         static_cast<uint64_t>(file.st_size) + kNearlyFull > limit.rlim_cur;
}

absl::Status Environment::CommitStatus(int error) const {
  return LmdbStatus(error == EIO && DiskIsFull() ? ENOSPC : error, "committing");
}

// A meta page could not be written: the environment refuses everything until it is opened anew.
absl::Status Environment::Reopen() {
  constexpr char kAnew[] = "the index is opened anew after a write that failed";
  if (env_ != nullptr) LogWarning(kAnew, ", in ", dir_, ": check the disk");
  {
    MutexLock lock(mutex_);
    state_ = absl::UnavailableError(kAnew);
  }
  CloseGate();
  CloseFiles();
  absl::Status status = OpenFiles();
  // It is tried again, by whoever reads or writes.
  if (!status.ok() && !IsNoSpace(status)) status = absl::UnavailableError(status.message());
  {
    MutexLock lock(mutex_);
    reopen_failed_ = status.ok() ? SteadyTime() : SteadyNow();
  }
  OpenGate(status);
  return status;
}

absl::Status Environment::Grow() {
  if (map_size_ > kMapBytesMax / 2) {
    return NoSpaceError(
        absl::StrCat("the index in ", dir_, " has reached its largest size, ", map_size_,
                     " bytes: a data folder of its own for some of the groups is the way on"));
  }
  CloseGate();
  const int error = mdb_env_set_mapsize(env_, map_size_ * 2);
  if (error == 0) {
    map_size_ *= 2;
    OpenGate(absl::OkStatus());
    return absl::OkStatus();
  }
  // The old map is gone: back to it, so that what is here can be read at least.
  CloseFiles();
  OpenGate(OpenFiles());
  return NoSpaceError(absl::StrCat(
      "the index in ", dir_, " is full and its map cannot grow beyond ", map_size_, " bytes (",
      mdb_strerror(error), "): ", map_size_,
      " more bytes of address space are missing; raise the address space limit of the service"));
}

void Environment::Close() {
  CloseGate();
  CloseFiles();
  OpenGate(absl::UnavailableError("the index is closed"));
}

}  // namespace waypost::base
