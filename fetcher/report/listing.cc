#include <algorithm>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "fetcher/work/fetcher_impl.h"
#include "signpost/rules.h"
#include "signpost/signpost_table.h"

// What people see of the queue: pages of what is wanted, counts of states. Rows are read from the
// table, and what only memory knows is added under the mutex afterwards, so no lock is held while
// the index is read.

namespace waypost::fetcher {
namespace {

// A page looks at no more rows than this and may be short.
constexpr std::size_t kRowsLookedAt = 10000;
// ... and is in memory at once where only counts are wanted.
constexpr std::size_t kPageRows = 1000;
// Cursors name where to go on: "d" and a due key, or "s" and a blob id.
constexpr char kDuePart = 'd';
constexpr char kStoppedPart = 's';

bool InGroup(const signpost::Signpost& signpost, const Fetcher::WantedFilter& filter) {
  return !filter.group || signpost.groups.contains(*filter.group);
}

bool WantedIn(const base::GroupId& group, const signpost::Signpost& signpost) {
  const auto mention = signpost.groups.find(group);
  return mention != signpost.groups.end() && mention->second.wanted;
}

}  // namespace

std::vector<Fetcher::Running> Fetcher::InFlight() const {
  std::vector<Running> running;
  base::MutexLock lock(impl_->mutex);
  for (const auto& [blob, flight] : impl_->flights) {
    Running item{.blob = blob};
    FillIn(item.state, flight->progress, flight->source);
    running.push_back(std::move(item));
  }
  return running;
}

absl::StatusOr<Fetcher::WantedPage> Fetcher::Wanted(const WantedFilter& filter,
                                                    const std::string& cursor_text,
                                                    std::size_t limit) const {
  WantedPage page;
  const base::WallTime now = impl_->parts.clock.WallNow();
  char part = kDuePart;
  std::string from;
  if (!cursor_text.empty()) {
    part = cursor_text[0];
    from = cursor_text.substr(1);
    const bool sound = part == kDuePart ? signpost::DecodeDueKey(from).has_value()
                                        : part == kStoppedPart && base::BlobId::FromBytes(from);
    if (!sound) return absl::InvalidArgumentError("cursor: not one that an earlier page gave");
  }
  std::vector<WantedItem> found;
  std::size_t looked_at = 0;
  RETURN_IF_ERROR(impl_->parts.index.Read([&](base::ReadTxn& txn) {
    if (part == kDuePart) {
      base::Cursor cursor(txn, base::Table::kDue);
      for (cursor.Seek(from); cursor.valid(); cursor.Next()) {
        if (found.size() == limit || ++looked_at > kRowsLookedAt) {
          page.next = std::string(1, kDuePart) + std::string(cursor.key());
          return absl::OkStatus();
        }
        const auto key = signpost::DecodeDueKey(cursor.key());
        if (!key) continue;
        auto signpost = signpost::LoadSignpost(txn, key->blob);
        if (!signpost || !InGroup(*signpost, filter)) continue;
        found.push_back(
            {.blob = key->blob, .lane = key->lane, .state = "", .signpost = *std::move(signpost)});
      }
      part = kStoppedPart;
      from.clear();
    }
    signpost::SignpostView view;
    base::Cursor cursor(txn, base::Table::kSignposts);
    for (cursor.Seek(from); cursor.valid(); cursor.Next()) {
      if (found.size() == limit || ++looked_at > kRowsLookedAt) {
        page.next = std::string(1, kStoppedPart) + std::string(cursor.key());
        return absl::OkStatus();
      }
      const auto payload = cursor.payload();
      if (!payload || !signpost::ReadView(*payload, view) || !view.stopped) continue;
      auto signpost = signpost::DecodeSignpost(*payload);
      const auto blob = base::BlobId::FromBytes(cursor.key());
      if (!signpost || !blob || signpost->wanted_since == base::kNever ||
          !InGroup(*signpost, filter)) {
        continue;
      }
      found.push_back({.blob = *blob,
                       .lane = signpost::DueKeyOf(*blob, *signpost).lane,
                       .state = "stopped",
                       .signpost = *std::move(signpost)});
    }
    return absl::OkStatus();
  }));
  base::MutexLock lock(impl_->mutex);
  for (WantedItem& item : found) {
    if (item.state.empty()) item.state = impl_->StateOf(item.blob, item.signpost, now);
    if (filter.state.empty() || filter.state == item.state) page.items.push_back(std::move(item));
  }
  return page;
}

Fetcher::StateCounts Fetcher::CountStatesIn(const base::GroupId& group) const {
  StateCounts counts;
  const auto note = [&](const signpost::Signpost& signpost) {
    counts.oldest_wanted =
        std::min(counts.oldest_wanted.value_or(signpost.wanted_since), signpost.wanted_since);
  };
  std::vector<base::BlobId> fetching;
  {
    base::MutexLock lock(impl_->mutex);
    for (const auto& item : impl_->flights) fetching.push_back(item.first);
  }
  const auto read = [&](absl::FunctionRef<void(base::ReadTxn&)> look) {
    impl_->parts.index
        .Read([&](base::ReadTxn& txn) {
          look(txn);
          return absl::OkStatus();
        })
        .IgnoreError();
  };
  read([&](base::ReadTxn& txn) {
    counts.stopped = impl_->parts.ledger.LoadCounts(txn, group).stopped;
    for (const base::BlobId& blob : fetching) {
      const auto signpost = signpost::LoadSignpost(txn, blob);
      if (!signpost || !WantedIn(group, *signpost)) continue;
      ++counts.fetching;
      note(*signpost);
    }
  });
  std::string from;
  bool more = true;
  for (std::size_t looked_at = 0; more && looked_at < kRowsLookedAt;) {
    std::vector<std::pair<base::BlobId, signpost::Signpost>> page;
    more = false;
    read([&](base::ReadTxn& txn) {
      base::Cursor cursor(txn, base::Table::kDue);
      for (cursor.Seek(from); cursor.valid(); cursor.Next()) {
        if (++looked_at % kPageRows == 0) {
          from = std::string(cursor.key());
          more = true;
          return;
        }
        const auto key = signpost::DecodeDueKey(cursor.key());
        auto signpost = key ? signpost::LoadSignpost(txn, key->blob) : std::nullopt;
        if (!signpost || !WantedIn(group, *signpost)) continue;
        page.emplace_back(key->blob, *std::move(signpost));
      }
    });
    const base::WallTime now = impl_->parts.clock.WallNow();
    base::MutexLock lock(impl_->mutex);
    for (const auto& [blob, signpost] : page) {
      note(signpost);
      const std::string_view state = impl_->StateOf(blob, signpost, now);
      counts.parked += state == "parked" ? 1 : 0;
      counts.waiting += state == "waiting" ? 1 : 0;
      counts.due += state == "due" ? 1 : 0;
    }
  }
  return counts;
}

}  // namespace waypost::fetcher
