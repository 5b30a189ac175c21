#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "fetcher/work/fetcher_impl.h"
#include "signpost/rules.h"

// "Why is it not here yet?": the whole chain of reasons, in order, from the group that mentions the
// blob to the time of the next attempt. It reports what the fetcher would decide now and decides
// nothing.

namespace waypost::fetcher {
namespace {

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

std::string Sentence(const std::string& blocked_by) {
  if (blocked_by == "slot") return "all slots are taken: raise fetcher.concurrency, or wait";
  if (blocked_by == "peer_slot")
    return "the slots of its peer are taken: raise fetcher.per_peer, or wait";
  if (blocked_by == "peer_cool_down")
    return "every peer that may have it cools down after failures";
  if (blocked_by == "space") return "the fetcher is paused by itself: make room on the disk";
  if (blocked_by == "paused") return "an operator paused the fetcher: resume it";
  if (blocked_by == "not_due") return "it waits after failures: `waypost retry` starts it now";
  if (blocked_by == "nobody") return "no peer that may have it is known";
  if (blocked_by == "stopped") return "it was stopped: `waypost retry` starts it again";
  return "nothing: it is being fetched or starts at once";
}

void AddGroups(std::vector<WhyStep>& steps, const std::vector<GroupFact>& groups) {
  if (groups.empty()) {
    steps.push_back({.step = "mentioned",
                     .verdict = "no",
                     .detail = "no group here mentions it",
                     .fields = {}});
  }
  for (const GroupFact& fact : groups) {
    const Fields fields = {
        {"group", fact.id.ToHex()}, {"name", fact.name}, {"keys", absl::StrCat(fact.keys)}};
    steps.push_back({.step = "mentioned",
                     .verdict = "yes",
                     .detail = absl::StrCat("group ", fact.name, " mentions it"),
                     .fields = fields});
    const bool collects = fact.role == syncgroup::Role::kServer;
    std::string detail = collects ? "this peer is a server there and collects every blob"
                                  : "this peer is no server there";
    if (!collects && fact.set_here) detail = "no server there, but the reference was set here";
    steps.push_back({.step = "role",
                     .verdict = syncgroup::RoleName(fact.role),
                     .detail = detail,
                     .fields = {{"group", fact.id.ToHex()}}});
    steps.push_back({.step = "holding",
                     .verdict = fact.held     ? "held"
                                : fact.wanted ? "wanted"
                                              : "not_wanted",
                     .detail = fact.held ? "it may be served to this group"
                                         : "it may not be served to this group",
                     .fields = {{"group", fact.id.ToHex()}}});
  }
}

}  // namespace

absl::StatusOr<std::vector<WhyStep>> Fetcher::Why(const base::BlobId& blob) const {
  syncgroup::BlobRecord record;
  std::vector<GroupFact> groups;
  RETURN_IF_ERROR(impl_->parts.index.Read([&](base::ReadTxn& txn) {
    record = impl_->parts.ledger.Load(txn, blob);
    if (!record.signpost) return absl::OkStatus();
    for (const auto& [group, mention] : record.signpost->groups) {
      GroupFact fact{.id = group};
      if (const auto info = impl_->parts.groups.FindGroup(txn, group)) {
        fact.name = info->name;
        fact.role = info->role;
      }
      fact.held = record.row && record.row->holdings.contains(group);
      fact.wanted = impl_->parts.ledger.WantedIn(txn, group, record);
      fact.set_here = mention.set_here;
      fact.keys = mention.keys;
      groups.push_back(std::move(fact));
    }
    return absl::OkStatus();
  }));
  std::vector<WhyStep> steps;
  AddGroups(steps, groups);
  const FetchState state = impl_->StateOf(blob);
  const uint64_t partial = impl_->parts.blobs.PartialBytes(blob);
  if (record.row) {
    steps.push_back({.step = "bytes",
                     .verdict = "held",
                     .detail = "the bytes are here",
                     .fields = {{"size", absl::StrCat(record.row->size_bytes)}}});
  } else {
    steps.push_back(
        {.step = "bytes",
         .verdict = partial > 0 ? "partial" : "missing",
         .detail = partial > 0 ? "a part is here and will be continued" : "nothing is here yet",
         .fields = {{"received", absl::StrCat(partial)}}});
  }
  if (!record.signpost) return steps;
  const base::WallTime now = impl_->parts.clock.WallNow();
  for (const base::PeerId& peer : signpost::LocationOrder(record.signpost->locations)) {
    const signpost::Location& location = record.signpost->locations.at(peer);
    const signpost::PeerHealth health = impl_->parts.peers.Health(peer);
    const bool denied = location.denied != base::kNever && location.denied >= location.when_seen;
    WhyStep step{.step = "location"};
    step.verdict = health.Cooling(now) ? "cooling" : denied ? "denied" : "usable";
    step.detail = health.Cooling(now) ? health.last_error.message
                  : denied            ? "it said that it does not have it"
                                      : "it probably has it";
    step.fields = {{"peer", peer.ToHex()}, {"last_seen", base::FormatTime(location.when_seen)}};
    if (denied) step.fields.emplace_back("denied", base::FormatTime(location.denied));
    if (health.Cooling(now)) {
      step.fields.emplace_back("until", base::FormatTime(health.cool_down_end));
    }
    steps.push_back(std::move(step));
  }
  if (state.kind == FetchState::Kind::kDone && record.signpost->wanted_since == base::kNever) {
    return steps;
  }
  if (record.signpost->wanted_since == base::kNever) {
    steps.push_back({.step = "blocked",
                     .verdict = "not_wanted",
                     .detail = "nobody here wants it: `waypost fetch` asks for it",
                     .fields = {}});
    return steps;
  }
  steps.push_back({.step = "blocked",
                   .verdict = state.blocked_by.empty() ? "no" : state.blocked_by,
                   .detail = Sentence(state.blocked_by),
                   .fields = {{"state", FetchStateName(state.kind)}}});
  WhyStep next{.step = "next_attempt", .verdict = "at", .detail = "", .fields = {}};
  next.fields = {
      {"at", base::FormatTime(std::max(record.signpost->next_attempt, state.parked_until))},
      {"attempts", absl::StrCat(record.signpost->fetch_attempts)},
      {"failures", absl::StrCat(record.signpost->failures)}};
  if (record.signpost->last_error.error != signpost::ErrorClass::kNone) {
    next.detail = absl::StrCat("last error: ", record.signpost->last_error.message);
    next.fields.emplace_back("last_error",
                             signpost::ErrorClassName(record.signpost->last_error.error));
  }
  steps.push_back(std::move(next));
  return steps;
}

}  // namespace waypost::fetcher
