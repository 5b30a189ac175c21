#include "tests/sim/hostile_band.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/sim_scheduler.h"
#include "base/status.h"

// Members are added before the attack; from then on only what the mutex guards changes. Each has a
// thread of its own, which calls one victim after the other.

namespace waypost::sim {
namespace {

// So many wrong blobs in so many answers: some of them were lost on the way.
constexpr std::size_t kBlobsToBlame = 8;
constexpr int kAnswersToBlame = 4;

}  // namespace

Hostile& HostileBand::Add(PeerNumber number, const base::Identity& identity,
                          const base::PeerId& sponsor) {
  hostiles_.push_back(std::make_unique<Hostile>(network_, *this, number, identity,
                                                seed_ * 7919 + 100 + hostiles_.size()));
  sponsors_[identity.peer_id()] = sponsor;
  places_.emplace_back();
  return *hostiles_.back();
}

void HostileBand::Admit(PeerNumber number, const base::Identity& identity,
                        const std::vector<HostilePlace>& places) {
  Hostile& hostile = Add(number, identity, identity.peer_id());
  places_.back() = places;
  for (const HostilePlace& place : places) hostile.Enter(place);
}

void HostileBand::BringIn(std::size_t puppets, PeerNumber next) {
  base::SeededRandom random(seed_ * 7919 + 99);
  for (std::size_t i = 0; i < puppets; ++i) {
    const std::size_t by = random.Next() % hostiles_.size();
    std::vector<HostilePlace> places;
    for (HostilePlace place : places_[by]) {
      if (!place.invites) continue;
      if (random.Unit() < 0.3) place.authority = syncgroup::Authority::kReader;
      places.push_back(place);
    }
    if (places.empty()) continue;
    puppets_.push_back(
        base::Identity::FromSeed(base::Hash256(absl::StrCat("puppet ", seed_, " ", i))));
    Hostile& inviter = *hostiles_[by];
    Hostile& puppet = Add(next + i, *puppets_.back(), sponsors_.at(inviter.id()));
    places_.back() = places;
    for (const HostilePlace& place : places) {
      inviter.Invite(puppet, place);
      puppet.Enter(place);
    }
  }
}

void HostileBand::Attack(std::vector<std::pair<PeerNumber, base::PeerId>> victims) {
  victims_ = std::move(victims);
  for (const auto& hostile : hostiles_) {
    Hostile* const one = hostile.get();
    network_.Attach(one->number(), one->id(),
                    [one](http::Request& request) { return one->Answer(request); });
    threads_.emplace_back("hostile", [this, one] {
      base::SimScheduler& sim = *base::SimScheduler::Active();
      for (uint64_t turn = one->number(); !leaving_; ++turn) {
        sim.Sleep(one->Pause());
        if (leaving_) return;
        const auto& [number, id] = victims_[turn % victims_.size()];
        if (repeats_) {
          one->Repeat(number, id);
        } else {
          one->Call(number, id);
        }
      }
    });
  }
}

void HostileBand::Leave() {
  leaving_ = true;
  threads_.clear();
  for (const auto& hostile : hostiles_) network_.Detach(hostile->number());
}

bool HostileBand::MustBlame(PeerNumber peer, const base::PeerId& hostile) const {
  base::MutexLock lock(mutex_);
  for (const auto& [number, id] : victims_) {
    if (number != peer) continue;
    const auto wrong = wrong_.find({id, hostile});
    return wrong != wrong_.end() && wrong->second.blobs.size() >= kBlobsToBlame &&
           wrong->second.answers >= kAnswersToBlame;
  }
  return false;
}

std::string HostileBand::Tally() const {
  base::MutexLock lock(mutex_);
  std::string text;
  for (const auto& [attack, count] : done_) absl::StrAppend(&text, "  ", count, " ", attack, "\n");
  return text;
}

std::string HostileBand::Describe() const {
  static constexpr const char* kBlobs[] = {"drips", "stalls", "breaks", "wrong", "misses", "any"};
  std::string text;
  for (std::size_t i = 0; i < hostiles_.size(); ++i) {
    const Hostile& one = *hostiles_[i];
    const bool puppet = sponsors_.at(one.id()) != one.id();
    absl::StrAppend(&text, i == 0 ? "" : ", ", puppet ? "puppet " : "", one.number(), " (",
                    kBlobs[static_cast<int>(one.temper().blobs)],
                    one.temper().late > 0 ? ", late" : "");
    for (const HostilePlace& place : places_[i]) {
      absl::StrAppend(&text, ", ", syncgroup::AuthorityName(place.authority));
    }
    absl::StrAppend(&text, ")");
  }
  return text;
}

void HostileBand::Heard(const base::BlobId& blob) {
  base::MutexLock lock(mutex_);
  blobs_.push_back(blob);
}

void HostileBand::Restarted(PeerNumber victim) {
  base::MutexLock lock(mutex_);
  for (const auto& [number, id] : victims_) {
    if (number != victim) continue;
    std::erase_if(wrong_, [&, peer = id](const auto& item) { return item.first.first == peer; });
  }
}

void HostileBand::Note(const char* attack, uint64_t count) {
  if (count == 0) return;
  base::MutexLock lock(mutex_);
  done_[attack] += count;
}

void HostileBand::NoteWrong(const base::PeerId& caller, const base::PeerId& hostile,
                            const std::vector<base::BlobId>& blobs) {
  base::MutexLock lock(mutex_);
  done_["wrong blob"] += blobs.size();
  Wrong& wrong = wrong_[{caller, hostile}];
  wrong.blobs.insert(blobs.begin(), blobs.end());
  ++wrong.answers;
}

std::vector<base::BlobId> HostileBand::Blobs() const {
  base::MutexLock lock(mutex_);
  return blobs_;
}

std::vector<base::PeerId> HostileBand::Everybody() const {
  std::vector<base::PeerId> everybody;
  for (const auto& hostile : hostiles_) everybody.push_back(hostile->id());
  for (const auto& victim : victims_) everybody.push_back(victim.second);
  return everybody;
}

}  // namespace waypost::sim
