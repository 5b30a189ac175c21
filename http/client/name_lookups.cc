#include "http/client/name_lookups.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

// Whoever asks waits in slices, because it may be interrupted; the lookup goes on without it, and
// what it finds is for whoever asks for the same name meanwhile.

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
  explicit Lookup(Key of) : key(std::move(of)) {}
  const Key key;
  bool done = false;  // this and what follows: under the mutex
  bool late = false;  // somebody gave up
  absl::StatusOr<std::vector<Address>> found = absl::UnavailableError("not looked up");
};

NameLookups::NameLookups(Resolve resolve)
    : resolve_(resolve ? std::move(resolve) : Resolve(ResolveName)) {}

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

absl::StatusOr<std::shared_ptr<NameLookups::Lookup>> NameLookups::Begin(const Key& key) {
  base::MutexLock lock(mutex_);
  if (const auto found = under_way_.find(key); found != under_way_.end()) return found->second;
  if (const auto paused = paused_.find(key); paused != paused_.end()) {
    if (base::SteadyNow() < paused->second) {
      return absl::UnavailableError(absl::StrCat("the name ", key.first, " was not found lately"));
    }
    paused_.erase(paused);
  }
  if (waiting_.size() >= kWaitingMax) {
    return absl::UnavailableError("too many names are being looked up");
  }
  if (idle_ <= waiting_.size() && threads_.size() < kThreads) {
    auto started = base::Thread::Start(absl::StrCat("names-", threads_.size()), [this] { Run(); });
    // Those that there are do it; without any nothing is looked up.
    if (!started.ok() && threads_.empty()) return started.status();
    if (started.ok()) threads_.push_back(*std::move(started));
  }
  auto lookup = std::make_shared<Lookup>(key);
  under_way_.emplace(key, lookup);
  waiting_.push_back(lookup);
  changed_.NotifyAll();
  return lookup;
}

void NameLookups::Run() {
  while (true) {
    std::shared_ptr<Lookup> lookup;
    {
      base::MutexLock lock(mutex_);
      ++idle_;
      while (waiting_.empty() && !stopping_) changed_.Wait(mutex_);
      --idle_;
      if (stopping_) return;
      lookup = std::move(waiting_.front());
      waiting_.pop_front();
    }
    auto found =
        base::WithinMemory([&] { return resolve_(lookup->key.first, lookup->key.second); });
    base::MutexLock lock(mutex_);
    lookup->found = std::move(found);
    lookup->done = true;
    under_way_.erase(lookup->key);
    if (lookup->late || !lookup->found.ok()) Pause(lookup->key);
    changed_.NotifyAll();
  }
}

absl::StatusOr<std::vector<NameLookups::Address>> NameLookups::Find(const std::string& host,
                                                                    uint16_t port,
                                                                    base::SteadyTime deadline,
                                                                    const Interrupt& interrupt) {
  ASSIGN_OR_RETURN(const std::shared_ptr<Lookup> lookup, Begin({host, port}));
  base::MutexLock lock(mutex_);
  while (!lookup->done) {
    if (interrupt.stopped() || stopping_) return absl::CancelledError("stopped");
    const base::SteadyTime now = base::SteadyNow();
    if (now >= deadline) {
      lookup->late = true;
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
