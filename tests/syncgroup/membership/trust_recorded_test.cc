#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "tests/syncgroup/membership/trust_world.h"

// The histories of trust_histories.txt, which says how its lines read.
namespace waypost::syncgroup {
namespace {

std::optional<EntryRights> RightsFrom(const std::string& text) {
  if (text == "x") return std::nullopt;
  const Authority authority = text[0] == 'a'   ? Authority::kAdmin
                              : text[0] == 'w' ? Authority::kWriter
                                               : Authority::kReader;
  return EntryRights{authority, text[1] == 'i'};
}

struct RecordedMember {
  std::optional<EntryRights> rights;
  Role role = Role::kServer;
  ActAt basis;
};

struct Recorded {
  std::string name;
  History history;
  std::vector<std::optional<EntryRights>> rights;  // of each entry
  std::map<ActAt, bool> counts;
  std::map<int, RecordedMember> members;
};

ActAt ActFrom(const std::string& text) {
  if (text == "g") return kByGenesis;
  if (text == "r") return kByRecovery;
  const std::size_t dot = text.find('.');
  return {std::stoi(text.substr(0, dot)), std::stoi(text.substr(dot + 1))};
}

void ReadEntry(std::istream& line, Recorded& to) {
  std::string origin, previous, basis, rights;
  HistoryEntry entry;
  line >> origin >> previous >> basis >> entry.stamp >> std::hex >> entry.hash >> rights;
  entry.origin = origin == "r" ? kRecoveryEntry : std::stoi(origin);
  entry.previous = previous == "-" ? kNone : std::stoi(previous);
  entry.basis = ActFrom(basis);
  to.history.entries.push_back(entry);
  to.rights.push_back(RightsFrom(rights));
}

void ReadAct(std::istream& line, Recorded& to) {
  std::string kind, flags, more;
  int role = 0;
  int counts = 0;
  HistoryAct act;
  line >> kind >> act.peer >> flags >> role >> counts;
  act.kind = kind == "A" ? ActKind::kAdmit : kind == "R" ? ActKind::kRemove : ActKind::kLeave;
  if (act.kind == ActKind::kAdmit) act.authority = RightsFrom(flags)->authority;
  act.role = static_cast<Role>(role + 1);
  act.invites = flags[1] == 'i';
  act.as_inviter = flags[2] == 's';
  act.only_named = flags[3] == 'o';
  while (line >> more) {
    if (more[0] == 'n') act.names.push_back(ActFrom(more.substr(1)));
    if (more[0] == 'p') act.pins.push_back(std::stoi(more.substr(1)));
  }
  std::vector<HistoryAct>& acts = to.history.entries.back().acts;
  to.counts[{static_cast<int>(to.history.entries.size()) - 1, static_cast<int>(acts.size())}] =
      counts == 1;
  acts.push_back(act);
}

std::vector<Recorded> ReadAll() {
  std::ifstream file(WAYPOST_TRUST_HISTORIES);
  std::vector<Recorded> all;
  for (std::string text; std::getline(file, text);) {
    std::istringstream line(text);
    std::string what;
    line >> what;
    if (what == "h") line >> all.emplace_back().name;
    if (what == "e") ReadEntry(line, all.back());
    if (what == "a") ReadAct(line, all.back());
    if (what != "m") continue;
    int peer = 0;
    std::string rights, basis;
    int role = 0;
    line >> peer >> rights >> role >> basis;
    all.back().members[peer] = {RightsFrom(rights), static_cast<Role>(role + 1), ActFrom(basis)};
  }
  return all;
}

void ExpectAsRecorded(const Recorded& recorded, const TrustWorld& world) {
  const TrustTree& tree = world.tree();
  for (int entry = 0; entry < static_cast<int>(recorded.rights.size()); ++entry) {
    if (recorded.history.entries[entry].origin == kRecoveryEntry) continue;
    EXPECT_EQ(tree.RightsOf(world.PlaceOf(entry)), recorded.rights[entry]) << "entry " << entry;
  }
  for (const auto& [at, counts] : recorded.counts) {
    EXPECT_EQ(tree.Counts(world.Id(at)), counts) << "act " << at.entry << "." << at.position;
  }
  EXPECT_EQ(tree.Members().size(), recorded.members.size());
  for (const auto& [peer, expected] : recorded.members) {
    const auto member = tree.FindMember(TrustWorld::Peer(peer));
    ASSERT_TRUE(member.has_value()) << "peer " << peer;
    EXPECT_EQ((EntryRights{member->authority, member->invites}), expected.rights) << peer;
    EXPECT_EQ(member->role, expected.role) << "peer " << peer;
    EXPECT_EQ(world.At(member->basis), expected.basis) << "peer " << peer;
  }
}

TEST(TrustRecorded, TheModelsHistoriesAreAnsweredAsTheModelDid) {
  const std::vector<Recorded> all = ReadAll();
  ASSERT_GE(all.size(), 36u) << "not found: " << WAYPOST_TRUST_HISTORIES;
  for (const Recorded& recorded : all) {
    SCOPED_TRACE(recorded.name);
    TrustWorld at_once(recorded.history);
    const absl::Status status = at_once.AddAll();
    ASSERT_TRUE(status.ok()) << status;
    ExpectAsRecorded(recorded, at_once);
    TrustWorld one_by_one(recorded.history);
    for (int entry = 0; entry < static_cast<int>(recorded.rights.size()); ++entry) {
      ASSERT_TRUE(one_by_one.Add(entry).ok()) << entry;
    }
    ExpectAsRecorded(recorded, one_by_one);
  }
}

}  // namespace
}  // namespace waypost::syncgroup
