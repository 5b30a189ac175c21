#pragma once

#include <netdb.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/fair_line.h"
#include "base/mutex.h"
#include "base/payer.h"
#include "base/thread.h"
#include "http/client/interrupt.h"

namespace waypost::http {

// The system's resolver, which knows no deadline, on threads of its own: whoever asks waits no
// longer than it wants to. At most kThreads lookups at once and kWaitingMax waiting; of one payer,
// on whose behalf they are, kThreadsOfOne and kWaitingOfOne, a name once, and who has used the
// least time goes next (base/fair_line.h). A name that failed, or for which a thread was busy
// longer than Options::late while somebody gave it up, fails at once for kPause, so that names that
// never answer, which anybody may publish, do not take the threads again and again. One that only
// waited for a thread is not late. Thread-safe. Its destructor waits for the lookups under way.
class NameLookups {
 public:
  static constexpr unsigned kThreads = 4;
  static constexpr unsigned kThreadsOfOne = 2;
  static constexpr std::size_t kWaitingMax = 64;
  static constexpr std::size_t kWaitingOfOne = 16;
  static constexpr std::size_t kPausedMax = 1000;
  static constexpr base::Millis kPause{60'000};

  // One address of a name: a sockaddr with the port.
  struct Address {
    sockaddr_storage address{};
    socklen_t length = 0;
  };
  // What the resolver says: host, port. Replaced in tests.
  using Resolve = std::function<absl::StatusOr<std::vector<Address>>(const std::string&, uint16_t)>;

  struct Options {
    Resolve resolve = nullptr;
    base::Millis late{3000};
  };
  NameLookups() : NameLookups(Options()) {}
  explicit NameLookups(Options options);
  ~NameLookups();

  // kUnavailable: the name is not known, or too many are being looked up; kDeadlineExceeded;
  // kCancelled when `interrupt` is stopped.
  absl::StatusOr<std::vector<Address>> Find(const std::string& host, uint16_t port,
                                            base::Payer payer, base::SteadyTime deadline,
                                            const Interrupt& interrupt);

 private:
  struct Lookup;
  using Key = std::pair<std::string, uint16_t>;
  // The one that is under way, or a new one.
  absl::StatusOr<std::shared_ptr<Lookup>> Begin(const Key& key, base::Payer payer)
      EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status GrowThreads() EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Run();
  // What was found is for all that wait for the same name too.
  void Finish(Lookup& lookup, absl::StatusOr<std::vector<Address>> found,
              base::SteadyTime::duration took) EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Pause(const Key& key) EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Resolve resolve_;
  const base::Millis late_;
  base::Mutex mutex_;
  base::CondVar changed_;
  // Those that a thread has are for whoever asks; those that wait are for their payer alone, behind
  // whose other ones they wait.
  std::map<Key, std::shared_ptr<Lookup>> running_ GUARDED_BY(mutex_);
  std::map<std::pair<base::Payer, Key>, std::shared_ptr<Lookup>> waiting_ GUARDED_BY(mutex_);
  base::FairLine<std::shared_ptr<Lookup>> line_ GUARDED_BY(mutex_){kThreads, kThreadsOfOne};
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
