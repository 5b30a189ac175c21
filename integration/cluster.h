#pragma once

#include <memory>
#include <string>
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
  Peer& at(std::size_t i) { return *peers_[i]; }
  const std::string& dir() const { return dir_.path(); }

 private:
  TempDir dir_;
  std::vector<std::unique_ptr<Peer>> peers_;
};

}  // namespace waypost::integration
