#include "fetcher/report/completeness.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "base/status.h"

// Whether "everything is here" may be said. It may be wrong only in one direction: where a member
// that can be reached was not heard since the members changed, or no scan began since then, the
// answer is no, with the word that says why.

namespace waypost::fetcher {

namespace {

bool HasSynced(const CompletenessFacts& facts, std::size_t i) {
  return facts.members[i].caught_up_since >= facts.members_changed &&
         facts.members[i].caught_up_since != base::SteadyTime();
}

// A member whose last round left out entries is known to have said more than is here.
enum class Counting { kHeard, kHeardInFull };
bool HeardEnough(const CompletenessFacts& facts, Counting counting) {
  std::size_t heard = 0, servers = 0;
  for (std::size_t i = 0; i < facts.members.size(); ++i) {
    if (!HasSynced(facts, i)) continue;
    if (counting == Counting::kHeardInFull && facts.members[i].held_back) continue;
    ++heard;
    if (facts.servers[i]) ++servers;
  }
  if (heard == 0 && facts.others > 0) return false;
  switch (facts.rule.whom) {
    case HeardRule::Whom::kReachable:
      return true;
    case HeardRule::Whom::kServers:
      return servers >= facts.other_servers;
    case HeardRule::Whom::kAll:
      return heard >= facts.others;
    case HeardRule::Whom::kCount:
      return heard >= facts.rule.count;
  }
  return false;
}

}  // namespace

const char* BecauseName(Because because) {
  switch (because) {
    case Because::kComplete:
      return "complete";
    case Because::kNotAServer:
      return "not_a_server";
    case Because::kHeldBack:
      return "held_back";
    case Because::kNotSynced:
      return "not_synced";
    case Because::kNotHeard:
      return "not_heard";
    case Because::kNotScanned:
      return "not_scanned";
    case Because::kPaused:
      return "paused";
    case Because::kWanted:
      return "wanted";
    case Because::kNoGroups:
      return "no_groups";
  }
  return "unknown";
}

std::optional<HeardRule> ParseHeardRule(const std::string& text) {
  using Whom = HeardRule::Whom;
  if (text == "reachable") return HeardRule{.whom = Whom::kReachable};
  if (text == "servers") return HeardRule{.whom = Whom::kServers};
  if (text == "all") return HeardRule{.whom = Whom::kAll};
  if (text == "any") return HeardRule{.whom = Whom::kCount, .count = 1};
  uint32_t count = 0;
  if (!absl::SimpleAtoi(text, &count) || count == 0) return std::nullopt;
  return HeardRule{.whom = Whom::kCount, .count = count};
}

Because JudgeComplete(const CompletenessFacts& facts) {
  if (!facts.server) return Because::kNotAServer;
  for (std::size_t i = 0; i < facts.members.size(); ++i) {
    if (!facts.reachable[i]) continue;
    const bool synced = facts.members[i].last_round_ok && HasSynced(facts, i);
    if (facts.members[i].last_round_ok && facts.members[i].held_back) return Because::kHeldBack;
    if (!synced) return Because::kNotSynced;
  }
  if (!HeardEnough(facts, Counting::kHeard)) return Because::kNotHeard;
  if (!HeardEnough(facts, Counting::kHeardInFull)) return Because::kHeldBack;
  if (facts.away) return Because::kPaused;
  if (!facts.last_scan || facts.last_scan->started_steady < facts.members_changed) {
    return facts.scan_paused ? Because::kPaused : Because::kNotScanned;
  }
  if (facts.wanted > 0) return facts.paused ? Because::kPaused : Because::kWanted;
  return Because::kComplete;
}

void HeardPeers::Add(const base::PeerId& peer, std::optional<base::WallTime> last_sync) {
  const auto [it, first] = peers_.try_emplace(peer, last_sync);
  if (!first) it->second = std::min(last_sync, it->second);  // nullopt is less than any time
}

void HeardPeers::Fill(Completeness& report) const {
  for (const auto& [peer, last_sync] : peers_) {
    if (last_sync) {
      report.heard.push_back({peer, *last_sync});
    } else {
      report.not_heard.push_back(peer);
    }
  }
}

absl::StatusOr<CompletenessFacts> CompletenessReporter::FactsOf(
    const syncgroup::GroupInfo& info) const {
  const upkeep::ScanStatus scan = parts_.scanner.Status();
  CompletenessFacts facts{.server = info.role == syncgroup::Role::kServer,
                          .members_changed = parts_.syncer.MembersChanged(info.id),
                          .members = parts_.syncer.Status(info.id),
                          .last_scan = scan.last,
                          .paused = parts_.states.Pause().paused(),
                          .scan_paused = scan.paused,
                          .away = !parts_.away().empty(),
                          .wanted = info.counts.wanted};
  ASSIGN_OR_RETURN(const std::vector<syncgroup::Member> all, parts_.groups.Members(info.id));
  std::set<base::PeerId> servers;
  for (const syncgroup::Member& member : all) {
    if (member.peer == parts_.self) continue;
    ++facts.others;
    if (member.role == syncgroup::Role::kServer) servers.insert(member.peer);
  }
  facts.other_servers = servers.size();
  for (const auto& member : facts.members) {
    facts.reachable.push_back(!parts_.peers.Cooling(member.peer));
    facts.servers.push_back(servers.contains(member.peer));
  }
  return facts;
}

absl::StatusOr<Completeness> CompletenessReporter::Report(const std::optional<base::GroupId>& group,
                                                          const HeardRule& rule) const {
  Completeness report;
  std::vector<syncgroup::GroupInfo> groups;
  if (group) {
    ASSIGN_OR_RETURN(auto info, parts_.groups.Find(*group));
    groups.push_back(std::move(info));
  } else {
    base::GroupId after;
    while (true) {
      ASSIGN_OR_RETURN(auto page, parts_.groups.List(after, 1000));
      if (page.empty()) break;
      after = page.back().id;
      for (auto& info : page) {
        if (info.role == syncgroup::Role::kServer) groups.push_back(std::move(info));
      }
    }
  }
  const upkeep::ScanStatus scan = parts_.scanner.Status();
  if (scan.last) report.last_full_scan = scan.last->ended;
  report.because = groups.empty() ? Because::kNoGroups : Because::kComplete;
  HeardPeers peers;
  for (const syncgroup::GroupInfo& info : groups) {
    ASSIGN_OR_RETURN(CompletenessFacts facts, FactsOf(info));
    facts.rule = rule;
    for (std::size_t i = 0; i < facts.members.size(); ++i) {
      const auto& member = facts.members[i];
      const bool heard = member.last_sync != base::kNever &&
                         member.caught_up_since >= facts.members_changed && facts.reachable[i];
      peers.Add(member.peer, heard ? std::optional(member.last_sync) : std::nullopt);
    }
    report.wanted += info.counts.wanted;
    report.wanted_bytes += info.counts.wanted_bytes;
    if (report.complete()) report.because = JudgeComplete(facts);
  }
  peers.Fill(report);
  return report;
}

void CompletenessReporter::AddStates(const std::optional<base::GroupId>& group,
                                     Completeness& report) const {
  if (group && report.wanted == 0) return;
  const fetcher::Report::StateCounts states =
      group ? parts_.states.CountStatesIn(*group) : parts_.states.CountStates();
  report.fetching = states.fetching;
  report.parked = states.parked;
  report.stopped = states.stopped;
  if (report.wanted > 0) report.oldest_wanted = states.oldest_wanted;
}

}  // namespace waypost::fetcher
