#include "base/index.h"

#include <lmdb.h>

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "base/index_impl.h"
#include "base/log.h"
#include "base/status.h"

namespace waypost::base {
namespace {

// More than every thread of the service: each Read holds one slot.
constexpr unsigned kMaxReaders = 1024;
constexpr std::size_t kIdleReadersKept = 64;
constexpr std::size_t kBadRowsRemembered = 10000;

MDB_val ToVal(std::string_view s) { return {s.size(), const_cast<char*>(s.data())}; }
std::string_view ToView(const MDB_val& v) { return {static_cast<const char*>(v.mv_data), v.mv_size}; }

// The environments open in this process: LMDB's locks break when one is opened twice.
Mutex open_dirs_mutex;
std::set<std::string>& OpenDirs() {
  static std::set<std::string> dirs;
  return dirs;
}

}  // namespace

thread_local bool t_inside_index = false;

absl::Status LmdbStatus(int error, std::string_view what) {
  const std::string message = absl::StrCat("index: ", Abs(what), ": ", mdb_strerror(error));
  switch (error) {
    case MDB_SUCCESS:
      return absl::OkStatus();
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return NoSpaceError(absl::StrCat(message, "; make room on the disk of the data folder"));
    case MDB_MAP_FULL:
      return NoSpaceError(absl::StrCat(message, "; raise index.map_size"));
    case MDB_BAD_VALSIZE:
      return absl::InvalidArgumentError(message);
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
      return absl::DataLossError(
          absl::StrCat(message, "; restore the index folder from a backup or rebuild it"));
    default:
      return absl::InternalError(message);
  }
}

// ---- ReadTxn, Cursor, WriteTxn ----

void ReadTxn::Fail(int lmdb_error, const char* what) {
  if (status_.ok()) status_ = LmdbStatus(lmdb_error, what);
}

std::optional<std::string_view> ReadTxn::GetRaw(Table table, std::string_view key) {
  if (!status_.ok()) return std::nullopt;
  MDB_val k = ToVal(key);
  MDB_val v{};
  const int error = mdb_get(txn_, index_.impl_->tables[static_cast<unsigned>(table)], &k, &v);
  if (error == MDB_SUCCESS) return ToView(v);
  if (error != MDB_NOTFOUND) Fail(error, TableName(table));
  return std::nullopt;
}

std::optional<std::string_view> ReadTxn::Get(Table table, std::string_view key) {
  const auto stored = GetRaw(table, key);
  if (!stored) return std::nullopt;
  const auto payload = OpenRecord(table, key, *stored);
  if (!payload) index_.impl_->NoteBadRow(table, key, *stored);
  return payload;
}

void ReadTxn::ReportBadRow(Table table, std::string_view key) {
  if (const auto stored = GetRaw(table, key)) index_.impl_->NoteBadRow(table, key, *stored);
}

uint64_t ReadTxn::Rows(Table table) {
  MDB_stat stat{};
  const int error = mdb_stat(txn_, index_.impl_->tables[static_cast<unsigned>(table)], &stat);
  if (error != MDB_SUCCESS) Fail(error, TableName(table));
  return stat.ms_entries;
}

Cursor::Cursor(ReadTxn& txn, Table table) : txn_(txn), table_(table) {
  const int error =
      mdb_cursor_open(txn.txn_, txn.index_.impl_->tables[static_cast<unsigned>(table)], &cursor_);
  if (error != MDB_SUCCESS) {
    txn.Fail(error, TableName(table));
    cursor_ = nullptr;
  }
}

Cursor::~Cursor() {
  if (cursor_ != nullptr) mdb_cursor_close(cursor_);
}

bool Cursor::Move(int op, std::string_view key) {
  valid_ = false;
  if (cursor_ == nullptr || !txn_.status_.ok()) return false;
  MDB_val k = ToVal(key);
  MDB_val v{};
  const int error = mdb_cursor_get(cursor_, &k, &v, static_cast<MDB_cursor_op>(op));
  if (error == MDB_SUCCESS) {
    key_ = ToView(k);
    value_ = ToView(v);
    valid_ = true;
  } else if (error != MDB_NOTFOUND) {
    txn_.Fail(error, TableName(table_));
  }
  return valid_;
}

bool Cursor::Seek(std::string_view key) {
  return key.empty() ? Move(MDB_FIRST, {}) : Move(MDB_SET_RANGE, key);
}
bool Cursor::Next() { return Move(MDB_NEXT, {}); }
bool Cursor::Last() { return Move(MDB_LAST, {}); }
bool Cursor::Prev() { return Move(MDB_PREV, {}); }

std::optional<std::string_view> Cursor::payload() {
  if (!valid_) return std::nullopt;
  const auto payload = OpenRecord(table_, key_, value_);
  if (!payload) txn_.index_.impl_->NoteBadRow(table_, key_, value_);
  return payload;
}

void WriteTxn::PutRaw(Table table, std::string_view key, std::string_view value) {
  dirty_ = true;
  if (!status_.ok()) return;
  MDB_val k = ToVal(key);
  MDB_val v = ToVal(value);
  const int error = mdb_put(txn_, index_.impl_->tables[static_cast<unsigned>(table)], &k, &v, 0);
  if (error == MDB_MAP_FULL) index_.impl_->map_full = true;
  if (error != MDB_SUCCESS) Fail(error, TableName(table));
}

void WriteTxn::Put(Table table, std::string_view key, std::string_view payload, uint8_t version) {
  PutRaw(table, key, SealRecord(table, key, version, payload));
}

bool WriteTxn::Delete(Table table, std::string_view key) {
  if (!status_.ok()) return false;
  MDB_val k = ToVal(key);
  const int error = mdb_del(txn_, index_.impl_->tables[static_cast<unsigned>(table)], &k, nullptr);
  if (error == MDB_NOTFOUND) return false;
  dirty_ = true;
  if (error == MDB_MAP_FULL) index_.impl_->map_full = true;
  if (error != MDB_SUCCESS) Fail(error, TableName(table));
  return error == MDB_SUCCESS;
}

void WriteTxn::AfterCommit(std::function<void()> callback) {
  after_commit_.push_back(std::move(callback));
}

// ---- the environment ----

absl::Status Index::Impl::OpenEnvironment() {
  int error = mdb_env_create(&env);
  if (error != MDB_SUCCESS) return LmdbStatus(error, "create");
  error = mdb_env_set_maxdbs(env, kTableCount);
  if (error == MDB_SUCCESS) error = mdb_env_set_maxreaders(env, kMaxReaders);
  if (error == MDB_SUCCESS) error = mdb_env_set_mapsize(env, map_size);
  if (error == MDB_SUCCESS) error = mdb_env_open(env, options.dir.c_str(), MDB_NOTLS, 0600);
  int dead = 0;
  if (error == MDB_SUCCESS) error = mdb_reader_check(env, &dead);
  if (error != MDB_SUCCESS) {
    CloseEnvironment();
    return LmdbStatus(error, absl::StrCat("cannot open ", options.dir));
  }
  MDB_txn* txn = nullptr;
  error = mdb_txn_begin(env, nullptr, 0, &txn);
  for (std::size_t i = 0; error == MDB_SUCCESS && i < kTableCount; ++i) {
    error = mdb_dbi_open(txn, TableName(static_cast<Table>(i)), MDB_CREATE, &tables[i]);
  }
  if (error == MDB_SUCCESS) {
    error = mdb_txn_commit(txn);
  } else if (txn != nullptr) {
    mdb_txn_abort(txn);
  }
  if (error != MDB_SUCCESS) {
    CloseEnvironment();
    return LmdbStatus(error, absl::StrCat("cannot open the tables in ", options.dir));
  }
  return absl::OkStatus();
}

void Index::Impl::CloseEnvironment() {
  {
    MutexLock lock(gate_mutex);
    for (MDB_txn* txn : idle_readers) mdb_txn_abort(txn);
    idle_readers.clear();
  }
  if (env != nullptr) mdb_env_close(env);
  env = nullptr;
}

absl::StatusOr<MDB_txn*> Index::Impl::BeginRead() {
  MDB_txn* txn = nullptr;
  {
    MutexLock lock(gate_mutex);
    while (gate_closed) gate_changed.Wait(gate_mutex);
    ++readers;
    if (!idle_readers.empty()) {
      txn = idle_readers.back();
      idle_readers.pop_back();
    }
  }
  int error = MDB_PANIC;
  if (env != nullptr) {
    error = txn != nullptr ? mdb_txn_renew(txn) : mdb_txn_begin(env, nullptr, MDB_RDONLY, &txn);
  }
  if (error == MDB_SUCCESS) return txn;
  if (txn != nullptr) mdb_txn_abort(txn);
  LeaveReader();
  return LmdbStatus(error, "begin to read");
}

void Index::Impl::EndRead(MDB_txn* txn) {
  mdb_txn_reset(txn);
  {
    MutexLock lock(gate_mutex);
    if (!gate_closed && idle_readers.size() < kIdleReadersKept) {
      idle_readers.push_back(txn);
      txn = nullptr;
    }
  }
  if (txn != nullptr) mdb_txn_abort(txn);
  LeaveReader();
}

void Index::Impl::LeaveReader() {
  MutexLock lock(gate_mutex);
  if (--readers == 0 && gate_closed) gate_changed.NotifyAll();
}

absl::Status Index::Impl::WithoutReaders(const std::function<absl::Status()>& change) {
  {
    MutexLock lock(gate_mutex);
    gate_closed = true;
    while (readers > 0) gate_changed.Wait(gate_mutex);
    for (MDB_txn* txn : idle_readers) mdb_txn_abort(txn);
    idle_readers.clear();
  }
  const absl::Status status = change();
  MutexLock lock(gate_mutex);
  gate_closed = false;
  gate_changed.NotifyAll();
  return status;
}

absl::Status Index::Impl::GrowMap() {
  return WithoutReaders([this] {
    const uint64_t larger = map_size * 2;
    const int error = mdb_env_set_mapsize(env, larger);
    if (error != MDB_SUCCESS) return LmdbStatus(error, "cannot grow the map");
    map_size = larger;
    LogInfo("index: the map grew to ", larger, " bytes");
    return absl::OkStatus();
  });
}

absl::Status Index::Impl::Reopen() {
  return WithoutReaders([this] {
    CloseEnvironment();
    return OpenEnvironment();
  });
}

void Index::Impl::NoteBadRow(Table table, std::string_view key, std::string_view stored) {
  {
    MutexLock lock(bad_mutex);
    if (bad_seen.size() >= kBadRowsRemembered) return;
    if (!bad_seen.emplace(static_cast<unsigned>(table), std::string(key)).second) return;
  }
  bad_rows_total.Add();
  const uint64_t count = bad_row_count.fetch_add(1) + 1;
  if (IsPowerOfTwo(count)) {
    LogWarning("index: a damaged row in ", TableName(table), " was set aside; damaged rows so far: ",
               count, ". Check the disk.");
  }
  index.Submit(
      Lane::kBulk,
      [table, key = std::string(key), stored = std::string(stored)](WriteTxn& txn) {
        const auto now = txn.GetRaw(table, key);
        if (!now || *now != stored) return absl::OkStatus();  // written anew meanwhile
        std::string bad_key(1, static_cast<char>(table));
        bad_key += key;
        bad_key.resize(std::min<std::size_t>(bad_key.size(), 511));
        txn.PutRaw(Table::kBadRows, bad_key, stored);
        txn.Delete(table, key);
        return absl::OkStatus();
      },
      [this, table, key = std::string(key)](const absl::Status&) {
        MutexLock lock(bad_mutex);
        bad_seen.erase({static_cast<unsigned>(table), key});
      });
}

// ---- Index ----

Index::Index() = default;

absl::StatusOr<std::unique_ptr<Index>> Index::Open(const Options& options) {
  {
    MutexLock lock(open_dirs_mutex);
    if (!OpenDirs().insert(options.dir).second) {
      return absl::FailedPreconditionError(
          absl::StrCat("index: ", options.dir, " is open in this process already"));
    }
  }
  std::unique_ptr<Index> index(new Index());
  index->impl_ = std::make_unique<Impl>(*index, options);
  Impl& impl = *index->impl_;
  impl.registered_dir = options.dir;
  impl.map_size = options.map_size;
  if (options.metrics != nullptr) {
    impl.commit_seconds = options.metrics->AddHistogram(
        "waypost_index_commit_seconds", "Time of an index commit.",
        {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5});
    impl.bad_rows_total =
        options.metrics->AddCounter("waypost_bad_rows_total", "Damaged index rows set aside.");
    Gauge bytes = options.metrics->AddGauge("waypost_index_bytes", "Bytes the index uses.");
    options.metrics->AddRefresher(
        [raw = index.get(), bytes] { bytes.Set(static_cast<double>(raw->used_bytes())); });
  }
  RETURN_IF_ERROR(impl.OpenEnvironment());
  impl.writer = Thread("writer", [&impl] { impl.WriterLoop(); });
  return index;
}

Index::~Index() {
  Shutdown();
  if (impl_ == nullptr) return;
  impl_->CloseEnvironment();
  MutexLock lock(open_dirs_mutex);
  OpenDirs().erase(impl_->registered_dir);
}

absl::Status Index::Read(absl::FunctionRef<absl::Status(ReadTxn&)> read) {
  CHECK(!t_inside_index);
  ASSIGN_OR_RETURN(MDB_txn * txn, impl_->BeginRead());
  t_inside_index = true;
  absl::Status status;
  {
    ReadTxn view(*this, txn);
    status = read(view);
    if (!view.status().ok()) status = view.status();
  }
  t_inside_index = false;
  impl_->EndRead(txn);
  return status;
}

uint64_t Index::used_bytes() {
  uint64_t bytes = 0;
  Read([&](ReadTxn&) {
    MDB_envinfo info{};
    MDB_stat stat{};
    if (mdb_env_info(impl_->env, &info) == MDB_SUCCESS &&
        mdb_env_stat(impl_->env, &stat) == MDB_SUCCESS) {
      bytes = (uint64_t{info.me_last_pgno} + 1) * stat.ms_psize;
    }
    return absl::OkStatus();
  }).IgnoreError();
  return bytes;
}

uint64_t Index::bad_rows() const { return impl_->bad_row_count; }

}  // namespace waypost::base
