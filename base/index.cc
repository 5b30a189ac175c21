#include "base/index.h"

#include <utility>

#include "absl/cleanup/cleanup.h"
#include "base/index_impl.h"
#include "base/status.h"

// Opening, reading, submitting and ending; the writer's own loop is in index_writer.cc. A thread is
// in one transaction at most, which ThreadInside checks: a read inside a read may wait for a map
// that waits for it, a write inside a write for itself.

namespace waypost::base {

Inside& ThreadInside() {
  thread_local Inside inside = Inside::kNothing;
  return inside;
}

Index::Index() : impl_(std::make_unique<Impl>(*this)) {}

absl::StatusOr<std::unique_ptr<Index>> Index::Open(const Options& options) {
  std::unique_ptr<Index> index(new Index());
  Impl& impl = *index->impl_;
  ASSIGN_OR_RETURN(impl.environment, Environment::Open(options.dir, options.map_size));
  if (options.metrics != nullptr) {
    Metrics& metrics = *options.metrics;
    impl.bad_row_counter =
        metrics.AddCounter("waypost_bad_rows_total", "Rows of the index that failed their check");
    impl.commit_seconds =
        metrics.AddHistogram("waypost_index_commit_seconds", "Time a commit of the index took",
                             {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                              0.25, 0.5, 1, 2.5, 10});
    impl.size_gauge = std::make_shared<Impl::SizeGauge>();
    impl.size_gauge->gauge = metrics.AddGauge("waypost_index_bytes", "Bytes of the index in use");
    {
      MutexLock lock(impl.size_gauge->mutex);
      impl.size_gauge->index = index.get();
    }
    metrics.AddRefresher([size = impl.size_gauge] {
      MutexLock lock(size->mutex);
      if (size->index != nullptr) {
        size->gauge.Set(static_cast<double>(size->index->used_bytes()));
      }
    });
  }
  MutexLock lock(impl.shutdown_mutex);
  impl.writer = Thread("writer", [&impl] { impl.WriterLoop(); });
  return index;
}

Index::~Index() { Shutdown(); }

absl::Status Index::Read(absl::FunctionRef<absl::Status(ReadTxn&)> read) {
  // A read inside a transaction could wait for a map that waits for this very transaction to end.
  CHECK(ThreadInside() != Inside::kTransaction);
  absl::StatusOr<MDB_txn*> begun = impl_->environment->BeginRead();
  if (!begun.ok() && ThreadInside() == Inside::kNothing && impl_->environment->MayReopen()) {
    // Only the writer opens it anew, and does so before it writes anything.
    Update(Lane::kForeground, [](WriteTxn&) { return absl::OkStatus(); }).IgnoreError();
    begun = impl_->environment->BeginRead();
  }
  ASSIGN_OR_RETURN(MDB_txn* const lmdb_txn, std::move(begun));
  const InsideScope inside(Inside::kTransaction);
  const absl::Cleanup end = [&] { impl_->environment->EndRead(lmdb_txn); };
  ReadTxn txn(*this, lmdb_txn);
  absl::Status status = read(txn);
  if (!txn.status_.ok()) status = txn.status_;
  return status;
}

absl::Status Index::Update(Lane lane, Operation operation) {
  CHECK(ThreadInside() == Inside::kNothing);
  struct Waiter {
    Mutex mutex;
    CondVar changed;
    bool done GUARDED_BY(mutex) = false;
    absl::Status status GUARDED_BY(mutex);
  } waiter;
  Submit(lane, std::move(operation), [&waiter](absl::Status status) {
    MutexLock lock(waiter.mutex);
    waiter.done = true;
    waiter.status = std::move(status);
    waiter.changed.NotifyOne();  // under the lock: the waiter ends as soon as it is released
  });
  MutexLock lock(waiter.mutex);
  while (!waiter.done) waiter.changed.Wait(waiter.mutex);
  return waiter.status;
}

void Index::Submit(Lane lane, Operation operation, std::function<void(absl::Status)> done) {
  {
    MutexLock lock(impl_->queue_mutex);
    if (!impl_->stopping) {
      auto& queue = lane == Lane::kForeground ? impl_->foreground : impl_->bulk;
      PendingOp op;
      op.run = std::move(operation);
      op.done = std::move(done);
      queue.push_back(std::move(op));
      impl_->queue_changed.NotifyOne();
      return;
    }
  }
  if (done) done(absl::UnavailableError("the service is shutting down"));
}

void Index::SetCommitListener(std::function<void(const absl::Status&)> listener) {
  MutexLock lock(impl_->listener_mutex);
  impl_->commit_listener = std::move(listener);
  // Whoever takes it away may go once nobody is inside.
  while (impl_->telling) impl_->told.Wait(impl_->listener_mutex);
}

uint64_t Index::used_bytes() { return impl_->environment->UsedBytes(); }

absl::Status Index::State() { return impl_->environment->State(); }

uint64_t Index::bad_rows() const { return impl_->bad_rows.load(); }

void Index::Shutdown() {
  // Before the writer ends, so that a refresh under way is over before anything is closed.
  if (impl_->size_gauge != nullptr) {
    MutexLock lock(impl_->size_gauge->mutex);
    impl_->size_gauge->index = nullptr;
  }
  {
    MutexLock lock(impl_->queue_mutex);
    impl_->stopping = true;
    impl_->queue_changed.NotifyAll();
  }
  MutexLock lock(impl_->shutdown_mutex);
  impl_->writer.Join();
}

}  // namespace waypost::base
