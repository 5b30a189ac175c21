#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "http/peer/peer_api.h"
#include "syncgroup/group/papers.h"
#include "syncgroup/protocol/wire_codec.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/hostile_member.h"
#include "tests/support/memory_body.h"
#include "tests/syncgroup/test_node.h"

// A group with members, and then what a hostile one of them sends. The input is a script: each step
// builds a message whose signatures are real, changes some of its bytes, and hands it to the peer
// as a listener or a round would. Afterwards the peer's own app goes on, and its counts are right.

namespace waypost::fuzz {
namespace {

using base::GroupId;
using support::HostileMember;
using syncgroup::Op;
using syncgroup::PeerNumber;

constexpr int kStepsMax = 24;
constexpr uint64_t kHere = 1, kWriter = 2, kReader = 3, kStranger = 4;
// A group an input; a fresh peer after so many.
constexpr int kGroupsMax = 100;

// The script: every read gives something, zeros after its end.
class Script {
 public:
  explicit Script(std::string_view bytes) : bytes_(bytes) {}
  bool done() const { return bytes_.empty(); }
  unsigned Byte() {
    if (bytes_.empty()) return 0;
    const auto byte = static_cast<unsigned char>(bytes_.front());
    bytes_.remove_prefix(1);
    return byte;
  }
  unsigned Below(unsigned count) { return Byte() % count; }

 private:
  std::string_view bytes_;
};

// The peer under attack, for a hundred inputs.
class World {
 public:
  World()
      : here_(PeerNumber(kHere), dir_.path(), clock_),
        api_({.blobs = *here_.blobs,
              .access = *here_.parts.access,
              .service = *here_.parts.peer_service,
              .peers = *here_.peers}) {}

  void Run(Script& script);
  int runs() const { return runs_; }

 private:
  struct Member {
    explicit Member(uint64_t number, const base::Clock& clock)
        : signs(syncgroup::TestIdentities::Get().Number(number), clock) {}
    HostileMember signs;
    std::vector<HostileMember::Numbering> numberings;
    std::vector<syncgroup::SealedEntry> entries;
  };

  void Begin();
  void Admit(uint64_t number, syncgroup::Authority authority);
  void Step(Script& script);
  void CheckThatItGoesOn();

  // ---- what is sent ----
  std::string Key(Script& script) { return absl::StrCat("k", script.Below(6)); }
  base::BlobId Blob(Script& script) {
    return syncgroup::BlobOf(absl::StrCat("blob ", script.Below(6)));
  }
  Op AnOp(Script& script);
  HostileMember::Numbering& ANumbering(Script& script, Member& member);
  syncgroup::SealedEntry AnEntry(Script& script, Member& member);
  syncgroup::Known AKnown(Script& script);
  std::string Page(Script& script, uint64_t number);
  std::string SyncQuestion(Script& script, Member& member);
  std::string HelloQuestion(Script& script, Member& member);
  // Some bytes of it are others.
  static std::string Changed(Script& script, std::string message);
  void Post(uint64_t number, const std::string& path, const std::string& body);

