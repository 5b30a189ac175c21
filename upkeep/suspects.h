#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/log_bound.h"
#include "base/mutex.h"
#include "base/thread.h"

namespace waypost::upkeep {

// A blob of which a member says that it came wrong from here.
struct Suspect {
  base::BlobId blob;
  base::PeerId by;
};

// Which of them are looked at: each blob once a day, few at a time and fewer of one member, so that
// nobody makes this peer read its disk without end. Pure; not thread-safe.
class SuspectQueue {
 public:
  static constexpr std::size_t kWaitingMax = 16;
  static constexpr std::size_t kOfOneMax = 2;
  static constexpr std::size_t kRememberedMax = 4096;
  static constexpr std::size_t kRememberedOfOneMax = 256;
  static constexpr base::Millis kDay{24 * 3600 * 1000};

  // False: it is not looked at.
  bool Add(const Suspect& suspect, base::SteadyTime now);
  // The next to be looked at; it counts as waiting until Done. `looked`: its bytes were read; else
  // it may be named again.
  std::optional<Suspect> Next() const;
  void Done(bool looked);

 private:
  std::deque<Suspect> waiting_;
  struct Asked {
    base::SteadyTime when;
    base::PeerId by;
  };
  absl::flat_hash_map<base::BlobId, Asked> asked_;  // within the last day
};

// Reads the bytes of suspects, one after the other. `check` says whether they are right, and sets
// aside what is not; it ends early when `stop` says so. One thread, `suspects`. Thread-safe.
// Lifecycle: construct -> Start -> Shutdown (idempotent, joins).
class Suspects {
 public:
  using Check = std::function<absl::StatusOr<bool>(const base::BlobId& blob,
                                                   const std::function<bool()>& stop)>;
  Suspects(const base::Clock& clock, Check check) : clock_(clock), check_(std::move(check)) {}
  ~Suspects() { Shutdown(); }
  void Start();
  void Shutdown();

  // False: so many wait, or it was looked at within a day.
  bool Report(const base::PeerId& by, const base::BlobId& blob);

 private:
  void Loop();
  bool Look(const Suspect& suspect);  // were its bytes read?
  bool stopping();

  const base::Clock& clock_;
  const Check check_;
  base::Mutex mutex_;
  base::CondVar wake_;
  bool stopping_ GUARDED_BY(mutex_) = false;
  SuspectQueue queue_ GUARDED_BY(mutex_);
  base::LogBound lines_;
  base::Thread thread_;
};

}  // namespace waypost::upkeep
