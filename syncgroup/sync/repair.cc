#include <algorithm>
#include <map>
#include <utility>

#include "base/log.h"
#include "base/status.h"
#include "syncgroup/group/member_shares.h"
#include "syncgroup/protocol/wire_codec.h"
#include "syncgroup/sync/replication_impl.h"

// What happens when two copies of one numbering differ. Of our own (this index was restored from an
// older copy, or copied) a new numbering begins at once, so that no number is used twice; what we
// wrote after the place where our copy and a member's part leaves our log in favour of the member's
// and is written again, with its times, under the new numbering. Of anyone, ours once that is
// settled, two different entries under one number are a proof, which travels with each sync: from
// that number on nothing of the numbering counts, and the origin writes again what it finds of its
// own beyond it.

namespace waypost::syncgroup {
namespace {

using base::Index;
using Round = Replication::Round;

constexpr uint64_t kFirstSpan = 16;
// Forks of a member are not looked at for so many times as long as the last ones of it took: they
// are shown again until they are known.
constexpr int kForkRestFactor = 10;

uint64_t StartOf(uint64_t generation, uint64_t span) {
  return generation > span ? generation - span + 1 : 1;
}

// As many of the entries, from the first, as follow one another.
void KeepChain(std::vector<PreparedEntry>& entries) {
  for (std::size_t i = 1; i < entries.size(); ++i) {
    const bool follows =
        entries[i].entry.place.generation == entries[i - 1].entry.place.generation + 1 &&
        entries[i].entry.previous == entries[i - 1].hash;
    if (!follows) {
      entries.erase(entries.begin() + static_cast<std::ptrdiff_t>(i), entries.end());
      return;
    }
  }
}

struct Comparison {
  std::optional<std::size_t> differs;  // the first of the entries that is not ours
  bool certain = false;                // ... and the one before it is the same
  uint64_t known = 0;                  // up to which generation we have the numbering
  bool unresolved = false;             // an own numbering that is not settled
};

Comparison Compare(base::ReadTxn& txn, const base::GroupId& group, const base::PeerId& self,
                   const OriginKey& numbering, const std::vector<PreparedEntry>& entries) {
  Comparison result;
  result.known = LoadKnowledge(txn, group, numbering).known.generation;
  if (numbering.first == self) {
    const auto row = LoadGroupRow(txn, group);
    for (const RetiredNumbering& retired : row->retired) {
      result.unresolved |= retired.incarnation == numbering.second && !retired.resolved;
    }
  }
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const EntryPlace& place = entries[i].entry.place;
    if (place.generation > result.known) break;
    const auto own = LoadEntryAt(txn, group, place);
    if (!own || HashEntry(own->bytes) == entries[i].hash) continue;
    result.differs = i;
    const auto decoded = DecodeEntry(own->bytes);
    result.certain = i > 0 || place.generation == 1 ||
                     (decoded.ok() && decoded->previous == entries[i].entry.previous);
    break;
  }
  return result;
}

}  // namespace

bool ClaimFits(base::ReadTxn& txn, const base::GroupId& group, const OriginKey& numbering,
               const Known& claim) {
  if (claim.generation == 0) return true;
  const Known own = LoadKnowledge(txn, group, numbering).known;
  if (claim.generation > own.generation) return false;
  if (claim.generation == own.generation) return claim.hash == own.hash;
  const auto entry = LoadEntryAt(txn, group, {numbering.first, numbering.second, claim.generation});
  // A damaged row says nothing about the member.
  return !entry || HashEntry(entry->bytes) == claim.hash;
}

