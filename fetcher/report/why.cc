#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "fetcher/report/report.h"
#include "signpost/rules.h"

// "Why is it not here yet?": the whole chain of reasons, in order, from the group that mentions the
// blob to the time of the next attempt. It reports what the fetcher would decide now and decides
// nothing.

namespace waypost::fetcher {
namespace {

using Kind = WhyStep::Kind;
using Fields = std::vector<std::pair<std::string, std::string>>;

struct GroupFact {
  base::GroupId id;
  std::string name;
  syncgroup::Role role = syncgroup::Role::kNormal;
  bool held = false;
  bool wanted = false;
  bool set_here = false;
  uint32_t keys = 0;
};

const char* Sentence(Obstacle obstacle) {
  switch (obstacle) {
    case Obstacle::kSlot:
      return "all slots are taken: raise fetcher.concurrency, or wait";
    case Obstacle::kPeerSlot:
      return "the slots of its peer are taken: raise fetcher.per_peer, or wait";
    case Obstacle::kPeerCoolDown:
      return "every peer that may have it cools down after failures: see that it is on and "
             "reachable "
             "(`waypost peers`); `waypost retry` tries at once";
    case Obstacle::kSpace:
      return "the fetcher is paused by itself: make room on the disk, or lower store.min_free";
    case Obstacle::kDisk:
      return "the fetcher is paused by itself: the disk or the index reports an error, which "
             "`waypost status` and the log name; it goes on when they take bytes again";
    case Obstacle::kPaused:
      return "an operator paused the fetcher: `waypost resume`";
    case Obstacle::kNotDue:
      return "it waits after failures: `waypost retry` starts it now";
    case Obstacle::kNobody:
      return "no peer that may have it is known: bring one on line that has it, or put it again";
    case Obstacle::kStopped:
      return "it was stopped: `waypost retry` starts it again";
    case Obstacle::kNone:
      break;
  }
  return "nothing: it is being fetched or starts at once";
}

void AddGroups(std::vector<WhyStep>& steps, const std::vector<GroupFact>& groups) {
  if (groups.empty()) {
    steps.push_back({.kind = Kind::kMentioned,
                     .verdict = "no",
                     .detail = "no group here mentions it",
                     .fields = {}});
  }
  for (const GroupFact& fact : groups) {
    const Fields fields = {
        {"group", fact.id.ToHex()}, {"name", fact.name}, {"keys", absl::StrCat(fact.keys)}};
    steps.push_back({.kind = Kind::kMentioned,
                     .verdict = "yes",
                     .detail = absl::StrCat("group ", fact.name, " mentions it"),
                     .fields = fields});
    const bool collects = fact.role == syncgroup::Role::kServer;
    std::string detail = collects ? "this peer is a server there and collects every blob"
                                  : "this peer is no server there";
    if (!collects && fact.set_here) detail = "no server there, but the reference was set here";
    steps.push_back({.kind = Kind::kRole,
                     .verdict = syncgroup::RoleName(fact.role),
                     .detail = detail,
                     .fields = {{"group", fact.id.ToHex()}}});
    steps.push_back({.kind = Kind::kHolding,
                     .verdict = fact.held     ? "held"
                                : fact.wanted ? "wanted"
                                              : "not_wanted",
                     .detail = fact.held ? "it may be served to this group"
                                         : "it may not be served to this group",
                     .fields = {{"group", fact.id.ToHex()}}});
  }
}

void AddBytes(std::vector<WhyStep>& steps, const syncgroup::BlobRecord& record,
              uint64_t partial_bytes) {
  if (record.row) {
    steps.push_back({.kind = Kind::kBytes,
                     .verdict = "held",
                     .detail = "the bytes are here",
                     .fields = {{"size", absl::StrCat(record.row->size_bytes)}}});
    return;
  }
  const bool partial = partial_bytes > 0;
  steps.push_back(
      {.kind = Kind::kBytes,
       .verdict = partial ? "partial" : "missing",
       .detail = partial ? "a part is here and will be continued" : "nothing is here yet",
       .fields = {{"received", absl::StrCat(partial_bytes)}}});
}

WhyStep LocationStep(const base::PeerId& peer, const signpost::Location& location,
                     const signpost::PeerHealth& health, base::WallTime now) {
  const bool cools = health.Cooling(now);
  const bool denied = location.denied != base::kNever && location.denied >= location.when_seen;
  WhyStep step{.kind = Kind::kLocation, .verdict = {}, .detail = {}, .fields = {}};
  step.verdict = cools ? "cooling" : denied ? "denied" : "usable";
  step.detail = cools    ? health.last_error.message
                : denied ? "it said that it does not have it"
                         : "it probably has it";
  step.fields = {{"peer", peer.ToHex()}, {"last_seen", base::FormatTime(location.when_seen)}};
  if (denied) step.fields.emplace_back("denied", base::FormatTime(location.denied));
  if (cools) step.fields.emplace_back("until", base::FormatTime(health.cool_down_end));
  return step;
}

WhyStep BlockedStep(const signpost::Signpost& signpost, const FetchState& state) {
  if (signpost.wanted_since == base::kNever) {
    return {.kind = Kind::kBlocked,
            .verdict = "not_wanted",
            .detail = "nobody here wants it: `waypost fetch` asks for it",
            .fields = {}};
  }
  const bool blocked = state.blocked_by != Obstacle::kNone;
  return {.kind = Kind::kBlocked,
          .verdict = blocked ? ObstacleName(state.blocked_by) : "no",
          .detail = Sentence(state.blocked_by),
          .fields = {{"state", FetchStateName(state.kind)}}};
}

WhyStep NextAttemptStep(const signpost::Signpost& signpost, const FetchState& state) {
  const base::WallTime at = std::max(signpost.next_attempt, state.parked_until);
  WhyStep next{.kind = Kind::kNextAttempt,
               .verdict = "at",
               .detail = "",
               .fields = {{"at", base::FormatTime(at)},
                          {"attempts", absl::StrCat(signpost.fetch_attempts)},
                          {"failures", absl::StrCat(signpost.failures)}}};
  if (signpost.last_error.error != signpost::ErrorClass::kNone) {
    next.detail = absl::StrCat("last error: ", signpost.last_error.message);
    next.fields.emplace_back("last_error", signpost::ErrorClassName(signpost.last_error.error));
  }
  return next;
}

// What each group that mentions the blob makes of it.
std::vector<GroupFact> GroupFacts(const Report::Parts& parts, base::ReadTxn& txn,
                                  const syncgroup::BlobRecord& record) {
  std::vector<GroupFact> facts;
  for (const auto& [group, mention] : record.signpost->groups) {
    GroupFact fact{.id = group};
    if (const auto info = parts.groups.FindGroup(txn, group)) {
      fact.name = info->name;
      fact.role = info->role;
    }
    fact.held = record.row && record.row->holdings.contains(group);
    fact.wanted = parts.ledger.WantedIn(txn, group, record);
    fact.set_here = mention.set_here;
    fact.keys = mention.keys;
    facts.push_back(std::move(fact));
  }
  return facts;
}

}  // namespace

const char* WhyStepName(WhyStep::Kind kind) {
  switch (kind) {
    case Kind::kMentioned:
      return "mentioned";
    case Kind::kRole:
      return "role";
    case Kind::kHolding:
      return "holding";
    case Kind::kBytes:
      return "bytes";
    case Kind::kLocation:
      return "location";
    case Kind::kBlocked:
      return "blocked";
    case Kind::kNextAttempt:
      return "next_attempt";
  }
  return "unknown";
}

absl::StatusOr<std::vector<WhyStep>> Report::Why(const base::BlobId& blob) const {
  syncgroup::BlobRecord record;
  std::vector<GroupFact> groups;
  RETURN_IF_ERROR(parts_.index.Read([&](base::ReadTxn& txn) {
    record = parts_.ledger.Load(txn, blob);
    if (record.signpost) groups = GroupFacts(parts_, txn, record);
  }));
  std::vector<WhyStep> steps;
  AddGroups(steps, groups);
  const FetchState state = parts_.work.State(blob);
  AddBytes(steps, record, parts_.blobs.PartialBytes(blob));
  if (!record.signpost) return steps;
  const signpost::Signpost& signpost = *record.signpost;
  const base::WallTime now = parts_.clock.WallNow();
  for (const base::PeerId& peer : signpost::LocationOrder(signpost.locations)) {
    steps.push_back(
        LocationStep(peer, signpost.locations.at(peer), parts_.peers.Health(peer), now));
  }
  const bool wanted = signpost.wanted_since != base::kNever;
  if (state.kind == FetchState::Kind::kDone && !wanted) return steps;
  steps.push_back(BlockedStep(signpost, state));
  if (wanted) steps.push_back(NextAttemptStep(signpost, state));
  return steps;
}

}  // namespace waypost::fetcher
