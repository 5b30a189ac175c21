#include "fetcher/work/workers.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"
#include "fetcher/work/batch.h"

// A worker takes, announces that attempts run, runs them, and announces that they ended. It ends
// when the board gives it nothing, which is after the board was told to stop, and not where memory
// runs out.

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
    const std::string name = absl::StrCat("fetch-", number + 1);
    const auto run = [this, number] { Run(number); };
    // The first one is needed, the others are a matter of speed.
    absl::StatusOr<base::Thread> started =
        number == 0 ? base::Thread(name, run) : base::Thread::Start(name, run);
    if (!started.ok()) {
      base::LogWarning("fetching goes on with ", number, " threads: ", started.status().message());
      return;
    }
    threads_.push_back(*std::move(started));
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

bool Workers::RunSome(uint32_t number) {
  std::vector<Taken> all = parts_.board.Take(number);
  if (all.empty()) return false;
  Announce(all);
  const auto run = [&] {
    Batch batch({.attempt = parts_.attempt, .recorder = parts_.recorder, .board = parts_.board},
                all);
    batch.Run();
    return absl::OkStatus();
  };
  // Once it has begun it takes what comes.
  while (!base::WithinMemory(run).ok() && !parts_.board.stopped()) parts_.board.RestForMemory();
  Announce(all);
  return true;
}

// Who is not told looks again by itself.
void Workers::Announce(const std::vector<Taken>& all) {
  const absl::Status told = base::WithinMemory([&] {
    for (const Taken& taken : all) parts_.board.Announce(taken.picked.key.blob);
    return absl::OkStatus();
  });
  if (!told.ok()) parts_.board.RestForMemory();
}

void Workers::Run(uint32_t number) {
  for (bool goes_on = true; goes_on;) {
    const absl::Status ran = base::WithinMemory([&] {
      goes_on = RunSome(number);
      return absl::OkStatus();
    });
    if (!ran.ok()) parts_.board.RestForMemory();
  }
}

}  // namespace waypost::fetcher
