#include "http/peer/turn_keeper.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/status.h"
#include "http/client/connection_pool.h"

// One thread that keeps connections turned at each server of this peer's groups. How many and how
// often is decided by two pure functions; dialling happens without the lock, and a server that
// fails is left alone for a while that doubles.

namespace waypost::http {
namespace {

// A look costs a read of the members; a new group waits for the next one.
constexpr base::Millis kLookEvery{500};
// Between two looks, however often it is poked.
constexpr base::Millis kLookAtMost{50};

}  // namespace

uint32_t TurnedWanted(const TurnedLines& lines) {
  return std::min<uint32_t>(lines.busy + 1, ConnectionPool::kTurnedPerPeer);
}

base::Millis TurnPause(uint32_t failures) {
  constexpr base::Millis kFirst{2000}, kMax{60'000};
  if (failures == 0) return base::Millis(0);
  return std::min(kMax, kFirst * (int64_t{1} << std::min(failures - 1, 10u)));
}

TurnKeeper::TurnKeeper(Parts parts) : parts_(std::move(parts)) {}

TurnKeeper::~TurnKeeper() { Shutdown(); }

void TurnKeeper::Start() {
  thread_ = base::Thread("turner", [this] { Run(); });
}

void TurnKeeper::Shutdown() {
  stop_.request_stop();
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
    wake_.NotifyAll();
  }
  thread_.Join();
}

void TurnKeeper::Poke() {
  base::MutexLock lock(mutex_);
  poked_ = true;
  wake_.NotifyAll();
}

void TurnKeeper::Run() {
  while (true) {
    const base::SteadyTime looked = parts_.clock.SteadyNow();
    const absl::Status done = base::WithinMemory([&] {
      Look();
      return absl::OkStatus();
    });
    if (!done.ok()) base::LogWarning("turner: ", done.ToString());
    base::MutexLock lock(mutex_);
    while (!stopping_) {
      const base::SteadyTime next = looked + (poked_ ? kLookAtMost : kLookEvery);
      if (parts_.clock.SteadyNow() >= next) break;
      parts_.clock.WaitUntil(wake_, mutex_, next);
    }
    if (stopping_) return;
    poked_ = false;
  }
}

void TurnKeeper::Look() {
  const auto contacts = parts_.replication.Contacts();
  if (!contacts.ok()) return;
  std::map<base::PeerId, Server> servers;
  for (const auto& contact : *contacts) {
    if (!contact.server) continue;
    if (stop_.stop_requested()) return;
    const auto before = servers_.find(contact.peer);
    Server& server = servers[contact.peer];
    if (before != servers_.end()) server = before->second;
    const TurnedLines lines = parts_.lines_of(contact.peer);
    if (lines.open >= TurnedWanted(lines) || parts_.clock.SteadyNow() < server.next_try) continue;
    const auto entry = parts_.peers.Find(contact.peer);
    const bool newer = entry && !entry->addresses.empty();
    auto turned = parts_.client.Turn(
        {.peer = contact.peer, .addresses = newer ? entry->addresses : contact.addresses},
        stop_.get_token());
    const absl::Status status = turned.ok() ? parts_.serve(*std::move(turned)) : turned.status();
    server.failures = status.ok() ? 0 : server.failures + 1;
    server.next_try = parts_.clock.SteadyNow() + TurnPause(server.failures);
    if (!status.ok()) {
      base::LogDebug("no connection turned at peer ", contact.peer.ToHex(), ": ",
                     status.ToString());
    }
  }
  servers_ = std::move(servers);
}

}  // namespace waypost::http
