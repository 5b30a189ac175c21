#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/mutex.h"
#include "http/client/exchange.h"

namespace waypost::http {

// Connections to other peers between two requests, a few each, none for long. Thread-safe.
class ConnectionPool {
 public:
  static constexpr std::size_t kKeptPerPeer = 8;
  static constexpr std::size_t kKept = 512;
  // Below the callee's idle_timeout (60 s), so that it is us who close.
  static constexpr base::Millis kKeptFor{45000};

  // `now`: what a test sets instead of the time.
  explicit ConnectionPool(base::SteadyTime (*now)() = base::SteadyNow) : now_(now) {}

  // A connection that is still open and silent, the one used last; null when there is none.
  std::unique_ptr<Exchange> Take(const std::string& peer);
  // Keeps it if it can carry another request.
  void Give(const std::string& peer, std::unique_ptr<Exchange> exchange);
  // Closes all that go to an address (they fail together); turned ones stay.
  void Drop(const std::string& peer);
  // Closes turned ones too.
  void Forget(const std::string& peer);

  // ---- connections that the peer dialled and turned ----
  static constexpr std::size_t kTurnedPerPeer = 4;
  static constexpr std::size_t kTurned = 512;
  // While one is in use.
  class Lease {
   public:
    Lease(ConnectionPool& pool, std::string peer) : pool_(pool), peer_(std::move(peer)) {}
    ~Lease() { pool_.Release(peer_); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;

   private:
    ConnectionPool& pool_;
    const std::string peer_;
  };
  // Is there room for one more?
  bool WantsTurned(const std::string& peer) const;
  bool HasTurned(const std::string& peer) const;
  // Also one that was used.
  void GiveTurned(const std::string& peer, std::unique_ptr<Exchange> exchange);
  // One that is open and silent, for as long as the lease lives. Where all are in use it waits for
  // one until the deadline. Null: there is none.
  std::unique_ptr<Exchange> TakeTurned(const std::string& peer, base::SteadyTime deadline,
                                       const Interrupt& interrupt, std::unique_ptr<Lease>& lease);

 private:
  struct Kept {
    std::unique_ptr<Exchange> exchange;
    base::SteadyTime since;
  };
  struct Turned {
    std::deque<std::unique_ptr<Exchange>> idle;
    std::size_t used = 0;
  };
  void CloseOld(base::SteadyTime now) EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Release(const std::string& peer);
  base::SteadyTime (*const now_)();
  mutable base::Mutex mutex_;
  base::CondVar turned_came_;
  std::map<std::string, Turned> turned_ GUARDED_BY(mutex_);
  std::size_t turned_count_ GUARDED_BY(mutex_) = 0;  // idle ones
  std::map<std::string, std::deque<Kept>> peers_ GUARDED_BY(mutex_);
  std::size_t count_ GUARDED_BY(mutex_) = 0;
};

}  // namespace waypost::http
