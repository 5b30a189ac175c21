#include "http/connection_pool.h"

#include <chrono>
#include <utility>

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
      CloseOld(std::chrono::steady_clock::now());
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
  const auto now = std::chrono::steady_clock::now();
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

}  // namespace waypost::http
