#pragma once

#include <array>
#include <atomic>
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/environment.h"
#include "base/index.h"
#include "base/mutex.h"
#include "base/thread.h"

namespace waypost::base {

// LMDB stores no longer key.
inline constexpr std::size_t kKeyBytesMax = 511;

// Where this thread stands, so that what would deadlock silently ends loudly instead: LMDB gives a
// thread that begins a second write transaction no error, it waits for itself.
enum class Inside { kNothing, kTransaction, kCallback };
Inside& ThreadInside();

class InsideScope {
 public:
  explicit InsideScope(Inside inside) : before_(ThreadInside()) { ThreadInside() = inside; }
  ~InsideScope() { ThreadInside() = before_; }
  InsideScope(const InsideScope&) = delete;
  InsideScope& operator=(const InsideScope&) = delete;

 private:
  const Inside before_;
};

// One submitted operation on its way through the writer.
struct PendingOp {
  Index::Operation run;
  std::function<void(absl::Status)> done;
  absl::Status result;
  std::vector<std::function<void()>> after_commit;
};

struct Index::Impl {
  // Tells the metrics' refresher, which outlives us, whether we are still here.
  struct SizeGauge {
    Mutex mutex;
    Index* index GUARDED_BY(mutex) = nullptr;
    Gauge gauge;
  };

  explicit Impl(Index& owner) : index(owner) {}

  // index_writer.cc: the thread `writer`.
  void WriterLoop();
  std::vector<PendingOp> TakeBatch();
  std::size_t RunSome(std::vector<PendingOp>& batch, std::size_t begin);
  struct Ran {
    std::size_t next = 0;  // so far they went
    bool spoiled = false;  // the transaction is, by the operation at `next`
    int error = 0;         // LMDB's
  };
  // Runs operations from `begin` on, before `end`, until the transaction has rows enough.
  Ran RunIn(MDB_txn* txn, std::vector<PendingOp>& batch, std::size_t begin, std::size_t end);
  absl::Status FailedCommit(absl::Status status);
  void Acknowledge(std::vector<PendingOp>& batch, std::size_t begin, std::size_t count);

  // bad_rows.cc: a row that failed its check, as found. Called inside a transaction.
  void NoteBadRow(Table table, std::string_view key, std::string_view stored);
  // Keys of the table were met that are not in their order. Called inside a transaction.
  void NoteDisorder(Table table);
  // Takes every row that fails its check out of the table, wherever it stands, and puts those whose
  // keys are not in their order where they belong. How many failed. On the writer thread.
  std::size_t Sweep(WriteTxn& txn, Table table);
  void SetAside(WriteTxn& txn, Table table, std::string_view key, std::string_view stored);
  // One more is out of the way, durably. On the writer thread.
  void CountBadRow(Table table);

  Index& index;
  std::unique_ptr<Environment> environment;
  Counter bad_row_counter;
  Histogram commit_seconds;
  std::shared_ptr<SizeGauge> size_gauge;
  std::atomic<uint64_t> bad_rows{0};

  Mutex queue_mutex;
  CondVar queue_changed;
  bool stopping GUARDED_BY(queue_mutex) = false;
  std::deque<PendingOp> foreground GUARDED_BY(queue_mutex);
  std::deque<PendingOp> bulk GUARDED_BY(queue_mutex);
  unsigned foreground_turns GUARDED_BY(queue_mutex) = 0;  // in a row, while bulk waited

  // Sweeps that were committed, a table: who reported before the last one need not ask for another.
  std::array<std::atomic<uint64_t>, kTableCount> sweeps{};

  Mutex bad_rows_mutex;
  // On their way to the table of bad rows, so that a row that is read often is moved once.
  std::set<std::pair<Table, std::string>> bad_rows_moving GUARDED_BY(bad_rows_mutex);

  Mutex listener_mutex;
  CondVar told;
  std::function<void(const absl::Status&)> commit_listener GUARDED_BY(listener_mutex);
  // The writer calls a listener, this one or the one before it.
  bool telling GUARDED_BY(listener_mutex) = false;

  Mutex shutdown_mutex;
  Thread writer GUARDED_BY(shutdown_mutex);
};

}  // namespace waypost::base
