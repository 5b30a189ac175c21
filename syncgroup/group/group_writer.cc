#include "syncgroup/group/group_writer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/random.h"
#include "base/status.h"
#include "syncgroup/group/membership_fold.h"
#include "syncgroup/ledger/keys.h"
#include "syncgroup/protocol/hybrid_clock.h"
#include "syncgroup/protocol/seal.h"
#include "syncgroup/protocol/wire_codec.h"

// The only code that appends to a log and applies operations to a group's state, inside one
// transaction. An entry is appended, its membership operations are folded, and only then its
// references are applied, because it may decide about itself. A fold that changes which references
// counted starts a new epoch, in which they are folded again from the log.

namespace waypost::syncgroup {
namespace {

base::Incarnation NextToken(const base::Incarnation& token, const base::EntryHash& hash) {
  std::string text(token.bytes());
  text.append(hash.bytes());
  const auto digest = base::Hash256(text);
  return *base::Incarnation::FromBytes(
      std::string_view(reinterpret_cast<const char*>(digest.data()), base::Incarnation::kBytes));
}

constexpr std::size_t kCursorsAtOnce = 1000;

// Profiles of one numbering that are kept for good: more than an honest device publishes before it
// begins another, few enough to fold.
constexpr uint32_t kProfilesKept = 100;

Effects::Event MemberEvent(base::EventKind kind, const base::GroupId& group, const Member& member) {
  return {kind,
          {{"group", group.ToHex()},
           {"peer", member.peer.ToHex()},
           {"name", member.name},
           {"role", RoleName(member.role)},
           {"authority", AuthorityName(member.authority)}}};
}

std::vector<base::PeerId> PeersOf(const std::map<base::PeerId, Member>& members) {
  std::vector<base::PeerId> peers;
  peers.reserve(members.size());
  for (const auto& item : members) peers.push_back(item.first);
  return peers;
}

}  // namespace

absl::StatusOr<PreparedEntry> PrepareEntry(const base::GroupId& group, SealedEntry sealed) {
  PreparedEntry prepared;
  ASSIGN_OR_RETURN(prepared.entry, DecodeEntry(sealed.bytes));
  if (prepared.entry.group != group) {
    return absl::InvalidArgumentError("an entry belongs to another group");
  }
  RETURN_IF_ERROR(CheckSealed(sealed, prepared.entry));
  prepared.hash = HashEntry(sealed.bytes);
  prepared.sealed = std::move(sealed);
  return prepared;
}

std::optional<GroupWriter> GroupWriter::Open(const Core& core, base::WriteTxn& txn,
                                             Effects& effects, const base::GroupId& group) {
  auto row = LoadGroupRow(txn, group);
  if (!row) return std::nullopt;
  return std::optional<GroupWriter>(std::in_place, core, txn, effects, group, *std::move(row));
}

GroupWriter::GroupWriter(const Core& core, base::WriteTxn& txn, Effects& effects,
                         const base::GroupId& group, GroupRow row)
    : core_(core), txn_(txn), effects_(effects), group_(group), row_(std::move(row)) {}

void GroupWriter::Write(std::vector<Op> ops, std::optional<base::WallTime> time) {
  core_.second_copy.Writes(row_.incarnation);
  const OriginKey numbering{core_.self(), row_.incarnation};
  const KnowledgeRow known = LoadKnowledge(txn_, group_, numbering);
  const base::WallTime at = time.value_or(HybridNow(core_.clock.WallNow(), row_.latest));
  const Entry entry{
      .group = group_,
      .place = {core_.self(), row_.incarnation, known.known.generation + 1},
      .previous = known.known.hash,
      .time = at,
      .ops = std::move(ops),
  };
  const SealedEntry sealed = SealEntry(core_.options.identity, entry);
  AppendToLog(sealed, entry, HashEntry(sealed.bytes));
  row_.latest = std::max(row_.latest, at);
  // What is written again was set here once, but makes no holding: the bytes may have come since.
  Apply(entry, time ? Source::kRefold : Source::kLocal, core_.self());
  effects_.Of(group_).entries = true;
}

void GroupWriter::Admit(const Member& self, const base::PeerId& peer,
                        const base::Incarnation& incarnation, Role role, Authority authority) {
  Write(AdmissionOf(self, peer, incarnation, role, authority,
                    InvitesUnder(row_.inviters, authority)));
}

std::vector<Op> GroupWriter::AdmissionOf(const Member& self, const base::PeerId& peer,
                                         const base::Incarnation& incarnation, Role role,
                                         Authority authority, bool invites) const {
  std::vector<Op> ops;
  AdmitOp op{.peer = peer,
             .role = role,
             .authority = authority,
             .invites = invites,
             .as_inviter = self.authority != Authority::kAdmin};
  const auto add = [&](const base::Incarnation& numbering, uint64_t generation) {
    op.incarnation = numbering;
    op.generation = generation;
    ops.push_back(op);
  };
  const bool own = peer == core_.self();
  uint64_t last = 0;
  for (const auto& [numbering, known] :
       LongestNumberings(txn_, group_, peer, kOpsPerEntryMax - 1)) {
    // This very entry was written with the authority of before.
    const uint64_t generation =
        known.generation + (own && numbering.second == row_.incarnation ? 1 : 0);
    if (numbering.second == incarnation) {
      last = generation;
    } else {
      add(numbering.second, generation);
    }
  }
  add(incarnation, last);
  return ops;
}

bool GroupWriter::LearnDouble(const SealedEntry& here, const PreparedEntry& entry) {
  if (here.bytes == entry.sealed.bytes) return false;
  const EntryPlace& place = entry.entry.place;
  return LearnFork({place.origin, place.incarnation}, place.generation, {here, entry.sealed});
}

void GroupWriter::Append(const PreparedEntry& entry, const base::PeerId& via) {
  const auto shown = txn_.Get(base::Table::kMembers, PaperKey(group_, entry.entry.place));
  const auto paper = shown ? DecodeSealedEntry(*shown) : absl::StatusOr<SealedEntry>();
  if (paper.ok() && LearnDouble(*paper, entry)) return;
  AppendToLog(entry.sealed, entry.entry, entry.hash);
  row_.latest = std::max(row_.latest, entry.entry.time);
  Apply(entry.entry, Source::kReceived, via);
}

bool GroupWriter::HasForked(const base::PeerId& origin) const {
  const Knowledge all = LoadKnowledgeOf(txn_, group_, origin);
  return std::any_of(all.begin(), all.end(),
                     [](const auto& one) { return one.second.forked != 0; });
}

bool GroupWriter::Admitted(const base::PeerId& origin) const {
  return txn_.GetRaw(base::Table::kMembers, CutKey(group_, origin)).has_value();
}

void GroupWriter::Refold(const Entry& entry) { Apply(entry, Source::kRefold, core_.self()); }

void GroupWriter::AppendToLog(const SealedEntry& sealed, const Entry& entry,
                              const base::EntryHash& hash) {
  const EntryPlace& place = entry.place;
  row_.log_token = NextToken(row_.log_token, hash);
  StoreLogRow(txn_, group_, ++row_.last_sequence, place, {sealed, row_.log_token});
  const OriginKey numbering{place.origin, place.incarnation};
  KnowledgeRow known = LoadKnowledge(txn_, group_, numbering);
  known.known.generation = place.generation;
  known.known.hash = hash;
  known.used += UseOf(entry, sealed.bytes.size() + sealed.signature.size());
  StoreKnowledge(txn_, group_, numbering, known);
}

bool GroupWriter::LearnMembership(const Entry& entry) {
  bool news = false;
  for (std::size_t i = 0; i < entry.ops.size(); ++i) {
    if (!DecidesMembership(entry.ops[i])) continue;
    const Stamp stamp{entry.time, entry.place, static_cast<uint32_t>(i)};
    if (txn_.GetRaw(base::Table::kMembers, MembershipOpKey(group_, stamp))) continue;
    if (const auto* profile = std::get_if<ProfileOp>(&entry.ops[i])) {
      news |= LearnProfile(stamp, *profile);
      continue;
    }
    StoreMembershipOp(txn_, group_, {stamp, entry.ops[i]});
    if (const auto* admit = std::get_if<AdmitOp>(&entry.ops[i])) {
      pending_admissions_.insert(admit->peer);
    }
    fold_pending_ = true;
    news = true;
  }
  return news;
}

ProfilesRow GroupWriter::WithProfile(const ProfilesRow& before, const Stamp& stamp,
                                     const ProfileOp& profile) {
  ProfilesRow after = before;
  const auto take = [&](std::optional<Stamp>& newest) {
    if (!newest || *newest < stamp) newest = stamp;
  };
  take(after.newest);
  if (profile.lowered_role == Role::kNormal) take(after.newest_normal);
  if (profile.lowered_role == Role::kLeaf) take(after.newest_leaf);
  if (before.kept < kProfilesKept) {
    ++after.kept;
    after.kept_until = std::max(before.kept_until, stamp.place.generation);
  }
  return after;
}

bool GroupWriter::LearnProfile(const Stamp& stamp, const ProfileOp& profile) {
  const OriginKey numbering{stamp.place.origin, stamp.place.incarnation};
  const ProfilesRow before = LoadProfiles(txn_, group_, numbering);
  const ProfilesRow after = WithProfile(before, stamp, profile);
  if (after == before) return false;
  StoreMembershipOp(txn_, group_, {stamp, profile});
  StoreProfiles(txn_, group_, numbering, after);
  for (const auto& old : {before.newest, before.newest_normal, before.newest_leaf}) {
    if (!old || old->place.generation <= after.kept_until || old == after.newest ||
        old == after.newest_normal || old == after.newest_leaf) {
      continue;
    }
    txn_.Delete(base::Table::kMembers, MembershipOpKey(group_, *old));
  }
  ShowProfile(stamp, profile);
  return true;
}

void GroupWriter::ShowProfile(const Stamp& stamp, const ProfileOp& profile) {
  auto member = LoadMember(txn_, group_, stamp.place.origin);
  if (!member) return;  // a fold shows it when there is one
  const OriginCut cut = LoadCut(txn_, group_, stamp.place.origin);
  const auto counts = [&](const EntryPlace& place) {
    const OriginKey numbering{place.origin, place.incarnation};
    return EntryCounts(cut, LoadKnowledge(txn_, group_, numbering).known.forked, place);
  };
  if (!counts(stamp.place)) return;
  if (profile.lowered_role && *profile.lowered_role > member->role) fold_pending_ = true;
  for (const auto& [numbering, row] : LoadProfilesOf(txn_, group_, stamp.place.origin)) {
    if (row.newest && *row.newest > stamp && counts(row.newest->place)) return;
  }
  if (member->name == profile.name && member->addresses == profile.addresses) return;
  member->name = profile.name;
  member->addresses = profile.addresses;
  StoreMember(txn_, group_, *member);
  // Of many in one transaction the last is told.
  std::erase_if(effects_.profiles, [&](const auto& told) { return told.peer == member->peer; });
  effects_.profiles.push_back({member->peer, member->name, member->addresses});
}

void GroupWriter::LearnPaper(const PreparedEntry& entry) {
  const EntryPlace& place = entry.entry.place;
  // A fork further down costs a walk of the log: it comes as a proof, and these are few.
  if (LoadKnowledge(txn_, group_, {place.origin, place.incarnation}).known.forked != 0) return;
  if (const auto here = LoadEntryAt(txn_, group_, place)) {
    // Of one that has forked before the others come as proofs too, and no faster than their walks.
    if (!HasForked(place.origin)) LearnDouble(*here, entry);
    return;
  }
  const auto shown = txn_.Get(base::Table::kMembers, PaperKey(group_, place));
  const auto paper = shown ? DecodeSealedEntry(*shown) : absl::StatusOr<SealedEntry>();
  if (paper.ok()) {
    if (!HasForked(place.origin)) LearnDouble(*paper, entry);
    return;
  }
  if (!LearnMembership(entry.entry)) return;
  // What this peer says of itself next must be later than its admission, whoever's clock is ahead.
  if (entry.entry.time <= core_.clock.WallNow() + kClockAheadMax) {
    row_.latest = std::max(row_.latest, entry.entry.time);
  }
  txn_.Put(base::Table::kMembers, PaperKey(group_, place), EncodeSealedEntry(entry.sealed));
}

void GroupWriter::Apply(const Entry& entry, Source source, const base::PeerId& via) {
  if (std::any_of(entry.ops.begin(), entry.ops.end(), DecidesMembership)) {
    if (source != Source::kRefold) {
      txn_.Delete(base::Table::kMembers, PaperKey(group_, entry.place));
    }
    // Also for what is written again: its operations have a new stamp.
    LearnMembership(entry);
  }
  if (!fold_pending_) return ApplyRefs(entry, source, via);
  // It may decide about itself, and so may one before it.
  pending_.push_back({&entry, source, via});
  if (source != Source::kReceived) Settle();
}

void GroupWriter::Settle() {
  if (!fold_pending_) return;
  FoldMembers();
  for (const Pending& each : std::exchange(pending_, {})) {
    ApplyRefs(*each.entry, each.source, each.via);
  }
}

void GroupWriter::ApplyRefs(const Entry& entry, Source source, const base::PeerId& via) {
  if (!RefsCountHere(entry.place)) return;
  for (std::size_t i = 0; i < entry.ops.size(); ++i) {
    const Stamp stamp{entry.time, entry.place, static_cast<uint32_t>(i)};
    if (const auto* put = std::get_if<PutRefOp>(&entry.ops[i])) {
      ApplyRef(stamp, put->key, put->blob, put->size_bytes, source, via);
    } else if (const auto* del = std::get_if<DeleteRefOp>(&entry.ops[i])) {
      ApplyRef(stamp, del->key, std::nullopt, std::nullopt, source, via);
    }
  }
}

void GroupWriter::ApplyRef(const Stamp& stamp, const std::string& key,
                           const std::optional<base::BlobId>& blob,
                           std::optional<uint64_t> size_bytes, Source source,
                           const base::PeerId& via) {
  const auto row = LoadRefRow(txn_, group_, key);
  if (row && row->epoch == row_.epoch && row->stamp >= stamp) return;
  const std::optional<base::BlobId> old = row ? row->blob : std::nullopt;
  const base::PeerId& origin = stamp.place.origin;
  if (old && old != blob) core_.ledger.ApplyMention(txn_, *old, {.group = group_, .keys = -1});
  // Folding again tells nothing new of a value that stays.
  if (blob && (old != blob || source != Source::kRefold)) {
    Ledger::Mention mention{.group = group_,
                            .keys = old == blob ? 0 : 1,
                            .set_here = origin == core_.self(),
                            .grants = source == Source::kLocal,
                            .origin = origin,
                            .when_seen = stamp.time,
                            .size_bytes = size_bytes};
    if (source == Source::kReceived) mention.locations.push_back(via);
    if (LoadRole(txn_, group_, origin)) mention.locations.push_back(origin);
    core_.ledger.ApplyMention(txn_, *blob, mention);
  }
  refs_delta_ += (blob ? 1 : 0) - (old ? 1 : 0);
  if (source != Source::kRefold && (blob || old)) {
    effects_.events.push_back({blob ? base::EventKind::kRefSet : base::EventKind::kRefDeleted,
                               {{"group", group_.ToHex()},
                                {"key", key},
                                {"blob", (blob ? *blob : *old).ToHex()},
                                {"peer", origin.ToHex()}}});
  }
  StoreRefRow(txn_, group_, key,
              {.blob = blob, .size_bytes = size_bytes, .stamp = stamp, .epoch = row_.epoch});
}

bool GroupWriter::RefsCountHere(const EntryPlace& place) {
  auto it = cuts_.find(place.origin);
  if (it == cuts_.end()) {
    it = cuts_.emplace(place.origin, LoadCut(txn_, group_, place.origin)).first;
  }
  const uint64_t forked =
      LoadKnowledge(txn_, group_, {place.origin, place.incarnation}).known.forked;
  return RefsCount(it->second, forked, place);
}

bool GroupWriter::LearnFork(const OriginKey& numbering, uint64_t generation,
                            const ForkProof& proof) {
  KnowledgeRow known = LoadKnowledge(txn_, group_, numbering);
  const uint64_t before = known.known.forked;
  if (before != 0 && before <= generation) return false;
  const bool own = numbering.first == core_.self();
  // What is here of one whom nothing admits any more still has a say in who removed whom first.
  const bool here = known.known.generation > 0;
  if (!own && !here && !Admitted(numbering.first)) return false;
  known.known.forked = generation;
  known.proof = proof;
  StoreKnowledge(txn_, group_, numbering, known);
  fold_pending_ = true;
  // Only references that counted until now make a difference.
  const uint64_t counted =
      before == 0 ? known.known.generation : std::min(known.known.generation, before - 1);
  const OriginCut cut = LoadCut(txn_, group_, numbering.first);
  if (OriginCut::AnyRefs(cut, numbering.second, generation, counted)) StartRefold();
  if (!own) return true;
  // Nothing of ours from there on counts anywhere: it is written again under another numbering.
  if (numbering.second == row_.incarnation) Retire();
  auto retired = std::find_if(
      row_.retired.begin(), row_.retired.end(),
      [&](const RetiredNumbering& each) { return each.incarnation == numbering.second; });
  if (retired == row_.retired.end()) {  // of an earlier membership
    retired = row_.retired.insert(row_.retired.end(), {.incarnation = numbering.second});
  }
  retired->resolved = true;
  if (generation <= known.known.generation) StartRewrite(*retired, generation, /*drop=*/false);
  return true;
}

void GroupWriter::Retire() {
  row_.retired.push_back({.incarnation = row_.incarnation});
  row_.incarnation = base::NewIncarnation();
  // What was pulled before is asked for again: the rows that are missing here may lie before it.
  const std::string prefix = GroupKey(group_);
  while (DeletePrefix(txn_, base::Table::kCursors, prefix, kEntriesPerTxn) == kEntriesPerTxn) {
  }
  effects_.Of(group_).members = true;  // so that rounds begin at once
}

void GroupWriter::StartRewrite(RetiredNumbering& retired, uint64_t generation, bool drop) {
  retired.resolved = true;
  // Of two reasons the earlier generation covers both; what is gone from the log is not met again.
  retired.rewrite_from =
      retired.rewrite_from == 0 ? generation : std::min(retired.rewrite_from, generation);
  retired.drop = drop;
  if (drop) {
    const OriginKey numbering{core_.self(), retired.incarnation};
    KnowledgeRow known = LoadKnowledge(txn_, group_, numbering);
    known.known.generation = generation - 1;
    known.known.hash = base::EntryHash();
    if (generation > 1) {
      const auto last =
          LoadEntryAt(txn_, group_, {core_.self(), retired.incarnation, generation - 1});
      if (last) known.known.hash = HashEntry(last->bytes);
    }
    StoreKnowledge(txn_, group_, numbering, known);
  }
  effects_.Of(group_).work = true;
}

void GroupWriter::FoldMembers() {
  fold_pending_ = false;
  pending_admissions_.clear();
  cuts_.clear();
  const Knowledge knowledge = LoadAllKnowledge(txn_, group_);
  const auto folded = FoldedMembership(row_.genesis, knowledge, LoadMembershipOps(txn_, group_));
  if (!folded) {  // no damage can have made it so: rows carry a checksum
    base::LogError("group ", group_.ToHex(), " has no genesis; nobody's word counts there");
    return;
  }
  const Membership& now = *folded;
  if (now.name) row_.name = *now.name;
  if (now.description) row_.description = *now.description;
  if (now.is_public && *now.is_public != row_.is_public) {
    row_.is_public = *now.is_public;
    if (!row_.is_public) effects_.made_private.push_back(PeersOf(now.members));
  }
  if (now.inviters) row_.inviters = *now.inviters;
  row_.members = now.members.size();
  StoreCuts(now.cuts, knowledge);
  StoreMembers(now.members);
}

void GroupWriter::StoreCuts(const std::map<base::PeerId, OriginCut>& cuts,
                            const Knowledge& knowledge) {
  const std::map<base::PeerId, OriginCut> before = LoadCuts(txn_, group_);
  const auto cut_in = [](const std::map<base::PeerId, OriginCut>& in, const base::PeerId& origin) {
    const auto it = in.find(origin);
    return it == in.end() ? OriginCut() : it->second;
  };
  for (const auto& [origin, cut] : before) {
    if (!cuts.contains(origin)) txn_.Delete(base::Table::kMembers, CutKey(group_, origin));
  }
  for (const auto& [origin, cut] : cuts) {
    const auto it = before.find(origin);
    if (it == before.end() || it->second != cut) StoreCut(txn_, group_, origin, cut);
    if (it == before.end() && row_.passed_over) {
      while (DeletePrefix(txn_, base::Table::kCursors, GroupKey(group_), kCursorsAtOnce) > 0) {
      }
      row_.passed_over = false;
      cursors_reset_ = true;
    }
  }
  // Only what is in the log and counted otherwise until now makes a difference; what is pending has
  // its references applied afterwards.
  std::map<OriginKey, uint64_t> first_pending;
  for (const Pending& each : pending_) {
    const EntryPlace& place = each.entry->place;
    first_pending.try_emplace({place.origin, place.incarnation}, place.generation);
  }
  for (const auto& [numbering, known] : knowledge) {
    uint64_t applied = known.generation;
    const auto pending = first_pending.find(numbering);
    if (pending != first_pending.end()) applied = std::min(applied, pending->second - 1);
    if (!OriginCut::SameRefs(cut_in(before, numbering.first), cut_in(cuts, numbering.first),
                             numbering.second, applied)) {
      StartRefold();
      return;
    }
  }
}

void GroupWriter::StoreMembers(const std::map<base::PeerId, Member>& members) {
  std::map<base::PeerId, Member> before;
  for (Member& member : LoadMembers(txn_, group_)) before[member.peer] = std::move(member);
  bool changed = false;
  // One walk, however many go at once.
  std::optional<std::map<base::PeerId, Stamp>> removals;
  for (const auto& [peer, member] : before) {
    if (members.contains(peer)) continue;
    txn_.Delete(base::Table::kMembers, MemberKey(group_, peer));
    if (!removals) removals = LatestRemovals(txn_, group_);
    const auto removal = removals->find(peer);
    const bool known = removal != removals->end();
    const bool left = known && removal->second.place.origin == peer;
    effects_.events.push_back(MemberEvent(
        left ? base::EventKind::kMemberLeft : base::EventKind::kMemberRemoved, group_, member));
    if (known && !left) {
      effects_.events.back().fields.emplace_back("by", removal->second.place.origin.ToHex());
    }
    effects_.left.push_back(peer);
    changed = true;
  }
  for (const auto& [peer, folded] : members) {
    const auto it = before.find(peer);
    if (it != before.end() && it->second == folded) continue;
    Member member = folded;
    member.first_seen = it == before.end() ? core_.clock.WallNow() : it->second.first_seen;
    StoreMember(txn_, group_, member);
    if (it == before.end())
      effects_.events.push_back(MemberEvent(base::EventKind::kMemberJoined, group_, member));
    if (it == before.end() || it->second.role != member.role ||
        it->second.authority != member.authority) {
      changed = true;
      if (it != before.end()) {
        effects_.events.push_back(MemberEvent(base::EventKind::kMemberChanged, group_, member));
      }
    }
    if (!member.addresses.empty() || !member.name.empty()) {
      effects_.profiles.push_back({peer, member.name, member.addresses});
    }
  }
  if (!changed) return;
  members_changed_ = true;
  effects_.Of(group_).members = true;
}

void GroupWriter::StartRefold() {
  ++row_.epoch;
  row_.refold = {.phase = RefoldProgress::Phase::kLog};
  effects_.Of(group_).work = true;
}

ServerCounts::News ServersOf(const Core& core, base::ReadTxn& txn, const base::GroupId& group,
                             const GroupRow& row) {
  ServerCounts::News news{.number = core.servers.Next(), .name = row.name};
  for (const Member& member : LoadMembers(txn, group)) {
    if (member.role == Role::kServer) ++news.servers;
    if (member.peer == core.self()) news.here = row.state == GroupRow::State::kActive;
  }
  return news;
}

void GroupWriter::Finish() {
  Settle();
  core_.ledger.AddRefs(txn_, group_, refs_delta_);
  refs_delta_ = 0;
  StoreGroupRow(txn_, group_, row_);
  const bool leaves = row_.state != GroupRow::State::kActive;
  effects_.stamps[group_] = leaves ? base::kNever : row_.latest;
  if (members_changed_ || leaves) effects_.servers[group_] = ServersOf(core_, txn_, group_, row_);
}

}  // namespace waypost::syncgroup