absl::StatusOr<bool> Replication::Impl::CheckClaims(const base::PeerId& peer,
                                                    const base::GroupId& group,
                                                    std::vector<SealedEntry> claimed) {
  std::optional<base::Incarnation> current;
  RETURN_IF_ERROR(core.index.Read([&](base::ReadTxn& txn) {
    const auto row = LoadGroupRow(txn, group);
    if (row && row->state == GroupRow::State::kActive) current = row->incarnation;
  }));
  if (!current) return false;
  const OriginKey numbering{core.self(), *current};
  // An honest member shows one entry of it, and the signature is looked at last.
  std::optional<Known> claim;
  base::WallTime stamp;
  for (SealedEntry& sealed : claimed) {
    const auto place = PeekPlace(sealed.bytes);
    if (!place || OriginKey{place->origin, place->incarnation} != numbering) continue;
    const auto entry = PrepareEntry(group, std::move(sealed));
    if (entry.ok()) {
      claim = {.generation = entry->entry.place.generation, .hash = entry->hash};
      stamp = entry->entry.time;
    }
    break;
  }
  if (!claim) return false;
  bool fits = true;
  RETURN_IF_ERROR(core.index.Read(
      [&](base::ReadTxn& txn) { fits = ClaimFits(txn, group, numbering, *claim); }));
  if (fits) return false;
  RETURN_IF_ERROR(Retire(peer, group, *current, stamp));
  return true;
}

absl::Status Replication::Impl::CompareClaims(const base::PeerId& peer, const base::GroupId& group,
                                              const Knowledge& claims, Round& round) {
  std::map<OriginKey, uint64_t> differing;
  RETURN_IF_ERROR(core.index.Read([&](base::ReadTxn& txn) {
    for (const auto& [numbering, claim] : claims) {
      if (numbering.first != core.self() || claim.forked != 0) continue;
      const Known own = LoadKnowledge(txn, group, numbering).known;
      // What goes on beyond ours comes as other entries do.
      if (own.forked != 0 || claim.generation > own.generation) continue;
      if (!ClaimFits(txn, group, numbering, claim)) differing[numbering] = claim.generation;
    }
  }));
  for (const auto& [numbering, generation] : differing) {
    if (StartProbe(group, peer, numbering, generation)) round.again = true;
  }
  return absl::OkStatus();
}

absl::Status Replication::Impl::Retire(const base::PeerId& peer, const base::GroupId& group,
                                       const base::Incarnation& incarnation,
                                       base::WallTime claimed) {
  // Where rows were damaged it may be one that this process wrote and lost.
  if (core.second_copy.StampedSinceStart(claimed) && core.index.bad_rows() == 0) {
    core.second_copy.Met(group, peer, claimed);
  }
  return core.Update(Index::Lane::kForeground, [&](base::WriteTxn& txn, Effects& effects) {
    auto writer = GroupWriter::Open(core, txn, effects, group);
    if (!writer || writer->row().state != GroupRow::State::kActive ||
        writer->row().incarnation != incarnation) {
      return absl::OkStatus();  // another thread was first
    }
    base::LogInfo("group ", group.ToHex(),
                  ": members know other entries of this peer than its index; a new numbering "
                  "begins. Was the data folder restored or copied?");
    writer->Retire();
    writer->Finish();
    return absl::OkStatus();
  });
}

std::size_t Replication::compared() const {
  base::MutexLock lock(impl_->mutex);
  return impl_->probes.size();
}

bool Replication::Impl::RoomForProbe(const base::GroupId& group, const base::PeerId& peer) {
  const auto first = probes.lower_bound({group, peer, OriginKey()});
  auto end = first;
  std::size_t kept = 0;
  for (; end != probes.end() && std::get<0>(end->first) == group && std::get<1>(end->first) == peer;
       ++end) {
    ++kept;
  }
  if (kept < kProbesKept) return true;
  for (auto it = first; it != end;) {
    if (it->second.done) --kept;
    it = it->second.done ? probes.erase(it) : std::next(it);
  }
  return kept < kProbesKept;
}

bool Replication::Impl::StartProbe(const base::GroupId& group, const base::PeerId& peer,
                                   const OriginKey& numbering, uint64_t known_generation) {
  base::MutexLock lock(mutex);
  if (!RoomForProbe(group, peer)) return false;
  return probes
      .try_emplace({group, peer, numbering},
                   ProbeState{.from = StartOf(known_generation, kFirstSpan), .span = kFirstSpan})
      .second;
}

