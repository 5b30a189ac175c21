#include "syncgroup/protocol/recovery.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <string>
#include <vector>

#include "absl/strings/str_replace.h"
#include "syncgroup/protocol/genesis.h"
#include "syncgroup/protocol/wire_codec.h"
#include "tests/syncgroup/test_node.h"

namespace waypost::syncgroup {
namespace {

class RecoveryTest : public testing::Test {
 protected:
  RecoveryTest() {
    for (int i = 0; i < 3; ++i) secrets_.push_back(RecoverySecret::Generate());
    for (const RecoverySecret& secret : secrets_) rule_.keys.push_back(secret.key());
    rule_.need = 2;
  }
  RecoverySaying Removal() const {
    return {.group = group_,
            .time = base::FromMs(1700000000123),
            .act = RemoveAct{.peer = PeerNumber(2),
                             .names = {ActId::Genesis()},
                             .pins = {{HashEntry("n"), 9, HashEntry("q")}}}};
  }
  RecoveryPaper SignedBy(const std::vector<uint32_t>& keys) const {
    RecoveryPaper paper{.saying = EncodeRecoverySaying(Removal())};
    for (const uint32_t key : keys) {
      paper.signatures.push_back({key, secrets_[key].Sign(paper.saying)});
    }
    return paper;
  }
  absl::Status Open(const RecoveryPaper& paper) const {
    return OpenRecoveryPaper(group_, rule_, paper).status();
  }

