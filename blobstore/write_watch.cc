#include "blobstore/write_watch.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

// Errors of writes are noted where they are met; that writes are taken again is only said after a
// trial of both, the files and the index, for they may be on different disks.

namespace waypost::blobstore {
namespace {

// A row that has no other meaning.
constexpr std::string_view kTrialKey = "write.trial";

}  // namespace

WriteWatch::WriteWatch(base::Index& index, const base::Clock& clock,
                       std::function<absl::Status()> try_files)
    : index_(index), clock_(clock), try_files_(std::move(try_files)) {
  index_.SetCommitListener([this](const absl::Status& status) { NoteCommit(status); });
}

WriteWatch::~WriteWatch() { index_.SetCommitListener({}); }

void WriteWatch::SetListener(std::function<void(const std::string&)> listener) {
  listener_ = std::move(listener);
}

void WriteWatch::NoteFiles(const absl::Status& status) {
  if (base::IsReadOnly(status)) Change(std::string(status.message()));
}

// An error that is no lack of room is one of the disk of the index, whatever its name.
void WriteWatch::NoteCommit(const absl::Status& status) {
  Change(absl::StrCat("the index takes no writes: ", status.message()));
}

std::string WriteWatch::why() const {
  base::MutexLock lock(mutex_);
  return why_;
}

void WriteWatch::Try() {
  if (why().empty()) return;
  if (!try_files_().ok()) return;
  const absl::Status committed =
      index_.Update(base::Index::Lane::kBulk, [this](base::WriteTxn& txn) {
        txn.Put(base::Table::kMeta, kTrialKey, absl::StrCat(base::ToMs(clock_.WallNow())));
        return absl::OkStatus();
      });
  if (committed.ok()) Change("");
}

void WriteWatch::Change(const std::string& why) {
  {
    base::MutexLock lock(mutex_);
    if (why_.empty() == why.empty()) return;  // the first reason stays
    why_ = why;
  }
  if (listener_) listener_(why);
}

}  // namespace waypost::blobstore
