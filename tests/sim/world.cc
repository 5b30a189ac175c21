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
#include "tests/sim/hostile_band.h"
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
// How often a peer may write while hostile members only repeat themselves, for so long once what
// was under way is over.
constexpr Millis kRepeatsBegin{35'000};
constexpr Millis kRepeatsFor{20'000};
constexpr uint64_t kRepeatCommitsMax = 40;
constexpr std::size_t kKeys = 16;  // of a group: few, so that they are set again and deleted

// Of each other, where there are hostile members: few enough that these come to their end.
syncgroup::MemberLimits LimitsOf(const WorldOptions& options) {
  if (!options.hostile) return {};
  return {.total = 20'000,
          .burst = 600,
          .per_second = 2,
          .entries = 200,
          .log_bytes = uint64_t{1} << 20,
          .membership = 40,
          .numberings = 12};
}

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
  void AdmitHostiles();
  std::vector<HostilePlace> PutOnMask(Peer& mask);
  std::vector<std::string> WhatRepeatsCost();
  void Heal();
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
  // Hostile members: as who they joined, and what they are.
  std::vector<std::unique_ptr<Peer>> masks_;
  std::unique_ptr<HostileBand> hostiles_;
  std::vector<OwnRef> own_refs_;  // set while they attack
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
                                            folder_ / absl::StrCat("peer-", number),
                                            LimitsOf(options)));
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
  if (hostiles_ != nullptr) hostiles_->Heard(staged->id);
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
  if (hostiles_ == nullptr) return;
  const std::string own = absl::StrCat("own-", own_refs_.size());
  CHECK(peer.refs().Change(group, {{own, staged->id}}).ok());
  own_refs_.push_back({peer.number(), group, own, staged->id});
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

// It joins as anybody does.
std::vector<HostilePlace> World::PutOnMask(Peer& mask) {
  std::vector<HostilePlace> places;
  mask.Start();
  for (const auto& [group, founder] : groups_) {
    const auto authority =
        Chance(0.7) ? syncgroup::Authority::kWriter : syncgroup::Authority::kReader;
    const auto invite = peers_[founder]->invites().Create(group, {.authority = authority});
    CHECK(invite.ok());
    const auto role = Chance(0.5) ? syncgroup::Role::kServer : syncgroup::Role::kNormal;
    std::atomic<bool> done = false, in = false;
    mask.parts().syncer->Join(*invite, role, [&](const auto& info) {
      in = info.ok();
      done = true;
    });
    while (!done) sim_.Sleep(Millis(100));
    if (!in) continue;
    const auto members = peers_[founder]->groups().Members(group);
    CHECK(members.ok());
    for (const syncgroup::Member& member : *members) {
      if (member.peer == mask.id()) places.push_back({group, authority, member.invites});
    }
  }
  return places;
}

// They take off their masks once others have heard of them, and bring in puppets.
void World::AdmitHostiles() {
  hostiles_ = std::make_unique<HostileBand>(network_, options_.seed);
  for (const auto& [group, founder] : groups_) {
    const auto inviters =
        Chance(0.7) ? syncgroup::Authority::kReader : syncgroup::Authority::kAdmin;
    CHECK(peers_[founder]->groups().ChangeSettings(group, {.inviters = inviters}).ok());
  }
  const std::size_t count = 1 + Below(3);
  std::vector<std::vector<HostilePlace>> places;
  for (PeerNumber number = peers_.size(); masks_.size() < count; ++number) {
    masks_.push_back(std::make_unique<Peer>(network_, number, options_.seed,
                                            folder_ / absl::StrCat("mask-", number)));
    places.push_back(PutOnMask(*masks_.back()));
  }
  sim_.Sleep(Millis(5000));
  for (std::size_t i = 0; i < count; ++i) {
    masks_[i]->Stop();
    hostiles_->Admit(masks_[i]->number(), masks_[i]->identity(), places[i]);
  }
  hostiles_->BringIn(Below(4), peers_.size() + count);
  Say("hostile: ", hostiles_->Describe());
  std::vector<std::pair<PeerNumber, base::PeerId>> victims;
  for (const auto& peer : peers_) victims.emplace_back(peer->number(), peer->id());
  hostiles_->Attack(std::move(victims));
}

