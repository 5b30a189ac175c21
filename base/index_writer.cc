#include <lmdb.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/fault_point.h"
#include "base/index.h"
#include "base/index_impl.h"
#include "base/log.h"
#include "base/status.h"

// Group commit: take what has gathered, run it in one transaction, commit, tell. When an operation
// fails after it wrote, what stood before it in the batch runs again without it, and it comes first
// in the next transaction, where it fails alone: a bad operation costs the others a second run, and
// no extra commit.

namespace waypost::base {
namespace {

// A batch is bounded so that its first operation is not kept waiting, and LMDB keeps the pages that
// a transaction has touched in memory.
constexpr std::size_t kBatchMax = 2000;   // operations
constexpr std::size_t kBatchRows = 6000;  // of them together
// Foreground goes first, but not for ever.
constexpr unsigned kForegroundTurnsMax = 4;
constexpr Millis kMemoryWait{10};

// Those who come after it hear all the same.
void Tell(absl::FunctionRef<void()> callback) {
  const absl::Status told = WithinMemory([&] {
    callback();
    return absl::OkStatus();
  });
  if (!told.ok()) LogWarning("index: whoever waited for a commit was not told: ", told.ToString());
}

void FailAll(std::vector<PendingOp>& batch, std::size_t begin, std::size_t end,
             const absl::Status& status) {
  for (std::size_t i = begin; i < end; ++i) {
    if (batch[i].result.ok()) batch[i].result = status;
  }
}

}  // namespace

std::vector<PendingOp> Index::Impl::TakeBatch() {
  std::vector<PendingOp> batch;
  MutexLock lock(queue_mutex);
  while (foreground.empty() && bulk.empty() && !stopping) queue_changed.Wait(queue_mutex);
  // Before anything is taken, so that where memory runs out nothing that waits is lost or refused:
  // fewer go on, or one as soon as there is room for it.
  std::size_t room = std::clamp<std::size_t>(foreground.size(), 1, kBatchMax);
  const auto reserve = [&] {
    batch.reserve(room);
    return absl::OkStatus();
  };
  while (!WithinMemory(reserve).ok()) {
    if (room == 1) queue_changed.WaitUntil(queue_mutex, SteadyNow() + kMemoryWait);
    room = std::max<std::size_t>(room / 2, 1);
  }
  const bool take_bulk =
      !bulk.empty() && (foreground.empty() || foreground_turns >= kForegroundTurnsMax);
  if (take_bulk) {
    foreground_turns = 0;
    batch.push_back(std::move(bulk.front()));
    bulk.pop_front();
    return batch;
  }
  foreground_turns = bulk.empty() ? 0 : foreground_turns + 1;
  while (!foreground.empty() && batch.size() < room) {
    batch.push_back(std::move(foreground.front()));
    foreground.pop_front();
  }
  return batch;
}

void Index::Impl::WriterLoop() {
  for (;;) {
    std::vector<PendingOp> batch = TakeBatch();
    if (batch.empty()) return;  // stopping, and everything is drained
    for (std::size_t begin = 0; begin < batch.size();) {
      const std::size_t count = RunSome(batch, begin);
      Acknowledge(batch, begin, count);
      begin += count;
    }
  }
}

Index::Impl::Ran Index::Impl::RunIn(MDB_txn* txn, std::vector<PendingOp>& batch, std::size_t begin,
                                    std::size_t end) {
  Ran ran{.next = begin};
  std::size_t rows = 0;
  while (ran.next < end && (ran.next == begin || rows < kBatchRows)) {
    PendingOp& op = batch[ran.next];
    op.after_commit.clear();
    WriteTxn write(index, txn);
    {
      const InsideScope inside(Inside::kTransaction);
      op.result = WithinMemory([&] { return op.run(write); });
    }
    if (!write.status_.ok()) op.result = write.status_;
    rows += write.rows_written_;
    ran.error = write.lmdb_error_;
    ran.spoiled = !op.result.ok() && (write.rows_written_ != 0 || ran.error != 0);
    if (ran.spoiled) break;
    if (op.result.ok()) op.after_commit = std::move(write.after_commit_);
    ++ran.next;
  }
  return ran;
}

// Brings the results of operations from `begin` on to their end in one transaction; how many it
// were, at least one.
std::size_t Index::Impl::RunSome(std::vector<PendingOp>& batch, std::size_t begin) {
  std::size_t end = batch.size();
  for (;;) {
    const absl::StatusOr<MDB_txn*> txn = environment->BeginWrite();
    if (!txn.ok()) {
      const absl::Status status = FailedCommit(txn.status());
      for (std::size_t i = begin; i < end; ++i) batch[i].result = status;
      return end - begin;
    }
    auto [next, spoiled, error] = RunIn(*txn, batch, begin, end);
    if (!spoiled) {
      FaultPoint("index.before");
      const SteadyTime started = SteadyNow();
      error = mdb_txn_commit(*txn);
      commit_seconds.Observe(std::chrono::duration<double>(SteadyNow() - started).count());
      if (error == 0) {
        FaultPoint("index.committed");
        environment->NoteCommit();
        return next - begin;
      }
    } else {
      mdb_txn_abort(*txn);
    }

    if (!spoiled && error != MDB_MAP_FULL) environment->Mend();
    absl::Status grown;
    if (error == MDB_MAP_FULL) {
      grown = environment->Grow();
      if (grown.ok()) continue;
    }
    if (!spoiled) {
      FailAll(batch, begin, next,
              FailedCommit(grown.ok() ? environment->CommitStatus(error) : grown));
      return next - begin;
    }
    if (next == begin) {
      if (!grown.ok()) batch[begin].result = grown;
      return 1;
    }
    end = next;
  }
}

// What those who waited for it are told.
absl::Status Index::Impl::FailedCommit(absl::Status status) {
  if (IsNoSpace(status)) return status;
  std::function<void(const absl::Status&)> listener;
  {
    MutexLock lock(listener_mutex);
    listener = commit_listener;
    telling = true;
  }
  if (listener) listener(status);
  MutexLock lock(listener_mutex);
  telling = false;
  told.NotifyAll();
  return status;
}

void Index::Impl::Acknowledge(std::vector<PendingOp>& batch, std::size_t begin, std::size_t count) {
  const InsideScope inside(Inside::kCallback);
  for (std::size_t i = begin; i < begin + count; ++i) {
    if (!batch[i].result.ok()) continue;
    for (const auto& callback : batch[i].after_commit) Tell(callback);
  }
  for (std::size_t i = begin; i < begin + count; ++i) {
    PendingOp& op = batch[i];
    op.after_commit.clear();
    // What the operation holds goes before its owner is told that it is over.
    op.run = nullptr;
    if (op.done) Tell([&op] { op.done(std::move(op.result)); });
    op.done = nullptr;
  }
}

}  // namespace waypost::base
