#include "service/format.h"

#include <gtest/gtest.h>

namespace waypost::service {
namespace {

TEST(FormatTest, IsReadBackAsItWasWritten) {
  const Format format{.number = 3, .compatible = {"a", "b-2"}, .incompatible = {"c"}};
  const std::string text = FormatText(format);
  EXPECT_EQ(text,
            "waypost data folder, format 3\ncompatible: a b-2\nread-compatible:\n"
            "incompatible: c\n");
  EXPECT_EQ(ParseFormat(text).value(), format);
  EXPECT_EQ(ParseFormat("waypost data folder, format 2\n").value(), Format{.number = 2});
  EXPECT_EQ(FormatText({.number = 1}), "waypost data folder, format 1\n");
}

TEST(FormatTest, WhatIsNotUnderstoodIsRefused) {
  const std::string title = "waypost data folder, format 3\n";
  for (const std::string& text :
       {std::string(), std::string("waypost"), std::string("waypost data folder, format 3"), title,
        std::string("waypost data folder, format 2\nincompatible: x\n"),
        std::string("waypost data folder, format 03\n"),
        std::string("waypost data folder, format 0\n"),
        std::string(
            "waypost data folder, format 4\ncompatible:\nread-compatible:\nincompatible:\n"),
        title + "compatible:\nread-compatible:\n",
        title + "compatible:\nread-compatible:\nincompatible:\nmore: x\n",
        title + "read-compatible:\ncompatible:\nincompatible:\n",
        title + "compatible: A\nread-compatible:\nincompatible:\n",
        title + "compatible: " + std::string(33, 'a') + "\nread-compatible:\nincompatible:\n"}) {
    EXPECT_EQ(ParseFormat(text).status().code(), absl::StatusCode::kFailedPrecondition) << text;
  }
}

TEST(FormatTest, AnUnknownWordStopsWhatItsListSays) {
  Format format = CurrentFormat();
  format.compatible.insert("later");
  EXPECT_TRUE(CheckFormat(format, Use::kChange).ok());
  format.read_compatible.insert("later");
  EXPECT_TRUE(CheckFormat(format, Use::kRead).ok());
  EXPECT_FALSE(CheckFormat(format, Use::kChange).ok());
  format.incompatible.insert("later");
  EXPECT_FALSE(CheckFormat(format, Use::kRead).ok());
}

}  // namespace
}  // namespace waypost::service
