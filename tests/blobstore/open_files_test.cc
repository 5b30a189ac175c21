#include "blobstore/open_files.h"

#include <gtest/gtest.h>

#include "tests/fakes/fake_file_system.h"

namespace waypost::blobstore {
namespace {

class OpenFilesTest : public testing::Test {
 protected:
  static base::BlobId Id(char c) { return *base::BlobId::FromBytes(std::string(32, c)); }
  std::shared_ptr<const base::File> File(const std::string& path) {
    return *fs_.CreateExclusive(path);
  }
  base::FakeFileSystem fs_;
  OpenFiles files_{2};
};

TEST_F(OpenFilesTest, KeepsThoseThatWereUsedLast) {
  const auto a = File("/a"), b = File("/b"), c = File("/c");
  files_.Put(Id('a'), a, files_.version());
  files_.Put(Id('b'), b, files_.version());
  EXPECT_EQ(files_.Find(Id('a')), a);
  files_.Put(Id('c'), c, files_.version());
  EXPECT_EQ(files_.Find(Id('a')), a);
  EXPECT_EQ(files_.Find(Id('b')), nullptr);
  EXPECT_EQ(files_.Find(Id('c')), c);
  EXPECT_EQ(b.use_count(), 1) << "it is closed once nobody reads it";
}

TEST_F(OpenFilesTest, WhatWasDroppedDoesNotComeBackByALookUpThatBeganBefore) {
  const auto a = File("/a");
  const uint64_t before = files_.version();
  files_.Put(Id('a'), a, before);
  files_.Drop(Id('a'));
  EXPECT_EQ(files_.Find(Id('a')), nullptr);
  EXPECT_EQ(a.use_count(), 1);
  files_.Put(Id('a'), a, before);
  EXPECT_EQ(files_.Find(Id('a')), nullptr);
  files_.Put(Id('a'), a, files_.version());
  EXPECT_EQ(files_.Find(Id('a')), a);
}

}  // namespace
}  // namespace waypost::blobstore
