#include <gtest/gtest.h>

#include "base/clock.h"
#include "tests/syncgroup/test_node.h"

namespace waypost::syncgroup {
namespace {

class RefsTest : public ::testing::Test {
 protected:
  RefsTest() {
    node_ = std::make_unique<TestNode>(PeerNumber(1), dir_.path(), clock_);
    group_ = node_->groups->Create({.name = "photos"})->id;
  }
  void Reopen() {
    node_.reset();
    node_ = std::make_unique<TestNode>(PeerNumber(1), dir_.path(), clock_);
  }
  absl::Status Set(const std::string& key, const base::BlobId& blob) {
    return node_->refs->Change(group_, {{key, blob}});
  }

  TempDir dir_;
  base::FakeClock clock_;
  std::unique_ptr<TestNode> node_;
  base::GroupId group_;
};

TEST_F(RefsTest, TheFounderIsAdminOfItsGroup) {
  const auto info = node_->groups->Find(group_);
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->name, "photos");
  EXPECT_EQ(info->authority, Authority::kAdmin);
  EXPECT_EQ(info->role, Role::kNormal);
  EXPECT_EQ(info->members, 1u);
  EXPECT_EQ(info->counts, Counts());
  const auto members = node_->groups->Members(group_);
  ASSERT_TRUE(members.ok());
  ASSERT_EQ(members->size(), 1u);
  EXPECT_EQ(members->front().peer, node_->self);
  EXPECT_EQ(members->front().addresses, node_->addresses);
}

TEST_F(RefsTest, ANameThatIsTakenNeedsDuplicate) {
  EXPECT_TRUE(absl::IsAlreadyExists(node_->groups->Create({.name = "photos"}).status()));
  const auto other = node_->groups->Create({.name = "photos", .duplicate = true});
  ASSERT_TRUE(other.ok());
  EXPECT_NE(other->id, group_);
  EXPECT_EQ(node_->groups->List({}, 10)->size(), 2u);
  EXPECT_EQ(node_->groups->List({}, 1)->size(), 1u);
}

TEST_F(RefsTest, SetReadOverwriteDelete) {
  const base::BlobId one = BlobOf("one");
  const base::BlobId two = BlobOf("two");
  ASSERT_TRUE(Set("a/b", one).ok());
  EXPECT_EQ(node_->refs->Get(group_, "a/b")->blob, one);
  EXPECT_EQ(node_->refs->Get(group_, "a/b")->origin, node_->self);
  EXPECT_EQ(node_->CountsOf(group_).refs, 1u);
  ASSERT_TRUE(Set("a/b", two).ok());
  EXPECT_EQ(node_->refs->Get(group_, "a/b")->blob, two);
  EXPECT_EQ(node_->CountsOf(group_).refs, 1u);
  ASSERT_TRUE(node_->refs->Change(group_, {{"a/b", std::nullopt}}).ok());
  EXPECT_TRUE(absl::IsNotFound(node_->refs->Get(group_, "a/b").status()));
  EXPECT_EQ(node_->CountsOf(group_).refs, 0u);
  EXPECT_EQ(node_->CountsOf(base::GroupId()).refs, 0u);
  EXPECT_TRUE(absl::IsNotFound(node_->refs->Change(group_, {{"a/b", std::nullopt}})));
}

TEST_F(RefsTest, ABatchIsAllOrNothing) {
  const auto status = node_->refs->Change(group_, {{"x", BlobOf("x")}, {"missing", std::nullopt}});
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_TRUE(absl::IsNotFound(node_->refs->Get(group_, "x").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(
      node_->refs->Change(group_, {{"x", BlobOf("x")}, {"x", BlobOf("y")}})));
  EXPECT_TRUE(absl::IsInvalidArgument(node_->refs->Change(group_, {})));
  EXPECT_TRUE(absl::IsInvalidArgument(Set("a\nb", BlobOf("x"))));
  EXPECT_TRUE(absl::IsNotFound(node_->refs->Change(base::GroupId(), {{"k", BlobOf("x")}})));
}

TEST_F(RefsTest, ListsInOrderWithinAPrefixPastTombstones) {
  std::vector<RefChange> changes;
  for (const char* key : {"b/1", "b/2", "b/3", "a", "c"}) changes.push_back({key, BlobOf(key)});
  ASSERT_TRUE(node_->refs->Change(group_, changes).ok());
  ASSERT_TRUE(node_->refs->Change(group_, {{"b/2", std::nullopt}}).ok());
  const auto keys = [&](std::string_view prefix, std::string_view after, std::size_t limit) {
    std::string all;
    const auto refs = node_->refs->List(group_, prefix, after, limit);
    for (const Ref& ref : refs.value()) all += ref.key + " ";
    return all;
  };
  EXPECT_EQ(keys("", "", 100), "a b/1 b/3 c ");
  EXPECT_EQ(keys("b/", "", 100), "b/1 b/3 ");
  EXPECT_EQ(keys("b/", "b/1", 100), "b/3 ");
  EXPECT_EQ(keys("", "a", 1), "b/1 ");
  EXPECT_EQ(keys("d", "", 100), "");
}

TEST_F(RefsTest, TwoKeysOnOneBlobKeepItWantedUntilBothAreGone) {
  const base::BlobId blob = BlobOf("not here");
  ASSERT_TRUE(node_->refs->Change(group_, {{"a", blob}, {"b", blob}}).ok());
  EXPECT_TRUE(node_->Record(blob).signpost->groups.at(group_).wanted);
  EXPECT_EQ(node_->Record(blob).signpost->groups.at(group_).keys, 2u);
  EXPECT_EQ(node_->CountsOf(group_).wanted, 1u);
  ASSERT_TRUE(node_->refs->Change(group_, {{"a", std::nullopt}}).ok());
  EXPECT_EQ(node_->CountsOf(group_).wanted, 1u);
  node_->wake.TakeChanges();
  ASSERT_TRUE(node_->refs->Change(group_, {{"b", std::nullopt}}).ok());
  EXPECT_EQ(node_->CountsOf(group_).wanted, 0u);
  EXPECT_TRUE(node_->Record(blob).signpost->groups.empty());
  const auto changes = node_->wake.TakeChanges();
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_FALSE(changes[0].wanted);
  EXPECT_TRUE(changes[0].due_before.has_value());
  EXPECT_FALSE(changes[0].due_after.has_value());
}

TEST_F(RefsTest, APutWithAReferenceIsHeldForTheGroup) {
  const auto put = node_->Put("content", Refs::Target{group_, "k"});
  ASSERT_TRUE(put.ok()) << put.status();
  EXPECT_TRUE(put->created);
  EXPECT_EQ(put->size_bytes, 7u);
  const BlobRecord record = node_->Record(BlobOf("content"));
  EXPECT_EQ(record.row->holdings.at(group_).via, blobstore::Via::kPut);
  EXPECT_FALSE(record.signpost->groups.at(group_).wanted);
  EXPECT_EQ(node_->refs->Get(group_, "k")->size_bytes, 7u);
  EXPECT_EQ(node_->CountsOf(group_), (Counts{.refs = 1, .blobs = 1, .bytes = 7}));
  EXPECT_FALSE(node_->Put("content", Refs::Target{group_, "k"})->created);
  EXPECT_EQ(node_->CountsOf(base::GroupId()),
            (Counts{.refs = 1, .blobs = 1, .bytes = 7, .signposts = 1}));
}

TEST_F(RefsTest, ARefusedReferenceKeepsNothingOfThePut) {
  EXPECT_TRUE(absl::IsNotFound(node_->Put("content", Refs::Target{base::GroupId(), "k"}).status()));
  EXPECT_FALSE(node_->Record(BlobOf("content")).row.has_value());
}

TEST_F(RefsTest, AReferenceSetHereToABlobThatIsHereMakesAHolding) {
  ASSERT_TRUE(node_->Put("content").ok());
  EXPECT_TRUE(node_->Record(BlobOf("content")).row->holdings.empty());
  ASSERT_TRUE(Set("k", BlobOf("content")).ok());
  EXPECT_EQ(node_->Record(BlobOf("content")).row->holdings.at(group_).via,
            blobstore::Via::kReference);
}

TEST_F(RefsTest, AReferenceSetHereToABlobThatIsNotHereMakesItWantedAndAPutEndsThat) {
  std::vector<LocalChange> told;
  node_->parts.group_core->SetListener([&](const LocalChange& change) { told.push_back(change); });
  ASSERT_TRUE(Set("k", BlobOf("content")).ok());
  ASSERT_EQ(told.size(), 1u);
  EXPECT_TRUE(told[0].entries);
  EXPECT_EQ(node_->CountsOf(group_).wanted, 1u);
  ASSERT_TRUE(node_->Put("content").ok());
  EXPECT_EQ(node_->CountsOf(group_).wanted, 0u);
  EXPECT_EQ(node_->Record(BlobOf("content")).row->holdings.count(group_), 1u);
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told[1].group, group_);
  EXPECT_EQ(told[1].haves, std::vector<base::BlobId>{BlobOf("content")});
  node_->parts.group_core->SetListener({});
}

TEST_F(RefsTest, EverythingIsThereAfterReopening) {
  ASSERT_TRUE(node_->Put("content", Refs::Target{group_, "k"}).ok());
  const Counts before = node_->CountsOf(group_);
  Reopen();
  EXPECT_EQ(node_->refs->Get(group_, "k")->blob, BlobOf("content"));
  EXPECT_EQ(node_->CountsOf(group_), before);
  ASSERT_TRUE(Set("k2", BlobOf("content")).ok());
  EXPECT_EQ(node_->CountsOf(group_).refs, 2u);
}

TEST_F(RefsTest, TheLastAdminCannotLeave) {
  EXPECT_TRUE(absl::IsFailedPrecondition(node_->groups->Leave(group_)));
  EXPECT_TRUE(node_->groups->Find(group_).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(
      node_->groups->ChangeMember(group_, node_->self, std::nullopt, Authority::kWriter)));
}

TEST_F(RefsTest, AnAdminChangesItsOwnRoleBothWays) {
  ASSERT_TRUE(node_->groups->ChangeMember(group_, node_->self, Role::kServer, {}).ok());
  EXPECT_EQ(node_->groups->Find(group_)->role, Role::kServer);
  ASSERT_TRUE(node_->groups->ChangeMember(group_, node_->self, Role::kLeaf, {}).ok());
  EXPECT_EQ(node_->groups->Find(group_)->role, Role::kLeaf);
  EXPECT_EQ(node_->groups->Find(group_)->authority, Authority::kAdmin);
  EXPECT_FALSE(node_->wake.TakeGroups().empty());
}

}  // namespace
}  // namespace waypost::syncgroup
