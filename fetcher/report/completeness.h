#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/ids.h"
#include "fetcher/report/report.h"
#include "syncgroup/group/groups.h"
#include "syncgroup/sync/syncer.h"
#include "upkeep/scanner.h"

namespace waypost::fetcher {

// Why it may not be said that everything is here, or that it may.
enum class Because {
  kComplete,
  kNotAServer,
  kHeldBack,
  kNotSynced,
  kNotHeard,
  kNotScanned,
  kPaused,
  kWanted,
  kNoGroups,
};
const char* BecauseName(Because because);  // "complete", "not_a_server", ...

// Whether everything that a group (or all groups) mentions is here, and what that claim covers.
struct Completeness {
  Because because = Because::kNoGroups;
  uint64_t wanted = 0, wanted_bytes = 0, fetching = 0, parked = 0, stopped = 0;
  std::optional<base::WallTime> oldest_wanted;
  std::optional<base::WallTime> last_full_scan;
  struct Heard {
    base::PeerId peer;
    base::WallTime last_sync;
  };
  std::vector<Heard> heard;
  std::vector<base::PeerId> not_heard;

  bool complete() const { return because == Because::kComplete; }
};

// Which other members must have been heard since they or their roles changed. Whatever is asked
// for: where there are others, one of them at least since the start, for who heard nobody knows
// nothing.
struct HeardRule {
  enum class Whom { kReachable, kServers, kAll, kCount };
  Whom whom = Whom::kReachable;
  std::size_t count = 1;  // of kCount: as many of them
};
// "reachable", "servers", "all", "any" or a number from 1; nullopt for anything else.
std::optional<HeardRule> ParseHeardRule(const std::string& text);

// What the judgement rests on; GET /v1/complete in docs/openapi.yaml says what the answer claims.
struct CompletenessFacts {
  bool server = false;
  base::SteadyTime members_changed;
  std::vector<syncgroup::Syncer::MemberStatus> members;  // without ourselves
  std::vector<bool> reachable, servers;                  // beside `members`
  std::size_t others = 0, other_servers = 0;             // members of the group, heard of or not
  HeardRule rule;
  std::optional<upkeep::ScanPass> last_scan;
  bool paused = false;       // nothing is fetched
  bool scan_paused = false;  // nor is anything scanned
  bool away = false;         // the disk of the blobs is not there, whatever the rows say
  uint64_t wanted = 0;
};
// Pure.
Because JudgeComplete(const CompletenessFacts& facts);

// The members of several groups, by when each was heard. Pure.
class HeardPeers {
 public:
  // In one group: when its last round of sync ended, nullopt where it was not heard.
  void Add(const base::PeerId& peer, std::optional<base::WallTime> last_sync);
  // Heard are those heard in every group that they are in, at the earliest of these times.
  void Fill(Completeness& report) const;

 private:
  std::map<base::PeerId, std::optional<base::WallTime>> peers_;
};

// Reads the facts for one group, or for all groups where this peer is a server.
class CompletenessReporter {
 public:
  // All outlive it.
  struct Parts {
    syncgroup::Groups& groups;
    syncgroup::Syncer& syncer;
    const signpost::PeerBook& peers;
    const upkeep::Scanner& scanner;
    const fetcher::Report& states;
    base::PeerId self;
    std::function<std::string()> away;  // why the blobs are not there; empty: they are
  };
  explicit CompletenessReporter(Parts parts) : parts_(std::move(parts)) {}
  // Without what AddStates says.
  absl::StatusOr<Completeness> Report(const std::optional<base::GroupId>& group,
                                      const HeardRule& rule = {}) const;
  // How what is wanted waits: `fetching`, `parked`, `stopped` and `oldest_wanted`, for an answer
  // that is given; reads up to 10,000 rows where one group is asked for.
  void AddStates(const std::optional<base::GroupId>& group, Completeness& report) const;

 private:
  absl::StatusOr<CompletenessFacts> FactsOf(const syncgroup::GroupInfo& info) const;

  const Parts parts_;
};

}  // namespace waypost::fetcher