  const base::GroupId group_ = *base::GroupId::FromBytes(std::string(32, 'g'));
  std::vector<RecoverySecret> secrets_;
  RecoveryRule rule_;
};

TEST_F(RecoveryTest, AsManyKeysAsTheGenesisAsksForSayIt) {
  const auto opened = OpenRecoveryPaper(group_, rule_, SignedBy({2, 0}));
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(*opened, Removal());
  EXPECT_TRUE(Open(SignedBy({0, 1, 2})).ok());
  EXPECT_TRUE(absl::IsPermissionDenied(Open(SignedBy({1}))));
  EXPECT_TRUE(absl::IsPermissionDenied(Open(SignedBy({}))));
  EXPECT_TRUE(absl::IsPermissionDenied(Open(SignedBy({1, 1})))) << "one key twice is one key";
  RecoveryPaper other = SignedBy({0, 1});
  other.signatures[1].key = 2;
  EXPECT_TRUE(absl::IsPermissionDenied(Open(other))) << "as another's";
  other.signatures[1].key = 3;
  EXPECT_TRUE(absl::IsPermissionDenied(Open(other))) << "as one that there is not";
  other = SignedBy({0, 1});
  other.signatures[1].bytes[3] ^= 1;
  EXPECT_TRUE(absl::IsPermissionDenied(Open(other)));
  // A wrong one beside right ones harms nothing: whoever passes a paper on could add it.
  other.signatures.push_back({2, secrets_[2].Sign(other.saying)});
  EXPECT_TRUE(Open(other).ok());
}

TEST_F(RecoveryTest, AGroupWithoutKeysHasNoRecovery) {
  rule_ = {};
  EXPECT_TRUE(absl::IsPermissionDenied(Open(SignedBy({}))));
  EXPECT_TRUE(absl::IsPermissionDenied(Open(SignedBy({0, 1, 2}))));
}

TEST_F(RecoveryTest, WhatIsSaidIsAboutThisGroupAndOfAFormThatRecoveryHas) {
  RecoverySaying saying = Removal();
  const auto open = [&](const RecoverySaying& what) {
    RecoveryPaper paper{.saying = EncodeRecoverySaying(what)};
    for (uint32_t key = 0; key < 3; ++key) {
      paper.signatures.push_back({key, secrets_[key].Sign(paper.saying)});
    }
    return Open(paper);
  };
  EXPECT_TRUE(open(saying).ok());
  saying.act = AdmitAct{.peer = PeerNumber(3), .authority = Authority::kAdmin};
  EXPECT_TRUE(open(saying).ok());
  saying.act = AdmitAct{.peer = PeerNumber(3), .as_inviter = true};
  EXPECT_TRUE(absl::IsInvalidArgument(open(saying)));
  saying.act = RemoveAct{.peer = PeerNumber(3), .only_named = true};
  EXPECT_TRUE(absl::IsInvalidArgument(open(saying)));
  saying = Removal();
  saying.group = *base::GroupId::FromBytes(std::string(32, 'h'));
  EXPECT_TRUE(absl::IsInvalidArgument(open(saying)));
  // A member's entry is no saying, nor the other way round.
  RecoveryPaper paper = SignedBy({0, 1});
  paper.saying = paper.saying.substr(0, 34);
  EXPECT_TRUE(absl::IsInvalidArgument(Open(paper)));
}

TEST_F(RecoveryTest, TheSameActWithOtherSignaturesIsTheSame) {
  EXPECT_EQ(RecoveryIdentity(SignedBy({0, 1}).saying), RecoveryIdentity(SignedBy({1, 2}).saying));
  RecoverySaying later = Removal();
  later.time = later.time + base::Millis(1);
  EXPECT_NE(RecoveryIdentity(EncodeRecoverySaying(later)),
            RecoveryIdentity(EncodeRecoverySaying(Removal())));
  EXPECT_NE(RecoveryIdentity("x"), HashEntry("x")) << "never an entry's hash";
}

TEST_F(RecoveryTest, APaperComesBackAsItWas) {
  const RecoveryPaper paper = SignedBy({0, 2});
  const auto back = DecodeRecoveryPaper(EncodeRecoveryPaper(paper));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(*back, paper);
  RecoveryPaper many = paper;
  many.signatures.assign(kRecoveryKeysMax + 1, paper.signatures[0]);
  EXPECT_FALSE(DecodeRecoveryPaper(EncodeRecoveryPaper(many)).ok());
}

TEST_F(RecoveryTest, ItsRuleStandsInTheGenesis) {
  Genesis genesis{.name = "photos",
                  .founder = {PeerNumber(1), *base::Incarnation::FromBytes(std::string(16, 'n')),
                              base::FromMs(1700000000123)},
                  .role = Role::kNormal,
                  .recovery = rule_};
  const auto opens = [&] {
    const std::string sealed = SealGenesis(TestIdentity(PeerNumber(1)), genesis);
    return OpenGenesis(GroupIdOf(sealed), sealed);
  };
  const auto opened = opens();
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->recovery, rule_);
  EXPECT_EQ(opened->role, Role::kNormal);
  genesis.recovery.need = 4;
  EXPECT_FALSE(opens().ok());
  genesis.recovery.need = 0;
  EXPECT_FALSE(opens().ok());
  genesis.recovery = {.need = 1, .keys = {rule_.keys[0], rule_.keys[0]}};
  EXPECT_FALSE(opens().ok());
  genesis.recovery = {.need = 1};
  for (std::size_t i = 0; i < kRecoveryKeysMax; ++i) {
    genesis.recovery.keys.push_back(RecoverySecret::Generate().key());
  }
  EXPECT_TRUE(opens().ok());
  genesis.recovery.keys.push_back(RecoverySecret::Generate().key());
  EXPECT_FALSE(opens().ok());
}

// ---- secrets, as people write them down ----

TEST(RecoverySecret, ComesBackAsItWasShown) {
  for (int i = 0; i < 20; ++i) {
    const RecoverySecret secret = RecoverySecret::Generate();
    const std::string text = secret.Text();
    EXPECT_EQ(text.size(), 14 * 4 + 13u);
    for (std::size_t at = 0; at < text.size(); ++at) {
      EXPECT_EQ(text[at] == '-', at % 5 == 4) << text;
    }
    const auto back = RecoverySecret::Parse(text);
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(back->key(), secret.key());
    EXPECT_EQ(back->Text(), text);
  }
}

TEST(RecoverySecret, IsReadAsPeopleWriteIt) {
  const RecoverySecret secret = RecoverySecret::Generate();
  std::string text = secret.Text();
  const auto same = [&](const std::string& written) {
    const auto back = RecoverySecret::Parse(written);
    return back.ok() && back->key() == secret.key();
  };
  std::string lower = text;
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  EXPECT_TRUE(same(lower));
  EXPECT_TRUE(same(absl::StrReplaceAll(text, {{"-", ""}})));
  EXPECT_TRUE(same(" " + absl::StrReplaceAll(text, {{"-", "\n "}}) + "\r\n"));
  EXPECT_TRUE(same(absl::StrReplaceAll(text, {{"O", "0"}, {"I", "1"}, {"B", "8"}})));
}

TEST(RecoverySecret, AMistakeIsFoundAndNothingOfItIsRepeated) {
  const std::string text = RecoverySecret::Generate().Text();
  const auto refused = [&](const std::string& written) {
    const auto back = RecoverySecret::Parse(written);
    EXPECT_TRUE(absl::IsInvalidArgument(back.status())) << written;
    for (std::size_t at = 0; at + 4 < written.size(); at += 5) {
      EXPECT_EQ(back.status().message().find(written.substr(at, 4)), std::string_view::npos);
    }
  };
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '-') continue;
    std::string bent = text;
    bent[at] = text[at] == 'Q' ? 'R' : 'Q';
    refused(bent);
    if (at + 1 < text.size() && text[at + 1] != '-' && text[at + 1] != text[at]) {
      bent = text;
      std::swap(bent[at], bent[at + 1]);
      refused(bent);
    }
  }
  refused(text.substr(1));
  refused(text + "A");
  refused("");
  refused(absl::StrReplaceAll(text, {{"-", "_"}}));
}

TEST(RecoverySecret, HasThisTextForEver) {
  // RFC 4648's base32 of the seed 01 02 03 00 ... 00 and of the first three bytes of BLAKE2b-256,
  // keyed with it, of "waypost-recovery-secret".
  const std::string text =
      "AEBA-GAAA-AAAA-AAAA-AAAA-AAAA-AAAA-"
      "AAAA-AAAA-AAAA-AAAA-AAAA-AAAF-NJ4S";
  const auto secret = RecoverySecret::Parse(text);
  ASSERT_TRUE(secret.ok()) << secret.status();
  EXPECT_EQ(secret->key(), base::Identity::FromSeed({1, 2, 3})->peer_id());
  EXPECT_EQ(secret->Text(), text);
}

}  // namespace
}  // namespace waypost::syncgroup
