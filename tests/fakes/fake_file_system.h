#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "base/file_system.h"
#include "base/mutex.h"

namespace waypost::base {

// A disk in memory which forgets, at a power cut, what nobody synced: contents without File::Sync,
// names without SyncDir of their folder. It is as unkind as POSIX allows, also where real file
// systems are kinder. Thread-safe. Outlives its files. The folder "/" is there from the start.
class FakeFileSystem final : public FileSystem {
 public:
  enum class Op {
    kOpenRead,
    kOpenWrite,
    kCreateExclusive,
    kCreateUnnamed,
    kLink,
    kRename,
    kRemove,
    kMakeDir,
    kSyncDir,
    kSyncAll,
    kList,
    kStat,
    kFreeSpace,
    kWrite,
    kFlush,
    kRead,
    kSync,
    kCheckSynced,
    kTruncate,
    kSize,
  };
  static constexpr std::size_t kOps = 20;

  FakeFileSystem();
  ~FakeFileSystem() override;

  // ---- for tests ----
  // Only what is durable remains. Files that are open answer every call with an error from then on.
  void PowerCut();
  // As real disks do it: of what was not synced, a part survives, name by name and block by block.
  // The seed decides which.
  void PowerCutKeepingSome(uint64_t seed);
  // The `nth` call (1: the next) of `op` from now on fails with `error` (an errno), once. A failed
  // sync drops what was not durable yet, new names of files included, and the next one reports
  // success all the same, as Linux does.
  void FailNth(Op op, int nth, int error);
  // Room for this many more bytes; beyond it writes are cut short with ENOSPC.
  void SetFreeSpace(uint64_t bytes);
  // The folder is on another file system, with room for so many bytes: what is asked and renamed
  // shows it; writes there are not cut short.
  void SetApart(const std::string& dir, uint64_t free_bytes);
  // As mounted so, or turned so after an error: reads go on.
  void SetReadOnly(bool read_only);
  void SetNow(WallTime now);
  uint64_t calls(Op op) const;
  // Syncs of files and folders.
  uint64_t syncs() const { return calls(Op::kSync) + calls(Op::kSyncDir) + calls(Op::kSyncAll); }
  // Bit `bit` of the byte at `offset` flips, on disk and in memory: damage that nobody reports.
  void FlipBit(const std::string& path, uint64_t offset, int bit);

  // ---- FileSystem ----
  absl::StatusOr<std::unique_ptr<File>> OpenRead(const std::string& path) override;
  absl::StatusOr<std::unique_ptr<File>> OpenWrite(const std::string& path) override;
  absl::StatusOr<std::unique_ptr<File>> CreateExclusive(const std::string& path) override;
  absl::StatusOr<std::unique_ptr<File>> CreateUnnamed(const std::string& dir) override;
  absl::Status Link(File& unnamed, const std::string& path) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status Remove(const std::string& path) override;
  absl::StatusOr<bool> MakeDir(const std::string& path) override;
  absl::Status SyncDir(const std::string& path) override;
  absl::Status SyncAll(const std::string& path) override;
  absl::StatusOr<std::vector<std::string>> List(const std::string& dir) override;
  absl::StatusOr<std::optional<Info>> Stat(const std::string& path) override;
  absl::StatusOr<Space> FreeSpace(const std::string& dir) override;

 private:
  struct Node;
  class OpenFile;
  using NodePtr = std::shared_ptr<Node>;

  struct Failure {
    Op op;
    int remaining;
    int error;
  };
  // Where a path leads: the folder, which must be there, and the last name in it.
  struct Place {
    NodePtr folder;
    std::string name;
    NodePtr node;  // null when nothing is there
  };

  // Of the file system on which `path` is: its entry in `apart_`; null: the one of all others.
  const std::pair<const std::string, uint64_t>* ApartOf(const std::string& path) const
      EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Counts the call; the failure that a test asked for, if it is its turn.
  absl::Status Enter(Op op, const std::string& what) EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<Place> Find(const std::string& path) EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<NodePtr> FindDir(const std::string& path) EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::unique_ptr<File>> OpenExisting(Op op, const std::string& path);
  std::unique_ptr<File> MakeFile(const NodePtr& node, const std::string& path, bool writable)
      EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static void VisitAll(const NodePtr& node, absl::FunctionRef<void(Node&)> visit);
  NodePtr NewNode(bool is_directory) EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable Mutex mutex_;
  NodePtr root_ GUARDED_BY(mutex_);
  std::vector<std::weak_ptr<Node>> unnamed_ GUARDED_BY(mutex_);
  std::shared_ptr<uint64_t> used_;  // bytes of all nodes; under mutex_ too
  uint64_t total_ GUARDED_BY(mutex_) = uint64_t{1} << 40;
  WallTime now_ GUARDED_BY(mutex_) = FromMs(1'750'000'000'000);
  std::map<std::string, uint64_t> apart_ GUARDED_BY(mutex_);  // with their free bytes
  uint64_t cuts_ GUARDED_BY(mutex_) = 0;
  bool read_only_ GUARDED_BY(mutex_) = false;
  std::vector<Failure> failures_ GUARDED_BY(mutex_);
  std::array<uint64_t, kOps> calls_ GUARDED_BY(mutex_) = {};
};

}  // namespace waypost::base