std::vector<Probe> Replication::Impl::ProbesFor(const base::GroupId& group, const GroupRow& row,
                                                const base::PeerId& peer,
                                                const Knowledge& knowledge) {
  std::vector<Probe> asked;
  base::MutexLock lock(mutex);
  for (const RetiredNumbering& retired : row.retired) {
    if (retired.resolved) continue;
    const OriginKey numbering{core.self(), retired.incarnation};
    const auto known = knowledge.find(numbering);
    const uint64_t generation = known == knowledge.end() ? 0 : known->second.generation;
    probes.try_emplace({group, peer, numbering},
                       ProbeState{.from = StartOf(generation, kFirstSpan), .span = kFirstSpan});
  }
  for (const auto& [numbering, known] : knowledge) {
    if (numbering.first != core.self() || known.forked == 0) continue;
    ProbeState& state = probes[{group, peer, numbering}];
    if (!state.salvage) state = {.from = known.forked, .salvage = true};
  }
  for (auto it = probes.lower_bound({group, peer, OriginKey()}); it != probes.end(); ++it) {
    const auto& [of_group, of_peer, numbering] = it->first;
    if (of_group != group || of_peer != peer || asked.size() == kProbesMax) break;
    if (it->second.done) continue;
    it->second.asked = true;
    asked.push_back({numbering, it->second.from});
  }
  return asked;
}

bool Replication::Impl::Resting(const base::GroupId& group, const base::PeerId& origin) {
  const base::SteadyTime now = core.clock.SteadyNow();
  base::MutexLock lock(mutex);
  std::erase_if(fork_rests, [&](const auto& item) { return item.second <= now; });
  return fork_rests.contains({group, origin});
}

void Replication::Impl::Rest(const base::GroupId& group, const base::PeerId& origin,
                             base::SteadyTime began) {
  if (origin == core.self()) return;
  const base::SteadyTime now = core.clock.SteadyNow();
  base::MutexLock lock(mutex);
  fork_rests[{group, origin}] = now + kForkRestFactor * (now - began);
}

absl::StatusOr<std::vector<Replication::Impl::ProvenFork>> Replication::Impl::NewForks(
    const base::GroupId& group, const std::vector<ForkProof>& forks) {
  std::vector<ProvenFork> proven;
  for (const ForkProof& fork : forks) {
    const auto first = PrepareEntry(group, fork.first);
    const auto second = PrepareEntry(group, fork.second);
    if (!first.ok() || !second.ok() || first->entry.place != second->entry.place ||
        first->hash == second->hash) {
      continue;  // proves nothing
    }
    if (!Resting(group, first->entry.place.origin)) {
      proven.push_back(
          {first->entry.place, &fork, std::min(first->entry.time, second->entry.time)});
    }
  }
  RETURN_IF_ERROR(core.index.Read([&](base::ReadTxn& txn) {
    const auto row = LoadGroupRow(txn, group);
    if (!row) return;
    MemberShares shares(txn, group, *row, core.self(), core.limits(), core.clock.WallNow());
    std::erase_if(proven, [&](const ProvenFork& one) {
      const Known known =
          LoadKnowledge(txn, group, {one.place.origin, one.place.incarnation}).known;
      // Shown again and again, and for want of room written never: that costs no transaction.
      if (known == Known() && shares.WhyNot(one.place.origin, {.numberings = 1})) return true;
      return known.forked != 0 && known.forked <= one.place.generation;
    });
  }));
  return proven;
}

