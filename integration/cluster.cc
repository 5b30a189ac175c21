#include "integration/cluster.h"

#include <gtest/gtest.h>

#include <iostream>

#include "absl/strings/str_cat.h"

// Peers of one test, and what is asked of every test in the end: that no log says a secret of any
// peer. Logs are printed only where the test failed.

namespace waypost::integration {

Cluster::~Cluster() {
  // Nor do others say what one of them keeps.
  for (const auto& keeper : peers_) {
    for (const auto& peer : peers_) {
      keeper->secrets().ExpectNoneIn(
          peer->Log(), absl::StrCat("of ", keeper->name(), " in the log of ", peer->name()));
    }
  }
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

std::string Cluster::Group(const std::string& name,
                           const std::vector<std::pair<Peer*, std::string>>& members) {
  Peer& creator = *members.front().first;
  const std::string group = creator.CreateGroup(name, members.front().second);
  EXPECT_FALSE(group.empty());
  for (std::size_t i = 1; i < members.size(); ++i) {
    EXPECT_EQ(members[i].first->Join(creator.Invite(group), members[i].second), group)
        << members[i].first->name() << " did not join";
  }
  return group;
}

std::string PutRef(const Peer& peer, const std::string& group, const std::string& key,
                   std::string_view bytes) {
  return peer.PutBlob(bytes, group, key);
}

Json WantedItem(const Peer& peer, const std::string& blob) {
  const Json page = peer.Get("/v1/wanted?limit=1000");
  for (const Json& item : page.value("items", Json::array())) {
    if (item.value("blob", "") == blob) return item;
  }
  return Json::object();
}

bool HoldsAll(const Peer& peer, const std::vector<std::string>& blobs) {
  for (const std::string& blob : blobs) {
    if (!peer.Has(blob)) return false;
  }
  return true;
}

}  // namespace waypost::integration
