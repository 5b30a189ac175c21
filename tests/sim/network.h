#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <stop_token>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "base/random.h"
#include "http/message/message.h"

namespace waypost::sim {

// Peers by their place in the world: 0, 1, ...
using PeerNumber = std::size_t;

// What lies between the peers of a world: requests go to what the callee attached (its real
// PeerApi, unless it is hostile), on the thread of the caller, after a latency that the seed draws.
// Who calls whom is a link; a link that is cut takes no new calls, and answers under way on it are
// lost, but the other direction goes on. Thread-safe.
class Network {
 public:
  explicit Network(uint64_t seed) : random_(seed) {}

  static std::string AddressOf(PeerNumber peer);

  // From now on calls to the peer reach `answer`.
  void Attach(PeerNumber peer, const base::PeerId& id, http::Handler answer);
  // Calls under way are told that the connection broke; returns when none is inside any more.
  void Detach(PeerNumber peer);

  void Cut(PeerNumber from, PeerNumber to);
  void Heal(PeerNumber from, PeerNumber to);
  void HealAll();
  bool IsCut(PeerNumber from, PeerNumber to) const;

  // A callee's place in a call, given back when destroyed.
  class Line {
   public:
    Line(Network& network, PeerNumber to) : network_(network), to_(to) {}
    ~Line();
    Line(const Line&) = delete;
    Line& operator=(const Line&) = delete;

   private:
    Network& network_;
    const PeerNumber to_;
  };
  struct Answer {
    std::unique_ptr<Line> line;  // first: outlives what is read through it
    http::Response response;
  };

  struct Call {
    PeerNumber from = 0;
    base::PeerId caller;
    std::string address;        // one of Endpoint::addresses
    base::PeerId expected;      // zero: whoever is there
    base::SteadyTime deadline;  // of the answer's head
  };
  // kUnavailable, kDeadlineExceeded or kCancelled, as a caller over sockets would see them.
  absl::StatusOr<Answer> Send(const Call& call, http::Request request, std::stop_token stop);
  // The next `bytes` of a body travel, which their sender held back for a while: false when the
  // link was cut or the callee went.
  bool Carry(const Call& call, std::size_t bytes, base::Millis held_back, std::stop_token stop);

  // How many calls were made.
  uint64_t calls() const;
  // Each call and what it came to, on standard error.
  void TellCalls() { tell_ = true; }

 private:
  struct Place {
    base::PeerId id;
    http::Handler handle;  // null: it is down
    uint64_t start = 0;    // of the peer: a connection does not outlive it
    int inside = 0;
  };
  absl::StatusOr<Answer> Travel(const Call& call, http::Request request, std::stop_token stop);
  // Waits for a part of the latency; false when `stop` was requested.
  bool Wait(base::SteadyTime until, const std::stop_token& stop);
  base::SteadyTime Later(std::size_t bytes);
  // Why nothing goes from here to there just now, OK if it does.
  absl::Status Reach(const Call& call, PeerNumber to, const std::stop_token& stop);

  bool tell_ = false;
  const base::SystemClock clock_;
  base::SeededRandom random_;
  mutable base::Mutex mutex_;
  base::CondVar left_;
  std::map<PeerNumber, Place> places_ GUARDED_BY(mutex_);
  std::set<std::pair<PeerNumber, PeerNumber>> cut_ GUARDED_BY(mutex_);
  uint64_t calls_ GUARDED_BY(mutex_) = 0;
};

}  // namespace waypost::sim
