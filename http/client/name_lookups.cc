#include "http/client/name_lookups.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"

// Whoever asks waits in slices, because it may be interrupted; a lookup that a thread has goes on
// without it, and what it finds is for whoever asks for the same name meanwhile. One that nobody
// waits for when its turn comes is not done.

namespace waypost::http {
namespace {

// How soon an interrupt is noticed.
constexpr base::Millis kSlice{50};

std::vector<NameLookups::Address> TakeAll(addrinfo* found) {
  std::vector<NameLookups::Address> all;
  for (const addrinfo* item = found; item != nullptr; item = item->ai_next) {
    NameLookups::Address& address = all.emplace_back();
    address.length = item->ai_addrlen;
    std::memcpy(&address.address, item->ai_addr, item->ai_addrlen);
  }
  if (found != nullptr) ::freeaddrinfo(found);
  return all;
}

}  // namespace

struct NameLookups::Lookup {
  Lookup(Key of, base::Payer by) : key(std::move(of)), payer(by) {}
  const Key key;
  const base::Payer payer;
  unsigned askers = 0;  // who wait for it; this and what follows: under the mutex
  bool done = false;
  bool given_up = false;  // by somebody, while a thread had it
  absl::StatusOr<std::vector<Address>> found = absl::UnavailableError("not looked up");
};

NameLookups::NameLookups(Options options)
    : resolve_(options.resolve ? std::move(options.resolve) : Resolve(ResolveName)),
      late_(options.late) {}

NameLookups::~NameLookups() {
  std::vector<base::Thread> threads;
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
    threads = std::move(threads_);
    changed_.NotifyAll();
  }
  for (base::Thread& thread : threads) thread.Join();
}

void NameLookups::Pause(const Key& key) {
  if (paused_.size() >= kPausedMax) paused_.erase(paused_.begin());
  paused_[key] = base::SteadyNow() + kPause;
}

absl::StatusOr<std::shared_ptr<NameLookups::Lookup>> NameLookups::Begin(const Key& key,
                                                                        base::Payer payer) {
  if (const auto found = running_.find(key); found != running_.end()) return found->second;
  if (const auto found = waiting_.find({payer, key}); found != waiting_.end()) return found->second;
  if (const auto paused = paused_.find(key); paused != paused_.end()) {
    if (base::SteadyNow() < paused->second) {
      return absl::UnavailableError(absl::StrCat("the name ", key.first, " was not found lately"));
    }
    paused_.erase(paused);
  }
  if (waiting_.size() >= kWaitingMax ||
      (payer != base::kNobody && line_.WaitingOf(payer) >= kWaitingOfOne)) {
    return absl::UnavailableError("too many names are being looked up");
  }
  RETURN_IF_ERROR(GrowThreads());
  auto lookup = std::make_shared<Lookup>(key, payer);
  line_.Push(payer, std::shared_ptr<Lookup>(lookup));
  waiting_.emplace(std::pair(payer, key), lookup);
  changed_.NotifyAll();
  return lookup;
}

absl::Status NameLookups::GrowThreads() {
  if (idle_ > waiting_.size() || threads_.size() >= kThreads) return absl::OkStatus();
  auto started = base::Thread::Start(absl::StrCat("names-", threads_.size()), [this] { Run(); });
  // Those that there are do it; without any nothing is looked up.
  if (!started.ok()) return threads_.empty() ? started.status() : absl::OkStatus();
  threads_.push_back(*std::move(started));
  return absl::OkStatus();
}

void NameLookups::Run() {
  base::MutexLock lock(mutex_);
  while (true) {
    ++idle_;
    base::SteadyTime began = base::SteadyNow();
    while (line_.Next(began) == nullptr && !stopping_) {
      changed_.Wait(mutex_);
      began = base::SteadyNow();
    }
    --idle_;
    if (stopping_) return;
    const std::shared_ptr<Lookup> lookup = line_.Take(began);
    waiting_.erase({lookup->payer, lookup->key});
    // Whoever wanted it may have gone, or have been answered with another one's.
    if (lookup->askers > 0 && !lookup->done) {
      bool known = false;
      // The lock is held within both.
      const absl::Status begun = base::WithinMemory([&]() NO_THREAD_SAFETY_ANALYSIS {
        known = running_.emplace(lookup->key, lookup).second;
        return absl::OkStatus();
      });
      absl::StatusOr<std::vector<Address>> found =
          begun.ok() ? absl::UnavailableError("not looked up") : begun;
      if (begun.ok()) {
        mutex_.Unlock();
        found = base::WithinMemory([&] { return resolve_(lookup->key.first, lookup->key.second); });
        mutex_.Lock();
      }
      if (known) running_.erase(lookup->key);
      const absl::Status finished = base::WithinMemory([&]() NO_THREAD_SAFETY_ANALYSIS {
        Finish(*lookup, std::move(found), base::SteadyNow() - began);
        return absl::OkStatus();
      });
      // Others that wait for the name have their own turn.
      if (!finished.ok()) lookup->found = finished;
      lookup->done = true;
    }
    line_.Done(lookup->payer, base::SteadyNow());
    changed_.NotifyAll();
  }
}

void NameLookups::Finish(Lookup& lookup, absl::StatusOr<std::vector<Address>> found,
                         base::SteadyTime::duration took) {
  if (!found.ok() || (lookup.given_up && took > late_)) Pause(lookup.key);
  for (const auto& [of, waiting] : waiting_) {
    if (of.second != lookup.key) continue;
    waiting->found = found;
    waiting->done = true;
  }
  lookup.found = std::move(found);
  lookup.done = true;
}

absl::StatusOr<std::vector<NameLookups::Address>> NameLookups::Find(const std::string& host,
                                                                    uint16_t port,
                                                                    base::Payer payer,
                                                                    base::SteadyTime deadline,
                                                                    const Interrupt& interrupt) {
  const Key key(host, port);
  base::MutexLock lock(mutex_);
  ASSIGN_OR_RETURN(const std::shared_ptr<Lookup> lookup, Begin(key, payer));
  ++lookup->askers;
  const absl::Cleanup gone = [&] { --lookup->askers; };
  while (!lookup->done) {
    if (interrupt.stopped() || stopping_) return absl::CancelledError("stopped");
    const base::SteadyTime now = base::SteadyNow();
    if (now >= deadline) {
      const auto running = running_.find(key);
      if (running != running_.end() && running->second == lookup) lookup->given_up = true;
      return absl::DeadlineExceededError(absl::StrCat("the name ", host, " took too long"));
    }
    changed_.WaitUntil(mutex_, std::min(deadline, now + kSlice));
  }
  return lookup->found;
}
std::vector<NameLookups::Address> NumericAddresses(const std::string& host, uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | AI_NUMERICHOST;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return {};
  return TakeAll(found);
}

absl::StatusOr<std::vector<NameLookups::Address>> ResolveName(const std::string& host,
                                                              uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  const int failed = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (failed != 0) return absl::UnavailableError(gai_strerror(failed));
  return TakeAll(found);
}

}  // namespace waypost::http
