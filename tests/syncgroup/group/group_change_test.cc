#include "syncgroup/group/group_change.h"

#include <gtest/gtest.h>

#include "syncgroup/ledger/rows.h"
#include "syncgroup/protocol/seal.h"
#include "tests/syncgroup/test_node.h"

namespace waypost::syncgroup {
namespace {

TEST(CheckAuthority, IsAskedForEveryOperationOfAnEntry) {
  const Member writer{.peer = PeerNumber(1), .authority = Authority::kWriter};
  const Op put = PutRefOp{"key", BlobOf("x"), {}};
  const Op admit = AdmitOp{.peer = PeerNumber(2)};
  EXPECT_TRUE(CheckAuthority(writer, {put, put}).ok());
  EXPECT_TRUE(absl::IsPermissionDenied(CheckAuthority(writer, {admit, put})));
  EXPECT_TRUE(absl::IsPermissionDenied(CheckAuthority(writer, {put, admit})));
}

TEST(WriteAllowed, WritesNothingOfAnEntryThatIsPartlyRefused) {
  base::TempDir dir;
  base::FakeClock clock;
  TestNode node(PeerNumber(1), dir.path(), clock);
  const base::GroupId group = node.groups->Create({.name = "photos"})->id;
  const absl::Status refused = ChangeGroup(
      *node.parts.group_core, *node.parts.group_work, group,
      [&](GroupWriter& writer, const Member& self) {
        Member lowered = self;
        lowered.authority = Authority::kWriter;
        return WriteAllowed(writer, lowered,
                            {PutRefOp{"key", BlobOf("x"), {}}, AdmitOp{.peer = PeerNumber(2)}});
      });
  EXPECT_TRUE(absl::IsPermissionDenied(refused));
  EXPECT_TRUE(absl::IsNotFound(node.refs->Get(group, "key").status()));
}

TEST(LearnFork, OfWhatIsHereAlsoWhereNothingAdmitsItsOriginAnyMore) {
  base::TempDir dir;
  base::FakeClock clock;
  TestNode node(PeerNumber(1), dir.path(), clock);
  const base::GroupId group = node.groups->Create({.name = "photos"})->id;
  const base::PeerId admin = PeerNumber(2), puppet = PeerNumber(3);
  const base::Incarnation by_admin = base::NewIncarnation(), by_puppet = base::NewIncarnation();
  const auto first_of = [&](const base::PeerId& peer, const base::Incarnation& numbering, Op op) {
    const Entry entry{.group = group,
                      .place = {peer, numbering, 1},
                      .time = clock.WallNow() + base::Millis(peer == puppet ? 20 : 10),
                      .ops = {std::move(op)}};
    return *PrepareEntry(group, SealEntry(TestIdentity(peer), entry));
  };
  const PreparedEntry admits =
      first_of(admin, by_admin, AdmitOp{.peer = puppet, .incarnation = by_puppet});
  const PreparedEntry puts = first_of(puppet, by_puppet, PutRefOp{"key", BlobOf("x"), 1});
  const auto change = [&](const auto& body) {
    EXPECT_TRUE(ChangeGroup(*node.parts.group_core, *node.parts.group_work, group, body).ok());
  };
  change([&](GroupWriter& writer, const Member& self) {
    writer.Admit(self, admin, by_admin, Role::kServer, Authority::kAdmin);
    return absl::OkStatus();
  });
  change([&](GroupWriter& writer, const Member&) {
    writer.Append(admits, admin);
    writer.Append(puts, puppet);
    return absl::OkStatus();
  });
  ASSERT_TRUE(node.groups->Members(group)->size() == 3);
  change([&](GroupWriter& writer, const Member& self) {
    return WriteAllowed(writer, self, {RemoveOp{admin, by_admin, 0}});
  });
  ASSERT_TRUE(node.groups->Members(group)->size() == 1);
  // What the puppet wrote may still have a say in who removed whom first, wherever it is here. Of
  // one of whom nothing is here it would only cost room.
  change([&](GroupWriter& writer, const Member&) {
    EXPECT_FALSE(writer.Admitted(puppet));
    EXPECT_TRUE(writer.LearnFork({puppet, by_puppet}, 1, {}));
    EXPECT_FALSE(writer.LearnFork({puppet, base::NewIncarnation()}, 1, {}));
    EXPECT_FALSE(writer.LearnFork({PeerNumber(9), base::NewIncarnation()}, 1, {}));
    return absl::OkStatus();
  });
}

}  // namespace
}  // namespace waypost::syncgroup
