#pragma once

#include <cstdint>
#include <vector>

#include "base/mutex.h"
#include "base/thread.h"
#include "fetcher/attempt/attempt.h"
#include "fetcher/work/board.h"
#include "fetcher/work/recorder.h"

namespace waypost::fetcher {

// The threads `fetch-N`: each takes what may start from the board, and runs it. As many as the
// options say, or more that are idle after those were lowered: the count only grows. Thread-safe.
// Lifecycle: construct -> Start -> Join, after Board::Stop (idempotent).
class Workers {
 public:
  // All outlive it.
  struct Parts {
    const AttemptParts& attempt;
    Recorder& recorder;
    Board& board;
  };
  explicit Workers(const Parts& parts) : parts_(parts) {}

  void Start();
  // The options changed: as many as they say, where Start was called.
  void Adjust();
  void Join();

 private:
  void Run(uint32_t number);
  // False: there is nothing more to do.
  bool RunSome(uint32_t number);
  void Announce(const std::vector<Taken>& all);
  void Grow(uint32_t count) EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Parts parts_;
  base::Mutex mutex_;  // no other is taken under it
  std::vector<base::Thread> threads_ GUARDED_BY(mutex_);
  bool run_ GUARDED_BY(mutex_) = false;  // between Start and Join
};

}  // namespace waypost::fetcher
