#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "base/crypto.h"
#include "base/index.h"
#include "base/status.h"
#include "syncgroup/log/log_writer.h"
#include "syncgroup/protocol/wire_codec.h"
#include "tests/fakes/temp_dir.h"

// A log with branches of one peer, in an index of its own.
namespace waypost::syncgroup {

inline const base::GroupId& LogGroup() {
  static const base::GroupId group = *base::GroupId::FromBytes(std::string(32, 'g'));
  return group;
}

// Who writes: keys that are the same in each run.
inline const base::Identity& Author(uint8_t number) {
  static std::vector<std::unique_ptr<base::Identity>> authors;
  while (authors.size() <= number) {
    authors.push_back(base::Identity::FromSeed({9, static_cast<uint8_t>(authors.size())}));
  }
  return *authors[number];
}

inline OpenedEntry Seal(const base::Identity& by, const LogEntry& entry) {
  SealedEntry sealed = SealLogEntry(by, entry);
  const base::EntryHash hash = HashEntry(sealed.bytes);
  return {.sealed = std::move(sealed), .entry = entry, .hash = hash};
}
// The first of a numbering: what is said makes it one of its own.
inline OpenedEntry First(const base::Identity& by, Holds holds, int64_t time_ms,
                         std::vector<LogOp> ops = {}) {
  return Seal(by, {.group = LogGroup(),
                   .place = {.origin = by.peer_id(), .holds = holds},
                   .time = base::FromMs(time_ms),
                   .basis = ActId::Genesis(),
                   .ops = std::move(ops)});
}
// What follows on an entry.
inline OpenedEntry After(const base::Identity& by, const OpenedEntry& before, int64_t time_ms,
                         std::vector<LogOp> ops = {}) {
  return Seal(by, {.group = LogGroup(),
                   .place = {.origin = by.peer_id(),
                             .holds = before.entry.place.holds,
                             .numbering = before.numbering(),
                             .generation = before.entry.place.generation + 1,
                             .previous = before.hash},
                   .time = base::FromMs(time_ms),
                   .ops = std::move(ops)});
}
inline LogHead HeadOf(const OpenedEntry& entry) {
  return {entry.numbering(), entry.entry.place.generation, entry.hash};
}

class LogRig {
 public:
  LogRig() {
    CHECK(base::InitCrypto());
    auto opened = base::Index::Open({.dir = dir_.path()});
    CHECK(opened.ok());
    index_ = *std::move(opened);
  }
  void Write(absl::FunctionRef<void(LogWriter&)> change) {
    CHECK(index_
              ->Update(base::Index::Lane::kForeground,
                       [&](base::WriteTxn& txn) {
                         LogWriter log(txn, LogGroup());
                         change(log);
                         return absl::OkStatus();
                       })
              .ok());
  }
  void Read(absl::FunctionRef<void(const LogReader&)> look) const {
    CHECK(index_->Read([&](base::ReadTxn& txn) { look(LogReader(txn, LogGroup())); }).ok());
  }
  // Kept at once, as what counts is.
  static LogWriter::Appended TakeInto(LogWriter& log, const OpenedEntry& entry) {
    const LogWriter::Appended appended = log.Append(entry);
    if (appended.kind == LogWriter::Appended::Kind::kNew) {
      log.Keep(appended.place.branch, appended.place.generation);
    }
    return appended;
  }
  LogWriter::Appended Take(const OpenedEntry& entry) {
    LogWriter::Appended appended;
    Write([&](LogWriter& log) { appended = TakeInto(log, entry); });
    return appended;
  }
  // In one transaction.
  void TakeAll(const std::vector<OpenedEntry>& entries) {
    Write([&](LogWriter& log) {
      for (const OpenedEntry& entry : entries) TakeInto(log, entry);
    });
  }
  std::vector<LogHead> Heads() const {
    std::vector<LogHead> heads;
    Read([&](const LogReader& log) { heads = log.ToldHeads(); });
    return heads;
  }
  bool Has(const OpenedEntry& entry) const {
    bool has = false;
    Read([&](const LogReader& log) { has = log.Find(HeadOf(entry)).has_value(); });
    return has;
  }

 private:
  base::TempDir dir_;
  std::unique_ptr<base::Index> index_;
};

}  // namespace waypost::syncgroup
