#include "base/kept_pause.h"

#include <gtest/gtest.h>

#include <memory>

#include "tests/fakes/fake_clock.h"
#include "tests/fakes/temp_dir.h"

namespace waypost::base {
namespace {

class KeptPauseTest : public testing::Test {
 protected:
  void SetUp() override {
    auto opened = Index::Open({.dir = dir_.path()});
    ASSERT_TRUE(opened.ok()) << opened.status();
    index_ = *std::move(opened);
  }
  // As after a restart.
  KeptPause Of(const std::string& key) { return {*index_, clock_, key}; }

  TempDir dir_;
  FakeClock clock_;
  std::unique_ptr<Index> index_;
};

TEST_F(KeptPauseTest, HasAnEndOrNoneAndIsOfItsKeyAlone) {
  EXPECT_FALSE(Of("a").Load()->has_value());
  const WallTime end = clock_.WallNow() + Millis(60'000);
  const auto begun = Of("a").Begin(Millis(60'000));
  ASSERT_TRUE(begun.ok());
  EXPECT_EQ(begun->until, end);
  EXPECT_EQ(Of("a").Load()->value().until, end);
  EXPECT_FALSE(Of("b").Load()->has_value());
  // Another takes its place.
  ASSERT_TRUE(Of("a").Begin(std::nullopt).ok());
  ASSERT_TRUE(Of("a").Load()->has_value());
  EXPECT_EQ(Of("a").Load()->value().until, std::nullopt);
  ASSERT_TRUE(Of("a").End().ok());
  ASSERT_TRUE(Of("a").End().ok());
  EXPECT_FALSE(Of("a").Load()->has_value());
}

TEST_F(KeptPauseTest, IsOverWhenItsTimeIs) {
  ASSERT_TRUE(Of("a").Begin(Millis(1'000)).ok());
  clock_.Advance(Millis(999));
  EXPECT_TRUE(Of("a").Load()->has_value());
  clock_.Advance(Millis(1));
  EXPECT_FALSE(Of("a").Load()->has_value());
}

TEST_F(KeptPauseTest, ARowThatIsNoTimeIsNoPause) {
  ASSERT_TRUE(index_
                  ->Update(Index::Lane::kForeground,
                           [](WriteTxn& txn) {
                             txn.Put(Table::kMeta, "a", "soon");
                             return absl::OkStatus();
                           })
                  .ok());
  const auto loaded = Of("a").Load();
  ASSERT_TRUE(loaded.ok());
  EXPECT_FALSE(loaded->has_value());
}

}  // namespace
}  // namespace waypost::base
