#include "syncgroup/log/log_trust.h"

#include <algorithm>
#include <string>
#include <tuple>
#include <variant>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "syncgroup/protocol/wire_codec.h"

// The tree of trust over a stored log. Branches have numbers of their own in the tree, given in the
// order in which the index found them, so that a parent has its number before what leaves it. An
// act pins heads by hash; the tree knows them by place, and by the stamp that the entry has.

namespace waypost::syncgroup {
namespace {

// Of an entry that is here; nullopt where its row cannot be read.
std::optional<LogEntry> DecodedAt(const LogReader& log, const StoredPlace& place) {
  const auto stored = log.EntryAt(place);
  if (!stored) return std::nullopt;
  auto entry = DecodeLogEntry(stored->sealed.bytes);
  if (!entry.ok()) return std::nullopt;
  return *std::move(entry);
}

const std::vector<LogHead>* PinsIn(const LogOp& op) {
  if (const auto* admit = std::get_if<AdmitAct>(&op)) return &admit->pins;
  if (const auto* remove = std::get_if<RemoveAct>(&op)) return &remove->pins;
  if (const auto* leave = std::get_if<LeaveAct>(&op)) return &leave->pins;
  return nullptr;
}

const std::vector<ActId>* NamesIn(const LogOp& op) {
  if (const auto* admit = std::get_if<AdmitAct>(&op)) return &admit->names;
  if (const auto* remove = std::get_if<RemoveAct>(&op)) return &remove->names;
  return nullptr;
}

// But for its pins. nullopt: it is no act about a member.
std::optional<TrustAct> ActIn(const LogOp& op, const base::PeerId& author) {
  if (const auto* admit = std::get_if<AdmitAct>(&op)) {
    return TrustAct{.kind = ActKind::kAdmit,
                    .peer = admit->peer,
                    .authority = admit->authority,
                    .role = admit->role,
                    .invites = admit->invites,
                    .as_inviter = admit->as_inviter,
                    .names = admit->names};
  }
  if (const auto* remove = std::get_if<RemoveAct>(&op)) {
    return TrustAct{.kind = ActKind::kRemove,
                    .peer = remove->peer,
                    .only_named = remove->only_named,
                    .names = remove->names};
  }
  if (std::holds_alternative<LeaveAct>(op)) {
    return TrustAct{.kind = ActKind::kLeave, .peer = author};
  }
  return std::nullopt;
}

}  // namespace

absl::StatusOr<std::unique_ptr<LogTrust>> LogTrust::Load(const LogReader& log,
                                                         const GenesisFact& genesis,
                                                         const std::vector<Recovery>& recovery) {
  std::unique_ptr<LogTrust> trust(new LogTrust(genesis));
  const std::vector<StoredBranch> branches = log.Branches();
  for (const auto& [branch, row] : branches) trust->AddBranch(branch, row);
  std::vector<ActEntry> acts;
  for (const auto& [branch, row] : branches) {
    if (row.holds != Holds::kActs) continue;
    for (uint64_t generation = row.after + 1; generation <= row.head; ++generation) {
      const StoredPlace place{branch, generation};
      auto stored = log.EntryAt(place);
      if (!stored) {
        return absl::DataLossError(
            absl::StrCat("entry ", generation, " of ", row.numbering.ToHex(), " is not here"));
      }
      OpenedEntry entry;
      ASSIGN_OR_RETURN(entry.entry, DecodeLogEntry(stored->sealed.bytes));
      entry.hash = HashEntry(stored->sealed.bytes);
      ActEntry& act = acts.emplace_back(trust->ActsOf(log, entry));
      act.place = trust->PlaceOf(place);
      trust->NoteFacts(entry, act.place);
    }
  }
  std::vector<RecoveryAct> by_recovery;
  by_recovery.reserve(recovery.size());
  for (const Recovery& each : recovery) {
    by_recovery.push_back(trust->RecoveryActOf(log, each.identity, each.saying));
  }
  RETURN_IF_ERROR(trust->tree_.AddAll(std::move(acts), std::move(by_recovery)));
  const std::string prefix = FactPrefix(log.group());
  std::vector<StoredPlace> facts;
  base::Cursor cursor(log.txn(), base::Table::kLog);
  for (bool more = cursor.Seek(prefix); more && cursor.key().starts_with(prefix);
       more = cursor.Next()) {
    if (const auto place = PlaceOfFactKey(cursor.key())) facts.push_back(*place);
  }
  for (const StoredPlace& place : facts) {
    auto entry = DecodedAt(log, place);
    if (!entry || !trust->numbers_.contains(place.branch)) continue;
    trust->NoteFacts({.sealed = {}, .entry = *std::move(entry), .hash = {}}, trust->PlaceOf(place));
  }
  trust->tree_.TakeTouched();
  return trust;
}

void LogTrust::AddBranch(BranchId branch, const BranchRow& row) {
  Branches& branches = tree_.branches();
  const BranchNumber number = row.parent == kNoBranchId
                                  ? branches.Begin(row.origin, row.numbering, row.basis)
                                  : branches.Split(PlaceOf({row.parent, row.after}));
  numbers_[branch] = number;
  if (ids_.size() <= number) ids_.resize(number + 1, kNoBranchId);
  ids_[number] = branch;
  branches.Extend({number, row.head});
  used_[row.origin] += row.used;
}

std::optional<Pin> LogTrust::PinOf(const LogReader& log, const LogHead& head) const {
  const auto place = log.Find(head);
  const auto entry = place ? DecodedAt(log, *place) : std::nullopt;
  if (!entry || !numbers_.contains(place->branch)) return std::nullopt;
  return Pin{.head = PlaceOf(*place), .stamp = entry->time};
}

std::vector<Pin> LogTrust::PinsOf(const LogReader& log, const std::vector<LogHead>& heads) const {
  std::vector<Pin> pins;
  for (const LogHead& head : heads) {
    if (const auto pin = PinOf(log, head)) pins.push_back(*pin);
  }
  return pins;
}

ActEntry LogTrust::ActsOf(const LogReader& log, const OpenedEntry& entry) const {
  ActEntry acts{.hash = entry.hash, .stamp = entry.entry.time, .previous = base::kNever};
  const LogPlace& place = entry.entry.place;
  if (place.generation > 1) {
    const auto previous = log.Find({place.numbering, place.generation - 1, place.previous});
    const auto before = previous ? DecodedAt(log, *previous) : std::nullopt;
    if (before) acts.previous = before->time;
  }
  for (const LogOp& op : entry.entry.ops) {
    auto act = ActIn(op, place.origin);
    if (!act) continue;
    if (const auto* const pins = PinsIn(op)) act->pins = PinsOf(log, *pins);
    acts.acts.push_back(*std::move(act));
  }
  return acts;
}

std::optional<ActId> LogTrust::BasisOf(const LogReader& log, const OpenedEntry& entry) const {
  if (entry.entry.basis) return entry.entry.basis;
  const auto branches = log.BranchesOf(entry.entry.place.numbering);
  if (branches.empty()) return std::nullopt;
  return branches.front().second.basis;
}

EntryNeeds LogTrust::NeedsOf(const LogReader& log, const OpenedEntry& entry) const {
  EntryNeeds needs;
  const LogPlace& place = entry.entry.place;
  const auto need_act = [&](const ActId& act) {
    if (!tree_.HasAct(act)) needs.acts.push_back(act);
  };
  const auto need_head = [&](const LogHead& head) {
    if (!log.Find(head)) needs.heads.push_back(head);
  };
  if (entry.entry.basis) need_act(*entry.entry.basis);
  if (place.generation > 1) need_head({place.numbering, place.generation - 1, place.previous});
  for (const LogOp& op : entry.entry.ops) {
    if (const auto* const names = NamesIn(op)) {
      std::for_each(names->begin(), names->end(), need_act);
    }
    if (const auto* const pins = PinsIn(op)) std::for_each(pins->begin(), pins->end(), need_head);
  }
  return needs;
}

absl::Status LogTrust::CheckForm(const LogReader& log, const OpenedEntry& entry) const {
  const auto basis = BasisOf(log, entry);
  if (!basis) return absl::FailedPreconditionError("its numbering is not here");
  return tree_.CheckSays(entry.entry.place.origin, *basis, ActsOf(log, entry));
}

std::optional<EntryRights> LogTrust::RightsToWrite(const LogReader& log,
                                                   const OpenedEntry& entry) const {
  const auto basis = BasisOf(log, entry);
  return basis ? tree_.RightsUnder(*basis) : std::nullopt;
}

MemberUse LogTrust::UseOfOrigin(const base::PeerId& origin) const {
  const auto used = used_.find(origin);
  return used == used_.end() ? MemberUse() : used->second;
}

void LogTrust::Took(const LogReader& log, const OpenedEntry& entry, const LogWriter::Appended& at) {
  CHECK(at.kind == LogWriter::Appended::Kind::kNew);
  if (!numbers_.contains(at.place.branch)) {
    const auto row = log.Branch(at.place.branch);
    CHECK(row.has_value());
    BranchRow before = *row;
    before.head = before.after;  // the entry itself comes below
    AddBranch(at.place.branch, before);
  } else {
    used_[entry.entry.place.origin] += UseOf(
        entry.entry, entry.sealed.bytes.size() + entry.sealed.signature.size(), /*begins=*/false);
  }
  const BranchPlace place = PlaceOf(at.place);
  if (entry.entry.place.holds == Holds::kActs) {
    ActEntry acts = ActsOf(log, entry);
    acts.place = place;
    CHECK(tree_.Add(acts).ok());
  } else {
    tree_.branches().Extend(place);
  }
  NoteFacts(entry, place);
  NotePins(entry, place);
}

void LogTrust::NoteFacts(const OpenedEntry& entry, const BranchPlace& place) {
  const base::WallTime stamp = entry.entry.time;
  for (std::size_t i = 0; i < entry.entry.ops.size(); ++i) {
    const LogOp& op = entry.entry.ops[i];
    if (const auto* settings = std::get_if<SettingsOp>(&op)) {
      settings_.push_back({entry.hash, place, stamp, *settings});
    } else if (const auto* close = std::get_if<CloseOp>(&op)) {
      tree_.AddClose({.numbering = close->numbering, .place = place, .stamp = stamp});
    } else if (const auto* profile = std::get_if<ProfileOp>(&op)) {
      if (!profile->lowered_role) continue;
      tree_.AddProfile({.place = place, .stamp = stamp, .role = *profile->lowered_role});
    }
  }
}

void LogTrust::NotePins(const OpenedEntry& entry, const BranchPlace& place) {
  const LogHead head{entry.numbering(), place.generation, entry.hash};
  std::erase_if(missing_pins_, [&](const MissingPin& missing) {
    if (missing.head != head) return false;
    // Of another peer than the act is about it pins nothing, now or ever.
    const absl::Status added = tree_.AddPins(missing.recovery, {place});
    return added.ok() || absl::IsInvalidArgument(added);
  });
}

RecoveryAct LogTrust::RecoveryActOf(const LogReader& log, const base::EntryHash& identity,
                                    const RecoverySaying& saying) {
  RecoveryAct act{.identity = identity, .stamp = saying.time};
  const LogOp op = std::visit([](const auto& each) { return LogOp(each); }, saying.act);
  act.act = ActIn(op, {}).value_or(TrustAct());
  for (const LogHead& head : *PinsIn(op)) {
    if (const auto pin = PinOf(log, head)) {
      act.act.pins.push_back(*pin);
    } else {
      missing_pins_.push_back({identity, head});
    }
  }
  return act;
}

absl::Status LogTrust::TookRecovery(const LogReader& log, const base::EntryHash& identity,
                                    const RecoverySaying& saying) {
  const std::size_t missing = missing_pins_.size();
  const absl::Status added = tree_.AddRecovery(RecoveryActOf(log, identity, saying));
  if (!added.ok()) missing_pins_.resize(missing);
  return added;
}

std::vector<LogHead> LogTrust::MissingPins() const {
  std::vector<LogHead> heads;
  for (const MissingPin& missing : missing_pins_) heads.push_back(missing.head);
  return heads;
}

absl::Status LogTrust::Dropped(const base::EntryHash& hash, const StoredPlace& place) {
  const auto number = numbers_.find(place.branch);
  if (number == numbers_.end()) return absl::OkStatus();
  const BranchPlace at{number->second, place.generation};
  std::erase_if(settings_, [&](const Setting& setting) { return setting.place == at; });
  tree_.DropFacts(at);
  const absl::Status dropped = tree_.Drop(hash);
  return absl::IsNotFound(dropped) ? absl::OkStatus() : dropped;  // of references it has none
}

uint64_t LogTrust::CountsUpTo(const LogReader& log, BranchId branch) const {
  const auto row = log.Branch(branch);
  CHECK(row.has_value());
  return std::clamp(tree_.CountsUpTo(BranchOf(branch)), row->after, row->head);
}

std::vector<std::pair<BranchId, uint64_t>> LogTrust::KeptBranches() const {
  std::vector<std::pair<BranchId, uint64_t>> kept;
  for (const auto& [number, generation] : tree_.KeptEntries()) {
    kept.emplace_back(ids_.at(number), generation);
  }
  std::sort(kept.begin(), kept.end());
  return kept;
}

GroupSettings LogTrust::Settings() const {
  std::vector<const Setting*> counting;
  for (const Setting& setting : settings_) {
    const auto rights = tree_.RightsOf(setting.place);
    if (rights && rights->authority == Authority::kAdmin) counting.push_back(&setting);
  }
  std::stable_sort(counting.begin(), counting.end(), [](const Setting* a, const Setting* b) {
    return std::tie(a->stamp, a->entry) < std::tie(b->stamp, b->entry);
  });
  GroupSettings now;
  const auto take = [](auto& field, const auto& said) {
    if (said) field = said;
  };
  for (const Setting* setting : counting) {
    take(now.name, setting->says.name);
    take(now.description, setting->says.description);
    take(now.is_public, setting->says.is_public);
    take(now.inviters, setting->says.inviters);
  }
  return now;
}

std::vector<LogHead> LogTrust::PinsFor(const LogReader& log, const base::PeerId& peer) const {
  std::vector<LogHead> pins;
  for (const BranchPlace& place : tree_.CountingHeads(peer)) {
    const auto hash = log.HashAt({ids_.at(place.branch), place.generation});
    if (!hash) continue;
    pins.push_back({tree_.branches().HashOf(place.branch), place.generation, *hash});
  }
  if (pins.size() > kPinsPerActMax) pins.resize(kPinsPerActMax);
  return pins;
}

}  // namespace waypost::syncgroup
