#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/file_system.h"
#include "base/random.h"
#include "http/peer/peer_api.h"
#include "service/parts/peer_parts.h"
#include "tests/sim/client.h"
#include "tests/sim/network.h"

namespace waypost::sim {

// One peer of the world: the real parts and the real peer API on a folder of its own, which a stop
// leaves as it is.
class Peer {
 public:
  // `limits`: of other members.
  Peer(Network& network, PeerNumber number, uint64_t seed, std::string folder,
       const syncgroup::MemberLimits& limits = {});
  ~Peer() { Stop(); }

  void Start();
  void Stop();
  bool up() const { return parts_ != nullptr; }

  PeerNumber number() const { return number_; }
  const base::PeerId& id() const { return id_; }
  const base::Identity& identity() const { return *identity_; }
  // While it is up.
  service::PeerParts& parts() { return *parts_; }
  syncgroup::Groups& groups() { return *parts_->groups; }
  syncgroup::Refs& refs() { return *parts_->refs; }
  syncgroup::Invites& invites() { return *parts_->invites; }

  // Takes bytes in as an app's put does.
  absl::StatusOr<blobstore::StagedBlob> Stage(const std::string& content);

 private:
  Network& network_;
  const PeerNumber number_;
  const std::string folder_;
  const syncgroup::MemberLimits limits_;
  const std::unique_ptr<base::Identity> identity_;
  const base::PeerId id_;
  const std::unique_ptr<base::FileSystem> fs_;
  const base::SystemClock clock_;
  base::SeededRandom random_;
  std::unique_ptr<Client> client_;
  std::unique_ptr<service::PeerParts> parts_;
  std::unique_ptr<http::PeerApi> api_;
};

}  // namespace waypost::sim
