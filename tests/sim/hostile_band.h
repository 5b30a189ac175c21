#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/crypto.h"
#include "base/ids.h"
#include "base/mutex.h"
#include "base/thread.h"
#include "tests/sim/hostile.h"
#include "tests/sim/network.h"

namespace waypost::sim {

// The hostile members of a world and whom they bring in: puppets, by the invites that a group lets
// them write, and by those of puppets. They know together what honest peers put, who is there, and
// what was done to whom, and each calls somebody every few seconds until Leave. Thread-safe once it
// attacks.
class HostileBand {
 public:
  HostileBand(Network& network, uint64_t seed) : network_(network), seed_(seed) {}
  ~HostileBand() { Leave(); }

  // One that was admitted as what it says; `identity` outlives the band.
  void Admit(PeerNumber number, const base::Identity& identity,
             const std::vector<HostilePlace>& places);
  // Puppets, each under one of those that are here and may invite, at numbers from `next` on.
  void BringIn(std::size_t puppets, PeerNumber next);
  // All of them answer, and call these, from now on.
  void Attack(std::vector<std::pair<PeerNumber, base::PeerId>> victims);
  // From now on they say only what they have said before.
  void Repeat() { repeats_ = true; }
  void Leave();

  // ---- what the oracle asks ----
  bool Has(const base::PeerId& peer) const { return sponsors_.contains(peer); }
  // Of each the member that an admin admitted: itself, or whose puppet it is.
  const std::map<base::PeerId, base::PeerId>& sponsors() const { return sponsors_; }
  // Has the peer had so many wrong blobs from that one, since it started, that it must blame it?
  bool MustBlame(PeerNumber peer, const base::PeerId& hostile) const;
  // What was done, and how often.
  std::string Tally() const;
  std::string Describe() const;

  // ---- of the world ----
  void Heard(const base::BlobId& blob);  // somebody put it
  void Restarted(PeerNumber victim);

  // ---- of its members ----
  void Note(const char* attack, uint64_t count = 1);
  void NoteWrong(const base::PeerId& caller, const base::PeerId& hostile,
                 const std::vector<base::BlobId>& blobs);
  bool repeats() const { return repeats_; }
  std::vector<base::BlobId> Blobs() const;
  // Everybody's ids: hostile ones first.
  std::vector<base::PeerId> Everybody() const;

 private:
  struct Wrong {
    std::set<base::BlobId> blobs;
    int answers = 0;
  };
  Hostile& Add(PeerNumber number, const base::Identity& identity, const base::PeerId& sponsor);

  Network& network_;
  const uint64_t seed_;
  std::vector<std::unique_ptr<base::Identity>> puppets_;
  std::vector<std::unique_ptr<Hostile>> hostiles_;
  std::vector<std::vector<HostilePlace>> places_;  // of each of them
  std::map<base::PeerId, base::PeerId> sponsors_;
  std::vector<std::pair<PeerNumber, base::PeerId>> victims_;
  std::atomic<bool> leaving_ = false;
  std::atomic<bool> repeats_ = false;
  mutable base::Mutex mutex_;
  std::vector<base::BlobId> blobs_ GUARDED_BY(mutex_);
  std::map<std::string, uint64_t> done_ GUARDED_BY(mutex_);
  std::map<std::pair<base::PeerId, base::PeerId>, Wrong> wrong_ GUARDED_BY(mutex_);
  std::vector<base::Thread> threads_;
};

}  // namespace waypost::sim
