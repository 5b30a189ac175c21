#include "fetcher/work/workers.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "fetcher/work/batch.h"

// A worker takes, announces that attempts run, runs them, and announces that they ended. It ends
// when the board gives it nothing, which is after the board was told to stop.

namespace waypost::fetcher {

void Workers::Start() {
  const uint32_t count = parts_.board.options().concurrency;
  base::MutexLock lock(mutex_);
  run_ = true;
  Grow(count);
}

void Workers::Adjust() {
  const uint32_t count = parts_.board.options().concurrency;
  base::MutexLock lock(mutex_);
  if (run_) Grow(count);
}

void Workers::Grow(uint32_t count) {
  while (threads_.size() < count) {
    const auto number = static_cast<uint32_t>(threads_.size());
    threads_.emplace_back(absl::StrCat("fetch-", number + 1), [this, number] { Run(number); });
  }
}

void Workers::Join() {
  std::vector<base::Thread> ending;
  {
    base::MutexLock lock(mutex_);
    run_ = false;
    ending = std::exchange(threads_, {});
  }
  ending.clear();  // joins
}

void Workers::Run(uint32_t number) {
  while (true) {
    std::vector<Taken> all = parts_.board.Take(number);
    if (all.empty()) return;
    for (const Taken& taken : all) parts_.board.Announce(taken.picked.key.blob);
    Batch batch({.attempt = parts_.attempt, .recorder = parts_.recorder, .board = parts_.board},
                all);
    batch.Run();
    for (const Taken& taken : all) parts_.board.Announce(taken.picked.key.blob);
  }
}

}  // namespace waypost::fetcher
