#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "syncgroup/membership/membership.h"
#include "tests/syncgroup/test_node.h"

namespace waypost::syncgroup {

inline base::Incarnation Inc(uint64_t n) {
  return *base::Incarnation::FromBytes(
      std::string_view(PeerNumber(1000 + n).bytes()).substr(0, 16));
}

// A peer's incarnation; 0: the one of its own number.
inline base::Incarnation IncOf(uint64_t peer, uint64_t incarnation) {
  return Inc(incarnation == 0 ? peer : incarnation);
}

inline Founder FirstFounder() { return {PeerNumber(1), Inc(1), base::FromMs(1)}; }

// Builds sets of operations: `Set().Admit({.by = 1, .time = 2, .entry = 2}, 3)`. Peer 1 founds the
// group at time 1 under incarnation 1; peer n's incarnation is n unless said otherwise.
class Set {
 public:
  // Who writes an operation, when and where. Several of one entry follow each other in it.
  struct Entry {
    uint64_t by = 0;
    int64_t time = 0;          // of the author's clock, in ms
    uint64_t entry = 0;        // the generation: the entry's number in the author's log
    uint64_t incarnation = 0;  // of the author; 0: its own number
  };
  struct Admission {
    Role role = Role::kNormal;
    Authority authority = Authority::kAdmin;
    uint64_t incarnation = 0;  // of who is admitted; 0: its own number
    uint64_t up_to = 0;        // as AdmitOp has it
  };
  struct Removal {
    uint64_t up_to = 0;        // the last entry that still counts
    uint64_t incarnation = 0;  // of who is removed; 0: its own number
  };

  Set() { Admit({.by = 1, .time = 1, .entry = 1}, 1); }
  Set& Admit(const Entry& at, uint64_t peer) { return Admit(at, peer, Admission()); }
  Set& Admit(const Entry& at, uint64_t peer, const Admission& as) {
    return Write(at, AdmitOp{PeerNumber(peer), IncOf(peer, as.incarnation), as.role, as.authority,
                             as.up_to});
  }
  Set& Remove(const Entry& at, uint64_t peer, const Removal& as) {
    return Write(at, RemoveOp{PeerNumber(peer), IncOf(peer, as.incarnation), as.up_to});
  }
  Set& Write(const Entry& at, Op op) {
    const EntryPlace place{PeerNumber(at.by), IncOf(at.by, at.incarnation), at.entry};
    uint32_t position = 0;
    for (const StampedOp& other : ops_) position += other.stamp.place == place ? 1 : 0;
    ops_.push_back({{base::FromMs(at.time), place, position}, std::move(op)});
    return *this;
  }
  Set& Fork(uint64_t peer, uint64_t generation, uint64_t incarnation = 0) {
    forks_[{PeerNumber(peer), IncOf(peer, incarnation)}] = generation;
    return *this;
  }
  Membership Fold() const { return FoldMembership(FirstFounder(), ops_, forks_); }
  // "1 2 4": who is a member.
  std::string Members() const {
    const Membership folded = Fold();
    std::string all;
    for (uint64_t n = 1; n <= 9; ++n) {
      if (folded.members.contains(PeerNumber(n)))
        all += (all.empty() ? "" : " ") + std::to_string(n);
    }
    return all;
  }
  uint64_t Limit(uint64_t peer, uint64_t incarnation = 0) const {
    const Membership folded = Fold();
    const auto it = folded.cuts.find(PeerNumber(peer));
    if (it == folded.cuts.end()) return 0;
    return it->second.LimitOf(IncOf(peer, incarnation));
  }
  const std::vector<StampedOp>& ops() const { return ops_; }
  const Forks& forks() const { return forks_; }

 private:
  std::vector<StampedOp> ops_;
  Forks forks_;
};

// Peer 2 is an admin too.
inline Set WithAdmin2() { return Set().Admit({.by = 1, .time = 2, .entry = 2}, 2); }

inline constexpr uint64_t kAll = kAllGenerations;

}  // namespace waypost::syncgroup
