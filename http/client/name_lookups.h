#pragma once

#include <netdb.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/thread.h"
#include "http/client/interrupt.h"

namespace waypost::http {

// The system's resolver, which knows no deadline, on threads of its own: whoever asks waits no
// longer than it wants to. At most kThreads lookups at once and kWaitingMax waiting, a name once; a
// name that took too long or failed fails at once for kPause, so that names that never answer,
// which anybody may publish, do not take the threads again and again. Thread-safe.
// Its destructor waits for the lookups under way.
class NameLookups {
 public:
  static constexpr unsigned kThreads = 4;
  static constexpr std::size_t kWaitingMax = 64;
  static constexpr std::size_t kPausedMax = 1000;
  static constexpr base::Millis kPause{60'000};

  // One address of a name: a sockaddr with the port.
  struct Address {
    sockaddr_storage address{};
    socklen_t length = 0;
  };
  // What the resolver says: host, port. Replaced in tests.
  using Resolve = std::function<absl::StatusOr<std::vector<Address>>(const std::string&, uint16_t)>;

  explicit NameLookups(Resolve resolve = nullptr);
  ~NameLookups();

  // kUnavailable: the name is not known, or too many are being looked up; kDeadlineExceeded;
  // kCancelled when `interrupt` is stopped.
  absl::StatusOr<std::vector<Address>> Find(const std::string& host, uint16_t port,
                                            base::SteadyTime deadline, const Interrupt& interrupt);

 private:
  struct Lookup;
  using Key = std::pair<std::string, uint16_t>;
  // The one that is under way, or a new one.
  absl::StatusOr<std::shared_ptr<Lookup>> Begin(const Key& key);
  void Run();
  void Pause(const Key& key) EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Resolve resolve_;
  base::Mutex mutex_;
  base::CondVar changed_;
  std::map<Key, std::shared_ptr<Lookup>> under_way_ GUARDED_BY(mutex_);
  std::deque<std::shared_ptr<Lookup>> waiting_ GUARDED_BY(mutex_);
  std::map<Key, base::SteadyTime> paused_ GUARDED_BY(mutex_);  // until when
  unsigned idle_ GUARDED_BY(mutex_) = 0;
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::vector<base::Thread> threads_ GUARDED_BY(mutex_);  // started when they are needed
};

// The addresses of a host by the system's resolver; numbers without asking anybody.
// kUnavailable says why there is none. Blocks as long as the resolver likes.
absl::StatusOr<std::vector<NameLookups::Address>> ResolveName(const std::string& host,
                                                              uint16_t port);
// Of a numeric host; empty where it is a name.
std::vector<NameLookups::Address> NumericAddresses(const std::string& host, uint16_t port);

}  // namespace waypost::http
