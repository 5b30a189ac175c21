#include "base/short_id.h"

#include <gtest/gtest.h>

#include <string>

#include "base/crypto.h"
#include "base/secret_box.h"

namespace waypost::base {
namespace {

PeerId Peer(uint8_t fill) {
  std::array<uint8_t, 32> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(fill * (i + 1));
  return PeerId(bytes);
}

TEST(ShortId, IsSixGroupsOfFour) {
  EXPECT_EQ(ShortId(PeerId()), "aaaa-aaaa-aaaa-aaaa-aaaa-aaaa");
  const std::string id = ShortId(Peer(37));
  EXPECT_EQ(id.size(), 29u);
  EXPECT_TRUE(IsShortId(id)) << id;
  EXPECT_TRUE(IsShortIdOf(id, Peer(37)));
  EXPECT_FALSE(IsShortIdOf(id, Peer(38)));
}

TEST(ShortId, HowPeopleWriteIt) {
  const std::string id = ShortId(Peer(99));
  std::string shouted, bare;
  for (const char c : id) {
    shouted.push_back(static_cast<char>(std::toupper(static_cast<unsigned char>(c))));
    if (c != '-') bare.push_back(c);
  }
  EXPECT_TRUE(IsShortIdOf(shouted, Peer(99)));
  EXPECT_TRUE(IsShortIdOf(bare, Peer(99)));
  for (const std::string& bad :
       {std::string(), id + "a", id.substr(1), std::string("aaaa-aaa1"), std::string(64, 'a')}) {
    EXPECT_FALSE(IsShortId(bad)) << bad;
  }
}

TEST(ShortId, OneWrongCharacterIsFound) {
  const std::string id = ShortId(Peer(53));
  for (std::size_t at = 0; at < id.size(); ++at) {
    if (id[at] == '-') continue;
    for (const char c : std::string("abcdefghijklmnopqrstuvwxyz234567")) {
      std::string other = id;
      other[at] = c;
      EXPECT_EQ(IsShortId(other), c == id[at]) << other;
    }
  }
}

TEST(SecretBox, OpensWithItsPassphraseOnly) {
  const std::string secret("\0secret\xff", 8);
  const std::string text = SealWithPassphrase(secret, "a long enough phrase");
  EXPECT_EQ(text.find_first_of("\n "), std::string::npos);
  EXPECT_EQ(*OpenWithPassphrase(text, "a long enough phrase"), secret);
  EXPECT_TRUE(absl::IsPermissionDenied(OpenWithPassphrase(text, "another phrase").status()));
  std::string bent = text;
  bent[text.size() / 2] = bent[text.size() / 2] == 'A' ? 'B' : 'A';
  EXPECT_TRUE(absl::IsPermissionDenied(OpenWithPassphrase(bent, "a long enough phrase").status()));
  for (const char* bad : {"", "abc", "not base64 !!"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(OpenWithPassphrase(bad, "x").status())) << bad;
  }
}

}  // namespace
}  // namespace waypost::base
