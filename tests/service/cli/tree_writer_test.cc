#include "service/cli/tree_writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/crypto.h"
#include "base/sha256.h"
#include "base/status.h"
#include "tests/fakes/temp_dir.h"

namespace waypost::service {
namespace {

namespace fs = std::filesystem;

class TreeWriterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(base::InitCrypto());
    auto tree = TreeWriter::Open(root_ + "/out");
    ASSERT_TRUE(tree.ok()) << tree.status();
    tree_ = *std::move(tree);
  }
  absl::Status Write(std::string_view key, const std::string& text, const base::BlobId& blob) {
    return tree_->Write(key, blob, {.force = true},
                        [&](uint64_t, Take take) { return take(text); });
  }
  absl::Status Write(std::string_view key, const std::string& text) {
    return Write(key, text, base::Sha256::Of(text));
  }
  std::string Read(const std::string& name) {
    std::ifstream file(root_ + "/" + name);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::size_t Entries(const std::string& name) {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(root_ + "/" + name), {}));
  }

  const base::TempDir temp_;
  const std::string root_ = temp_.path();
  std::unique_ptr<TreeWriter> tree_;
};

TEST_F(TreeWriterTest, KeysThatLieElsewhereAreNoPaths) {
  for (const char* key : {"a", "a/b/c", "...", "..a", "a..", "a b", "\xc3\xa4/b"}) {
    EXPECT_TRUE(CheckRelativePath(key).ok()) << key;
  }
  const std::string long_segment(256, 'x');
  for (const std::string& key :
       {std::string(), std::string("/a"), std::string("../a"), std::string("a/../b"),
        std::string("a/.."), std::string("./a"), std::string("a//b"), std::string("a/"),
        std::string("a\nb"), std::string("a\0b", 3), long_segment}) {
    EXPECT_EQ(CheckRelativePath(key).code(), absl::StatusCode::kInvalidArgument) << key;
  }
}

TEST_F(TreeWriterTest, AFileGetsItsNameOnlyWhenItsBytesAreRight) {
  ASSERT_TRUE(Write("a/b/c.txt", "hello").ok());
  EXPECT_EQ(Read("out/a/b/c.txt"), "hello");
  const absl::Status wrong = Write("a/b/c.txt", "other", base::Sha256::Of("x"));
  EXPECT_TRUE(base::IsDigestMismatch(wrong)) << wrong;
  const absl::Status broken =
      tree_->Write("a/b/c.txt", base::Sha256::Of("x"), {.force = true}, [](uint64_t, Take take) {
        RETURN_IF_ERROR(take("half"));
        return absl::AbortedError("gone");
      });
  EXPECT_EQ(broken.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(Read("out/a/b/c.txt"), "hello");
  EXPECT_EQ(Entries("out/a/b"), 1u);  // no temporary file stays
  ASSERT_TRUE(Write("a/b/c.txt", "newer").ok());
  EXPECT_EQ(Read("out/a/b/c.txt"), "newer");
}

TEST_F(TreeWriterTest, EqualIsWhatHashesToTheBlob) {
  ASSERT_TRUE(Write("a/b", "hello").ok());
  EXPECT_TRUE(*tree_->Holds("a/b", base::Sha256::Of("hello")));
  EXPECT_FALSE(*tree_->Holds("a/b", base::Sha256::Of("other")));
  EXPECT_FALSE(*tree_->Holds("a", base::Sha256::Of("hello")));
  EXPECT_FALSE(*tree_->Holds("x/y", base::Sha256::Of("hello")));
  fs::create_symlink(root_ + "/out/a/b", root_ + "/out/link");
  EXPECT_FALSE(*tree_->Holds("link", base::Sha256::Of("hello")));
}

TEST_F(TreeWriterTest, LinksAreNeverFollowedOut) {
  fs::create_directory(root_ + "/elsewhere");
  fs::create_directory_symlink(root_ + "/elsewhere", root_ + "/out/way");
  EXPECT_FALSE(Write("way/file", "hello").ok());
  std::ofstream(root_ + "/elsewhere/target") << "precious";
  fs::create_symlink(root_ + "/elsewhere/target", root_ + "/out/name");
  ASSERT_TRUE(Write("name", "hello").ok());
  EXPECT_EQ(Read("elsewhere/target"), "precious");
  EXPECT_EQ(Read("out/name"), "hello");
  EXPECT_FALSE(fs::is_symlink(root_ + "/out/name"));
  EXPECT_EQ(Entries("elsewhere"), 1u);
}

TEST_F(TreeWriterTest, AKeyBelowAFileIsAnErrorAndSoIsOneOnAFolder) {
  ASSERT_TRUE(Write("a", "hello").ok());
  EXPECT_FALSE(Write("a/b", "hello").ok());
  ASSERT_TRUE(Write("d/e", "hello").ok());
  EXPECT_FALSE(Write("d", "hello").ok());
  EXPECT_EQ(Entries("out"), 2u);
}

TEST(OpenFileBelow, FollowsNoLinkThatWasPutThereAfterwards) {
  base::TempDir dir;
  std::filesystem::create_directories(dir / "tree/sub");
  std::ofstream(dir / "tree/sub/file") << "in";
  std::ofstream(dir / "secret") << "out";
  const int folder = open((dir / "tree").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ASSERT_GE(folder, 0);
  const auto opens = [&](const std::string& path) {
    const auto fd = OpenFileBelow(folder, path);
    if (fd.ok()) close(*fd);
    return fd.ok();
  };
  EXPECT_TRUE(opens("sub/file"));
  EXPECT_FALSE(opens("sub/gone"));
  EXPECT_FALSE(opens("sub"));
  std::filesystem::remove(dir / "tree/sub/file");
  std::filesystem::create_symlink(dir / "secret", dir / "tree/sub/file");
  EXPECT_FALSE(opens("sub/file")) << "the file is a link now";
  std::filesystem::remove_all(dir / "tree/sub");
  std::filesystem::create_directory_symlink(dir.path(), dir / "tree/sub");
  EXPECT_FALSE(opens("sub/secret")) << "the folder is a link now";
  ASSERT_EQ(mkfifo((dir / "tree/pipe").c_str(), 0600), 0);
  EXPECT_FALSE(opens("pipe")) << "and nobody waits for who writes into it";
  close(folder);
}

}  // namespace
}  // namespace waypost::service
