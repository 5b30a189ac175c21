#include "tests/syncgroup/membership/trust_story.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "tests/syncgroup/membership/trust_comparison.h"

// Fills in what a story does not say by asking the tree that it has told so far: names, pins, and
// under which basis and in which numbering its author writes.

namespace waypost::syncgroup {

Story::~Story() {
  EXPECT_EQ(CompareDecisions(history_, world_) + CompareAnswers(history_, world_), "")
      << history_.ToText();
}

std::vector<ActAt> Story::Newest(int peer) const {
  std::vector<ActAt> names;
  for (const ActId& id : world_.tree().NewestAbout(TrustWorld::Peer(peer))) {
    names.push_back(world_.At(id));
  }
  return names;
}

std::vector<int> Story::Heads(int peer) const {
  std::vector<int> heads;
  for (const BranchPlace& head : world_.tree().CountingHeads(TrustWorld::Peer(peer))) {
    heads.push_back(world_.EntryAt(head));
  }
  return heads;
}

HistoryAct Story::ActBy(ActKind kind, int peer, const Words& words) const {
  HistoryAct act{.kind = kind,
                 .peer = peer,
                 .authority = words.authority,
                 .role = words.role,
                 .invites = words.invites,
                 .as_inviter = words.as_inviter,
                 .only_named = words.only_named};
  if (words.names) {
    act.names = *words.names;
  } else if (!words.as_inviter) {
    act.names = Newest(peer);
  } else {
    for (const ActId& id :
         world_.tree().NewestAbout(TrustWorld::Peer(peer), TrustTree::AboutPeer::kLeavings)) {
      act.names.push_back(world_.At(id));
    }
  }
  if (words.pins) {
    act.pins = *words.pins;
  } else if (!words.as_inviter) {
    act.pins = Heads(peer);
  }
  return act;
}

// Acts stand in numberings of their own.
void Story::Stand(const Hand& hand, HistoryEntry& entry) const {
  if (hand.after) {
    entry.previous = *hand.after;
    entry.basis = history_.entries[*hand.after].basis;
    return;
  }
  if (hand.basis) {
    entry.basis = *hand.basis;
    return;
  }
  int last = kNone;
  for (int i = 0; i < static_cast<int>(history_.entries.size()); ++i) {
    const HistoryEntry& other = history_.entries[i];
    if (other.origin == hand.by && other.acts.empty() == entry.acts.empty()) last = i;
  }
  const auto writing =
      world_.tree().WritingOf(TrustWorld::Peer(hand.by),
                              last == kNone ? std::nullopt : std::optional(world_.PlaceOf(last)));
  if (!writing) {
    ADD_FAILURE() << hand.by << " is no member: say under which basis it writes";
    return;
  }
  entry.basis = world_.At(writing->basis);
  if (!writing->begins) entry.previous = last;
}

int Story::Write(const Hand& hand, HistoryEntry entry) {
  const int index = static_cast<int>(history_.entries.size());
  entry.origin = hand.by;
  if (hand.by == kRecoveryEntry) {
    entry.basis = kByRecovery;
  } else {
    Stand(hand, entry);
  }
  clock_ += 1000;
  entry.stamp = hand.stamp.value_or(clock_);
  entry.hash = static_cast<uint64_t>(index) + 1;
  history_.entries.push_back(std::move(entry));
  const absl::Status status = world_.Add(index);
  EXPECT_TRUE(status.ok()) << status << "\n" << history_.ToText();
  return index;
}

int Story::Admit(const Hand& hand, int peer, const Words& words) {
  return Write(hand, {.acts = {ActBy(ActKind::kAdmit, peer, words)}});
}
int Story::Remove(const Hand& hand, int peer, const Words& words) {
  return Write(hand, {.acts = {ActBy(ActKind::kRemove, peer, words)}});
}
int Story::Leave(const Hand& hand) {
  return Write(hand, {.acts = {ActBy(ActKind::kLeave, hand.by, Words())}});
}
int Story::Put(const Hand& hand) { return Write(hand, {}); }
int Story::Close(const Hand& hand, int numbering) {
  return Write(hand, {.closes = history_.FirstOf(numbering)});
}
int Story::Profile(const Hand& hand, Role lowered) { return Write(hand, {.profile = lowered}); }
int Story::RecoveryAdmit(int peer, const Words& words) {
  return Admit({.by = kRecoveryEntry}, peer, words);
}
int Story::RecoveryRemove(int peer, const Words& words) {
  return Remove({.by = kRecoveryEntry}, peer, words);
}

std::string Story::Members() const {
  std::string members;
  for (const TrustMember& member : world_.tree().Members()) {
    int number = 0;
    while (TrustWorld::Peer(number) != member.peer) ++number;
    members += (members.empty() ? "" : " ") + std::to_string(number);
    members += AuthorityName(member.authority)[0];
    if (member.invites && member.authority != Authority::kAdmin) members += '+';
  }
  return members;
}

Role Story::RoleOf(int peer) const {
  const auto member = world_.tree().FindMember(TrustWorld::Peer(peer));
  return member ? member->role : Role::kServer;
}

ActAt Story::BasisOf(int peer) const {
  const auto member = world_.tree().FindMember(TrustWorld::Peer(peer));
  return member ? world_.At(member->basis) : ActAt{kNone, 0};
}

bool Story::Counts(int entry) const {
  const HistoryEntry& of = history_.entries[entry];
  if (!of.acts.empty()) return world_.tree().Counts(world_.Id({entry, 0}));
  return world_.tree().ReferencesCount(world_.PlaceOf(entry), base::FromMs(of.stamp));
}

}  // namespace waypost::syncgroup
