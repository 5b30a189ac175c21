#include "fetcher/work/detours.h"

#include <algorithm>
#include <utility>

#include "fetcher/policy/ranking.h"
#include "signpost/due.h"
#include "signpost/signpost_table.h"

// The board says what to look up, the index is read without its mutex, and the board is told whom
// each blob may be asked of. All of it is a hint: an attempt looks at the rows itself.

namespace waypost::fetcher {
namespace {

// Rows of one transaction.
constexpr std::size_t kPage = 1000;
// After all rows of peers that cool were looked at, the next look waits so many times as long as
// that took.
constexpr int kWalkRest = 4;

}  // namespace

bool Detours::AnyMember(base::ReadTxn& txn, const signpost::Signpost& signpost,
                        const base::PeerId& peer) const {
  return std::any_of(signpost.groups.begin(), signpost.groups.end(), [&](const auto& item) {
    return parts_.groups.IsMember(txn, item.first, peer);
  });
}

std::optional<base::PeerId> Detours::AnotherPeerFor(base::ReadTxn& txn,
                                                    const signpost::Signpost& signpost,
                                                    base::WallTime now) const {
  const auto find = [&](bool poor) {
    return AnotherPeer(signpost.locations, [&](const base::PeerId& peer) {
      const signpost::PeerHealth health = parts_.peers.Health(peer);
      return peer != parts_.ledger.options().self && !health.Cooling(now) &&
             (poor || !health.Poor(now)) && AnyMember(txn, signpost, peer);
    });
  };
  if (const auto good = find(/*poor=*/false)) return good;
  // Its home is no worse, unless that cools.
  const base::PeerId home = signpost::FirstPeer(signpost.locations);
  return parts_.peers.Cooling(home) ? find(/*poor=*/true) : std::nullopt;
}

std::optional<base::PeerId> Detours::ServerFor(base::ReadTxn& txn,
                                               const signpost::Signpost& signpost,
                                               const std::vector<base::PeerId>& back,
                                               base::WallTime now) const {
  const auto collects = [&](const base::PeerId& peer) {
    if (parts_.peers.Health(peer).Cooling(now)) return false;
    return std::any_of(signpost.groups.begin(), signpost.groups.end(), [&](const auto& item) {
      if (!item.second.wanted) return false;
      const auto member = parts_.groups.FindMember(txn, item.first, peer);
      return member && member->role == syncgroup::Role::kServer;
    });
  };
  const auto found = std::find_if(back.begin(), back.end(), collects);
  if (found == back.end()) return std::nullopt;
  return *found;
}

void Detours::LookAround() {
  while (true) {
    const base::WallTime now = parts_.clock.WallNow();
    const RunQueue::Look look = parts_.board.TakeLook(kPage, now);
    if (look.at_home.empty() && look.away.empty()) return;
    std::vector<std::pair<base::BlobId, base::PeerId>> routes;
    const absl::Status read = parts_.index.Read([&](base::ReadTxn& txn) {
      for (const base::BlobId& blob : look.at_home) {
        const auto signpost = signpost::LoadSignpost(txn, blob);
        const auto peer = signpost ? AnotherPeerFor(txn, *signpost, now) : std::nullopt;
        if (peer) routes.emplace_back(blob, *peer);
      }
      for (const base::BlobId& blob : look.away) {
        const auto signpost = signpost::LoadSignpost(txn, blob);
        if (!signpost) continue;
        // Nobody else was known when it was sent there: whoever is back may have it.
        const auto back =
            std::find_if(look.usable.begin(), look.usable.end(),
                         [&](const base::PeerId& peer) { return AnyMember(txn, *signpost, peer); });
        if (back != look.usable.end()) routes.emplace_back(blob, *back);
      }
    });
    if (!read.ok()) return;
    parts_.board.EndLook(routes);
  }
}

void Detours::WalkAround() {
  while (true) {
    const base::WallTime now = parts_.clock.WallNow();
    const base::SteadyTime steady = parts_.clock.SteadyNow();
    const auto walk = parts_.board.BeginWalk(now, /*may_restart=*/steady >= next_walk_);
    if (!walk) {
      if (walk_began_ == base::SteadyTime()) return;
      next_walk_ = steady + kWalkRest * (steady - walk_began_);
      walk_began_ = {};
      return;
    }
    if (walk_began_ == base::SteadyTime()) walk_began_ = steady;
    std::vector<RunQueue::Route> routes;
    const auto next = signpost::WalkDue(
        parts_.index, {.from = walk->from, .first_peer = walk->peer, .rows_max = kPage},
        [&](const signpost::DueRow& row) {
          const auto signpost = signpost::LoadSignpost(row.txn, row.key.blob);
          if (!signpost) return true;
          auto to = AnotherPeerFor(row.txn, *signpost, now);
          if (!to) to = ServerFor(row.txn, *signpost, walk->usable, now);
          if (to) routes.push_back({row.key, *to});
          return true;
        });
    if (!next.ok()) {
      parts_.board.EndWalk(walk->peer, {}, walk->from);
      return;
    }
    parts_.board.EndWalk(walk->peer, routes, *next);
  }
}

}  // namespace waypost::fetcher
