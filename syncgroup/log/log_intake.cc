#include "syncgroup/log/log_intake.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"

// Taking what others wrote. An entry that is not taken ends its branch for now: what follows on it
// lacks it. What was taken is kept at once, for it counted when it was; what counts no more,
// because an act fell, is found when that happened.

namespace waypost::syncgroup {

LogIntake::Outcome LogIntake::Not(Outcome outcome, std::string why) {
  why_ = std::move(why);
  return outcome;
}

LogIntake::Outcome LogIntake::Take(const OpenedEntry& entry, bool needed) {
  LogWriter& log = parts_.log;
  const LogPlace& place = entry.entry.place;
  if (log.Find({entry.numbering(), place.generation, entry.hash})) return Outcome::kHere;
  lacked_ = parts_.trust.NeedsOf(log, entry);
  if (!lacked_.empty()) return Not(Outcome::kLacks, "something that it stands on is not here");
  if (const absl::Status form = parts_.trust.CheckForm(log, entry); !form.ok()) {
    return Not(Outcome::kRefused, std::string(form.message()));
  }
  if (!needed) {
    if (!parts_.trust.RightsToWrite(log, entry)) {
      return Not(Outcome::kNoRight,
                 absl::StrCat("peer ", place.origin.ToHex(), " has no right to write there"));
    }
    if (entry.entry.time > parts_.latest_allowed) {
      return Not(Outcome::kTooFarAhead, "its stamp is too far ahead");
    }
    const uint64_t bytes = entry.sealed.bytes.size() + entry.sealed.signature.size();
    // A branch that begins counts as a numbering: of a split that is seen when it is appended.
    const MemberUse more = UseOf(entry.entry, bytes, BeginsBranch(entry));
    if (parts_.beyond) {
      if (auto beyond = parts_.beyond(place.origin, more)) {
        return Not(Outcome::kBeyondLimits, *std::move(beyond));
      }
    }
  }
  const LogWriter::Appended at = log.Append(entry);
  // Of another hand than began the numbering, or of another kind: it will never be more.
  if (at.kind == LogWriter::Appended::Kind::kMissing) {
    return Not(Outcome::kRefused,
               "it goes on with a numbering of somebody else, or of another kind");
  }
  parts_.trust.Took(log, entry, at);
  log.Keep(at.place.branch, at.place.generation);
  return Outcome::kTaken;
}

bool LogIntake::BeginsBranch(const OpenedEntry& entry) const {
  const LogPlace& place = entry.entry.place;
  if (place.generation == 1) return true;
  const auto previous = parts_.log.Find({place.numbering, place.generation - 1, place.previous});
  const auto row = previous ? parts_.log.Branch(previous->branch) : std::nullopt;
  return !row || row->head != previous->generation;
}

std::set<base::EntryHash> OnTheWayTo(const std::vector<OpenedEntry>& entries,
                                     const std::vector<LogHead>& heads) {
  std::map<base::EntryHash, const OpenedEntry*> by_hash;
  for (const OpenedEntry& entry : entries) by_hash.emplace(entry.hash, &entry);
  std::set<base::EntryHash> on_the_way;
  for (const LogHead& head : heads) {
    for (auto at = by_hash.find(head.hash);
         at != by_hash.end() && on_the_way.insert(at->first).second;
         at = by_hash.find(at->second->entry.place.previous)) {
    }
  }
  return on_the_way;
}

bool KeepWhatCounts(LogWriter& log, const LogTrust& trust) {
  std::map<BranchId, uint64_t> kept;
  for (const auto& [branch, generation] : trust.KeptBranches()) kept[branch] = generation;
  bool changed = false;
  for (const auto& [branch, row] : log.Branches()) {
    const auto found = kept.find(branch);
    uint64_t up_to = found == kept.end() ? row.after : std::min(found->second, row.head);
    // What counts of references is no act's business, but for what one pins.
    if (row.holds == Holds::kReferences) up_to = std::max(up_to, trust.CountsUpTo(log, branch));
    changed |= log.Keep(branch, up_to);
  }
  return changed;
}

}  // namespace waypost::syncgroup
