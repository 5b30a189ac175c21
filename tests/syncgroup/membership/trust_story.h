#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tests/syncgroup/membership/trust_world.h"

namespace waypost::syncgroup {

// A history told act by act, each of which says what an honest peer that knows everything would
// say, unless told otherwise: `story.Admit({.by = 0}, 1, {.authority = Authority::kAdmin})`. Peer 0
// is the founder. At its end the whole is compared with the naive rules.
class Story {
 public:
  Story() : world_(history_) {}
  ~Story();
  Story(const Story&) = delete;
  Story& operator=(const Story&) = delete;

  // Who writes. Unless told otherwise under the basis and in the numbering that the tree says, a
  // second after all that was written so far.
  struct Hand {
    int by = 0;
    std::optional<ActAt> basis;  // begins a numbering under it
    std::optional<int> after;    // continues after this entry, whatever follows it
    std::optional<int64_t> stamp;
  };
  struct Words {
    Authority authority = Authority::kWriter;
    Role role = Role::kServer;
    bool invites = false;
    bool as_inviter = false;
    bool only_named = false;
    std::optional<std::vector<ActAt>> names;  // else the newest about the peer
    std::optional<std::vector<int>> pins;     // else all heads that count
  };
  // Each returns its entry.
  int Admit(const Hand& hand, int peer, const Words& words);
  int Admit(const Hand& hand, int peer) { return Admit(hand, peer, Words()); }
  int Remove(const Hand& hand, int peer, const Words& words);
  int Remove(const Hand& hand, int peer) { return Remove(hand, peer, Words()); }
  int Leave(const Hand& hand);
  int Put(const Hand& hand);
  int Close(const Hand& hand, int numbering);
  int Profile(const Hand& hand, Role lowered);
  int RecoveryAdmit(int peer, const Words& words);
  int RecoveryRemove(int peer, const Words& words);

  // What an honest peer would name and pin now.
  std::vector<ActAt> Newest(int peer) const;
  std::vector<int> Heads(int peer) const;

  // "0a 1w 2r+": all members, their authority and whether they invite though they are no admins.
  std::string Members() const;
  Role RoleOf(int peer) const;
  ActAt BasisOf(int peer) const;
  // Does the first act of an entry count, or its references if it has none?
  bool Counts(int entry) const;
  std::optional<EntryRights> Rights(int entry) const {
    return world_.tree().RightsOf(world_.PlaceOf(entry));
  }
  TrustTree& tree() { return world_.tree(); }
  TrustWorld& world() { return world_; }

 private:
  int Write(const Hand& hand, HistoryEntry entry);
  HistoryAct ActBy(ActKind kind, int peer, const Words& words) const;
  void Stand(const Hand& hand, HistoryEntry& entry) const;

  History history_;
  TrustWorld world_;
  int64_t clock_ = 1000;
};

}  // namespace waypost::syncgroup
