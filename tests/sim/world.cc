#include "tests/sim/world.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <functional>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/crypto.h"
#include "base/sim_scheduler.h"
#include "base/status.h"
#include "tests/fakes/temp_dir.h"
#include "tests/sim/hostile.h"
#include "tests/sim/oracle.h"

// The first thread of the run is the one that acts; what it does and draws goes into the trace.
// Peers draw from generators of their own, so that one more action does not change what all others
// do.

namespace waypost::sim {
namespace {

using base::GroupId;
using base::Millis;

constexpr Millis kSettleWithin{120'000};
constexpr Millis kLookEvery{1000};
constexpr std::size_t kKeys = 16;  // of a group: few, so that they are set again and deleted

class World {
 public:
  explicit World(const WorldOptions& options);
  Outcome Run();

 private:
  // A peer that was invited and is not in yet. Tried again until it is.
  struct Join {
    PeerNumber joiner = 0;
    GroupId group;
    syncgroup::Invite invite;
    std::optional<syncgroup::Role> role;
    bool calling = false;
    bool in = false;
  };

  uint64_t Below(uint64_t count) { return random_.Next() % count; }
  bool Chance(double probability) { return random_.Unit() < probability; }
  void Sleep(Millis most) { sim_.Sleep(Millis(static_cast<int64_t>(Below(most.count() + 1)))); }
  template <class... Args>
  void Say(const Args&... args);

  void KeepApart();
  void MakeGroups();
  void Invite(PeerNumber joiner, const GroupId& group, PeerNumber founder);
  void PushJoins();
  void Act();
  void Put(Peer& peer, const GroupId& group);
  void Refer(Peer& peer, const GroupId& group);
  void Ask(Peer& peer);
  void CutOrHeal();
  void RestartOne();
  void StartDown(bool all);
  void AdmitHostile();
  void EndFaults();
  std::vector<std::string> Problems(bool rows);

  std::string Content();
  std::string Key() { return absl::StrCat("key-", Below(kKeys)); }
  // A peer that is up and one of its groups; null where there is none.
  Peer* SomePeer(GroupId& group);

  const WorldOptions options_;
  base::SimScheduler sim_;
  base::SeededRandom random_;
  base::TempDir folder_;
  Network network_;
  std::vector<std::unique_ptr<Peer>> peers_;
  std::vector<std::pair<GroupId, PeerNumber>> groups_;  // and their founders
  // The hostile member: as who it joined, and what it is.
  std::unique_ptr<Peer> mask_;
  std::unique_ptr<Hostile> hostile_;
  // Two that never reach each other, also after the faults; the same twice: there are none.
  std::pair<PeerNumber, PeerNumber> apart_{0, 0};
  std::vector<std::shared_ptr<Join>> joins_;
  std::vector<base::BlobId> blobs_;  // that were ever put
  // Of callers who wait, by peer: they leave when it stops.
  std::map<PeerNumber, std::vector<std::unique_ptr<fetcher::Interest>>> asked_;
};

World::World(const WorldOptions& options)
    : options_(options),
      sim_({.seed = options.seed}),
      random_(options.seed * 7919 + 1),
      network_(options.seed * 7919 + 2) {
  if (options.tell_calls) network_.TellCalls();
  const PeerNumber count = options.peers_min + Below(options.peers_max - options.peers_min + 1);
  for (PeerNumber number = 0; number < count; ++number) {
    peers_.push_back(std::make_unique<Peer>(network_, number, options.seed,
                                            folder_ / absl::StrCat("peer-", number)));
    peers_.back()->Start();
  }
}

template <class... Args>
void World::Say(const Args&... args) {
  const std::string text = absl::StrCat(args...);
  sim_.Note(text);
  if (!options_.tell) return;
  const auto ms = sim_.SteadyNow().time_since_epoch() / Millis(1) % (3600 * 1000);
  std::fprintf(stderr, "%8.3f %s\n", static_cast<double>(ms) / 1000, text.c_str());
}

// ---- groups and members ----

// Peers behind two routers, say. All that they have of each other comes through the last peer,
// which therefore founds every group, as a server.
void World::KeepApart() {
  if (peers_.size() < 3 || !Chance(0.4)) return;
  const PeerNumber first = Below(peers_.size() - 1);
  const PeerNumber other = Below(peers_.size() - 1);
  if (first == other) return;
  apart_ = {first, other};
  Say("peers ", first, " and ", other, " never meet");
  network_.Cut(first, other);
  network_.Cut(other, first);
}

void World::MakeGroups() {
  const std::size_t count = 1 + Below(2);
  for (std::size_t i = 0; i < count; ++i) {
    const bool meet = apart_.first == apart_.second;
    const PeerNumber founder = meet ? Below(peers_.size()) : peers_.size() - 1;
    constexpr std::array kRoles = {syncgroup::Role::kServer, syncgroup::Role::kNormal,
                                   syncgroup::Role::kLeaf};
    const syncgroup::Role role = kRoles[meet ? Below(kRoles.size()) : 0];
    const auto info =
        peers_[founder]->groups().Create({.name = absl::StrCat("group-", i), .role = role});
    CHECK(info.ok());
    Say("peer ", founder, " founds group ", i);
    groups_.emplace_back(info->id, founder);
    for (PeerNumber joiner = 0; joiner < peers_.size(); ++joiner) {
      if (joiner != founder && Chance(0.9)) Invite(joiner, info->id, founder);
    }
  }
}

void World::Invite(PeerNumber joiner, const GroupId& group, PeerNumber founder) {
  auto join = std::make_shared<Join>();
  join->joiner = joiner;
  join->group = group;
  const auto invite = peers_[founder]->invites().Create(group, {});
  CHECK(invite.ok());
  join->invite = *invite;
  const uint64_t dice = Below(5);
  join->role = dice < 3    ? syncgroup::Role::kServer
               : dice == 3 ? syncgroup::Role::kNormal
                           : syncgroup::Role::kLeaf;
  joins_.push_back(std::move(join));
}

void World::PushJoins() {
  for (const auto& join : joins_) {
    Peer& joiner = *peers_[join->joiner];
    if (join->in || join->calling || !joiner.up()) continue;
    join->calling = true;
    Say("peer ", join->joiner, " joins as ", syncgroup::RoleName(*join->role));
    joiner.parts().syncer->Join(join->invite, join->role, [join](const auto& info) {
      join->calling = false;
      // A second try may find that the first one did it.
      join->in = info.ok() || absl::IsAlreadyExists(info.status());
    });
  }
}

Peer* World::SomePeer(GroupId& group) {
  Peer& peer = *peers_[Below(peers_.size())];
  if (!peer.up()) return nullptr;
  const auto groups = peer.groups().List({}, 100);
  CHECK(groups.ok());
  if (groups->empty()) return nullptr;
  group = (*groups)[Below(groups->size())].id;
  return &peer;
}

// ---- what apps do ----

std::string World::Content() {
  const uint64_t dice = Below(100);
  uint64_t bytes = 1 + Below(300);
  if (dice >= 50) bytes = 1000 + Below(15'000);
  if (dice >= 70) bytes = 16'000 + Below(200'000);
  if (dice >= 93) bytes = (uint64_t{1} << 20) + Below(uint64_t{1} << 20);
  return random_.Bytes(bytes);
}

void World::Put(Peer& peer, const GroupId& group) {
  const std::string content = Content();
  const std::string key = Key();
  const bool reference_first = Chance(0.2);
  const auto staged = peer.Stage(content);
  CHECK(staged.ok());
  blobs_.push_back(staged->id);
  Say("peer ", peer.number(), " puts ", staged->id.ToHex().substr(0, 8), ", ", content.size(),
      " bytes, ", reference_first ? "after its reference" : "with its reference");
  if (reference_first) {
    CHECK(peer.refs().Change(group, {{key, staged->id}}).ok());
    Sleep(Millis(2000));
    if (!peer.up()) return;
    CHECK(peer.refs().Put(*staged, std::nullopt).ok());
    return;
  }
  CHECK(peer.refs().Put(*staged, syncgroup::Refs::Target{group, key}).ok());
}

void World::Refer(Peer& peer, const GroupId& group) {
  std::vector<syncgroup::RefChange> changes;
  for (uint64_t count = 1 + Below(3); count > 0; --count) {
    const std::string key = Key();
    const bool twice = std::any_of(changes.begin(), changes.end(),
                                   [&](const auto& change) { return change.key == key; });
    if (twice) continue;
    if (blobs_.empty() || Chance(0.5)) {
      changes.push_back({key, std::nullopt});
    } else {
      changes.push_back({key, blobs_[Below(blobs_.size())]});
    }
  }
  const absl::Status changed = peer.refs().Change(group, changes);
  Say("peer ", peer.number(), " changes ", changes.size(),
      " references: ", absl::StatusCodeToString(changed.code()));
}

void World::Ask(Peer& peer) {
  if (blobs_.empty()) return;
  const base::BlobId blob = blobs_[Below(blobs_.size())];
  auto interest = peer.parts().fetcher->Ask(blob);
  Say("peer ", peer.number(), " asks for ", blob.ToHex().substr(0, 8), ": ",
      absl::StatusCodeToString(interest.status().code()));
  if (interest.ok()) asked_[peer.number()].push_back(*std::move(interest));
}

// ---- faults ----

void World::CutOrHeal() {
  const PeerNumber from = Below(peers_.size()), to = Below(peers_.size());
  if (from == to || std::pair(from, to) == apart_ || std::pair(to, from) == apart_) return;
  if (Chance(0.4)) {
    Say("heals ", from, " > ", to);
    network_.Heal(from, to);
    return;
  }
  Say("cuts ", from, " > ", to);
  network_.Cut(from, to);
  if (Chance(0.5)) network_.Cut(to, from);
}

void World::RestartOne() {
  Peer& peer = *peers_[Below(peers_.size())];
  if (!peer.up()) return;
  Say("stops peer ", peer.number());
  asked_[peer.number()].clear();
  peer.Stop();
}

// Joins as anybody, and then takes off its mask.
void World::AdmitHostile() {
  const PeerNumber number = peers_.size();
  mask_ = std::make_unique<Peer>(network_, number, options_.seed, folder_ / "hostile");
  mask_->Start();
  std::vector<GroupId> entered;
  for (const auto& [group, founder] : groups_) {
    const auto invite = peers_[founder]->invites().Create(
        group,
        {.authority = Chance(0.5) ? syncgroup::Authority::kWriter : syncgroup::Authority::kReader});
    CHECK(invite.ok());
    std::atomic<bool> done = false, in = false;
    mask_->parts().syncer->Join(*invite, syncgroup::Role::kNormal, [&](const auto& info) {
      in = info.ok();
      done = true;
    });
    while (!done) sim_.Sleep(Millis(100));
    if (in) entered.push_back(group);
  }
  // Others hear of it before it begins.
  sim_.Sleep(Millis(5000));
  mask_->Stop();
  Say("a hostile member is in ", entered.size(), " groups");
  hostile_ =
      std::make_unique<Hostile>(network_, number, mask_->identity(), options_.seed * 7919 + 3);
  hostile_->Enter(entered);
}

void World::StartDown(bool all) {
  for (const auto& peer : peers_) {
    if (peer->up() || !(all || Chance(0.3))) continue;
    Say("starts peer ", peer->number());
    peer->Start();
  }
}

void World::EndFaults() {
  Say("the faults end");
  network_.HealAll();
  if (apart_.first != apart_.second) {
    network_.Cut(apart_.first, apart_.second);
    network_.Cut(apart_.second, apart_.first);
  }
  StartDown(/*all=*/true);
}

// ---- the run ----

void World::Act() {
  StartDown(/*all=*/false);
  PushJoins();
  GroupId group;
  if (hostile_ != nullptr && Chance(0.5)) {
    const PeerNumber victim = Below(peers_.size());
    Say("the hostile member calls peer ", victim);
    hostile_->Call(victim, peers_[victim]->id());
  }
  const uint64_t dice = Below(100);
  if (dice < 20) return CutOrHeal();
  if (dice < 27) return RestartOne();
  Peer* const peer = SomePeer(group);
  if (peer == nullptr) return;
  if (dice < 70) return Put(*peer, group);
  if (dice < 88) return Refer(*peer, group);
  Ask(*peer);
}

std::vector<std::string> World::Problems(bool rows) {
  std::vector<Peer*> peers;
  for (const auto& peer : peers_) peers.push_back(peer.get());
  std::vector<std::string> problems =
      StatesThatDiffer(peers, hostile_ == nullptr ? std::nullopt : std::optional(hostile_->id()));
  const auto add = [&](std::vector<std::string> more) {
    problems.insert(problems.end(), more.begin(), more.end());
  };
  add(BlobsThatAreMissing(peers, network_));
  for (const auto& join : joins_) {
    if (!join->in) problems.push_back(absl::StrCat("peer ", join->joiner, " has not joined"));
  }
  if (rows) {
    for (Peer* peer : peers) add(RowsThatDisagree(*peer));
  }
  return problems;
}

Outcome World::Run() {
  const base::SteadyTime began = sim_.SteadyNow();
  KeepApart();
  MakeGroups();
  PushJoins();
  if (options_.hostile) AdmitHostile();
  Sleep(Millis(20'000));
  for (int i = 0; i < options_.actions; ++i) {
    Act();
    Sleep(Chance(0.1) ? Millis(20'000) : Millis(1500));
  }
  EndFaults();
  const base::SteadyTime ended = sim_.SteadyNow();
  Outcome outcome{.peers = peers_.size()};
  do {
    PushJoins();
    sim_.Sleep(kLookEvery);
    outcome.problems = Problems(/*rows=*/false);
  } while (!outcome.problems.empty() && sim_.SteadyNow() < ended + kSettleWithin);
  if (outcome.problems.empty()) outcome.problems = Problems(/*rows=*/true);
  const base::SteadyTime now = sim_.SteadyNow();
  outcome.settled_after = std::chrono::duration_cast<Millis>(now - ended);
  outcome.virtual_time = std::chrono::duration_cast<Millis>(now - began);
  outcome.calls = network_.calls();
  outcome.decisions = sim_.decisions();
  Say("ends after ", outcome.settled_after.count(), " ms");
  outcome.trace = sim_.trace();
  asked_.clear();
  for (const auto& peer : peers_) peer->Stop();
  if (hostile_ != nullptr) hostile_->Leave();
  return outcome;
}

}  // namespace

Outcome RunWorld(const WorldOptions& options) {
  CHECK(base::InitCrypto());
  return World(options).Run();
}

}  // namespace waypost::sim
