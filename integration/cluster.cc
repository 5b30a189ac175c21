#include "integration/cluster.h"

#include <gtest/gtest.h>

#include <iostream>

#include "absl/strings/str_cat.h"

namespace waypost::integration {

Cluster::~Cluster() {
  if (!::testing::Test::HasFailure()) return;
  for (const auto& peer : peers_) {
    std::cerr << "---- log of " << peer->name() << "\n" << LastOf(peer->Log(), 8000) << "\n";
  }
}

Peer& Cluster::Prepare(const std::string& name, std::vector<std::string> settings) {
  peers_.push_back(
      std::make_unique<Peer>(WaypostProgram(), absl::StrCat(dir_.path(), "/", name), name));
  Peer& peer = *peers_.back();
  peer.SetSettings(std::move(settings));
  const absl::Status made = peer.Init();
  EXPECT_TRUE(made.ok()) << made;
  return peer;
}

Peer& Cluster::Add(const std::string& name, std::vector<std::string> settings) {
  Peer& peer = Prepare(name, std::move(settings));
  const absl::Status started = peer.Start();
  EXPECT_TRUE(started.ok()) << started;
  return peer;
}

}  // namespace waypost::integration
