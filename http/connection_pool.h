#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/mutex.h"
#include "http/exchange.h"

namespace waypost::http {

// Connections to other peers between two requests, a few each, none for long. Thread-safe.
class ConnectionPool {
 public:
  static constexpr std::size_t kKeptPerPeer = 8;
  static constexpr std::size_t kKept = 512;
  // Below the callee's idle_timeout (60 s), so that it is us who close.
  static constexpr base::Millis kKeptFor{45000};

  // A connection that is still open and silent, the one used last; null when there is none.
  std::unique_ptr<Exchange> Take(const std::string& peer);
  // Keeps it if it can carry another request.
  void Give(const std::string& peer, std::unique_ptr<Exchange> exchange);
  // Closes all that go to an address (they fail together).
  void Drop(const std::string& peer);

 private:
  struct Kept {
    std::unique_ptr<Exchange> exchange;
    base::SteadyTime since;
  };
  void CloseOld(base::SteadyTime now) EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  base::Mutex mutex_;
  std::map<std::string, std::deque<Kept>> peers_ GUARDED_BY(mutex_);
  std::size_t count_ GUARDED_BY(mutex_) = 0;
};

}  // namespace waypost::http
