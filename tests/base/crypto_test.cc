#include "base/crypto.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/file_system.h"
#include "base/random.h"
#include "base/sha256.h"
#include "base/status.h"
#include "tests/fakes/temp_dir.h"

namespace waypost::base {
namespace {

TEST(Sha256, MatchesThePublishedVectors) {
  EXPECT_EQ(Sha256::Of("").ToHex(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256::Of("abc").ToHex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256::Of(std::string(1'000'000, 'a')).ToHex(),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, PiecesHashAsTheWhole) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += std::to_string(i);
  for (const std::size_t step : {1u, 63u, 64u, 65u, 1000u}) {
    Sha256 hasher;
    for (std::size_t at = 0; at < text.size(); at += step) {
      hasher.Update(std::string_view(text).substr(at, step));
    }
    Sha256 moved(std::move(hasher));
    EXPECT_EQ(moved.Finish(), Sha256::Of(text)) << step;
  }
}

TEST(Checksum64, IsSipHash24) {
  // The vector of the paper: key 00..0f, message 00..0e.
  std::array<uint8_t, 16> key;
  std::string message;
  for (std::size_t i = 0; i < 16; ++i) key[i] = static_cast<uint8_t>(i);
  for (char i = 0; i < 15; ++i) message.push_back(i);
  EXPECT_EQ(Checksum64(key, message), 0xa129ca6149be45e5u);
}

TEST(Hash256, IsBlake2b) {
  const auto hash = Hash256("");
  EXPECT_EQ(ToHex({reinterpret_cast<const char*>(hash.data()), hash.size()}),
            "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
}

TEST(RandomBytes, AreDifferentEachTime) {
  EXPECT_EQ(RandomBytes(32).size(), 32u);
  EXPECT_NE(RandomBytes(32), RandomBytes(32));
}

TEST(ConstantTimeEqual, ComparesAsUsual) {
  EXPECT_TRUE(ConstantTimeEqual("abc", "abc"));
  EXPECT_TRUE(ConstantTimeEqual("", ""));
  EXPECT_FALSE(ConstantTimeEqual("abc", "abd"));
  EXPECT_FALSE(ConstantTimeEqual("abc", "abcd"));
  EXPECT_FALSE(ConstantTimeEqual("abc", ""));
}

TEST(Identity, ASignatureIsGoodForItsTagMessageAndPeerOnly) {
  const auto identity = Identity::Generate();
  const auto other = Identity::Generate();
  EXPECT_NE(identity->peer_id(), other->peer_id());
  const std::string signature = identity->Sign("entry", "message");
  EXPECT_EQ(signature.size(), 64u);
  EXPECT_TRUE(VerifySignature(identity->peer_id(), "entry", "message", signature));
  EXPECT_FALSE(VerifySignature(identity->peer_id(), "entry", "messagf", signature));
  EXPECT_FALSE(VerifySignature(identity->peer_id(), "invite", "message", signature));
  EXPECT_FALSE(VerifySignature(other->peer_id(), "entry", "message", signature));
  EXPECT_FALSE(VerifySignature(identity->peer_id(), "entry", "message", signature.substr(1)));
  EXPECT_FALSE(VerifySignature(identity->peer_id(), "entry", "message", ""));
  std::string damaged = signature;
  damaged[10] ^= 1;
  EXPECT_FALSE(VerifySignature(identity->peer_id(), "entry", "message", damaged));
}

TEST(Identity, WhereTheTagEndsMatters) {
  const auto identity = Identity::Generate();
  const std::string signature = identity->Sign("ab", "c");
  EXPECT_FALSE(VerifySignature(identity->peer_id(), "a", "bc", signature));
}

class IdentityFile : public testing::Test {
 protected:
  std::string Load() {
    const auto loaded = Identity::Load(path_);
    return loaded.ok() ? (*loaded)->peer_id().ToHex() : std::string(loaded.status().message());
  }
  absl::StatusCode Code() { return Identity::Load(path_).status().code(); }
  std::string Content() { return ReadSmallFile(*fs_, path_, 1000).value(); }
  void Overwrite(const std::string& content) {
    ASSERT_TRUE(ReplaceFile(*fs_, path_, content).ok());
  }

  TempDir dir_;
  const std::string path_ = dir_ / "identity.key";
  std::unique_ptr<FileSystem> fs_ = NewPosixFileSystem();
  std::unique_ptr<Identity> identity_ = Identity::Generate();
};

TEST_F(IdentityFile, IsTheSamePeerAgain) {
  ASSERT_TRUE(identity_->Save(path_).ok());
  const auto loaded = Identity::Load(path_);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ((*loaded)->peer_id(), identity_->peer_id());
  EXPECT_EQ((*loaded)->Sign("t", "m"), identity_->Sign("t", "m"));
}

TEST_F(IdentityFile, HasAHeaderAndTheSeedInHexAndIsForItsOwnerOnly) {
  ASSERT_TRUE(identity_->Save(path_).ok());
  EXPECT_EQ(Content().substr(0, 19), "waypost-identity-1 ");
  EXPECT_EQ(Content().size(), 19u + 64 + 1);
  struct stat info;
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  EXPECT_EQ(fs_->List(dir_.path()).value().size(), 1u) << "nothing beside it";
}

TEST_F(IdentityFile, AKnownSeedGivesTheKnownKey) {
  // RFC 8032, test 1.
  Overwrite(
      "waypost-identity-1 9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60\n");
  EXPECT_EQ(Load(), "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
}

TEST_F(IdentityFile, IsNeverOverwritten) {
  ASSERT_TRUE(identity_->Save(path_).ok());
  const std::string before = Content();
  EXPECT_TRUE(absl::IsAlreadyExists(Identity::Generate()->Save(path_)));
  EXPECT_EQ(Content(), before);
}

TEST_F(IdentityFile, IsRefusedWhenOthersCanReadIt) {
  ASSERT_TRUE(identity_->Save(path_).ok());
  for (const mode_t mode : {0640, 0604, 0660, 0610}) {
    ASSERT_EQ(chmod(path_.c_str(), mode), 0);
    EXPECT_EQ(Code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_NE(Load().find("chmod 600"), std::string::npos) << Load();
  }
  ASSERT_EQ(chmod(path_.c_str(), 0400), 0);
  EXPECT_EQ(Load(), identity_->peer_id().ToHex());
}

TEST_F(IdentityFile, IsRefusedWhenItIsALinkOrNoFile) {
  ASSERT_TRUE(identity_->Save(dir_ / "elsewhere").ok());
  ASSERT_EQ(symlink((dir_ / "elsewhere").c_str(), path_.c_str()), 0);
  EXPECT_EQ(Code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_EQ(unlink(path_.c_str()), 0);
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  EXPECT_EQ(Code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_EQ(unlink(path_.c_str()), 0);
  EXPECT_EQ(Code(), absl::StatusCode::kNotFound);
}

TEST_F(IdentityFile, DamageIsNamedAndNeverASilentNewIdentity) {
  ASSERT_TRUE(identity_->Save(path_).ok());
  const std::string sound = Content();
  std::string wrong_header = sound;
  wrong_header[17] = '2';
  std::string wrong_digit = sound;
  wrong_digit[30] = 'g';
  for (const std::string& content : {std::string(), sound.substr(1), sound + "\n", wrong_header,
                                     wrong_digit, sound.substr(0, sound.size() - 1) + " "}) {
    Overwrite(content);
    EXPECT_EQ(Code(), absl::StatusCode::kDataLoss) << content;
    EXPECT_NE(Load().find("restore"), std::string::npos);
  }
}

}  // namespace
}  // namespace waypost::base
