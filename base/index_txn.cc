#include <lmdb.h>

#include <array>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/index.h"
#include "base/index_impl.h"
#include "base/status.h"

// Rows and cursors of one transaction. The first LMDB error sticks: from then on every look-up
// answers "absent" and the transaction as a whole fails, so that nobody concludes absence from an
// error. Envelopes are opened here, and rows that fail are reported.

namespace waypost::base {
namespace {

MDB_val Val(std::string_view s) { return {s.size(), const_cast<char*>(s.data())}; }
std::string_view View(const MDB_val& v) { return {static_cast<const char*>(v.mv_data), v.mv_size}; }

// Of our own, beside LMDB's.
constexpr int kDisorder = MDB_LAST_ERRCODE - 1000;

// What is not walked in the order of its keys is left as it is: bytes of blobs, and evidence.
bool KeepsOrder(Table table) { return table != Table::kInline && table != Table::kBadRows; }
bool HasEnvelope(Table table) { return KeepsOrder(table) && table != Table::kDue; }

}  // namespace

void ReadTxn::Fail(int lmdb_error, const char* what) {
  if (!status_.ok()) return;
  lmdb_error_ = lmdb_error;
  status_ =
      lmdb_error == kDisorder
          ? absl::UnavailableError("index: keys are not in their order: they are put in order")
          : LmdbStatus(lmdb_error, what);
}

std::optional<std::string_view> ReadTxn::GetRaw(Table table, std::string_view key) {
  if (!status_.ok()) return std::nullopt;
  MDB_val k = Val(key);
  MDB_val v;
  const int error = mdb_get(txn_, index_.impl_->environment->dbi(table), &k, &v);
  if (error == 0) return View(v);
  if (error != MDB_NOTFOUND) Fail(error, "reading a row");
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
  const auto stored = GetRaw(table, key);
  if (stored) index_.impl_->NoteBadRow(table, key, *stored);
}

uint64_t ReadTxn::Rows(Table table) {
  if (!status_.ok()) return 0;
  MDB_stat stat;
  const int error = mdb_stat(txn_, index_.impl_->environment->dbi(table), &stat);
  if (error == 0) return stat.ms_entries;
  Fail(error, "counting rows");
  return 0;
}

uint64_t ReadTxn::Snapshot() const { return mdb_txn_id(txn_); }

// LMDB gives a write transaction the number that its commit will have.
uint64_t WriteTxn::Snapshot() const { return mdb_txn_id(txn_) - 1; }

Cursor::Cursor(ReadTxn& txn, Table table) : txn_(txn), table_(table) {
  if (!txn_.status_.ok()) return;
  const int error =
      mdb_cursor_open(txn_.txn_, txn_.index_.impl_->environment->dbi(table), &cursor_);
  if (error != 0) txn_.Fail(error, "opening a cursor");
}

Cursor::~Cursor() {
  if (cursor_ != nullptr) mdb_cursor_close(cursor_);
}

bool Cursor::Move(int op, std::string_view key) {
  valid_ = false;
  if (cursor_ == nullptr || !txn_.status_.ok()) return false;
  MDB_val k = Val(key);
  MDB_val v;
  const int error = mdb_cursor_get(cursor_, &k, &v, static_cast<MDB_cursor_op>(op));
  if (error == MDB_NOTFOUND) return false;
  if (error != 0) {
    txn_.Fail(error, "moving a cursor");
    return false;
  }
  // Who goes on from here by the key would leave out what is behind it, or walk in a circle.
  if (op == MDB_NEXT && KeepsOrder(table_) && View(k) <= key_) {
    txn_.index_.impl_->NoteDisorder(table_);
    txn_.Fail(kDisorder, "moving a cursor");
    return false;
  }
  key_ = View(k);
  value_ = View(v);
  valid_ = true;
  return true;
}

bool Cursor::Seek(std::string_view key) {
  return key.empty() ? Move(MDB_FIRST, {}) : Move(MDB_SET_RANGE, key);
}
bool Cursor::Next() { return valid_ && Move(MDB_NEXT, {}); }
bool Cursor::Last() { return Move(MDB_LAST, {}); }

std::optional<std::string_view> Cursor::payload() {
  if (!valid_) return std::nullopt;
  const auto opened = OpenRecord(table_, key_, value_);
  if (!opened) txn_.index_.impl_->NoteBadRow(table_, key_, value_);
  return opened;
}

void WriteTxn::Put(Table table, std::string_view key, std::string_view payload, uint8_t version) {
  Write(table, key, SealRecord(table, key, version, payload));
}

void WriteTxn::PutRaw(Table table, std::string_view key, std::string_view value) {
  Write(table, key, value);
}

void WriteTxn::Write(Table table, std::string_view key, std::string_view value) {
  if (!status_.ok()) return;
  if (key.size() > kKeyBytesMax) return Fail(MDB_BAD_VALSIZE, "writing a row");
  // A copy: a key that was read in this transaction may move while the row is being placed.
  std::array<char, kKeyBytesMax> copy;
  std::memcpy(copy.data(), key.data(), key.size());
  MDB_val k = Val({copy.data(), key.size()});
  MDB_val v = Val(value);
  ++rows_written_;
  const int error = mdb_put(txn_, index_.impl_->environment->dbi(table), &k, &v, 0);
  if (error != 0) Fail(error, "writing a row");
}

bool WriteTxn::Delete(Table table, std::string_view key) {
  if (!status_.ok()) return false;
  if (key.size() > kKeyBytesMax) {
    Fail(MDB_BAD_VALSIZE, "deleting a row");
    return false;
  }
  std::array<char, kKeyBytesMax> copy;
  std::memcpy(copy.data(), key.data(), key.size());
  MDB_val k = Val({copy.data(), key.size()});
  const int error = mdb_del(txn_, index_.impl_->environment->dbi(table), &k, nullptr);
  if (error == MDB_NOTFOUND) return false;
  ++rows_written_;
  if (error != 0) Fail(error, "deleting a row");
  return error == 0;
}

WriteTxn::Swept WriteTxn::Sweep(Table table, std::size_t kept_max) {
  Swept swept;
  MDB_cursor* cursor = nullptr;
  if (!status_.ok() || !KeepsOrder(table)) return swept;
  int error = mdb_cursor_open(txn_, index_.impl_->environment->dbi(table), &cursor);
  if (error != 0) {
    Fail(error, "opening a cursor");
    return swept;
  }
  MDB_val k, v;
  const auto take_out = [&] {
    ++rows_written_;
    error = mdb_cursor_del(cursor, 0);
  };
  std::string before, last;  // of the two rows that stay
  error = mdb_cursor_get(cursor, &k, &v, MDB_FIRST);
  // After a removal the next one is where the cursor stands.
  for (; error == 0; error = error != 0 ? error : mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) {
    const std::string_view key = View(k);
    if (HasEnvelope(table) && !OpenRecord(table, key, View(v))) {
      if (swept.bad.size() < kept_max) {
        swept.bad.emplace_back(key, View(v));
      } else {
        ++swept.bad_beyond;
      }
      take_out();
    } else if (key > last) {
      before = std::exchange(last, std::string(key));
    } else {
      // Of the two one is at the wrong place: the last one, if this one would follow without it.
      const bool last_is_wrong = key > before;
      if (last_is_wrong) {
        error = mdb_cursor_get(cursor, &k, &v, MDB_PREV);
        if (error != 0) break;
        last = std::exchange(before, std::string());
      }
      swept.misplaced.emplace_back(View(k), View(v));
      take_out();
    }
  }
  mdb_cursor_close(cursor);
  if (error != MDB_NOTFOUND) Fail(error, "sweeping a table");
  return swept;
}

void WriteTxn::AfterCommit(std::function<void()> callback) {
  after_commit_.push_back(std::move(callback));
}

}  // namespace waypost::base
