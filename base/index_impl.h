#pragma once

// What index.cc (transactions) and index_writer.cc (group commit) share. Nobody else includes it.

#include <lmdb.h>

#include <array>
#include <deque>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/index.h"
#include "base/metrics.h"
#include "base/mutex.h"
#include "base/thread.h"

namespace waypost::base {

// The status of an LMDB error code, with what to do about it.
absl::Status LmdbStatus(int error, std::string_view what);

// True while this thread is inside a Read, an operation or an AfterCommit callback.
extern thread_local bool t_inside_index;

struct Index::Impl {
  struct Pending {
    Operation operation;
    std::function<void(absl::Status)> done;
    absl::Status result;
  };

  explicit Impl(Index& index_in, const Options& options_in) : index(index_in), options(options_in) {}

  // index.cc
  absl::Status OpenEnvironment();
  void CloseEnvironment();
  void LeaveReader();
  absl::StatusOr<MDB_txn*> BeginRead();
  void EndRead(MDB_txn* txn);
  // Waits until no reader is inside and keeps new ones out while `change` runs.
  absl::Status WithoutReaders(const std::function<absl::Status()>& change);
  absl::Status GrowMap();
  absl::Status Reopen();
  void NoteBadRow(Table table, std::string_view key, std::string_view stored);

  // index_writer.cc
  void WriterLoop();
  void RunBatch(std::vector<Pending>& batch);
  // False: the batch must be run again one by one.
  bool TryBatch(std::vector<Pending*>& batch);

  Index& index;
  const Options options;
  Histogram commit_seconds;
  Counter bad_rows_total;
  MDB_env* env = nullptr;
  std::array<MDB_dbi, kTableCount> tables{};
  std::string registered_dir;
  std::atomic<uint64_t> map_size{0};
  bool map_full = false;  // writer thread only: this batch met MDB_MAP_FULL
  std::atomic<uint64_t> bad_row_count{0};

  Mutex gate_mutex;
  CondVar gate_changed;
  int readers GUARDED_BY(gate_mutex) = 0;
  bool gate_closed GUARDED_BY(gate_mutex) = false;
  std::vector<MDB_txn*> idle_readers GUARDED_BY(gate_mutex);

  Mutex queue_mutex;
  CondVar queue_changed;
  std::deque<Pending> foreground GUARDED_BY(queue_mutex);
  std::deque<Pending> bulk GUARDED_BY(queue_mutex);
  bool stopping GUARDED_BY(queue_mutex) = false;

  Mutex bad_mutex;
  std::set<std::pair<unsigned, std::string>> bad_seen GUARDED_BY(bad_mutex);

  Thread writer;
};

}  // namespace waypost::base