void World::StartDown(bool all) {
  for (const auto& peer : peers_) {
    if (peer->up() || !(all || Chance(0.3))) continue;
    Say("starts peer ", peer->number());
    peer->Start();
    if (hostiles_ != nullptr) hostiles_->Restarted(peer->number());
  }
}

void World::Heal() {
  network_.HealAll();
  if (apart_.first == apart_.second) return;
  network_.Cut(apart_.first, apart_.second);
  network_.Cut(apart_.second, apart_.first);
}

void World::EndFaults() {
  Say("the faults end");
  Heal();
  StartDown(/*all=*/true);
}

// ---- the run ----

void World::Act() {
  StartDown(/*all=*/false);
  PushJoins();
  // Whoever could not be reached for long is left alone for longer than a run waits: what hostile
  // members do is to be seen, not that.
  if (hostiles_ != nullptr && Chance(0.2)) Heal();
  GroupId group;
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
  std::vector<std::string> problems = StatesThatDiffer(peers, hostiles_.get());
  const auto add = [&](std::vector<std::string> more) {
    problems.insert(problems.end(), more.begin(), more.end());
  };
  add(BlobsThatAreMissing(peers, network_));
  add(RefsThatAreMissing(peers, own_refs_));
  for (const auto& join : joins_) {
    if (!join->in) problems.push_back(absl::StrCat("peer ", join->joiner, " has not joined"));
  }
  if (rows) {
    for (Peer* peer : peers) {
      add(RowsThatDisagree(*peer));
      if (hostiles_ == nullptr) continue;
      add(HostilesThatGotTheirWay(*peer, peers, *hostiles_, LimitsOf(options_)));
    }
  }
  return problems;
}

// What was said before, said again and again, is read and not written.
std::vector<std::string> World::WhatRepeatsCost() {
  hostiles_->Repeat();
  sim_.Sleep(kRepeatsBegin);
  std::vector<uint64_t> before;
  for (const auto& peer : peers_) before.push_back(CommitsOf(*peer));
  sim_.Sleep(kRepeatsFor);
  std::vector<std::string> problems;
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    const uint64_t commits = CommitsOf(*peers_[i]) - before[i];
    Say("peer ", i, " wrote ", commits, " times while hostile members repeated themselves");
    if (commits <= kRepeatCommitsMax) continue;
    problems.push_back(absl::StrCat("peer ", i, " wrote ", commits,
                                    " times while hostile members repeated themselves"));
  }
  return problems;
}

Outcome World::Run() {
  const base::SteadyTime began = sim_.SteadyNow();
  KeepApart();
  MakeGroups();
  PushJoins();
  if (options_.hostile) AdmitHostiles();
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
  outcome.settled_after = std::chrono::duration_cast<Millis>(sim_.SteadyNow() - ended);
  if (hostiles_ != nullptr && outcome.problems.empty()) outcome.problems = WhatRepeatsCost();
  const base::SteadyTime now = sim_.SteadyNow();
  outcome.virtual_time = std::chrono::duration_cast<Millis>(now - began);
  outcome.calls = network_.calls();
  outcome.decisions = sim_.decisions();
  Say("ends after ", outcome.settled_after.count(), " ms");
  outcome.trace = sim_.trace();
  if (options_.tell && hostiles_ != nullptr) {
    for (const auto& peer : peers_) {
      std::fprintf(stderr, "peer %zu took of hostile members: %s\n", peer->number(),
                   TakenOf(*peer, *hostiles_).c_str());
    }
    std::fprintf(stderr, "what hostile members did:\n%s", hostiles_->Tally().c_str());
  }
  if (hostiles_ != nullptr) hostiles_->Leave();
  asked_.clear();
  for (const auto& peer : peers_) peer->Stop();
  return outcome;
}

}  // namespace

Outcome RunWorld(const WorldOptions& options) {
  CHECK(base::InitCrypto());
  return World(options).Run();
}

}  // namespace waypost::sim