absl::Status Replication::Impl::ApplyForks(const base::PeerId& peer, const base::GroupId& group,
                                           const std::vector<ForkProof>& forks) {
  ASSIGN_OR_RETURN(const std::vector<ProvenFork> proven, NewForks(group, forks));
  if (proven.empty()) return absl::OkStatus();
  for (const ProvenFork& one : proven) {
    // This process wrote one of them at most.
    if (one.place.origin == core.self() && core.second_copy.StampedSinceStart(one.earlier)) {
      core.second_copy.Met(group, peer, one.earlier);
    }
  }
  const base::SteadyTime began = core.clock.SteadyNow();
  std::set<base::PeerId> learned;
  RETURN_IF_ERROR(core.Update(Index::Lane::kBulk, [&](base::WriteTxn& txn, Effects& effects) {
    learned.clear();
    auto writer = GroupWriter::Open(core, txn, effects, group);
    if (!writer) return absl::OkStatus();
    for (const ProvenFork& one : proven) {
      const OriginKey numbering{one.place.origin, one.place.incarnation};
      // One of which nothing is here counts among the member's numberings.
      if (LoadKnowledge(txn, group, numbering).known == Known()) {
        MemberShares shares(txn, group, writer->row(), core.self(), core.limits(),
                            core.clock.WallNow());
        if (shares.WhyNot(numbering.first, {.numberings = 1})) {
          continue;
        }
      }
      if (writer->LearnFork(numbering, one.place.generation, *one.proof)) {
        learned.insert(numbering.first);
      }
    }
    if (!learned.empty()) writer->Finish();
    return absl::OkStatus();
  }));
  if (learned.empty()) return absl::OkStatus();
  // One walk for all of them. Who makes it necessary does so for a small part of the time.
  RETURN_IF_ERROR(work.Finish(group));
  for (const base::PeerId& origin : learned) Rest(group, origin, began);
  return absl::OkStatus();
}

absl::Status Replication::Impl::ApplyProbed(const base::PeerId& peer, const base::GroupId& group,
                                            std::vector<SealedEntry> probed,
                                            std::optional<uint32_t> answered, Round& round) {
  std::map<OriginKey, std::map<uint64_t, PreparedEntry>> found;
  for (SealedEntry& sealed : probed) {
    auto entry = PrepareEntry(group, std::move(sealed));
    if (!entry.ok()) continue;
    const EntryPlace place = entry->entry.place;
    found[{place.origin, place.incarnation}].insert_or_assign(place.generation, *std::move(entry));
  }
  {
    base::MutexLock lock(mutex);
    // They were asked in this order.
    uint32_t asked = 0;
    for (auto it = probes.lower_bound({group, peer, OriginKey()}); it != probes.end(); ++it) {
      if (std::get<0>(it->first) != group || std::get<1>(it->first) != peer) break;
      if (!it->second.asked) continue;
      if (answered && asked++ >= *answered) {
        it->second.asked = false;  // there was no room for its answer
        round.again = true;
        continue;
      }
      found.try_emplace(std::get<2>(it->first));
    }
  }
  for (auto& [numbering, by_generation] : found) {
    std::vector<PreparedEntry> entries;
    for (auto& [generation, entry] : by_generation) entries.push_back(std::move(entry));
    RETURN_IF_ERROR(ApplyOneProbe(peer, group, numbering, std::move(entries), round));
  }
  return absl::OkStatus();
}

std::optional<ProbeState> Replication::Impl::TakeAsked(const ProbeKey& key) {
  base::MutexLock lock(mutex);
  const auto it = probes.find(key);
  if (it == probes.end() || !it->second.asked) return std::nullopt;
  it->second.asked = false;
  return it->second;
}

void Replication::Impl::KeepProbe(const ProbeKey& key, const ProbeState& state, Round& round) {
  base::MutexLock lock(mutex);
  probes[key] = state;
  if (!state.done) round.again = true;
}

absl::Status Replication::Impl::Resolve(const base::GroupId& group,
                                        const base::Incarnation& incarnation) {
  return core.Update(Index::Lane::kForeground, [&](base::WriteTxn& txn, Effects& effects) {
    auto writer = GroupWriter::Open(core, txn, effects, group);
    if (!writer) return absl::OkStatus();
    for (RetiredNumbering& retired : writer->row().retired) {
      if (retired.incarnation == incarnation) retired.resolved = true;
    }
    writer->Finish();
    return absl::OkStatus();
  });
}

