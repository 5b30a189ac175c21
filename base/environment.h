#pragma once

#include <lmdb.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/tables.h"

namespace waypost::base {

// What an LMDB error means to our callers: a full disk or map is NoSpaceError.
absl::Status LmdbStatus(int error, std::string_view what);

// The LMDB environment of an Index, and the gate its readers pass. LMDB may only grow its map or be
// reopened while no transaction is open; the writer thread, which does both, closes the gate for
// that time. Only Index uses this.
class Environment {
 public:
  // Two of the same folder in one process would break LMDB's file locks: kFailedPrecondition.
  static absl::StatusOr<std::unique_ptr<Environment>> Open(const std::string& dir,
                                                           uint64_t map_size);
  ~Environment();
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  // Thread-safe. Waits while the gate is closed, or while kReadersMax transactions are open.
  absl::StatusOr<MDB_txn*> BeginRead();
  void EndRead(MDB_txn* txn);
  // Is an attempt to open it anew worth while, after the last that failed? Thread-safe.
  bool MayReopen();
  // What BeginRead would say once the gate is open. Never waits for it.
  absl::Status State();
  MDB_dbi dbi(Table table) const { return dbis_[static_cast<std::size_t>(table)]; }
  // Bytes of the file that were in use at the last NoteCommit. Never waits. Thread-safe.
  uint64_t UsedBytes() const;

  // Only on the writer thread. BeginWrite reopens an environment that a failed write has made
  // unusable, and so does Mend, for those who read, after a commit that failed.
  absl::StatusOr<MDB_txn*> BeginWrite();
  void Mend();
  // After a commit that succeeded.
  void NoteCommit();
  // What the error of a commit means. LMDB calls the short write of a disk that has just become
  // full EIO.
  absl::Status CommitStatus(int error) const;
  // Doubles the map, at least, once the readers have left; IsNoSpace when it cannot be larger.
  absl::Status Grow();
  // From now on nothing can be read; waits until the readers have left. Idempotent.
  void Close();

 private:
  // The reader table of the environment, and how many of its slots we use.
  static constexpr unsigned kReaderSlots = 1024;
  static constexpr std::size_t kReadersMax = 1000;

  Environment(std::string dir, uint64_t map_size) : dir_(std::move(dir)), map_size_(map_size) {}
  absl::Status Claim();
  // A map that this process has room for. A map that is too small grows.
  void FitMap();
  absl::Status OpenFiles();
  void CloseFiles();
  absl::Status OpenTables();
  absl::Status FillUp();
  uint64_t BytesInUse();
  bool DiskIsFull() const;
  void CloseGate();
  void OpenGate(absl::Status state);
  absl::Status Reopen();

  const std::string dir_;
  std::atomic<uint64_t> used_{0};
  uint64_t device_ = 0;  // which folder it is, whatever its path
  uint64_t inode_ = 0;
  bool claimed_ = false;

  // Changed only while the gate is closed.
  uint64_t map_size_;
  MDB_env* env_ = nullptr;
  std::array<MDB_dbi, kTableCount> dbis_{};

  Mutex mutex_;
  CondVar changed_;
  bool gate_closed_ GUARDED_BY(mutex_) = false;
  absl::Status state_ GUARDED_BY(mutex_);  // what readers are told when there is nothing to read
  SteadyTime reopen_failed_ GUARDED_BY(mutex_){};
  std::size_t active_ GUARDED_BY(mutex_) = 0;
  // Reset, to be renewed: much cheaper than a new one.
  std::vector<MDB_txn*> idle_ GUARDED_BY(mutex_);
};

}  // namespace waypost::base
