// Group commit: what is submitted while one commit runs forms the next batch.
#include <lmdb.h>

#include <chrono>
#include <future>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/fault_point.h"
#include "base/index_impl.h"
#include "base/log.h"
#include "base/status.h"

namespace waypost::base {
namespace {

// Bounds the time that one batch keeps the others waiting.
constexpr std::size_t kBatchMax = 2000;
// A map that doubled this often in one batch would hold any batch that fits in memory.
constexpr int kGrowthsMax = 20;

absl::Status ShutDownError() {
  return absl::UnavailableError("index: the service is shutting down");
}

}  // namespace

void Index::Impl::WriterLoop() {
  while (true) {
    std::vector<Pending> batch;
    {
      MutexLock lock(queue_mutex);
      while (foreground.empty() && bulk.empty() && !stopping) queue_changed.Wait(queue_mutex);
      if (foreground.empty() && bulk.empty()) return;
      std::deque<Pending>& queue = foreground.empty() ? bulk : foreground;
      const std::size_t limit = foreground.empty() ? 1 : kBatchMax;
      while (!queue.empty() && batch.size() < limit) {
        batch.push_back(std::move(queue.front()));
        queue.pop_front();
      }
    }
    RunBatch(batch);
  }
}

void Index::Impl::RunBatch(std::vector<Pending>& batch) {
  std::vector<Pending*> all;
  all.reserve(batch.size());
  for (Pending& pending : batch) all.push_back(&pending);
  if (!TryBatch(all)) {
    for (Pending* pending : all) {
      std::vector<Pending*> alone = {pending};
      TryBatch(alone);
    }
  }
  for (Pending& pending : batch) {
    if (pending.done) pending.done(std::move(pending.result));
  }
}

bool Index::Impl::TryBatch(std::vector<Pending*>& batch) {
  const auto fail_all = [&](const absl::Status& status) {
    for (Pending* pending : batch) pending->result = status;
    return true;
  };
  for (int growths = 0;; ++growths) {
    map_full = false;
    MDB_txn* raw = nullptr;
    int error = env == nullptr ? MDB_PANIC : mdb_txn_begin(env, nullptr, 0, &raw);
    if (error == MDB_PANIC) {
      // A meta page could not be written: LMDB refuses everything until the environment is opened anew.
      const absl::Status reopened = Reopen();
      if (!reopened.ok()) return fail_all(reopened);
      error = mdb_txn_begin(env, nullptr, 0, &raw);
    }
    if (error != MDB_SUCCESS) return fail_all(LmdbStatus(error, "begin to write"));
    WriteTxn txn(index, raw);
    bool failed_dirty = false;
    t_inside_index = true;
    for (Pending* pending : batch) {
      const std::size_t callbacks = txn.after_commit_.size();
      txn.dirty_ = false;
      pending->result = pending->operation(txn);
      if (!txn.status_.ok()) {
        pending->result = txn.status_;
        txn.dirty_ = true;
      }
      if (pending->result.ok()) continue;
      txn.after_commit_.resize(callbacks);
      if (txn.dirty_) {
        failed_dirty = true;
        break;
      }
    }
    if (failed_dirty) {
      t_inside_index = false;
      mdb_txn_abort(raw);
      if (map_full && growths < kGrowthsMax) {
        const absl::Status grown = GrowMap();
        if (!grown.ok()) return fail_all(grown);
        continue;
      }
      return batch.size() == 1;
    }
    FaultPoint("index.before");
    const auto begun = std::chrono::steady_clock::now();
    error = mdb_txn_commit(raw);
    commit_seconds.Observe(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count());
    if (error == MDB_SUCCESS) {
      FaultPoint("index.committed");
      for (const auto& callback : txn.after_commit_) callback();
      t_inside_index = false;
      return true;
    }
    t_inside_index = false;
    if (error == MDB_MAP_FULL && growths < kGrowthsMax) {
      const absl::Status grown = GrowMap();
      if (!grown.ok()) return fail_all(grown);
      continue;
    }
    return fail_all(LmdbStatus(error, "commit"));
  }
}

absl::Status Index::Update(Lane lane, Operation operation) {
  CHECK(!t_inside_index);
  std::promise<absl::Status> done;
  std::future<absl::Status> result = done.get_future();
  Submit(lane, std::move(operation),
         [&done](absl::Status status) { done.set_value(std::move(status)); });
  return result.get();
}

void Index::Submit(Lane lane, Operation operation, std::function<void(absl::Status)> done) {
  bool refused = false;
  {
    MutexLock lock(impl_->queue_mutex);
    refused = impl_->stopping;
    if (!refused) {
      auto& queue = lane == Lane::kForeground ? impl_->foreground : impl_->bulk;
      queue.push_back({.operation = std::move(operation), .done = std::move(done), .result = {}});
    }
  }
  if (refused) {
    if (done) done(ShutDownError());
    return;
  }
  impl_->queue_changed.NotifyOne();
}

void Index::Shutdown() {
  if (impl_ == nullptr) return;
  {
    MutexLock lock(impl_->queue_mutex);
    impl_->stopping = true;
  }
  impl_->queue_changed.NotifyAll();
  impl_->writer.Join();
}

}  // namespace waypost::base
