#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"

namespace waypost::service {

// How a thing is of which it is told.
enum class NewsState { kOnline, kOffline, kComplete, kNotComplete };
const char* NewsStateName(NewsState state);  // "online", "not complete", ...

// What is told of things that come and go: of each its state where that differs from the one told
// last, and not more often than once in `every`. So what was told last is true in the end. Pure;
// not thread-safe; of more than `things_max` that are not as usual the later ones are not told.
class CalmNews {
 public:
  // Things begin in the `usual` state, which is not told before they left it.
  CalmNews(base::Millis every, NewsState usual, std::size_t things_max = 4096)
      : every_(every), usual_(usual), things_max_(things_max) {}

  void Note(const std::string& thing, NewsState state);
  struct Item {
    std::string thing;
    NewsState state;
  };
  // What is to be told now, and counts as told.
  std::vector<Item> Take(base::SteadyTime now);

 private:
  struct Thing {
    NewsState state, told;
    std::optional<base::SteadyTime> told_at;
  };
  const base::Millis every_;
  const NewsState usual_;
  const std::size_t things_max_;
  std::map<std::string, Thing> things_;
};

// What was fetched, in one line a minute while it goes on. Pure; not thread-safe.
class FetchSummary {
 public:
  static constexpr base::Millis kEvery{60'000};
  struct Totals {
    uint64_t blobs = 0, bytes = 0, failures = 0;
    friend bool operator==(const Totals&, const Totals&) = default;
  };
  // Of everything since the start, now; what came to it in the minute that is over, or nothing.
  std::optional<Totals> Take(const Totals& now_totals, base::SteadyTime now);

 private:
  Totals told_;
  std::optional<base::SteadyTime> began_;
};

// So many lines a minute, whatever others bring about. Pure; not thread-safe.
class LineBudget {
 public:
  explicit LineBudget(std::size_t per_minute) : per_minute_(per_minute) {}
  // May a line be written? Else it is counted.
  bool Take(base::SteadyTime now);
  // How many were not, since this was asked last; 0 until the minute is over.
  uint64_t TakeLeftOut(base::SteadyTime now);

 private:
  bool Over(base::SteadyTime now) const;
  const std::size_t per_minute_;
  std::optional<base::SteadyTime> began_;
  std::size_t written_ = 0;
  uint64_t left_out_ = 0;
};

}  // namespace waypost::service
