#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "integration/peer.h"
#include "integration/process.h"

namespace waypost::integration {

// Several peers in one temporary folder. On failure of the running test their logs are printed.
class Cluster {
 public:
  Cluster() = default;
  ~Cluster();
  // Made and started; CHECKs that it works.
  Peer& Add(const std::string& name, std::vector<std::string> settings = {});
  // Made, not started.
  Peer& Prepare(const std::string& name, std::vector<std::string> settings = {});
  // The first one creates it, the others join; the group's id.
  std::string Group(const std::string& name,
                    const std::vector<std::pair<Peer*, std::string>>& members);
  const std::string& dir() const { return dir_.path(); }

 private:
  TempDir dir_;
  std::vector<std::unique_ptr<Peer>> peers_;
};

// Puts bytes and references them in one call; the blob's id, empty when it failed.
std::string PutRef(const Peer& peer, const std::string& group, const std::string& key,
                   std::string_view bytes);
// The one of GET /v1/wanted about the blob; an empty object when it is not wanted.
Json WantedItem(const Peer& peer, const std::string& blob);
bool HoldsAll(const Peer& peer, const std::vector<std::string>& blobs);

}  // namespace waypost::integration
