#include "http/peer/turn_keeper.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"
#include "http/client/connection_pool.h"

// How many connections and how often is decided by two pure functions. Dialling happens without the
// lock, and a server that fails is left alone for a while that doubles.

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
  for (unsigned i = 0; i < kDiallers; ++i) {
    diallers_.emplace_back(absl::StrCat("turn-", i), [this] { DialLoop(); });
  }
}

void TurnKeeper::Shutdown() {
  stop_.request_stop();
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
    wake_.NotifyAll();
  }
  thread_.Join();
  for (base::Thread& dialler : diallers_) dialler.Join();
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
  base::MutexLock lock(mutex_);
  std::map<base::PeerId, Server> servers;
  for (const auto& contact : *contacts) {
    if (contact.server) servers[contact.peer] = servers_[contact.peer];
  }
  servers_ = std::move(servers);
  for (const auto& contact : *contacts) {
    if (!contact.server) continue;
    Server& server = servers_[contact.peer];
    const TurnedLines lines = parts_.lines_of(contact.peer);
    if (server.under_way || lines.open >= TurnedWanted(lines) ||
        parts_.clock.SteadyNow() < server.next_try) {
      continue;
    }
    const auto entry = parts_.peers.Find(contact.peer);
    const bool newer = entry && !entry->addresses.empty();
    server.under_way = true;
    const base::Payer payer = contact.payer();
    due_.Push(payer, {.to = {.peer = contact.peer,
                             .addresses = newer ? entry->addresses : contact.addresses},
                      .payer = payer});
    wake_.NotifyAll();
  }
}

absl::Status TurnKeeper::TurnOne(const syncgroup::Endpoint& to) {
  ASSIGN_OR_RETURN(auto turned, parts_.client.Turn(to, stop_.get_token()));
  return parts_.serve(std::move(turned));
}

void TurnKeeper::DialLoop() {
  while (true) {
    Due due;
    {
      base::MutexLock lock(mutex_);
      base::SteadyTime now = parts_.clock.SteadyNow();
      while (due_.Next(now) == nullptr && !stopping_) {
        wake_.Wait(mutex_);
        now = parts_.clock.SteadyNow();
      }
      if (stopping_) return;
      due = due_.Take(now);
    }
    const syncgroup::Endpoint& to = due.to;
    const absl::Status status = base::WithinMemory([&] { return TurnOne(to); });
    if (!status.ok()) {
      base::LogDebug("no connection turned at peer ", to.peer.ToHex(), ": ", status.ToString());
    }
    base::MutexLock lock(mutex_);
    due_.Done(due.payer, parts_.clock.SteadyNow());
    const auto found = servers_.find(to.peer);
    if (found == servers_.end()) continue;  // no server of ours any more
    Server& server = found->second;
    server.under_way = false;
    server.failures = status.ok() ? 0 : server.failures + 1;
    server.next_try = parts_.clock.SteadyNow() + TurnPause(server.failures);
  }
}

}  // namespace waypost::http
