#include <algorithm>
#include <utility>

#include "base/status.h"
#include "fetcher/report/report.h"
#include "signpost/due.h"
#include "signpost/signpost_table.h"

// Pages of what is wanted: rows of the table first, stopped ones after them. Rows are read from the
// table, and what only memory knows of them is added afterwards.

namespace waypost::fetcher {
namespace {

// A page looks at no more rows than this and may be short.
constexpr std::size_t kRowsLookedAt = 10000;
// Cursors name where to go on: "d" and a due key, or "s" and a blob id.
constexpr char kDuePart = 'd';
constexpr char kStoppedPart = 's';

// Reads the rows of one page in one view.
class PageReader {
 public:
  PageReader(const std::optional<base::GroupId>& group, std::size_t limit)
      : group_(group), limit_(limit) {}

  // Each answers whether its part is through; if not, `next` says where to go on.
  bool ReadDue(base::ReadTxn& txn, const signpost::DueKey& from);
  bool ReadStopped(base::ReadTxn& txn, std::string_view from);

  std::vector<WantedItem> found;
  std::string next;

 private:
  bool InGroup(const signpost::Signpost& signpost) const {
    return !group_ || signpost.groups.contains(*group_);
  }

  const std::optional<base::GroupId> group_;
  const std::size_t limit_;
  std::size_t looked_at_ = 0;
};

bool PageReader::ReadDue(base::ReadTxn& txn, const signpost::DueKey& from) {
  const auto rest = signpost::WalkDue(txn, {.from = from, .rows_max = kRowsLookedAt},
                                      [&](const signpost::DueRow& row) {
                                        if (found.size() == limit_) return false;
                                        ++looked_at_;
                                        auto signpost = signpost::LoadSignpost(txn, row.key.blob);
                                        if (signpost && InGroup(*signpost)) {
                                          found.push_back({.blob = row.key.blob,
                                                           .lane = row.key.lane,
                                                           .state = WaitState::kDue,
                                                           .signpost = *std::move(signpost)});
                                        }
                                        return true;
                                      });
  if (rest) next = kDuePart + signpost::EncodeDueKey(*rest);
  return !rest;
}

bool PageReader::ReadStopped(base::ReadTxn& txn, std::string_view from) {
  signpost::SignpostView view;
  base::Cursor cursor(txn, base::Table::kSignposts);
  for (cursor.Seek(from); cursor.valid(); cursor.Next()) {
    if (found.size() == limit_ || ++looked_at_ > kRowsLookedAt) {
      next = kStoppedPart + std::string(cursor.key());
      return false;
    }
    const auto payload = cursor.payload();
    if (!payload || !signpost::ReadView(*payload, view) || !view.stopped) continue;
    auto signpost = signpost::DecodeSignpost(*payload);
    const auto blob = base::BlobId::FromBytes(cursor.key());
    if (!signpost || !blob || signpost->wanted_since == base::kNever || !InGroup(*signpost)) {
      continue;
    }
    found.push_back({.blob = *blob,
                     .lane = signpost::DueKeyOf(*blob, *signpost).lane,
                     .state = WaitState::kStopped,
                     .signpost = *std::move(signpost)});
  }
  return true;
}

}  // namespace

absl::StatusOr<Report::WantedPage> Report::Wanted(const WantedFilter& filter,
                                                  const std::string& cursor,
                                                  std::size_t limit) const {
  std::optional<signpost::DueKey> due = signpost::DueKey();
  std::string stopped;
  if (!cursor.empty()) {
    const std::string from = cursor.substr(1);
    due = cursor[0] == kDuePart ? signpost::DecodeDueKey(from) : std::nullopt;
    if (!due) stopped = from;
    if (!due && (cursor[0] != kStoppedPart || !base::BlobId::FromBytes(stopped))) {
      return absl::InvalidArgumentError("cursor: not one that an earlier page gave");
    }
  }
  PageReader reader(filter.group, limit);
  RETURN_IF_ERROR(parts_.index.Read([&](base::ReadTxn& txn) {
    if (!due || reader.ReadDue(txn, *due)) reader.ReadStopped(txn, stopped);
  }));
  WantedPage page{.items = {}, .next = std::move(reader.next)};
  for (WantedItem& item : reader.found) {
    if (item.state != WaitState::kStopped) {
      item.state = parts_.work.WaitOf(item.blob, item.signpost);
    }
    if (!filter.state || *filter.state == item.state) page.items.push_back(std::move(item));
  }
  return page;
}

}  // namespace waypost::fetcher
