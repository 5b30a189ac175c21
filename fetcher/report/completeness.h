#pragma once

#include <cstdint>
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

// Whether everything that a group (or all groups) mentions is here, and what that claim covers.
struct Completeness {
  bool complete = false;
  // "complete", "not_a_server", "wanted", "not_synced", "not_scanned", "no_groups"
  std::string because;
  uint64_t wanted = 0, wanted_bytes = 0, fetching = 0, parked = 0, stopped = 0;
  std::optional<base::WallTime> oldest_wanted;
  std::optional<base::WallTime> last_full_scan;
  struct Heard {
    base::PeerId peer;
    base::WallTime last_sync;
  };
  std::vector<Heard> heard;
  std::vector<base::PeerId> not_heard;
};

// What the judgement rests on; GET /v1/complete in docs/openapi.yaml says what the answer claims.
struct CompletenessFacts {
  bool server = false;
  base::SteadyTime members_changed;
  std::vector<syncgroup::Syncer::MemberStatus> members;  // without ourselves
  std::vector<bool> reachable;                           // beside `members`
  std::optional<upkeep::ScanPass> last_scan;
  uint64_t wanted = 0;
};
// Pure. Empty when complete, else the word for `because`.
std::string JudgeComplete(const CompletenessFacts& facts);

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
  CompletenessReporter(syncgroup::Groups& groups, syncgroup::Syncer& syncer,
                       const signpost::PeerBook& peers, const upkeep::Scanner& scanner,
                       const fetcher::Report& states);
  // Without what AddStates says.
  absl::StatusOr<Completeness> Report(const std::optional<base::GroupId>& group) const;
  // How what is wanted waits: `fetching`, `parked`, `stopped` and `oldest_wanted`, for an answer
  // that is given; reads up to 10,000 rows where one group is asked for.
  void AddStates(const std::optional<base::GroupId>& group, Completeness& report) const;

 private:
  syncgroup::Groups& groups_;
  syncgroup::Syncer& syncer_;
  const signpost::PeerBook& peers_;
  const upkeep::Scanner& scanner_;
  const fetcher::Report& states_;
};

}  // namespace waypost::fetcher
