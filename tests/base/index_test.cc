#include "base/index.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

namespace waypost::base {
namespace {
TEST(Index, Smoke) {
  char tmpl[] = "/tmp/wpXXXXXX"; std::string dir = mkdtemp(tmpl);
  Metrics m;
  auto index = Index::Open({.dir = dir, .map_size = 1 << 20, .metrics = &m});
  ASSERT_TRUE(index.ok()) << index.status();
  Index& ix = **index;
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(ix.Update(Index::Lane::kForeground, [&](WriteTxn& t) { t.Put(Table::kMeta, "k" + std::to_string(i), std::string(1000, 'x')); return absl::OkStatus(); }).ok());
  }
  ASSERT_TRUE(ix.Read([&](ReadTxn& t) { EXPECT_EQ(t.Rows(Table::kMeta), 300u); EXPECT_EQ(t.Get(Table::kMeta, "k7")->size(), 1000u); return absl::OkStatus(); }).ok());
  EXPECT_FALSE(Index::Open({.dir = dir}).ok());
  index->reset();
  m.Render();
  auto again = Index::Open({.dir = dir});
  ASSERT_TRUE(again.ok());
  std::filesystem::remove_all(dir);
}
}  // namespace
}  // namespace waypost::base
