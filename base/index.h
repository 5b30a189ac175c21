#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/metrics.h"
#include "base/tables.h"

struct MDB_env;
struct MDB_txn;
struct MDB_cursor;

namespace waypost::base {

class Index;

// A view of the whole index at one moment. Only inside Index::Read or Index::Update, on that
// thread. An LMDB error makes it `failed`: from then on look-ups answer "absent" and the whole Read
// or Update returns the error, so absence is never concluded from an error by anyone who looks at
// that result. Views of keys and values are valid until the transaction ends or, in a WriteTxn,
// until the next write.
class ReadTxn {
 public:
  ReadTxn(const ReadTxn&) = delete;
  ReadTxn& operator=(const ReadTxn&) = delete;

  // The stored bytes as they are. Keys are 1 to 511 bytes.
  std::optional<std::string_view> GetRaw(Table table, std::string_view key);
  // The payload of a row in its envelope {record version, checksum keyed by table and key}. A row
  // that fails the check is absent, and soon after counted and set aside into `bad_rows`.
  std::optional<std::string_view> Get(Table table, std::string_view key);
  // A row whose envelope is sound but whose payload does not parse: to be treated as absent, and as
  // above.
  void ReportBadRow(Table table, std::string_view key);
  // The keys of the table's rows that were ever set aside, as far as they are kept.
  std::vector<std::string> BadRowKeys(Table table);
  // Rows in the table.
  uint64_t Rows(Table table);
  // The number of the newest commit that this transaction sees: two reads with the same number saw
  // the same index.
  uint64_t Snapshot() const;

  const absl::Status& status() const { return status_; }
  Index& index() { return index_; }

 protected:
  friend class Cursor;
  friend class Index;
  ReadTxn(Index& index, MDB_txn* txn) : index_(index), txn_(txn) {}
  void Fail(int lmdb_error, const char* what);

  Index& index_;
  MDB_txn* txn_;
  absl::Status status_;
  int lmdb_error_ = 0;  // of the first failure
};

// Walks one table in key order. Ends before its transaction. After a write through the same
// transaction, seek again.
class Cursor {
 public:
  Cursor(ReadTxn& txn, Table table);
  ~Cursor();
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;

  // Each answers valid(). A key that does not follow the one before is damage: the transaction
  // fails with kUnavailable, and soon after the table is in order again. Seek finds the first key
  // at or after `key`; an empty key is the first row.
  bool Seek(std::string_view key);
  bool Next();
  bool Last();
  bool valid() const { return valid_; }
  std::string_view key() const { return key_; }
  std::string_view raw() const { return value_; }
  // The payload in the envelope, as ReadTxn::Get; nullopt for a damaged row: skip it.
  std::optional<std::string_view> payload();

 private:
  bool Move(int op, std::string_view key);
  ReadTxn& txn_;
  Table table_;
  MDB_cursor* cursor_ = nullptr;
  bool valid_ = false;
  std::string_view key_;
  std::string_view value_;
};

class WriteTxn : public ReadTxn {
 public:
  // As ReadTxn's, before the first write: the commit it began from.
  uint64_t Snapshot() const;
  // In the envelope; `version` is the record version of the table's codec.
  void Put(Table table, std::string_view key, std::string_view payload, uint8_t version = 1);
  void PutRaw(Table table, std::string_view key, std::string_view value);
  // True if the row was there.
  bool Delete(Table table, std::string_view key);
  // What Sweep took out of a table: rows that fail their check, and sound ones that stood where
  // their keys do not belong.
  struct Swept {
    std::vector<std::pair<std::string, std::string>> bad, misplaced;
    std::size_t bad_beyond = 0;  // more bad ones, beyond `kept_max`
  };
  // Walks the whole table by position: also what no key leads to.
  Swept Sweep(Table table, std::size_t kept_max);
  // Runs on the writer thread after the commit that contains this operation returned, before the
  // operation is acknowledged; never if it is not committed. Must be quick and must not wait.
  void AfterCommit(std::function<void()> callback);

 private:
  friend class Index;
  using ReadTxn::ReadTxn;
  void Write(Table table, std::string_view key, std::string_view value);
  std::size_t rows_written_ = 0;
  std::vector<std::function<void()>> after_commit_;
};

// The one LMDB environment of a peer and its `writer` thread (group commit). Owned by the service.
// All methods are thread-safe. Lifecycle: Open -> use -> Shutdown (idempotent; drains what was
// submitted; reading goes on until the end).
//
// What is submitted while one commit runs forms the next batch, so that alone an operation waits
// for no one and under load many share one fsync. Foreground operations go before bulk ones; a bulk
// operation has a transaction of its own. An operation that fails after it wrote makes the batch
// run again one by one, so that it fails alone: an operation may run several times and must start
// from its inputs.
class Index {
 public:
  enum class Lane { kForeground, kBulk };
  using Operation = std::function<absl::Status(WriteTxn&)>;

  struct Options {
    std::string dir;                         // exists
    uint64_t map_size = uint64_t{64} << 30;  // bytes; grows by itself when full
    Metrics* metrics = nullptr;
  };
  // kInternal with what to do when the environment cannot be opened.
  static absl::StatusOr<std::unique_ptr<Index>> Open(const Options& options);
  ~Index();

  // Returns what `read` returned, or the transaction's error. No I/O, lock or Update inside.
  absl::Status Read(absl::FunctionRef<absl::Status(ReadTxn&)> read);
  // The same for what can only look.
  template <class Look>
  requires std::is_void_v<std::invoke_result_t<Look&, ReadTxn&>> absl::Status Read(Look&& look) {
    return Read(absl::FunctionRef<absl::Status(ReadTxn&)>([&look](ReadTxn& txn) {
      look(txn);
      return absl::OkStatus();
    }));
  }

  // Runs `operation` in a write transaction and returns after the commit: durable when OK. Not from
  // inside a Read, an Update or an AfterCommit callback (CHECKed). kUnavailable after Shutdown;
  // IsNoSpace when the disk or the map is full.
  absl::Status Update(Lane lane, Operation operation);
  // As Update without waiting; `done`, which may be empty, must be quick. It runs on the writer
  // thread, or after Shutdown at once on the caller's.
  void Submit(Lane lane, Operation operation, std::function<void(absl::Status)> done);

  // Told on the writer thread, which it must not keep, of a commit that failed for another reason
  // than want of room. An empty one: nobody is told, from the return of this call on, which waits
  // for a call that is under way: not from inside one.
  void SetCommitListener(std::function<void(const absl::Status&)> listener);

  // Of the file, as of the last commit. Never waits.
  uint64_t used_bytes();
  // Whether there is an index to read, without reading or waiting.
  absl::Status State();
  // Rows found damaged and set aside since the start, each counted once.
  uint64_t bad_rows() const;
  void Shutdown();

 private:
  friend class ReadTxn;
  friend class WriteTxn;
  friend class Cursor;
  struct Impl;
  Index();
  std::unique_ptr<Impl> impl_;
};

// Seals `payload` for a row, and opens it again; nullopt when the checksum does not match. Here for
// tests and tools; the transactions call them.
std::string SealRecord(Table table, std::string_view key, uint8_t version,
                       std::string_view payload);
std::optional<std::string_view> OpenRecord(Table table, std::string_view key,
                                           std::string_view stored);
// The same row with today's checksum; nullopt where it has it, or is damaged.
std::optional<std::string> ResealRecord(Table table, std::string_view key, std::string_view stored);

}  // namespace waypost::base