absl::Status Replication::Impl::ApplyOneProbe(const base::PeerId& peer, const base::GroupId& group,
                                              const OriginKey& numbering,
                                              std::vector<PreparedEntry> entries, Round& round) {
  const ProbeKey key{group, peer, numbering};
  const std::optional<ProbeState> asked = TakeAsked(key);
  // What the peer showed unasked may lie before what was asked for.
  if (asked) {
    std::erase_if(entries, [&](const PreparedEntry& entry) {
      return entry.entry.place.generation < asked->from;
    });
  }
  KeepChain(entries);
  if (asked) return FollowProbe(key, *asked, std::move(entries), round);
  if (entries.empty()) return absl::OkStatus();
  Comparison comparison;
  RETURN_IF_ERROR(core.index.Read([&](base::ReadTxn& txn) {
    comparison = Compare(txn, group, core.self(), numbering, entries);
  }));
  if (comparison.differs && StartProbe(group, peer, numbering, comparison.known)) {
    round.again = true;
  }
  return absl::OkStatus();
}

absl::Status Replication::Impl::FollowProbe(const ProbeKey& key, ProbeState state,
                                            std::vector<PreparedEntry> entries, Round& round) {
  const auto& [group, peer, numbering] = key;
  if (entries.empty()) {
    // The member has nothing from there on: what it has lies before, unless that was seen.
    state.done = state.forward || state.salvage || state.from == 1;
    state.span *= 4;
    if (!state.done) state.from = StartOf(state.from, state.span);
    KeepProbe(key, state, round);
    return absl::OkStatus();
  }
  const uint64_t last = entries.back().entry.place.generation;
  if (state.salvage) {
    RETURN_IF_ERROR(work.Finish(group));
    RETURN_IF_ERROR(Salvage(group, entries));
    state.from = last + 1;
    KeepProbe(key, state, round);
    return absl::OkStatus();
  }
  Comparison comparison;
  RETURN_IF_ERROR(core.index.Read([&, &of_group = group, &of = numbering](base::ReadTxn& txn) {
    comparison = Compare(txn, of_group, core.self(), of, entries);
  }));
  if (!comparison.differs) {
    state.done = last >= comparison.known;
    state.forward = true;
    state.from = last + 1;
    // The member has all of ours: our copy is an older one, and what is missing comes as other
    // entries do.
    if (state.done && comparison.unresolved) RETURN_IF_ERROR(Resolve(group, numbering.second));
    KeepProbe(key, state, round);
    return absl::OkStatus();
  }
  if (!comparison.certain) {
    state.span *= 4;
    state.from = StartOf(entries.front().entry.place.generation, state.span);
    KeepProbe(key, state, round);
    return absl::OkStatus();
  }
  entries.erase(entries.begin(),
                entries.begin() + static_cast<std::ptrdiff_t>(*comparison.differs));
  if (numbering.first != core.self() && Resting(group, numbering.first)) {
    base::MutexLock lock(mutex);
    probes[key] = state;  // asked again in a later round
    return absl::OkStatus();
  }
  state.done = true;
  KeepProbe(key, state, round);
  return Part(peer, group, numbering, std::move(entries), round);
}

