#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/status.h"
#include "signpost/signpost_table.h"
#include "syncgroup/ledger/keys.h"
#include "syncgroup/ledger/rows.h"
#include "syncgroup/protocol/hybrid_clock.h"
#include "syncgroup/protocol/wire_codec.h"
#include "syncgroup/sync/replication.h"
#include "tests/sim/oracle.h"

// What a peer has of hostile members, counted from the entries in its log and not from what it
// keeps about their limits.

namespace waypost::sim {
namespace {

using base::GroupId;
using base::PeerId;
using syncgroup::MemberLimits;
using syncgroup::MemberUse;
using Problems = std::vector<std::string>;

std::string Who(const Peer& peer, const GroupId& group) {
  return absl::StrCat("peer ", peer.number(), ", group ", group.ToHex().substr(0, 8), ": ");
}

struct Taken {
  std::map<PeerId, MemberUse> use;
  base::WallTime latest;  // of all entries
};

Taken Count(base::ReadTxn& txn, const GroupId& group) {
  Taken taken;
  syncgroup::VisitPrefix(txn, base::Table::kLog, syncgroup::GroupKey(group),
                         [&](std::string_view key, auto payload) {
                           if (!syncgroup::SequenceOfLogKey(key)) return true;
                           const auto row = syncgroup::DecodeLogRow(payload);
                           if (!row) return true;
                           const auto entry = syncgroup::DecodeEntry(row->entry.bytes);
                           CHECK(entry.ok());
                           MemberUse& use = taken.use[entry->place.origin];
                           ++use.entries;
                           use.log_bytes += row->entry.bytes.size() + row->entry.signature.size();
                           use.operations += entry->ops.size();
                           taken.latest = std::max(taken.latest, entry->time);
                           return true;
                         });
  for (const auto& known : syncgroup::LoadAllKnowledge(txn, group)) {
    ++taken.use[known.first.first].numberings;
  }
  return taken;
}

// `shares`: of so many puppets each may have its own besides.
std::string Beyond(const MemberUse& use, const MemberLimits& limits, uint64_t shares,
                   base::Millis age) {
  const MemberLimits own = syncgroup::OwnShareOfInvited(limits);
  const auto seconds = static_cast<uint64_t>(age.count() / 1000 + 1);
  const auto at_once = [&](const MemberLimits& of) {
    return std::min(of.total, of.burst + of.per_second * seconds);
  };
  const struct {
    const char* what;
    uint64_t used, most;
  } rows[] = {
      {"numberings", use.numberings, limits.numberings + shares * own.numberings},
      {"entries", use.entries, limits.entries + shares * own.entries},
      {"bytes of log", use.log_bytes, limits.log_bytes + shares * own.log_bytes},
      {"operations", use.operations, at_once(limits) + shares * at_once(own)},
  };
  for (const auto& row : rows) {
    if (row.used > row.most) {
      return absl::StrCat(row.used, " ", row.what, ", of which ", row.most, " may be taken");
    }
  }
  return "";
}

void CheckLimits(const Peer& peer, const GroupId& group, const Taken& taken, base::Millis age,
                 const HostileBand& hostiles, const MemberLimits& limits, Problems& problems) {
  std::map<PeerId, std::pair<MemberUse, uint64_t>> of_puppets;
  const auto say = [&](const PeerId& who, const char* what, const std::string& beyond) {
    if (beyond.empty()) return;
    problems.push_back(
        absl::StrCat(Who(peer, group), what, who.ToHex().substr(0, 8), " brought ", beyond));
  };
  for (const auto& [origin, sponsor] : hostiles.sponsors()) {
    const auto found = taken.use.find(origin);
    if (found == taken.use.end()) continue;
    say(origin, "hostile ", Beyond(found->second, limits, 0, age));
    if (origin == sponsor) continue;
    of_puppets[sponsor].first += found->second;
    ++of_puppets[sponsor].second;
  }
  for (const auto& [sponsor, both] : of_puppets) {
    say(sponsor, "the puppets of hostile ", Beyond(both.first, limits, both.second, age));
  }
}

void CheckHonest(const Peer& peer, const GroupId& group, const Taken& taken,
                 const std::vector<Peer*>& peers, Problems& problems) {
  for (const Peer* other : peers) {
    const auto found = taken.use.find(other->id());
    if (found == taken.use.end() || found->second.numberings <= 1) continue;
    problems.push_back(absl::StrCat(Who(peer, group), "honest peer ", other->number(), " has ",
                                    found->second.numberings, " numberings"));
  }
  const base::Millis ahead = taken.latest - base::SystemClock().WallNow();
  if (ahead > syncgroup::kClockAheadMax) {
    problems.push_back(absl::StrCat(Who(peer, group), "an entry is ", ahead.count(), " ms ahead"));
  }
}

// Locations are members of one of the peer's groups.
void CheckLocations(Peer& peer, base::ReadTxn& txn, Problems& problems) {
  std::set<PeerId> members;
  for (const auto& item : syncgroup::LoadGroupRows(txn)) {
    for (const auto& member : syncgroup::LoadMembers(txn, item.first)) members.insert(member.peer);
  }
  base::Cursor cursor(txn, base::Table::kSignposts);
  for (cursor.Seek(""); cursor.valid(); cursor.Next()) {
    const auto signpost = signpost::DecodeSignpost(*cursor.payload());
    CHECK(signpost);
    for (const auto& location : signpost->locations) {
      if (members.contains(location.first)) continue;
      problems.push_back(absl::StrCat("peer ", peer.number(), ": a blob is said to be at ",
                                      location.first.ToHex().substr(0, 8), ", who is no member"));
      return;
    }
  }
}

}  // namespace

std::string TakenOf(Peer& peer, const HostileBand& hostiles) {
  MemberUse all;
  const auto read = peer.parts().index->Read([&](base::ReadTxn& txn) {
    for (const auto& item : syncgroup::LoadGroupRows(txn)) {
      const Taken taken = Count(txn, item.first);
      for (const auto& [origin, use] : taken.use) {
        if (hostiles.Has(origin)) all += use;
      }
    }
  });
  CHECK(read.ok());
  return absl::StrCat(all.numberings, " numberings, ", all.entries, " entries, ", all.operations,
                      " operations, ", peer.parts().replication->compared(), " compared");
}

Problems RefsThatAreMissing(const std::vector<Peer*>& peers, const std::vector<OwnRef>& refs) {
  Problems problems;
  for (Peer* peer : peers) {
    const auto read = peer->parts().index->Read([&](base::ReadTxn& txn) {
      for (const OwnRef& ref : refs) {
        if (!syncgroup::IsActive(txn, ref.group)) continue;
        const auto row = syncgroup::LoadRefRow(txn, ref.group, ref.key);
        if (row && row->blob == ref.blob) continue;
        problems.push_back(absl::StrCat(Who(*peer, ref.group), "reference ", ref.key, " of peer ",
                                        ref.by, " has not arrived"));
      }
    });
    CHECK(read.ok());
  }
  return problems;
}

Problems HostilesThatGotTheirWay(Peer& peer, const std::vector<Peer*>& peers,
                                 const HostileBand& hostiles, const MemberLimits& limits) {
  Problems problems;
  std::size_t places = 0;
  const auto read = peer.parts().index->Read([&](base::ReadTxn& txn) {
    for (const auto& [group, row] : syncgroup::LoadGroupRows(txn)) {
      const Taken taken = Count(txn, group);
      const base::Millis age = base::SystemClock().WallNow() - row.created;
      CheckLimits(peer, group, taken, age, hostiles, limits, problems);
      CheckHonest(peer, group, taken, peers, problems);
      for (const auto& item : hostiles.sponsors()) {
        places += syncgroup::LoadMember(txn, group, item.first) ? 1 : 0;
      }
    }
    CheckLocations(peer, txn, problems);
  });
  CHECK(read.ok());
  const std::size_t compared = peer.parts().replication->compared();
  if (compared > places * syncgroup::kProbesKept) {
    problems.push_back(absl::StrCat("peer ", peer.number(), ": ", compared,
                                    " numberings are compared with hostile members"));
  }
  for (const auto& item : hostiles.sponsors()) {
    const auto health = peer.parts().peers->Health(item.first);
    if (health.suspect || !hostiles.MustBlame(peer.number(), item.first)) continue;
    problems.push_back(absl::StrCat("peer ", peer.number(), ": hostile ",
                                    item.first.ToHex().substr(0, 8),
                                    " is not blamed for its wrong bytes"));
  }
  return problems;
}

uint64_t CommitsOf(Peer& peer) {
  constexpr std::string_view kName = "\nwaypost_index_commit_seconds_count ";
  const std::string all = peer.parts().metrics.Render();
  const auto at = all.find(kName);
  return at == std::string::npos ? 0 : std::strtoull(all.c_str() + at + kName.size(), nullptr, 10);
}

}  // namespace waypost::sim
