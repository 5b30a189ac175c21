#include "syncgroup/protocol/log_entry.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "syncgroup/protocol/wire_codec.h"
#include "tests/syncgroup/test_node.h"

namespace waypost::syncgroup {
namespace {

base::EntryHash HashOf(char fill) {
  return *base::EntryHash::FromBytes(std::string(base::EntryHash::kBytes, fill));
}

class LogEntryTest : public testing::Test {
 protected:
  LogEntry First(Holds holds, std::vector<LogOp> ops, ActId basis = ActId::Genesis()) const {
    return {.group = group_,
            .place = {.origin = one_, .holds = holds},
            .time = base::FromMs(1700000000123),
            .basis = basis,
            .ops = std::move(ops)};
  }
  LogEntry Later(Holds holds, std::vector<LogOp> ops) const {
    return {.group = group_,
            .place = {.origin = one_,
                      .holds = holds,
                      .numbering = HashOf('n'),
                      .generation = 7,
                      .previous = HashOf('p')},
            .time = base::FromMs(1700000000123),
            .ops = std::move(ops)};
  }
  // One of each operation there is.
  std::vector<LogOp> References() const {
    return {PutRefOp{"a/b", BlobOf("b"), 7}, DeleteRefOp{"c"},
            ProfileOp{"nas", {"host:7441"}, Role::kLeaf}, CloseOp{HashOf('o')}};
  }
  std::vector<LogOp> Acts() const {
    const std::vector<ActId> names = {ActId::Genesis(), {HashOf('a'), 3}};
    const std::vector<LogHead> pins = {{HashOf('n'), 1, HashOf('n')},
                                       {HashOf('n'), 9, HashOf('q')}};
    return {AdmitAct{two_, Role::kNormal, Authority::kAdmin, true, false, names, pins},
            AdmitAct{two_, Role::kLeaf, Authority::kReader, false, true, {}, {}},
            RemoveAct{two_, true, names, pins}, LeaveAct{pins},
            SettingsOp{"photos", "all of them", true, Authority::kWriter}};
  }
  bool Taken(const SealedEntry& sealed) const { return OpenLogEntry(group_, sealed).ok(); }
  // Signed by its origin whatever it says.
  bool TakenAs(const LogEntry& entry) const {
    return Taken(SealLogEntry(TestIdentity(one_), entry));
  }

