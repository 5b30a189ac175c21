#include "syncgroup/group/group_change.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace waypost::syncgroup