absl::Status Replication::Impl::Part(const base::PeerId& peer, const base::GroupId& group,
                                     const OriginKey& numbering,
                                     std::vector<PreparedEntry> from_there, Round& round) {
  const uint64_t generation = from_there.front().entry.place.generation;
  const base::SteadyTime began = core.clock.SteadyNow();
  bool dropped = false;
  const absl::Status status =
      core.Update(Index::Lane::kBulk, [&](base::WriteTxn& txn, Effects& effects) {
        dropped = false;
        auto writer = GroupWriter::Open(core, txn, effects, group);
        const auto own = LoadEntryAt(txn, group, {numbering.first, numbering.second, generation});
        if (!writer || !own || *own == from_there.front().sealed) return absl::OkStatus();
        for (RetiredNumbering& retired : writer->row().retired) {
          if (numbering.first != core.self() || retired.incarnation != numbering.second) continue;
          // Another round has found the place already, and what stands there is on its way out.
          if (retired.rewrite_from != 0) return absl::OkStatus();
          if (retired.resolved) continue;
          writer->StartRewrite(retired, generation, /*drop=*/true);
          dropped = true;
        }
        if (!dropped) {
          writer->LearnFork(numbering, generation, {*own, from_there.front().sealed});
        }
        writer->Finish();
        return absl::OkStatus();
      });
  RETURN_IF_ERROR(status);
  RETURN_IF_ERROR(work.Finish(group));
  Rest(group, numbering.first, began);
  round.again = true;
  if (!dropped) return absl::OkStatus();
  // The members' entries take the place of ours.
  std::vector<SealedEntry> sealed;
  sealed.reserve(from_there.size());
  for (PreparedEntry& entry : from_there) sealed.push_back(std::move(entry.sealed));
  return ApplyEntries(peer, group, std::move(sealed), std::nullopt, round);
}

absl::Status Replication::Impl::Salvage(const base::GroupId& group,
                                        const std::vector<PreparedEntry>& entries) {
  return core.Update(Index::Lane::kBulk, [&](base::WriteTxn& txn, Effects& effects) {
    auto writer = GroupWriter::Open(core, txn, effects, group);
    if (!writer || writer->row().state != GroupRow::State::kActive) return absl::OkStatus();
    // Written before with this time, or overwritten since: nothing to keep.
    const auto stands = [&](const base::WallTime time, const std::string& key) {
      const auto row = LoadRefRow(txn, group, key);
      return row &&
             std::pair(row->stamp.time, row->stamp.place.origin) >= std::pair(time, core.self());
    };
    std::set<std::pair<base::WallTime, std::string>> decided;
    for (const StampedOp& op : LoadMembershipOps(txn, group)) {
      // What counts no more does not stand for what is written anew.
      const OriginKey numbering{op.stamp.place.origin, op.stamp.place.incarnation};
      const uint64_t forked = LoadKnowledge(txn, group, numbering).known.forked;
      if (forked != 0 && op.stamp.place.generation >= forked) continue;
      if (op.stamp.place.origin == core.self()) decided.emplace(op.stamp.time, EncodeOp(op.op));
    }
    // Only the newest profiles are kept; one that was followed by another needs no writing.
    std::optional<base::WallTime> profile;
    for (const auto& [numbering, row] : LoadProfilesOf(txn, group, core.self())) {
      const uint64_t forked = LoadKnowledge(txn, group, numbering).known.forked;
      if (!row.newest || (forked != 0 && row.newest->place.generation >= forked)) continue;
      profile = std::max(profile.value_or(row.newest->time), row.newest->time);
    }
    bool wrote = false;
    for (const PreparedEntry& entry : entries) {
      std::vector<Op> ops;
      for (const Op& op : entry.entry.ops) {
        const auto* put = std::get_if<PutRefOp>(&op);
        const auto* del = std::get_if<DeleteRefOp>(&op);
        const bool followed =
            std::holds_alternative<ProfileOp>(op) && profile && *profile >= entry.entry.time;
        const bool known = followed         ? true
                           : put != nullptr ? stands(entry.entry.time, put->key)
                           : del != nullptr ? stands(entry.entry.time, del->key)
                                            : decided.contains({entry.entry.time, EncodeOp(op)});
        if (!known) ops.push_back(op);
      }
      if (ops.empty()) continue;
      writer->Write(std::move(ops), entry.entry.time);
      wrote = true;
    }
    if (wrote) writer->Finish();
    return absl::OkStatus();
  });
}

}  // namespace waypost::syncgroup
