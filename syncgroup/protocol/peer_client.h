#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "base/time.h"
#include "syncgroup/protocol/messages.h"

namespace waypost::syncgroup {

// Whom to call. The addresses are tried 250 ms apart, each for `fetcher.connect_timeout`, the last
// good one first; all failed: kUnavailable.
struct Endpoint {
  base::PeerId peer;  // zero: not known yet (a join by invite without the key)
  std::vector<std::string> addresses;
};

// How the syncer reaches other peers. Implemented in http/. Thread-safe; every call ends by its
// deadline or soon after `stop` is requested. Errors: kUnavailable (refused, reset, no answer, 5xx;
// may carry a Retry-After, see base::RetryAfterOf), kResourceExhausted (429), kDeadlineExceeded,
// kInvalidArgument (the answer does not parse), kPermissionDenied, kNotFound, kFailedPrecondition
// as the callee says.
class PeerClient {
 public:
  virtual ~PeerClient() = default;
  // Is there a connection on which the peer can be called although no address of it is known?
  virtual bool ReachableWithoutAddress(const base::PeerId&) const { return false; }
  virtual absl::StatusOr<HelloReply> Hello(const Endpoint& to, const HelloRequest& request,
                                           std::stop_token stop) = 0;
  virtual absl::StatusOr<SyncReply> Sync(const Endpoint& to, const SyncRequest& request,
                                         std::stop_token stop) = 0;
  virtual absl::Status Poke(const Endpoint& to, const PokeRequest& request,
                            std::stop_token stop) = 0;
  virtual absl::StatusOr<JoinReply> Join(const Endpoint& to, const JoinRequest& request,
                                         std::stop_token stop) = 0;
  virtual absl::StatusOr<HeldReply> Held(const Endpoint& to, const HeldRequest& request,
                                         std::stop_token stop) = 0;
  // A peer of before does not know it (kNotFound); nor need others that only look.
  // NOLINTNEXTLINE(performance-unnecessary-value-param): as the others take it.
  virtual absl::Status Wrong(const Endpoint&, const WrongRequest&, std::stop_token) {
    return absl::UnimplementedError("not told");
  }
};

}  // namespace waypost::syncgroup
