#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "http/message/later_answer.h"
#include "syncgroup/protocol/messages.h"
#include "syncgroup/protocol/wire_codec.h"
#include "tests/sim/hostile.h"
#include "tests/sim/hostile_band.h"

// What a hostile member answers to a sync. Entries that go on from what the caller knows are taken
// until a limit stands in the way: they are kept, and every caller gets what it lacks of them. What
// nobody may take is made for each answer anew.

namespace waypost::sim {
namespace {

using base::Millis;
using syncgroup::Op;

constexpr std::size_t kWritingsMax = 24;  // of a group, that are kept
constexpr std::size_t kEntriesMax = 150;  // of a numbering
constexpr std::size_t kSentMax = 15;      // of a numbering, in one answer
constexpr double kSentOfAll = 0.12;       // of the numberings that go on, in one answer
constexpr int kPartedTimes = 2;           // to one caller, in one group
constexpr int kParted = 160;              // more than half of what may be compared with a member
constexpr std::size_t kForksKept = 12;
// Blobs that it announces, in all: each of them is asked for by every server, again and again.
constexpr int kMentionsMax = 30;
constexpr uint64_t kAnnouncedBytes = uint64_t{8} << 20;

}  // namespace

// What a caller says that it knows of the group.
struct Hostile::Asked {
  base::PeerId caller;
  const syncgroup::SyncGroupRequest& of;
  uint64_t Known(const syncgroup::OriginKey& numbering) const {
    const auto known = of.knowledge.find(numbering);
    return known == of.knowledge.end() ? 0 : known->second.generation;
  }
  bool half() const { return caller.bytes().front() % 2 == 0; }
};

http::Response Hostile::Sync(const base::PeerId& caller, const std::string& message) {
  const auto asked = syncgroup::DecodeSyncRequest(message);
  if (!asked.ok()) return {.status = 400};
  syncgroup::SyncReply reply;
  base::MutexLock lock(mutex_);
  for (const syncgroup::SyncGroupRequest& of : asked->groups) {
    for (Group& group : groups_) {
      if (group.place.group == of.group) {
        Fill(group, {caller, of}, reply.groups.emplace_back());
      }
    }
  }
  band_.Note("sync answered");
  if (!band_.repeats() && Chance(0.02)) return {.body = random_.Bytes(Below(3000))};
  auto encoded = syncgroup::EncodeSyncReply(reply);
  if (!encoded.ok()) {
    band_.Note("sync answer too large");
    return {.status = 500};
  }
  http::Response response{.body = *std::move(encoded)};
  if (band_.repeats() || !Chance(temper_.late)) return response;
  // A call waits 30 s.
  band_.Note("sync answered late");
  const Millis late(static_cast<int64_t>(3000 + Below(32'000)));
  return http::AnswerAt(base::SteadyNow() + late, std::move(response));
}

void Hostile::Fill(Group& group, const Asked& asked, syncgroup::SyncGroupReply& reply) {
  reply.group = group.place.group;
  reply.member = true;
  if (!band_.repeats()) {
    for (int i = 0; i < 3; ++i) Grow(group);
    reply.cursor = {.log = *base::Incarnation::FromBytes(random_.Bytes(16)),
                    .sequence = random_.Next() >> 1};
    reply.more = Chance(0.2);
    Lie(group, asked, reply);
    AddLoose(group, asked, reply);
  } else {
    reply.cursor = asked.of.cursor;
  }
  reply.forks = group.forks;
  band_.Note("fork shown", group.forks.size());
  // Entries that wait for a limit are looked at in a transaction.
  if (band_.repeats()) return;
  for (const Writing& writing : group.writings) {
    if (writing.half && *writing.half != asked.half()) continue;
    // Not all at once: what nobody takes any more would be verified again and again.
    if (&writing != &group.writings.front() && !Chance(kSentOfAll)) continue;
    const uint64_t known = asked.Known({id(), writing.numbering.incarnation});
    std::size_t sent = 0;
    for (std::size_t i = known; i < writing.entries.size() && sent < kSentMax; ++i, ++sent) {
      reply.entries.push_back(writing.entries[i]);
    }
    band_.Note("entry sent", sent);
  }
}

// More of what will be taken while there is room for it.
void Hostile::Grow(Group& group) {
  const bool writes = group.place.authority != syncgroup::Authority::kReader;
  if (group.writings.size() < kWritingsMax && (group.writings.size() == 1 || Chance(0.25))) {
    group.writings.emplace_back().numbering.incarnation =
        *base::Incarnation::FromBytes(random_.Bytes(16));
  }
  Writing& writing = group.writings[1 + Below(group.writings.size() - 1)];
  if (writing.entries.size() >= kEntriesMax) return;
  std::vector<Op> ops;
  switch (Below(6)) {
    case 0:
      for (uint64_t i = 20 + Below(80); i > 0; --i)
        ops.emplace_back(syncgroup::DeleteRefOp{NewKey()});
      band_.Note("delete", ops.size());
      return Write(group, writing, std::move(ops));
    case 1:
      for (uint64_t i = 1 + Below(30); i > 0; --i) Write(group, writing, {});
      band_.Note("empty entries");
      return;
    case 2:
      for (uint64_t i = 1 + Below(20); i > 0; --i) {
        Write(group, writing,
              {syncgroup::ProfileOp{.name = NewKey(),
                                    .addresses = {Network::AddressOf(number_), NewKey() + ":1"},
                                    .lowered_role = Chance(0.2)
                                                        ? std::optional(syncgroup::Role::kNormal)
                                                        : std::nullopt}});
      }
      band_.Note("profiles");
      return;
    case 3:
      return Fork(group);
    case 4: {
      // Acts without a right to them.
      // Not itself: it would have left.
      auto everybody = band_.Everybody();
      std::erase(everybody, id());
      const base::PeerId& peer = everybody[Below(everybody.size())];
      band_.Note("act without a right");
      return Write(
          group, writing,
          {syncgroup::RemoveOp{.peer = peer, .incarnation = base::NewIncarnation()},
           syncgroup::AdmitOp{.peer = id(), .authority = syncgroup::Authority::kAdmin},
           syncgroup::SettingsOp{.name = NewKey(), .inviters = syncgroup::Authority::kReader}});
    }
    default:
      if (!writes || group.mentioned >= kMentionsMax) return;
      for (uint64_t i = 1 + Below(6); i > 0; --i) {
        ++group.mentioned;
        ops.emplace_back(syncgroup::PutRefOp{
            NewKey(), SomeBlob(), Chance(0.5) ? std::optional(kAnnouncedBytes) : std::nullopt});
      }
      band_.Note("blob mentioned that nobody has", ops.size());
      return Write(group, writing, std::move(ops));
  }
}

// A numbering that goes on in one way for half of the callers and in another way for the others;
// perhaps the proof is shown at once.
void Hostile::Fork(Group& group) {
  if (group.writings.size() >= kWritingsMax) return;
  Writing stem;
  stem.numbering.incarnation = *base::Incarnation::FromBytes(random_.Bytes(16));
  for (uint64_t i = Below(3); i > 0; --i) Write(group, stem, {});
  Writing branches[2] = {stem, stem};
  for (int i = 0; i < 2; ++i) {
    branches[i].half = i == 1;
    Write(group, branches[i], {syncgroup::DeleteRefOp{NewKey()}});
  }
  if (Chance(0.6) && group.forks.size() < kForksKept) {
    group.forks.push_back({branches[0].entries.back(), branches[1].entries.back()});
  }
  for (Writing& branch : branches) {
    for (uint64_t i = Below(4); i > 0; --i) Write(group, branch, {});
    group.writings.push_back(std::move(branch));
  }
  band_.Note("numbering forked");
}

// It forgets, it denies, and it knows more than there is.
void Hostile::Lie(Group& group, const Asked& asked, syncgroup::SyncGroupReply& reply) {
  for (const auto& [numbering, known] : asked.of.knowledge) {
    if (numbering.first != asked.caller) continue;
    const auto hash = *base::EntryHash::FromBytes(random_.Bytes(32));
    const uint64_t further = Chance(0.5) ? 0 : Below(1000);
    reply.of_caller[numbering] = {.generation = known.generation + further, .hash = hash};
    // Under the caller's name and this member's key.
    syncgroup::Entry claim{.group = group.place.group,
                           .place = {numbering.first, numbering.second, known.generation + 1},
                           .previous = known.hash,
                           .time = clock_.WallNow(),
                           .ops = {syncgroup::DeleteRefOp{"key-1"}}};
    std::string bytes = syncgroup::EncodeEntry(claim);
    std::string signature = identity_.Sign(syncgroup::kEntryTag, bytes);
    reply.claimed.push_back({std::move(bytes), std::move(signature)});
    reply.entries.push_back(reply.claimed.back());
    band_.Note("claim without proof");
  }
  reply.of_caller[{asked.caller, base::NewIncarnation()}] = {
      .generation = 1'000'000, .hash = *base::EntryHash::FromBytes(random_.Bytes(32))};
  if (!group.writings.front().entries.empty()) {
    reply.claimed.push_back(group.writings.front().entries.back());
    reply.probed = group.writings.front().entries;
    if (reply.probed.size() > 4) reply.probed.resize(4);
  }
}

// What nobody may take, or of which only so much: numberings that begin, numberings that begin in
// their middle, entries from a clock that is ahead.
void Hostile::AddLoose(Group& group, const Asked& asked, syncgroup::SyncGroupReply& reply) {
  for (uint64_t i = Below(8); i > 0; --i) {
    auto numbering = support::HostileMember::NewNumbering();
    reply.entries.push_back(member_.Next(group.place.group, numbering, {}));
    band_.Note("numbering begun");
  }
  if (Chance(0.3)) {
    auto numbering = support::HostileMember::NewNumbering();
    reply.entries.push_back(member_.Next(group.place.group, numbering,
                                         {syncgroup::DeleteRefOp{NewKey()}},
                                         clock_.WallNow() + Millis(uint64_t{1} << 38)));
    band_.Note("entry of the future");
  }
  // One half of its callers: each entry costs a signature.
  if (asked.half() != (number_ % 2 == 0)) return;
  if (group.parted[asked.caller] >= kPartedTimes) return;
  ++group.parted[asked.caller];
  for (int i = 0; i < kParted; ++i) {
    auto numbering = support::HostileMember::NewNumbering();
    numbering.previous = *base::EntryHash::FromBytes(random_.Bytes(32));
    reply.entries.push_back(member_.Next(group.place.group, numbering, {}));
  }
  band_.Note("entry that parts", kParted);
}

}  // namespace waypost::sim
