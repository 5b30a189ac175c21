#include "tests/sim/oracle.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/sha256.h"
#include "base/status.h"
#include "signpost/due.h"
#include "signpost/rules.h"
#include "signpost/signpost_table.h"
#include "syncgroup/ledger/keys.h"
#include "syncgroup/ledger/rows.h"
#include "tests/sim/hostile.h"

// Counts here are made from the references and from holdings, not with syncgroup/recount: what both
// got wrong in the same way would go unseen.

namespace waypost::sim {
namespace {

using base::BlobId;
using base::GroupId;
using base::Table;
using Problems = std::vector<std::string>;

// What one peer says of one group.
struct GroupState {
  syncgroup::GroupInfo info;
  std::vector<syncgroup::Member> members;
  std::map<std::string, syncgroup::RefRow> refs;
  syncgroup::Knowledge knowledge;
};
// All rows of a peer that an oracle looks at, of one moment.
struct Snapshot {
  std::map<GroupId, GroupState> groups;
  std::map<BlobId, signpost::Signpost> signposts;
  std::map<BlobId, blobstore::BlobRow> blobs;
  std::multiset<signpost::DueKey> due;
  std::map<GroupId, syncgroup::Counts> counts;  // zero: all together
  std::set<GroupId> groups_here;                // also those that are being left
};

template <class Visit>
void WalkTable(base::ReadTxn& txn, Table table, const Visit& visit) {
  base::Cursor cursor(txn, table);
  for (cursor.Seek(""); cursor.valid(); cursor.Next()) {
    const auto payload = cursor.payload();
    CHECK(payload.has_value());
    visit(cursor.key(), *payload);
  }
}

GroupState ReadGroup(base::ReadTxn& txn, Peer& peer, const GroupId& id) {
  GroupState state;
  state.info = *peer.groups().FindGroup(txn, id);
  state.members = syncgroup::LoadMembers(txn, id);
  state.knowledge = syncgroup::LoadAllKnowledge(txn, id);
  syncgroup::VisitPrefix(txn, Table::kRefs, syncgroup::GroupKey(id),
                         [&](std::string_view key, std::string_view payload) {
                           auto row = syncgroup::DecodeRefRow(payload);
                           CHECK(row.has_value());
                           if (row->blob) {
                             row->epoch = 0;  // of this peer's own folding
                             state.refs.emplace(syncgroup::KeyOfRefRow(key), *std::move(row));
                           }
                           return true;
                         });
  return state;
}

Snapshot Read(Peer& peer) {
  Snapshot all;
  const auto groups = peer.groups().List({}, 1000);
  CHECK(groups.ok());
  CHECK(peer.parts()
            .index
            ->Read([&](base::ReadTxn& txn) {
              for (const syncgroup::GroupInfo& group : *groups) {
                all.groups.emplace(group.id, ReadGroup(txn, peer, group.id));
                all.counts[group.id] = syncgroup::LoadCountsRow(txn, group.id);
              }
              for (const auto& row : syncgroup::LoadGroupRows(txn)) {
                all.groups_here.insert(row.first);
              }
              all.counts[GroupId()] = syncgroup::LoadCountsRow(txn, GroupId());
              WalkTable(txn, Table::kSignposts, [&](std::string_view key, std::string_view row) {
                all.signposts.emplace(*BlobId::FromBytes(key), *signpost::DecodeSignpost(row));
              });
              WalkTable(txn, Table::kBlobs, [&](std::string_view key, std::string_view row) {
                all.blobs.emplace(*BlobId::FromBytes(key), *blobstore::DecodeBlobRow(row));
              });
              base::Cursor due(txn, Table::kDue);
              for (due.Seek(""); due.valid(); due.Next()) {
                all.due.insert(*signpost::DecodeDueKey(due.key()));
              }
            })
            .ok());
  return all;
}

std::string Short(const std::string& hex) { return hex.substr(0, 8); }

std::string At(const Peer& peer, const GroupId& group) {
  return absl::StrCat("peer ", peer.number(), ", group ", Short(group.ToHex()), ": ");
}

bool Holds(const Snapshot& snapshot, const BlobId& blob, const GroupId& group) {
  const auto row = snapshot.blobs.find(blob);
  return row != snapshot.blobs.end() && row->second.holdings.contains(group);
}

// Why the blob is not here, as its signpost has it.
std::string Story(Peer& peer, const Snapshot& here, const BlobId& blob) {
  const auto found = here.signposts.find(blob);
  if (found == here.signposts.end()) return "no signpost";
  const signpost::Signpost& signpost = found->second;
  const base::WallTime now = base::SystemClock().WallNow();
  std::string story =
      absl::StrCat(signpost.failures,
                   " failures, the last: ", signpost::ErrorClassName(signpost.last_error.error),
                   " ", signpost.last_error.message, ", next attempt in ",
                   (signpost.next_attempt - now).count(), " ms, locations");
  for (const auto& [at, location] : signpost.locations) {
    const base::Millis cools = peer.parts().peers->Health(at).cool_down_end - now;
    absl::StrAppend(&story, " ", Short(at.ToHex()),
                    location.denied == base::kNever ? "" : " (said no)",
                    cools.count() > 0 ? absl::StrCat(" (cools for ", cools.count(), " ms)") : "");
  }
  const auto why = peer.parts().report->Why(blob);
  if (!why.ok()) return story;
  for (const fetcher::WhyStep& step : *why) {
    absl::StrAppend(&story, "\n    ", fetcher::WhyStepName(step.kind), " ", step.verdict, " ",
                    step.detail);
    for (const auto& [name, value] : step.fields) absl::StrAppend(&story, " ", name, "=", value);
  }
  return story;
}

// ---- states ----

void LeaveOut(const HostileBand& hostiles, GroupState& state) {
  std::erase_if(state.members, [&](const auto& member) { return hostiles.Has(member.peer); });
  std::erase_if(state.refs, [](const auto& ref) { return Hostile::IsItsKey(ref.first); });
  std::erase_if(state.knowledge,
                [&](const auto& known) { return hostiles.Has(known.first.first); });
}

void CompareGroup(const Peer& first, const GroupState& a, const Peer& other, const GroupState& b,
                  Problems& problems) {
  const std::string here = absl::StrCat(At(other, a.info.id), "unlike peer ", first.number(), ", ");
  if (a.info.name != b.info.name || a.info.description != b.info.description ||
      a.info.is_public != b.info.is_public || a.info.inviters != b.info.inviters ||
      a.info.created != b.info.created) {
    problems.push_back(absl::StrCat(here, "it has other settings"));
  }
  if (a.members != b.members) {
    problems.push_back(absl::StrCat(here, "it has other members (", b.members.size(), ", not ",
                                    a.members.size(), ")"));
  }
  if (a.refs != b.refs) {
    problems.push_back(absl::StrCat(here, "it has other references (", b.refs.size(), ", not ",
                                    a.refs.size(), ")"));
  }
  if (a.knowledge != b.knowledge) {
    problems.push_back(absl::StrCat(here, "it knows of other entries"));
  }
}

}  // namespace

Problems StatesThatDiffer(const std::vector<Peer*>& peers, const HostileBand* hostiles) {
  std::map<GroupId, std::pair<Peer*, GroupState>> firsts;
  std::map<base::PeerId, std::set<GroupId>> groups_of;
  Problems problems;
  for (Peer* peer : peers) {
    for (auto& [group, state] : Read(*peer).groups) {
      if (hostiles != nullptr) LeaveOut(*hostiles, state);
      groups_of[peer->id()].insert(group);
      const auto [first, fresh] = firsts.try_emplace(group, peer, state);
      if (!fresh) CompareGroup(*first->second.first, first->second.second, *peer, state, problems);
    }
  }
  for (const auto& [group, first] : firsts) {
    for (const syncgroup::Member& member : first.second.members) {
      for (const Peer* peer : peers) {
        if (peer->id() != member.peer || groups_of[member.peer].contains(group)) continue;
        problems.push_back(absl::StrCat(At(*peer, group), "it does not have the group, and peer ",
                                        first.first->number(), " calls it a member"));
      }
    }
  }
  return problems;
}

// ---- blobs ----

Problems BlobsThatAreMissing(const std::vector<Peer*>& peers, const Network& network) {
  std::map<Peer*, Snapshot> snapshots;
  std::map<GroupId, std::map<base::PeerId, Peer*>> members;
  for (Peer* peer : peers) {
    snapshots[peer] = Read(*peer);
    for (const auto& [group, state] : snapshots[peer].groups) members[group][peer->id()] = peer;
  }
  // Somebody else in the group who may serve it to this peer.
  const auto holder = [&](Peer* peer, const GroupId& group, const BlobId& blob) -> Peer* {
    for (const auto& [id, other] : members[group]) {
      if (other == peer || network.IsCut(peer->number(), other->number())) continue;
      if (Holds(snapshots[other], blob, group)) return other;
    }
    return nullptr;
  };
  Problems problems;
  for (Peer* peer : peers) {
    const Snapshot& here = snapshots[peer];
    std::set<BlobId> said;
    const auto say = [&](const GroupId& group, const BlobId& blob, const char* what) {
      const Peer* other = holder(peer, group, blob);
      if (other == nullptr || !said.insert(blob).second) return;
      problems.push_back(absl::StrCat(
          At(*peer, group), "blob ", Short(blob.ToHex()), " ", what, ", and peer ", other->number(),
          " (", Short(other->id().ToHex()), ") holds it: ", Story(*peer, here, blob)));
    };
    for (const auto& [group, state] : here.groups) {
      if (state.info.role != syncgroup::Role::kServer) continue;
      for (const auto& [key, ref] : state.refs) {
        if (!Holds(here, *ref.blob, group)) say(group, *ref.blob, "is not held");
      }
    }
    for (const signpost::DueKey& due : here.due) {
      const BlobId& blob = due.blob;
      const auto signpost = here.signposts.find(blob);
      if (signpost == here.signposts.end()) continue;
      // Peers are asked under the groups that want the blob; one that an app asked for, under all.
      const bool asked = signpost->second.asked_until != base::kNever;
      for (const auto& [group, mention] : signpost->second.groups) {
        if (!here.groups.contains(group) || Holds(here, blob, group)) continue;
        if (asked || mention.set_here) say(group, blob, "is still wanted");
      }
    }
  }
  return problems;
}

// ---- rows ----

namespace {

// What must be counted and due at a peer, from its references and holdings.
struct Expected {
  std::map<GroupId, syncgroup::Counts> counts;
  std::multiset<signpost::DueKey> due;
};

std::map<BlobId, std::map<GroupId, uint32_t>> KeysOfBlobs(const Snapshot& here) {
  std::map<BlobId, std::map<GroupId, uint32_t>> keys;
  for (const auto& [group, state] : here.groups) {
    for (const auto& [key, ref] : state.refs) ++keys[*ref.blob][group];
  }
  return keys;
}

void CheckMentions(const Peer& peer, const Snapshot& here, Problems& problems) {
  const auto keys = KeysOfBlobs(here);
  for (const auto& [blob, groups] : keys) {
    if (!here.signposts.contains(blob)) {
      problems.push_back(absl::StrCat("peer ", peer.number(), ": blob ", Short(blob.ToHex()),
                                      " is mentioned and has no signpost"));
    }
  }
  for (const auto& [blob, signpost] : here.signposts) {
    std::map<GroupId, uint32_t> said;
    for (const auto& [group, mention] : signpost.groups) said[group] = mention.keys;
    const auto counted = keys.find(blob);
    if (said != (counted == keys.end() ? std::map<GroupId, uint32_t>() : counted->second)) {
      problems.push_back(absl::StrCat("peer ", peer.number(), ": the signpost of blob ",
                                      Short(blob.ToHex()), " counts other keys than there are"));
    }
  }
}

void CountBlob(const Snapshot& here, const BlobId& blob, const signpost::Signpost& signpost,
               Expected& expected) {
  const auto row = here.blobs.find(blob);
  const uint64_t size =
      row != here.blobs.end() ? row->second.size_bytes : signpost.size_hint_bytes.value_or(0);
  const bool stopped = signpost.stopped != base::kNever;
  bool wanted = signpost.asked_until != base::kNever;
  for (const auto& [group, mention] : signpost.groups) {
    const auto state = here.groups.find(group);
    if (state == here.groups.end() || Holds(here, blob, group)) continue;
    if (state->second.info.role != syncgroup::Role::kServer && !mention.set_here) continue;
    wanted = true;
    syncgroup::Counts& counts = expected.counts[group];
    ++counts.wanted;
    counts.wanted_bytes += size;
    counts.stopped += stopped ? 1 : 0;
  }
  syncgroup::Counts& all = expected.counts[GroupId()];
  ++all.signposts;
  if (!wanted) return;
  ++all.wanted;
  all.wanted_bytes += size;
  all.stopped += stopped ? 1 : 0;
  if (stopped) return;
  expected.due.insert(
      {.first_peer = signpost::FirstPeer(signpost.locations),
       .lane = signpost.failures == 0 ? signpost::DueLane::kNew : signpost::DueLane::kRetry,
       .due = std::max(signpost.next_attempt, signpost.wanted_since),
       .blob = blob});
}

Expected Count(const Snapshot& here) {
  Expected expected;
  syncgroup::Counts& all = expected.counts[GroupId()];
  for (const auto& [group, state] : here.groups) {
    expected.counts[group].refs = state.refs.size();
    all.refs += state.refs.size();
  }
  for (const auto& [blob, row] : here.blobs) {
    ++all.blobs;
    all.bytes += row.size_bytes;
    for (const auto& [group, holding] : row.holdings) {
      ++expected.counts[group].blobs;
      expected.counts[group].bytes += row.size_bytes;
    }
  }
  for (const auto& [blob, signpost] : here.signposts) CountBlob(here, blob, signpost, expected);
  return expected;
}

std::string Text(const syncgroup::Counts& counts) {
  return absl::StrCat("refs ", counts.refs, ", wanted ", counts.wanted, " (", counts.wanted_bytes,
                      " bytes), stopped ", counts.stopped, ", blobs ", counts.blobs, " (",
                      counts.bytes, " bytes), signposts ", counts.signposts);
}

// What a holding promises is here, whole.
void CheckBytes(Peer& peer, const Snapshot& here, Problems& problems) {
  for (const auto& [blob, row] : here.blobs) {
    const auto reader = peer.parts().blobs->Open(blob);
    std::string bytes(static_cast<std::size_t>(row.size_bytes), '\0');
    if (reader.ok() && (*reader)->size_bytes() == row.size_bytes) {
      const auto count = (*reader)->ReadAt(0, {bytes.data(), bytes.size()});
      if (count.ok() && *count == bytes.size() && base::Sha256::Of(bytes) == blob) continue;
    }
    problems.push_back(absl::StrCat("peer ", peer.number(), ": the bytes of blob ",
                                    Short(blob.ToHex()), " are not here"));
  }
}

// A group that is not here any more reads nothing.
void CheckHolders(const Peer& peer, const Snapshot& here, Problems& problems) {
  for (const auto& [blob, row] : here.blobs) {
    for (const auto& [group, holding] : row.holdings) {
      if (here.groups_here.contains(group)) continue;
      problems.push_back(absl::StrCat(At(peer, group), "blob ", Short(blob.ToHex()),
                                      " has a holding, and the group is not here"));
    }
  }
}

}  // namespace

Problems RowsThatDisagree(Peer& peer) {
  Problems problems;
  const Snapshot here = Read(peer);
  CheckMentions(peer, here, problems);
  const Expected expected = Count(here);
  for (const auto& [group, stored] : here.counts) {
    const auto found = expected.counts.find(group);
    const syncgroup::Counts counted =
        found == expected.counts.end() ? syncgroup::Counts() : found->second;
    if (counted == stored) continue;
    problems.push_back(
        absl::StrCat(At(peer, group), "stored ", Text(stored), "; counted ", Text(counted)));
  }
  if (expected.due != here.due) {
    problems.push_back(absl::StrCat("peer ", peer.number(), ": ", here.due.size(),
                                    " due rows, and ", expected.due.size(),
                                    " should be, each with its peer, lane and time"));
  }
  CheckHolders(peer, here, problems);
  if (const std::string copy = peer.parts().syncer->SecondCopy(); !copy.empty()) {
    problems.push_back(absl::StrCat("peer ", peer.number(), " has no copy, and says: ", copy));
  }
  CheckBytes(peer, here, problems);
  return problems;
}

}  // namespace waypost::sim
