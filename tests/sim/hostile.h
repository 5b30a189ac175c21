#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/ids.h"
#include "base/random.h"
#include "http/message/message.h"
#include "tests/sim/network.h"
#include "tests/support/hostile_member.h"

namespace waypost::sim {

class HostileBand;

// A group that a hostile member is in, and as what.
struct HostilePlace {
  base::GroupId group;
  syncgroup::Authority authority = syncgroup::Authority::kReader;
  bool invites = false;
};

// A member of a world's groups that keeps to no rule. Whoever asks it for entries gets numberings
// without end, empty entries, deletes, profiles, entries out of the future, forks (another branch
// of one numbering for each half of the callers), acts that it has no right to, and claims to know
// more or something else of the caller than the caller wrote; late, if that is its temper. Whoever
// asks it for a blob gets one that drips, stalls, breaks off or is another, or hears of holders who
// have nothing. What it writes is under its own keys only (IsItsKey): peers that took different
// parts of it have to agree on everything else.
class Hostile {
 public:
  // How it answers about blobs: one that fails is left alone, and then no other attack of it acts.
  enum class Blobs : uint8_t { kDrips, kStalls, kBreaks, kWrong, kMisses, kAny };
  struct Temper {
    Blobs blobs = Blobs::kAny;
    double late = 0;  // how many of its answers to a sync are late, or come never
  };

  // All of them outlive it. It answers at `number`.
  Hostile(Network& network, HostileBand& band, PeerNumber number, const base::Identity& identity,
          uint64_t seed);

  // Before Answer and Call: it is a member there.
  void Enter(const HostilePlace& place);
  // Brings another one in, under the numbering that Enter began there: what it signs for that.
  void Invite(const Hostile& puppet, const HostilePlace& place);
  http::Response Answer(http::Request& request);
  // Calls a peer with what no peer would send: knowledge that nobody has, probes, a thousand haves,
  // papers by the dozen, guesses, noise. Waits for the answer, whatever it is.
  void Call(PeerNumber victim, const base::PeerId& id);
  // ... with what it has said before, and nothing else: its papers and a poke.
  void Repeat(PeerNumber victim, const base::PeerId& id);

  const base::PeerId& id() const { return member_.peer(); }
  PeerNumber number() const { return number_; }
  const Temper& temper() const { return temper_; }
  base::Millis Pause();  // until its next call
  static bool IsItsKey(std::string_view key) { return key.starts_with("hostile-"); }

 private:
  // A numbering that goes on, for all callers or for half of them.
  struct Writing {
    support::HostileMember::Numbering numbering;
    std::vector<syncgroup::SealedEntry> entries;
    std::optional<bool> half;
  };
  struct Group {
    HostilePlace place;
    std::vector<Writing> writings;  // the first has what is to count: invites, the profile
    std::vector<syncgroup::ForkProof> forks;
    std::vector<syncgroup::SealedEntry> papers;  // that show its place
    std::map<base::PeerId, int> parted;          // how often who was sent what parts
    int mentioned = 0;
  };
  struct Asked;

  uint64_t Below(uint64_t count) EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return random_.Next() % count; }
  bool Chance(double probability) EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return random_.Unit() < probability;
  }
  base::BlobId SomeBlob() EXCLUSIVE_LOCKS_REQUIRED(mutex_);  // that nobody has
  std::string NewKey() EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Write(Group& group, Writing& writing, std::vector<syncgroup::Op> ops)
      EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // ---- hostile_entries.cc ----
  http::Response Sync(const base::PeerId& caller, const std::string& message);
  void Fill(Group& group, const Asked& asked, syncgroup::SyncGroupReply& reply)
      EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Grow(Group& group) EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Fork(Group& group) EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Lie(Group& group, const Asked& asked, syncgroup::SyncGroupReply& reply)
      EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddLoose(Group& group, const Asked& asked, syncgroup::SyncGroupReply& reply)
      EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // ---- hostile_blobs.cc ----
  http::Response OneBlob(const http::Request& request);
  http::Response ManyBlobs(const base::PeerId& caller, const std::string& message);
  Blobs Mood() EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string MissOf() EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // ---- hostile_calls.cc ----
  struct Message {
    std::string path;
    std::string body;
  };
  Message SomeMessage(const base::PeerId& to) EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Message SyncMessage(const base::PeerId& to) EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Message PokeMessage() EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Message HelloMessage(bool fresh) EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Message Guess() EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Send(PeerNumber victim, const base::PeerId& id, const Message& message);

  Network& network_;
  HostileBand& band_;
  const PeerNumber number_;
  const base::Identity& identity_;
  const base::SystemClock clock_;
  base::Mutex mutex_;  // callers come on threads of their own
  base::SeededRandom random_ GUARDED_BY(mutex_);
  support::HostileMember member_;
  Temper temper_;
  std::vector<Group> groups_ GUARDED_BY(mutex_);
};

}  // namespace waypost::sim
