#include "http/client/connection_pool.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"

// Connections that were dialled and are kept for the next call, and those that the other side
// dialled and turned. Both are bounded, for each peer and in all; the oldest goes first.
// Connections are never used or waited for under the lock, and a lease counts a turned one as in
// use until it ends.

namespace waypost::http {

void ConnectionPool::CloseOld(base::SteadyTime now) {
  for (auto peer = peers_.begin(); peer != peers_.end();) {
    auto& kept = peer->second;
    while (!kept.empty() && now - kept.front().since > kKeptFor) {
      kept.pop_front();
      --count_;
    }
    peer = kept.empty() ? peers_.erase(peer) : std::next(peer);
  }
}

std::unique_ptr<Exchange> ConnectionPool::Take(const std::string& peer) {
  while (true) {
    std::unique_ptr<Exchange> exchange;
    {
      base::MutexLock lock(mutex_);
      CloseOld(now_());
      const auto found = peers_.find(peer);
      if (found == peers_.end()) return nullptr;
      exchange = std::move(found->second.back().exchange);
      found->second.pop_back();
      --count_;
      if (found->second.empty()) peers_.erase(found);
    }
    if (exchange->Reusable()) return exchange;
  }
}

void ConnectionPool::Give(const std::string& peer, std::unique_ptr<Exchange> exchange) {
  if (!exchange->Reusable()) return;
  const auto now = now_();
  base::MutexLock lock(mutex_);
  CloseOld(now);
  if (count_ >= kKept) return;
  auto& kept = peers_[peer];
  if (kept.size() >= kKeptPerPeer) {
    kept.pop_front();
    --count_;
  }
  kept.push_back({std::move(exchange), now});
  ++count_;
}

void ConnectionPool::Drop(const std::string& peer) {
  base::MutexLock lock(mutex_);
  const auto found = peers_.find(peer);
  if (found == peers_.end()) return;
  count_ -= found->second.size();
  peers_.erase(found);
}

void ConnectionPool::Forget(const std::string& peer) {
  Drop(peer);
  std::deque<std::unique_ptr<Exchange>> closed;
  base::MutexLock lock(mutex_);
  const auto found = turned_.find(peer);
  if (found == turned_.end()) return;
  turned_count_ -= found->second.idle.size();
  closed.swap(found->second.idle);
  if (found->second.used == 0) turned_.erase(found);
}

// ---- turned ----

bool ConnectionPool::WantsTurned(const std::string& peer) const {
  base::MutexLock lock(mutex_);
  if (turned_count_ >= kTurned) return false;
  const auto found = turned_.find(peer);
  return found == turned_.end() || found->second.idle.size() + found->second.used < kTurnedPerPeer;
}

bool ConnectionPool::HasTurned(const std::string& peer) const {
  base::MutexLock lock(mutex_);
  return turned_.contains(peer);
}

void ConnectionPool::GiveTurned(const std::string& peer, std::unique_ptr<Exchange> exchange) {
  if (!exchange->Reusable()) return;
  base::MutexLock lock(mutex_);
  if (turned_count_ >= kTurned) return;
  Turned& turned = turned_[peer];
  // The peer closes those that lie too long and turns others: the oldest may be closed already.
  if (turned.idle.size() >= kTurnedPerPeer) {
    turned.idle.pop_front();
    --turned_count_;
  }
  turned.idle.push_back(std::move(exchange));
  ++turned_count_;
  turned_came_.NotifyAll();
}

std::unique_ptr<Exchange> ConnectionPool::TakeTurned(const std::string& peer,
                                                     base::SteadyTime deadline,
                                                     const Interrupt& interrupt,
                                                     std::unique_ptr<Lease>& lease) {
  // How long a stop may go unnoticed.
  constexpr base::Millis kLook{50};
  base::MutexLock lock(mutex_);
  while (!interrupt.stopped()) {
    const auto found = turned_.find(peer);
    if (found == turned_.end()) return nullptr;
    Turned& turned = found->second;
    while (!turned.idle.empty()) {
      std::unique_ptr<Exchange> exchange = std::move(turned.idle.back());
      turned.idle.pop_back();
      --turned_count_;
      if (!exchange->Reusable()) continue;
      ++turned.used;
      lease = std::make_unique<Lease>(*this, peer);
      return exchange;
    }
    if (turned.used == 0) {
      turned_.erase(found);
      return nullptr;
    }
    const auto now = base::SteadyNow();
    if (now >= deadline) return nullptr;
    turned_came_.WaitUntil(mutex_, std::min(deadline, now + kLook));
  }
  return nullptr;
}

void ConnectionPool::Release(const std::string& peer) {
  base::MutexLock lock(mutex_);
  const auto found = turned_.find(peer);
  if (found == turned_.end()) return;
  if (--found->second.used == 0 && found->second.idle.empty()) turned_.erase(found);
  turned_came_.NotifyAll();
}

}  // namespace waypost::http
