#include "tests/syncgroup/membership/trust_history.h"

#include <algorithm>
#include <set>
#include <sstream>

// Draws histories. Nobody in them asks what counts: who writes takes any admission of it as its
// basis, and names and pins all, some or nothing, so that what is void and what is not mix in every
// way; but most of it is as honest peers write it, or nothing would count at all.

namespace waypost::syncgroup {
namespace {

class Writer {
 public:
  Writer(std::mt19937_64& random, int entries_max) : random_(random) {
    const int count = 4 + Below(entries_max - 3);
    peers_ = 3 + Below(4);
    while (static_cast<int>(history_.entries.size()) < count && acts_ < 62) WriteOne();
  }
  History Take() { return std::move(history_); }

 private:
  int Below(int n) { return static_cast<int>(random_() % static_cast<uint64_t>(n)); }
  bool Chance(int percent) { return Below(100) < percent; }
  template <class T>
  const T& Any(const std::vector<T>& of) {
    return of[Below(static_cast<int>(of.size()))];
  }
  const HistoryAct& At(const ActAt& at) const {
    return history_.entries[at.entry].acts[at.position];
  }
  std::vector<ActAt> About(int peer) const {
    std::vector<ActAt> about;
    if (peer == 0) about.push_back(kByGenesis);
    for (const ActAt& at : all_) {
      if (At(at).peer == peer) about.push_back(at);
    }
    return about;
  }

  // The acts that no other one about the peer names.
  std::vector<ActAt> Newest(const std::vector<ActAt>& about) const {
    std::set<ActAt> named;
    for (const ActAt& at : about) {
      if (at != kByGenesis) named.insert(At(at).names.begin(), At(at).names.end());
    }
    std::vector<ActAt> newest;
    for (const ActAt& at : about) {
      if (!named.contains(at)) newest.push_back(at);
    }
    return newest;
  }
  std::vector<int> EntriesOf(int peer) const {
    std::vector<int> of;
    for (int i = 0; i < static_cast<int>(history_.entries.size()); ++i) {
      if (history_.entries[i].origin == peer) of.push_back(i);
    }
    return of;
  }
  std::vector<int> Heads(int peer) const {
    std::vector<int> heads = EntriesOf(peer);
    std::set<int> followed;
    for (const int entry : heads) followed.insert(history_.entries[entry].previous);
    std::erase_if(heads, [&](int entry) { return followed.contains(entry); });
    return heads;
  }

  template <class T>
  std::vector<T> Part(const std::vector<T>& all) {
    std::vector<T> part;
    for (const T& each : all) {
      if (Chance(50)) part.push_back(each);
    }
    return part;
  }

  void NameAndPin(HistoryAct& act) {
    const std::vector<ActAt> about = About(act.peer);
    if (act.as_inviter) {
      for (const ActAt& at : about) {
        if (at != kByGenesis && At(at).kind == ActKind::kLeave && Chance(85)) {
          act.names.push_back(at);
        }
      }
      return;
    }
    const int names = Below(10);
    if (names < 6) act.names = Newest(about);
    if (names == 6) act.names = about;
    if (names == 7 || names == 8) act.names = Part(about);
    const int pins = Below(10);
    if (pins < 5) act.pins = Heads(act.peer);
    if (pins == 5 || pins == 6) act.pins = Part(EntriesOf(act.peer));
  }

  HistoryAct Draw(int author, const HistoryAct* basis) {
    HistoryAct act;
    act.peer = Below(peers_);
    const bool admin = basis == nullptr || basis->authority == Authority::kAdmin;
    const int kind = Below(10);
    if (kind == 0 && author != kRecoveryEntry) {
      act.kind = ActKind::kLeave;
      act.peer = author;
    } else if (kind < 4 && (admin || Chance(20))) {
      act.kind = ActKind::kRemove;
      act.only_named = author != kRecoveryEntry && Chance(25);
    } else {
      const int authority = Below(10);
      act.authority = authority < 5   ? Authority::kAdmin
                      : authority < 8 ? Authority::kWriter
                                      : Authority::kReader;
      act.invites = Chance(60);
      act.role = static_cast<Role>(1 + Below(3));
      act.as_inviter = author != kRecoveryEntry && act.authority != Authority::kAdmin &&
                       (!admin || Chance(15)) && Chance(90);
    }
    NameAndPin(act);
    return act;
  }