  base::TempDir dir_;
  base::FakeClock clock_;
  syncgroup::TestNode here_;
  http::PeerApi api_;
  int runs_ = 0;
  // Of this input.
  GroupId group_;
  std::map<uint64_t, Member> members_;
  base::Incarnation log_;
};

void World::Admit(uint64_t number, syncgroup::Authority authority) {
  const auto invite = here_.invites->Create(group_, {.authority = authority});
  CHECK(invite.ok());
  base::TempDir dir;
  syncgroup::TestNode joiner(PeerNumber(number), dir.path(), clock_);
  const auto request = joiner.invites->PrepareJoin(*invite, {});
  CHECK(request.ok());
  CHECK(here_.invites->AcceptJoin(PeerNumber(number), *request).ok());
  members_.try_emplace(number, number, clock_)
      .first->second.numberings.push_back({.incarnation = request->incarnation, .previous = {}});
}

void World::Begin() {
  ++runs_;
  const auto info = here_.groups->Create(
      {.name = absl::StrCat("group ", runs_), .role = syncgroup::Role::kServer});
  CHECK(info.ok());
  group_ = info->id;
  log_ = base::NewIncarnation();
  members_.clear();
  Admit(kWriter, syncgroup::Authority::kWriter);
  Admit(kReader, syncgroup::Authority::kReader);
  members_.try_emplace(kStranger, kStranger, clock_);
}

Op World::AnOp(Script& script) {
  const base::PeerId peer = PeerNumber(1 + script.Below(4));
  switch (script.Below(8)) {
    case 0:
    case 1:
    case 2:
      return syncgroup::PutRefOp{Key(script), Blob(script), script.Below(200)};
    case 3:
      return syncgroup::DeleteRefOp{Key(script)};
    case 4:
      return syncgroup::AdmitOp{.peer = peer,
                                .incarnation = base::NewIncarnation(),
                                .authority = static_cast<syncgroup::Authority>(1 + script.Below(3)),
                                .generation = script.Below(4)};
    case 5:
      return syncgroup::RemoveOp{
          .peer = peer, .incarnation = base::NewIncarnation(), .generation = script.Below(4)};
    case 6:
      return syncgroup::ProfileOp{absl::StrCat("name ", script.Byte()), {}, {}};
    default:
      return syncgroup::SettingsOp{absl::StrCat("name ", script.Byte()), {}, true, {}};
  }
}

HostileMember::Numbering& World::ANumbering(Script& script, Member& member) {
  const unsigned which = script.Below(4);
  while (member.numberings.size() <= which) {
    member.numberings.push_back(HostileMember::NewNumbering());
  }
  return member.numberings[which];
}

syncgroup::SealedEntry World::AnEntry(Script& script, Member& member) {
  // Now and then one that it showed before.
  if (!member.entries.empty() && script.Below(8) == 0) {
    return member.entries[script.Byte() % member.entries.size()];
  }
  HostileMember::Numbering& numbering = ANumbering(script, member);
  const unsigned turn = script.Below(16);
  if (turn == 0) ++numbering.generation;                              // a gap
  if (turn == 1 && numbering.generation > 0) --numbering.generation;  // a fork
  if (turn == 2) numbering.previous = {};
  std::vector<Op> ops;
  for (unsigned count = script.Below(4); count > 0; --count) ops.push_back(AnOp(script));
  std::optional<base::WallTime> time;
  if (turn == 3) time = clock_.WallNow() + base::Millis(3600 * 1000);
  if (turn == 4) time = base::FromMs(1);
  member.entries.push_back(member.signs.Next(group_, numbering, std::move(ops), time));
  return member.entries.back();
}

syncgroup::Known World::AKnown(Script& script) {
  syncgroup::Known known{.generation = script.Byte(), .forked = script.Below(4)};
  const unsigned hash = script.Byte();
  if (hash != 0) known.hash = syncgroup::HashEntry(std::string(1, static_cast<char>(hash)));
  return known;
}

std::string World::Page(Script& script, uint64_t number) {
  Member& member = members_.at(number);
  syncgroup::SyncReply reply;
  syncgroup::SyncGroupReply& group = reply.groups.emplace_back();
  group.group = group_;
  group.member = script.Below(8) != 0;
  group.cursor = {.log = log_, .sequence = script.Byte()};
  group.more = script.Below(2) == 0;
  group.ranged = script.Below(4) == 0;
  for (unsigned count = script.Below(5); count > 0; --count) {
    group.entries.push_back(AnEntry(script, member));
  }
  for (unsigned count = script.Below(3); count > 0; --count) {
    const syncgroup::SealedEntry first = AnEntry(script, member);
    group.forks.push_back({first, AnEntry(script, member)});
  }
  for (unsigned count = script.Below(3); count > 0; --count) {
    group.claimed.push_back(AnEntry(script, member));
  }
  for (unsigned count = script.Below(3); count > 0; --count) {
    group.probed.push_back(AnEntry(script, member));
  }
  for (unsigned count = script.Below(3); count > 0; --count) {
    group.of_caller[{PeerNumber(kHere), base::NewIncarnation()}] = AKnown(script);
  }
  return syncgroup::EncodeSyncReply(reply).value_or("");
}

std::string World::SyncQuestion(Script& script, Member& member) {
  syncgroup::SyncGroupRequest group{.group = group_, .cursor = {log_, script.Byte()}};
  for (unsigned count = script.Below(4); count > 0; --count) {
    group.knowledge[{PeerNumber(1 + script.Below(4)), base::NewIncarnation()}] = AKnown(script);
  }
  for (unsigned count = script.Below(4); count > 0; --count) {
    group.probes.push_back(
        {{member.signs.peer(), ANumbering(script, member).incarnation}, script.Below(5)});
  }
  if (script.Below(3) == 0) {
    group.range = {.first = {member.signs.peer(), ANumbering(script, member).incarnation}};
    if (script.Below(2) == 0) group.until = {log_, script.Byte()};
  }
  return syncgroup::EncodeSyncRequest({.groups = {group}}).value_or("");
}

std::string World::HelloQuestion(Script& script, Member& member) {
  syncgroup::HelloRequest hello{.name = absl::StrCat("n", script.Byte())};
  for (unsigned count = 1 + script.Below(3); count > 0; --count) {
    syncgroup::Papers& papers = hello.papers.emplace_back();
    papers.group = group_;
    if (script.Below(2) == 0) {  // those of somebody
      const base::PeerId whose = PeerNumber(1 + script.Below(3));
      CHECK(
          here_.index
              ->Read([&](base::ReadTxn& txn) { papers = syncgroup::PapersOf(txn, group_, whose); })
              .ok());
    }
    for (unsigned more = script.Below(3); more > 0; --more) {
      papers.entries.push_back(AnEntry(script, member));
    }
  }
  return syncgroup::EncodeHelloRequest(hello).value_or("");
}

std::string World::Changed(Script& script, std::string message) {
  if (message.empty()) return message;
  for (unsigned count = script.Below(8) < 5 ? 0 : script.Below(4); count > 0; --count) {
    const std::size_t at = (script.Byte() << 8 | script.Byte()) % message.size();
    message[at] = static_cast<char>(script.Byte());
  }
  if (script.Below(16) == 0) message.resize(script.Byte() * message.size() / 256);
  return message;
}

void World::Post(uint64_t number, const std::string& path, const std::string& body) {
  http::Request request{.method = "POST", .path = path, .remote_address = "127.0.0.1"};
  support::MemoryBody source(body);
  request.body = &source;
  request.peer = PeerNumber(number);
  // An answer that waits is not waited for.
  CHECK(api_.Handle(request).status != 500);
}

void World::Step(Script& script) {
  const uint64_t number = kWriter + script.Below(3);
  Member& member = members_.at(number);
  switch (script.Below(10)) {
    case 0:
    case 1:
    case 2: {  // this peer asked, and is answered
      auto reply = syncgroup::DecodeSyncReply(Changed(script, Page(script, number)));
      syncgroup::Replication::Round round;
      if (reply.ok()) {
        (void)here_.replication().ApplyPage(PeerNumber(number), *std::move(reply), round);
      }
      return;
    }
    case 3:
      return Post(number, "/peer/v1/sync", Changed(script, SyncQuestion(script, member)));
    case 4:
      return Post(number, "/peer/v1/hello", Changed(script, HelloQuestion(script, member)));
    case 5: {
      syncgroup::PokeRequest poke{.groups = {group_}};
      for (unsigned count = script.Below(5); count > 0; --count) poke.haves.push_back(Blob(script));
      return Post(number, "/peer/v1/poke", Changed(script, syncgroup::EncodePokeRequest(poke)));
    }
    case 6: {
      const auto invite = here_.invites->Create(group_, {});
      syncgroup::JoinRequest join{.group = group_,
                                  .invite_id = invite.ok() ? invite->id : "none",
                                  .proof = std::string(32, static_cast<char>(script.Byte())),
                                  .incarnation = base::NewIncarnation(),
                                  .name = "joiner"};
      return Post(number, "/peer/v1/join", Changed(script, syncgroup::EncodeJoinRequest(join)));
    }
    case 7: {
      syncgroup::BatchRequest batch{.groups = {group_}, .blob_bytes_max = script.Byte()};
      for (unsigned count = 1 + script.Below(4); count > 0; --count) {
        batch.blobs.push_back(Blob(script));
      }
      return Post(number, "/peer/v1/blobs:batch",
                  Changed(script, syncgroup::EncodeBatchRequest(batch)));
    }
    case 8:  // what its own apps and admins do meanwhile
      if (script.Below(4) == 0) {
        (void)here_.groups->ChangeMember(group_, PeerNumber(number), {},
                                         static_cast<syncgroup::Authority>(1 + script.Below(2)));
        return;
      }
      if (script.Below(2) == 0) {
        const std::string content = absl::StrCat("blob ", script.Below(6));
        (void)here_.Put(content, syncgroup::Refs::Target{group_, Key(script)});
        return;
      }
      (void)here_.refs->Change(group_, {{Key(script), Blob(script)}});
      return;
    default:
      clock_.Advance(base::Millis(1000 * script.Byte()));
  }
}

void World::CheckThatItGoesOn() {
  CHECK(here_.refs->Change(group_, {{"after", syncgroup::BlobOf("all")}}).ok());
  const auto after = here_.refs->Get(group_, "after");
  CHECK(after.ok() && after->blob == syncgroup::BlobOf("all"));
  const auto refs = here_.refs->List(group_, "", "", 1000);
  CHECK(refs.ok());
  CHECK(here_.CountsOf(group_).refs == refs->size());
  const auto members = here_.groups->Members(group_);
  CHECK(members.ok());
  // Nobody but its founder admits and removes here.
  CHECK(members->size() == 3);
  for (const syncgroup::Member& member : *members) {
    CHECK(member.peer != PeerNumber(kStranger));
    CHECK((member.authority == syncgroup::Authority::kAdmin) == (member.peer == PeerNumber(kHere)));
  }
  const auto info = here_.groups->Find(group_);
  CHECK(info.ok() && info->name == absl::StrCat("group ", runs_));
}

void World::Run(Script& script) {
  Begin();
  for (int step = 0; step < kStepsMax && !script.done(); ++step) Step(script);
  CheckThatItGoesOn();
}

void RunGroup(std::string_view input) {
  static std::unique_ptr<World> world;
  if (world == nullptr || world->runs() >= kGroupsMax) {
    world.reset();
    world = std::make_unique<World>();
  }
  Script script(input);
  world->Run(script);
}

std::vector<std::string> GroupSeeds() {
  const auto script = [](std::initializer_list<int> bytes) {
    std::string text;
    for (const int byte : bytes) text.push_back(static_cast<char>(byte));
    return text;
  };
  return {
      // The writer mentions two blobs, the app deletes, the writer forks what it wrote.
      script({0, 0, 1, 7, 1, 1, 2, 1, 0, 8, 1, 0, 0, 1, 2, 9, 0, 0, 0, 0, 8, 1, 1, 2}) +
          script({0, 0, 1, 7, 1, 1, 1, 1, 0, 1, 1, 3, 2, 0, 0, 0, 0}),
      // Papers, a poke, a batch, a sync, hours pass.
      script({0, 4, 1, 1, 0, 2, 0, 0, 0, 5, 3, 1, 2, 3, 0, 0, 0, 7, 2, 1, 2, 3, 0, 0, 9, 200}),
      script({1, 3, 7, 2, 1, 9, 9, 9, 9, 2, 0, 1, 0, 1, 0, 0, 0, 1, 0, 1, 3, 0, 1, 4, 4, 8}),
      // A stranger joins with a wrong proof, and sends a page all the same.
      script({2, 6, 65, 0, 0, 2, 0, 1, 1, 1, 1, 3, 1, 1, 8, 1, 0, 1, 1}),
  };
}

}  // namespace

const Target kGroup = {"group", RunGroup, GroupSeeds, 400};

}  // namespace waypost::fuzz
