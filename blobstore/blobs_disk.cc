#include "blobstore/blobs_disk.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/ids.h"
#include "base/random.h"
#include "base/status.h"
#include "blobstore/blob_row.h"

// The marker is written before the index remembers its id: what is remembered was there once. It is
// read again at each look and never written again, so that only somebody who knows that the blobs
// are really gone can say so, by writing the id into the folder.

namespace waypost::blobstore {
namespace {

constexpr std::string_view kMarkerKey = "blobs.marker";
constexpr std::size_t kIdBytes = 16;
// What an operator writes into the marker of a folder that has no id yet.
constexpr char kGone[] = "gone";
constexpr std::size_t kMarkerBytesMax = 256;
constexpr base::Millis kLookAgain{1000};
// Of the rows of a folder without a marker: so many files are looked for before it is said that
// none of them is there. Rows that are placed in the index cost less.
constexpr std::size_t kFilesLookedFor = 1000;
constexpr std::size_t kRowsMax = 1'000'000;

}  // namespace

BlobsDisk::BlobsDisk(base::FileSystem& fs, base::Index& index, const base::Clock& clock,
                     const Layout& layout)
    : fs_(fs), index_(index), clock_(clock), layout_(layout) {}

void BlobsDisk::SetListener(std::function<void(const std::string&)> listener) {
  listener_ = std::move(listener);
}

absl::Status BlobsDisk::Check() { return Look(/*now=*/false); }
absl::Status BlobsDisk::CheckNow() { return Look(/*now=*/true); }

std::string BlobsDisk::away() const {
  base::MutexLock lock(mutex_);
  return away_;
}

bool BlobsDisk::BeginLook(bool now, std::string& away) {
  base::MutexLock lock(mutex_);
  while (looking_) look_ended_.Wait(mutex_);
  away = away_;
  if (!now && looked_ && clock_.SteadyNow() - looked_at_ < kLookAgain) return false;
  looking_ = true;
  return true;
}

absl::Status BlobsDisk::Look(bool now) {
  std::string seen;
  if (BeginLook(now, seen)) {
    const auto end = absl::MakeCleanup([this] {
      base::MutexLock lock(mutex_);
      looking_ = false;
      look_ended_.NotifyAll();
    });
    const std::string before = std::move(seen);
    const base::SteadyTime at = clock_.SteadyNow();
    ASSIGN_OR_RETURN(seen, Judge());
    {
      base::MutexLock lock(mutex_);
      looked_ = true;
      looked_at_ = at;
      away_ = seen;
    }
    if (seen != before && listener_) listener_(seen);
  }
  return seen.empty() ? absl::OkStatus() : absl::UnavailableError(seen);
}

absl::StatusOr<std::string> BlobsDisk::Judge() {
  if (id_.empty()) {
    std::string id;
    RETURN_IF_ERROR(index_.Read(
        [&](base::ReadTxn& txn) { id = txn.Get(base::Table::kMeta, kMarkerKey).value_or(""); }));
    id_ = std::move(id);
  }
  if (id_.empty()) return BeginMarker();
  const auto text = base::ReadSmallFile(fs_, layout_.marker(), kMarkerBytesMax);
  if (text.ok() && absl::StripSuffix(*text, "\n") == id_) return std::string();
  if (!text.ok() && !absl::IsNotFound(text.status()) && !absl::IsOutOfRange(text.status())) {
    return text.status();
  }
  return absl::StrCat(layout_.blobs_dir(),
                      " is not the folder that holds the blobs of this index: ",
                      text.ok() ? "its file DISK names another one" : "it has no file DISK",
                      ". Is its disk mounted? If the blobs are really gone, write ", id_, " into ",
                      layout_.marker());
}

absl::StatusOr<std::string> BlobsDisk::BeginMarker() {
  std::vector<std::pair<base::BlobId, uint64_t>> files;
  RETURN_IF_ERROR(index_.Read([&](base::ReadTxn& txn) {
    base::Cursor cursor(txn, base::Table::kBlobs);
    std::size_t rows = 0;
    for (cursor.Seek(""); cursor.valid() && rows < kRowsMax; cursor.Next(), ++rows) {
      const auto blob = base::BlobId::FromBytes(cursor.key());
      const auto payload = cursor.payload();
      const auto row = blob && payload ? DecodeBlobRow(*payload) : std::nullopt;
      if (!row || row->placement != Placement::kFile) continue;
      files.emplace_back(*blob, row->size_bytes);
      if (files.size() == kFilesLookedFor) break;
    }
  }));
  // One that is there was written by a start that ended before the index could remember it, or by
  // an operator who knows better than we do.
  const auto text = base::ReadSmallFile(fs_, layout_.marker(), kMarkerBytesMax);
  std::string id = text.ok() ? std::string(absl::StripSuffix(*text, "\n")) : std::string();
  bool found = files.empty() || id == kGone;
  for (std::size_t i = 0; i < files.size() && !found; ++i) {
    ASSIGN_OR_RETURN(const auto info, fs_.Stat(layout_.BlobPath(files[i].first)));
    found = info && !info->is_directory && info->size == files[i].second;
  }
  if (!found) {
    return absl::StrCat("of ", files.size(), " files that the index names none is in ",
                        layout_.blobs_dir(),
                        ". Is its disk mounted? If they are really gone, write \"", kGone,
                        "\" into ", layout_.marker());
  }
  if (id.size() != 2 * kIdBytes) {
    id = base::ToHex(base::RandomBytes(kIdBytes));
    RETURN_IF_ERROR(base::ReplaceFile(fs_, layout_.marker(), id + "\n"));
  }
  RETURN_IF_ERROR(index_.Update(base::Index::Lane::kBulk, [&](base::WriteTxn& txn) {
    txn.Put(base::Table::kMeta, kMarkerKey, id);
    return absl::OkStatus();
  }));
  id_ = id;
  return std::string();
}

}  // namespace waypost::blobstore