  void WriteOne() {
    HistoryEntry entry;
    entry.origin = history_.entries.empty() ? 0 : Below(peers_);
    if (history_.entries.size() > 3 && Chance(4)) return WriteRecovery();
    const std::vector<int> own = EntriesOf(entry.origin);
    std::vector<ActAt> bases = About(entry.origin);
    std::erase_if(
        bases, [&](const ActAt& at) { return at != kByGenesis && At(at).kind != ActKind::kAdmit; });
    if (bases.empty()) return;
    if (!own.empty() && Chance(60)) {
      // Mostly after the newest, sometimes after any: a restored backup, or another hand.
      entry.previous = Chance(75) ? own.back() : Any(own);
      entry.basis = history_.entries[entry.previous].basis;
    } else {
      entry.basis = Chance(60) ? bases.back() : Any(bases);
    }
    const HistoryAct* basis = entry.basis == kByGenesis ? nullptr : &At(entry.basis);
    const int what = history_.entries.size() < 2 ? 99 : Below(100);
    if (what < 15) {
      if (what < 4 && !own.empty()) entry.closes = history_.FirstOf(Any(own));
      if (what >= 4 && what < 8) entry.profile = static_cast<Role>(2 + Below(2));
    } else {
      const HistoryAct first = Draw(entry.origin, basis);
      entry.acts.push_back(first);
      if (Chance(10)) entry.acts.push_back(Draw(entry.origin, basis));
    }
    Append(std::move(entry));
  }

  void WriteRecovery() {
    HistoryEntry entry;
    entry.origin = kRecoveryEntry;
    entry.basis = kByRecovery;
    entry.acts.push_back(Draw(kRecoveryEntry, nullptr));
    Append(std::move(entry));
  }

  void Append(HistoryEntry entry) {
    const int index = static_cast<int>(history_.entries.size());
    history_.entries.push_back(std::move(entry));
    HistoryEntry& added = history_.entries.back();
    int64_t least = 0;
    for (const int needed : history_.Needs(index)) {
      least = std::max(least, history_.entries[needed].stamp);
    }
    clock_ += 1 + Below(20);
    added.stamp = Chance(75) ? std::max(clock_, least + 1) : least + 1 + Below(3);
    added.hash = random_() | 1;
    for (int position = 0; position < static_cast<int>(added.acts.size()); ++position) {
      all_.push_back({index, position});
      ++acts_;
    }
  }

  std::mt19937_64& random_;
  History history_;
  std::vector<ActAt> all_;
  int peers_ = 0;
  int acts_ = 0;
  int64_t clock_ = 100;
};

std::string Text(const ActAt& at) {
  if (at.entry == kGenesisEntry) return "g";
  if (at.entry == kRecoveryEntry) return "r";
  return std::to_string(at.entry) + "." + std::to_string(at.position);
}

}  // namespace

int History::FirstOf(int entry) const {
  while (entries[entry].previous != kNone) entry = entries[entry].previous;
  return entry;
}

std::vector<int> History::WithAllBefore(int entry) const {
  std::vector<int> all;
  for (; entry != kNone; entry = entries[entry].previous) all.push_back(entry);
  return all;
}

std::vector<int> History::Needs(int entry, bool pins) const {
  const HistoryEntry& of = entries[entry];
  std::vector<int> needs;
  if (of.previous != kNone) needs.push_back(of.previous);
  if (of.basis.entry >= 0) needs.push_back(of.basis.entry);
  for (const HistoryAct& act : of.acts) {
    for (const ActAt& name : act.names) {
      if (name.entry >= 0) needs.push_back(name.entry);
    }
    if (pins || of.origin != kRecoveryEntry) {
      needs.insert(needs.end(), act.pins.begin(), act.pins.end());
    }
  }
  return needs;
}

std::string History::ToText() const {
  std::ostringstream text;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const HistoryEntry& entry = entries[i];
    text << i << ": by " << entry.origin << " after " << entry.previous << " on "
         << Text(entry.basis) << " at " << entry.stamp;
    if (entry.closes != kNone) text << " closes " << entry.closes;
    if (entry.profile != Role::kServer) text << " role " << static_cast<int>(entry.profile);
    for (const HistoryAct& act : entry.acts) {
      text << "; "
           << "ARL"[static_cast<int>(act.kind)] << " " << act.peer << " "
           << AuthorityName(act.authority) << (act.invites ? " invites" : "")
           << (act.as_inviter ? " as inviter" : "") << (act.only_named ? " only named" : "")
           << " names";
      for (const ActAt& name : act.names) text << " " << Text(name);
      text << " pins";
      for (const int pin : act.pins) text << " " << pin;
    }
    text << "\n";
  }
  return text.str();
}

History RandomHistory(std::mt19937_64& random, int entries_max) {
  return Writer(random, entries_max).Take();
}

}  // namespace waypost::syncgroup