  const base::GroupId group_ = *base::GroupId::FromBytes(std::string(32, 'g'));
  const base::PeerId one_ = PeerNumber(1), two_ = PeerNumber(2);
};

TEST_F(LogEntryTest, ComesBackAsItWas) {
  for (const LogEntry& entry :
       {First(Holds::kReferences, References()), Later(Holds::kReferences, References()),
        First(Holds::kActs, Acts(), {HashOf('a'), 2}), Later(Holds::kActs, Acts()),
        First(Holds::kActs, {}), Later(Holds::kReferences, {})}) {
    const auto decoded = DecodeLogEntry(EncodeLogEntry(entry));
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_EQ(*decoded, entry);
    EXPECT_EQ(PeekLogPlace(EncodeLogEntry(entry)), entry.place);
  }
}

TEST_F(LogEntryTest, TheFirstOfANumberingIsNamedAfterItself) {
  const auto first =
      OpenLogEntry(group_, SealLogEntry(TestIdentity(one_), First(Holds::kActs, {})));
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->numbering(), first->hash);
  const auto later =
      OpenLogEntry(group_, SealLogEntry(TestIdentity(one_), Later(Holds::kActs, {})));
  ASSERT_TRUE(later.ok()) << later.status();
  EXPECT_EQ(later->numbering(), HashOf('n'));
}

TEST_F(LogEntryTest, APlaceThatContradictsItselfIsRefused) {
  const auto with = [](LogEntry entry, auto change) {
    change(entry);
    return entry;
  };
  const LogEntry first = First(Holds::kActs, {}), later = Later(Holds::kActs, {});
  EXPECT_TRUE(TakenAs(first));
  EXPECT_TRUE(TakenAs(later));
  EXPECT_FALSE(TakenAs(with(first, [](LogEntry& e) { e.basis.reset(); })));
  EXPECT_FALSE(TakenAs(with(first, [](LogEntry& e) { e.place.numbering = HashOf('n'); })));
  EXPECT_FALSE(TakenAs(with(first, [](LogEntry& e) { e.place.previous = HashOf('p'); })));
  EXPECT_FALSE(TakenAs(with(first, [](LogEntry& e) { e.place.generation = 2; })));
  EXPECT_FALSE(TakenAs(with(first, [](LogEntry& e) { e.place.generation = 0; })));
  EXPECT_FALSE(TakenAs(with(later, [](LogEntry& e) { e.basis = ActId::Genesis(); })));
  EXPECT_FALSE(TakenAs(with(later, [](LogEntry& e) { e.place.numbering = {}; })));
  EXPECT_FALSE(TakenAs(with(later, [](LogEntry& e) { e.place.previous = {}; })));
  EXPECT_FALSE(TakenAs(with(later, [](LogEntry& e) { e.place.generation = kGenerationMax + 1; })));
  EXPECT_FALSE(TakenAs(with(first, [](LogEntry& e) { e.place.holds = static_cast<Holds>(3); })));
}

TEST_F(LogEntryTest, ActsAndReferencesStandApart) {
  for (const LogOp& op : References()) {
    EXPECT_TRUE(TakenAs(First(Holds::kReferences, {op}))) << op.index();
    EXPECT_FALSE(TakenAs(First(Holds::kActs, {op}))) << op.index();
  }
  for (const LogOp& op : Acts()) {
    EXPECT_TRUE(TakenAs(First(Holds::kActs, {op}))) << op.index();
    EXPECT_FALSE(TakenAs(First(Holds::kReferences, {op}))) << op.index();
  }
}

TEST_F(LogEntryTest, AHeadAgreesWithItself) {
  const auto pinning = [&](const LogHead& head) { return First(Holds::kActs, {LeaveAct{{head}}}); };
  EXPECT_TRUE(TakenAs(pinning({HashOf('n'), 1, HashOf('n')})));
  EXPECT_TRUE(TakenAs(pinning({HashOf('n'), 2, HashOf('q')})));
  EXPECT_FALSE(TakenAs(pinning({HashOf('n'), 1, HashOf('q')})));
  EXPECT_FALSE(TakenAs(pinning({HashOf('n'), 2, HashOf('n')})));
  EXPECT_FALSE(TakenAs(pinning({HashOf('n'), 0, HashOf('q')})));
}

TEST_F(LogEntryTest, NamesAndPinsOfAnActAreBounded) {
  AdmitAct act{.peer = two_};
  act.names.assign(kNamesPerActMax, ActId::Genesis());
  act.pins.assign(kPinsPerActMax, {HashOf('n'), 2, HashOf('q')});
  EXPECT_TRUE(TakenAs(First(Holds::kActs, {act})));
  AdmitAct more = act;
  more.names.push_back(ActId::Genesis());
  EXPECT_FALSE(TakenAs(First(Holds::kActs, {more})));
  more = act;
  more.pins.push_back(act.pins.front());
  EXPECT_FALSE(TakenAs(First(Holds::kActs, {more})));
  RemoveAct remove{.peer = two_, .names = act.names, .pins = act.pins};
  EXPECT_TRUE(TakenAs(First(Holds::kActs, {remove})));
  remove.pins.push_back(act.pins.front());
  EXPECT_FALSE(TakenAs(First(Holds::kActs, {remove})));
  LeaveAct leave{act.pins};
  leave.pins.push_back(act.pins.front());
  EXPECT_FALSE(TakenAs(First(Holds::kActs, {leave})));
  // Twice the same field in one operation would be merged into one that is longer.
  const std::string once = EncodeLogEntry(First(Holds::kActs, {AdmitAct{.peer = two_}}));
  std::string doubled = once;
  const std::string op = once.substr(once.size() - 2 - 34 - 4);
  ASSERT_EQ(op[0], 0x2a) << "field 5 of an operation: an admission";
  doubled += op;
  doubled[once.size() - op.size() - 1] = static_cast<char>(2 * op.size());
  EXPECT_FALSE(DecodeLogEntry(doubled).ok());
}

TEST_F(LogEntryTest, OnlyItsOriginCanSignIt) {
  const LogEntry entry = Later(Holds::kReferences, References());
  const SealedEntry sealed = SealLogEntry(TestIdentity(one_), entry);
  EXPECT_TRUE(Taken(sealed));
  EXPECT_FALSE(Taken({sealed.bytes, TestIdentity(two_).Sign(kLogEntryTag, sealed.bytes)}));
  EXPECT_FALSE(Taken({sealed.bytes, TestIdentity(one_).Sign("waypost-entry-1", sealed.bytes)}));
  EXPECT_FALSE(Taken({sealed.bytes, std::string(64, '\0')}));
  EXPECT_FALSE(OpenLogEntry(*base::GroupId::FromBytes(std::string(32, 'h')), sealed).ok());
}

TEST_F(LogEntryTest, EveryBitIsCovered) {
  const SealedEntry sealed = SealLogEntry(TestIdentity(one_), First(Holds::kActs, Acts()));
  for (std::size_t at = 0; at < sealed.bytes.size(); ++at) {
    SealedEntry bent = sealed;
    bent.bytes[at] = static_cast<char>(bent.bytes[at] ^ 1 << at % 8);
    EXPECT_FALSE(Taken(bent)) << at;
  }
}

// Those who skip what they know look at the place alone: it must be the one that counts.
TEST_F(LogEntryTest, APlaceThatIsSaidTwiceIsRefused) {
  const std::string bytes = EncodeLogEntry(Later(Holds::kReferences, {}));
  // Field 5, generation, again and behind everything: Protobuf takes the last.
  const std::string twice = bytes + std::string("\x28\x09", 2);
  EXPECT_FALSE(DecodeLogEntry(twice).ok());
  const std::string same = bytes + std::string("\x28\x07", 2);
  EXPECT_TRUE(DecodeLogEntry(same).ok());
  EXPECT_FALSE(PeekLogPlace("\x28\x07" + bytes).has_value());
}

TEST_F(LogEntryTest, HasTheseBytesForEver) {
  const auto identity = base::Identity::FromSeed({1, 2, 3});
  const auto vector = [&](LogEntry entry) {
    entry.place.origin = identity->peer_id();
    const auto opened = OpenLogEntry(group_, SealLogEntry(*identity, entry));
    CHECK(opened.ok());
    return absl::StrCat(opened->hash.ToHex(), " ",
                        base::ToHex(opened->sealed.signature).substr(0, 16));
  };
  EXPECT_EQ(vector(First(Holds::kReferences, References())),
            "77214e02e22e28d9843e9ea01ddadf1c25c3f30c731fea98ec0591597ca95baa dd018fcb3f51a604");
  EXPECT_EQ(vector(Later(Holds::kReferences, References())),
            "75bba46cae1bdea97b5fe903fc5d9ab8e015a5c72bb4c1e7073a45ff852ce6aa e4216d995ddf01ea");
  std::size_t which = 0;
  const std::vector<std::string> acts = {
      "2b4b98c835f6c307171ec043fa94ecbe3eda73b063928ee36934924175cddd7d 0156318f07f6305d",
      "8aabe8bfb7a067cc3d31d0f2406ac3a242302b7d642f7096434defbe08194d77 c96cf4a65920e8c0",
      "262c1c393321da68b93a3469cc50b148eb676af6aaead1a4bcbd551520547ce9 ca3c28096bc74e97",
      "312eb93b73228b8f678db769560e69c077de385eaf1eb022712431ed62b00b9d a770292d068bf806",
      "d4abc016bf8a4f683310325ccbbfad88392f91bac4b2d57d6c9ba65972e51536 3510c8a6c275b540"};
  for (const LogOp& op : Acts()) EXPECT_EQ(vector(First(Holds::kActs, {op})), acts[which++]);
}

TEST(ValueStamp, TheLaterTimeWinsThenTheGreaterHashThenThePosition) {
  const ValueStamp first{base::FromMs(1), HashOf('b'), 5};
  EXPECT_LT(first, (ValueStamp{base::FromMs(2), HashOf('a'), 0}));
  EXPECT_LT(first, (ValueStamp{base::FromMs(1), HashOf('c'), 0}));
  EXPECT_LT(first, (ValueStamp{base::FromMs(1), HashOf('b'), 6}));
}

}  // namespace
}  // namespace waypost::syncgroup
