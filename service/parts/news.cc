#include "service/parts/news.h"

#include <iterator>
#include <utility>

// When something is worth a line of the log. Each of these is told the time and keeps no more than
// it must: things that are as usual, and were told so long enough ago, are forgotten.

namespace waypost::service {
namespace {

constexpr base::Millis kMinute{60'000};

}  // namespace

const char* NewsStateName(NewsState state) {
  switch (state) {
    case NewsState::kOnline:
      return "online";
    case NewsState::kOffline:
      return "offline";
    case NewsState::kComplete:
      return "complete";
    case NewsState::kNotComplete:
      return "not complete";
  }
  return "unknown";
}

void CalmNews::Note(const std::string& thing, NewsState state) {
  auto it = things_.find(thing);
  if (it == things_.end()) {
    if (state == usual_ || things_.size() >= things_max_) return;
    it = things_.emplace(thing, Thing{.state = state, .told = usual_, .told_at = {}}).first;
  }
  it->second.state = state;
}

std::vector<CalmNews::Item> CalmNews::Take(base::SteadyTime now) {
  std::vector<Item> items;
  for (auto it = things_.begin(); it != things_.end();) {
    Thing& thing = it->second;
    const bool quiet = !thing.told_at || now - *thing.told_at >= every_;
    if (quiet && thing.state != thing.told) {
      thing.told = thing.state;
      thing.told_at = now;
      items.push_back({it->first, thing.state});
    }
    const bool over = thing.state == usual_ && thing.told == usual_ &&
                      (!thing.told_at || now - *thing.told_at >= every_);
    it = over ? things_.erase(it) : std::next(it);
  }
  return items;
}

std::optional<FetchSummary::Totals> FetchSummary::Take(const Totals& now_totals,
                                                       base::SteadyTime now) {
  if (!began_) {
    if (!(now_totals == told_)) began_ = now;
    return std::nullopt;
  }
  if (now - *began_ < kEvery) return std::nullopt;
  const Totals minute{.blobs = now_totals.blobs - told_.blobs,
                      .bytes = now_totals.bytes - told_.bytes,
                      .failures = now_totals.failures - told_.failures};
  told_ = now_totals;
  began_.reset();
  return minute;
}

bool LineBudget::Over(base::SteadyTime now) const { return !began_ || now - *began_ >= kMinute; }

bool LineBudget::Take(base::SteadyTime now) {
  if (Over(now)) {
    began_ = now;
    written_ = 0;
  }
  if (written_ == per_minute_) {
    ++left_out_;
    return false;
  }
  ++written_;
  return true;
}

uint64_t LineBudget::TakeLeftOut(base::SteadyTime now) {
  return Over(now) ? std::exchange(left_out_, 0) : 0;
}

}  // namespace waypost::service
