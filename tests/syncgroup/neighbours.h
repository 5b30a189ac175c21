#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "syncgroup/protocol/seal.h"
#include "tests/syncgroup/test_node.h"

namespace waypost::syncgroup {

// Whoever shares groups with the one node of a test, by number as in PeerNumber: admitted by real
// invites, heard by entries under their own signatures. One thread; `here` outlives it.
class Neighbours {
 public:
  explicit Neighbours(TestNode& here) : here_(here) {}

  base::GroupId Create(const std::string& name, bool is_public) {
    const auto group =
        here_.groups->Create({.name = name, .is_public = is_public, .role = Role::kServer});
    CHECK(group.ok());
    return group->id;
  }
  void Admit(uint64_t number, const base::GroupId& group, Authority authority) {
    const auto invite = here_.invites->Create(group, {.authority = authority});
    CHECK(invite.ok());
    auto& joiner = joiners_[number];
    if (joiner == nullptr) joiner = std::make_unique<Joiner>(number, here_.clock);
    const auto request = joiner->node.invites->PrepareJoin(*invite, {});
    CHECK(request.ok());
    CHECK(here_.invites->AcceptJoin(PeerNumber(number), *request).ok());
    writers_[{number, group}] = {.incarnation = request->incarnation};
  }
  void Remove(uint64_t number, const base::GroupId& group) {
    CHECK(here_.groups->RemoveMember(group, PeerNumber(number)).ok());
  }
  // As the member says in an entry of its own, under a key of its own for each content.
  void Mention(uint64_t number, const base::GroupId& group, const std::string& content) {
    Say(number, group, PutRefOp{KeyOf(number, content), BlobOf(content), {}});
  }
  // It deletes that key.
  void Forget(uint64_t number, const base::GroupId& group, const std::string& content) {
    Say(number, group, DeleteRefOp{KeyOf(number, content)});
  }
  static std::string KeyOf(uint64_t number, const std::string& content) {
    return "by " + std::to_string(number) + ": " + content;
  }

 private:
  struct Joiner {
    Joiner(uint64_t number, const base::Clock& clock)
        : node(PeerNumber(number), dir.path(), clock) {}
    TempDir dir;
    TestNode node;
  };
  struct Writer {
    base::Incarnation incarnation;
    uint64_t generation = 0;
    base::EntryHash previous;
  };

  void Say(uint64_t number, const base::GroupId& group, Op op) {
    Writer& writer = writers_[{number, group}];
    const Entry entry{.group = group,
                      .place = {PeerNumber(number), writer.incarnation, ++writer.generation},
                      .previous = writer.previous,
                      .time = here_.clock.WallNow(),
                      .ops = {std::move(op)}};
    const auto sealed = SealEntry(TestIdentity(PeerNumber(number)), entry);
    writer.previous = HashEntry(sealed.bytes);
    SyncGroupReply answer{.group = group, .member = true, .entries = {sealed}};
    SyncReply reply;
    reply.groups.push_back(std::move(answer));
    Replication::Round round;
    CHECK(here_.replication().ApplyPage(PeerNumber(number), std::move(reply), round).ok());
  }

  TestNode& here_;
  std::map<uint64_t, std::unique_ptr<Joiner>> joiners_;
  std::map<std::pair<uint64_t, base::GroupId>, Writer> writers_;
};

}  // namespace waypost::syncgroup
