#include "tests/syncgroup/membership/trust_comparison.h"

#include <set>
#include <vector>

#include "tests/syncgroup/membership/naive_trust.h"

// Every question that a tree of trust answers is asked of the naive rules too, about the same
// entries; whatever differs ends the comparison, because one difference brings others.

namespace waypost::syncgroup {
namespace {

constexpr int kPeersMax = 7;

class Comparison {
 public:
  Comparison(const History& history, const TrustWorld& world)
      : history_(history), world_(world), naive_(history, Here(history, world)) {}

  // Rights, acts and members.
  std::string Decisions() {
    for (int i = 0; i < static_cast<int>(history_.entries.size()); ++i) {
      if (!world_.Has(i)) continue;
      const HistoryEntry& entry = history_.entries[i];
      for (int position = 0; position < static_cast<int>(entry.acts.size()); ++position) {
        const ActAt at{i, position};
        if (world_.tree().Counts(world_.Id(at)) != naive_.Counts(at)) return Says("counts", i);
        if (entry.acts[position].kind != ActKind::kAdmit) continue;
        if (world_.tree().RightsUnder(world_.Id(at)) != naive_.Unpinned(at)) {
          return Says("unpinned rights", i);
        }
      }
      if (entry.origin == kRecoveryEntry) continue;
      if (world_.tree().RightsOf(world_.PlaceOf(i)) != naive_.Rights(i)) return Says("rights", i);
    }
    for (int peer = 0; peer < kPeersMax; ++peer) {
      if (Member(peer) != naive_.FindMember(peer)) return Says("member", peer);
    }
    return "";
  }

  // What follows from them.
  std::string Answers() {
    for (int i = 0; i < static_cast<int>(history_.entries.size()); ++i) {
      if (!world_.Has(i) || history_.entries[i].previous != kNone) continue;
      if (history_.entries[i].origin == kRecoveryEntry) continue;
      const auto closed = world_.tree().ClosedAfter(TrustWorld::Hash(history_.entries[i].hash));
      const auto expected = naive_.ClosedAfter(i);
      if (closed.has_value() != expected.has_value()) return Says("closed", i);
      if (closed && base::ToMs(*closed) != *expected) return Says("closed after", i);
    }
    for (int peer = 0; peer < kPeersMax; ++peer) {
      std::set<ActAt> newest;
      for (const ActId& id : world_.tree().NewestAbout(TrustWorld::Peer(peer))) {
        newest.insert(world_.At(id));
      }
      if (newest != naive_.NewestAbout(peer)) return Says("newest", peer);
      for (int author = 0; author < kPeersMax; ++author) {
        if (world_.tree().ActsOn(TrustWorld::Peer(author), TrustWorld::Peer(peer)) !=
            naive_.ActsOn(author, peer)) {
          return Says("acts on", peer);
        }
      }
    }
    return Seniority() + Kept();
  }

 private:
  static uint64_t Here(const History& history, const TrustWorld& world) {
    uint64_t here = 0;
    for (int i = 0; i < static_cast<int>(history.entries.size()); ++i) {
      if (world.Has(i)) here |= uint64_t{1} << i;
    }
    return here;
  }

  std::optional<NaiveTrust::Member> Member(int peer) const {
    const auto member = world_.tree().FindMember(TrustWorld::Peer(peer));
    if (!member) return std::nullopt;
    return NaiveTrust::Member{member->authority, member->invites, member->role,
                              world_.At(member->basis)};
  }

  std::string Seniority() {
    std::vector<ActAt> bases = {kByGenesis};
    for (int i = 0; i < static_cast<int>(history_.entries.size()); ++i) {
      if (!world_.Has(i)) continue;
      for (int position = 0; position < static_cast<int>(history_.entries[i].acts.size());
           ++position) {
        if (history_.entries[i].acts[position].kind == ActKind::kAdmit) {
          bases.push_back({i, position});
        }
      }
    }
    for (const ActAt& a : bases) {
      for (const ActAt& b : bases) {
        if (world_.tree().IsSenior(world_.Id(a), world_.Id(b)) != naive_.IsSenior(a, b)) {
          return Says("senior", a.entry);
        }
      }
    }
    return "";
  }

  std::string Kept() {
    const TrustTree::Kept kept = world_.tree().KeptEntries();
    const std::set<int> expected = naive_.Kept();
    for (int i = 0; i < static_cast<int>(history_.entries.size()); ++i) {
      if (!world_.Has(i) || history_.entries[i].origin == kRecoveryEntry) continue;
      const BranchPlace place = world_.PlaceOf(i);
      const auto it = kept.find(place.branch);
      const bool stays = it != kept.end() && place.generation <= it->second;
      if (stays != expected.contains(i)) return Says("kept", i);
    }
    return "";
  }

  static std::string Says(const char* what, int of) { return what + (" of " + std::to_string(of)); }

  const History& history_;
  const TrustWorld& world_;
  NaiveTrust naive_;
};

}  // namespace

std::string CompareDecisions(const History& history, const TrustWorld& world) {
  return Comparison(history, world).Decisions();
}

std::string CompareAnswers(const History& history, const TrustWorld& world) {
  return Comparison(history, world).Answers();
}

}  // namespace waypost::syncgroup
