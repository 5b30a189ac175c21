#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/text_rules.h"

namespace waypost::tidy {
namespace {

namespace fs = std::filesystem;

// Everything in the working tree but what builds and tools leave there.
Paths ReadPaths() {
  const fs::path root = WAYPOST_SOURCE_DIR;
  Paths paths;
  fs::recursive_directory_iterator it(root), end;
  for (; it != end; ++it) {
    const std::string name = it->path().filename().string();
    if (it.depth() == 0 && (name.starts_with("build") || name == ".git" || name == ".cache")) {
      it.disable_recursion_pending();
      continue;
    }
    paths.insert(fs::relative(it->path(), root).generic_string());
  }
  return paths;
}

SourceFile ReadOne(const std::string& path) {
  std::ifstream in(fs::path(WAYPOST_SOURCE_DIR) / path, std::ios::binary);
  std::ostringstream content;
  content << in.rdbuf();
  return {path, content.str()};
}

// The rules' own sources speak of files that are not there.
bool OnMadeUpFiles(const SourceFile& file) {
  return file.path.starts_with("tests/text_") || file.path.starts_with("tests/tidy_");
}

class Text : public testing::Test {
 protected:
  // Runs `check` on every file whose name ends so.
  template <class Check>
  void Each(std::initializer_list<std::string_view> endings, Check&& check) {
    std::size_t files = 0;
    std::string all;
    for (const std::string& path : tree_) {
      bool fits = false;
      for (const std::string_view ending : endings) fits = fits || path.ends_with(ending);
      if (!fits) continue;
      ++files;
      for (const std::string& message : check(ReadOne(path))) all += message + "\n";
    }
    EXPECT_GT(files, 5u) << "the tree was not found at " << WAYPOST_SOURCE_DIR;
    EXPECT_TRUE(all.empty()) << all;
  }

  const Paths tree_ = ReadPaths();
};

TEST_F(Text, DocumentsNameWhatIsThere) {
  Each({".md"}, [&](const SourceFile& file) { return CheckDocument(file, tree_); });
}

TEST_F(Text, CommentsNameWhatIsThere) {
  Each({".cc", ".h", ".proto"}, [&](const SourceFile& file) {
    return OnMadeUpFiles(file) ? std::vector<std::string>() : CheckComments(file, tree_);
  });
}

TEST_F(Text, NothingNamesAPageThatIsNotHere) {
  Each({".cc", ".h", ".proto", ".md", ".yaml"}, CheckNamesOutside);
}

// Helpers of tests too; what is in a test itself its names tell.
TEST_F(Text, EveryFileSaysWhatItDoes) {
  Each({".cc"}, [](const SourceFile& file) {
    return file.path.ends_with("_test.cc") ? std::vector<std::string>() : CheckBanner(file);
  });
}

// ---- the rules themselves ----

const Paths kTree = {"README.md",     "base",           "base/index.h",  "base/index.cc",
                     "docs",          "docs/design.md", "http",          "http/app",
                     "http/app/a.cc", "http/README.md", "http/app/b_c.h"};

std::size_t InDocument(const std::string& text, const std::string& path = "docs/design.md") {
  return CheckDocument({path, text}, kTree).size();
}
std::size_t InComment(const std::string& text) {
  return CheckComments({"http/app/a.cc", text}, kTree).size();
}

TEST(TextRules, ADocumentsPathsExist) {
  EXPECT_EQ(InDocument("see `base/index.h`, `index.h`, `http/app`, `http/app/` and `http/app/*.h`"),
            0u);
  EXPECT_EQ(InDocument("see `base/gone.h`"), 1u);
  EXPECT_EQ(InDocument("see `gone.cc`"), 1u);
  EXPECT_EQ(InDocument("see `http/gone`"), 1u);
  EXPECT_EQ(InDocument("see `http/app/x*.h`"), 1u);
  EXPECT_EQ(InDocument("`app/a.cc`", "http/README.md"), 0u);
  EXPECT_EQ(InDocument("`app/c.cc`", "http/README.md"), 1u);
}

TEST(TextRules, OtherWordsInADocumentAreLeftAlone) {
  EXPECT_EQ(InDocument("`GET /v1/x`, `Ledger::Change`, `blobs/ab`, `waypost.toml`, `a`"), 0u);
  EXPECT_EQ(InDocument("```\n`base/gone.h`\n```\n"), 0u);
}

TEST(TextRules, ADocumentsLinksLeadSomewhere) {
  EXPECT_EQ(InDocument("[a](design.md) [b](design.md#why) [c](https://x.org/y.md)"), 0u);
  EXPECT_EQ(InDocument("[a](gone.md)"), 1u);
  EXPECT_EQ(InDocument("[a](docs/design.md)", "README.md"), 0u);
}

TEST(TextRules, ACommentsFilesExist) {
  EXPECT_EQ(InComment("int x;  // as base/index.h and a.cc, b_*.h say.\n"), 0u);
  EXPECT_EQ(InComment("// see refold.cc\n"), 1u);
  EXPECT_EQ(InComment("Open(\"gone.cc\");\n"), 0u);
}

TEST(TextRules, PagesThatOnlyTheAuthorsKnow) {
  const auto count = [](const char* path, const std::string& text) {
    return CheckNamesOutside({path, text}).size();
  };
  EXPECT_EQ(count("base/a.cc",
                  "// (DE"
                  "SIGN 4)\n"),
            1u);
  EXPECT_EQ(count("docs/a.md",
                  "as AP"
                  "I.md says"),
            1u);
  EXPECT_EQ(count("docs/a.md",
                  "see iss"
                  "ue 12"),
            1u);
  EXPECT_EQ(count("docs/a.md", "the design of the house, an issue"), 0u);
  EXPECT_EQ(count("base/a.cc",
                  "const int DE"
                  "SIGN = 1;\n"),
            0u);
}

TEST(TextRules, AFileSaysWhatItDoesAfterItsIncludes) {
  const auto count = [](const std::string& text) {
    return CheckBanner({"base/a.cc", text}).size();
  };
  EXPECT_EQ(count("#include \"a.h\"\n\n#include <b>\n\n// One.\n// Two.\n\nnamespace x {\n"), 0u);
  EXPECT_EQ(count("#include \"a.h\"\n\n// One.\n// Two.\nnamespace x {\n"), 0u);
  EXPECT_EQ(count("#include \"a.h\"\n\nnamespace x {\n// One.\n// Two.\n"), 1u) << "too late";
  EXPECT_EQ(count("#include \"a.h\"\n\n// One.\nnamespace x {\n"), 1u) << "too little";
  EXPECT_EQ(count("#include \"a.h\"\n\n//\n//\n//\n//\n//\n//\n//\n//\nnamespace x {\n"), 1u)
      << "too much";
  EXPECT_EQ(count("// One.\n// Two.\n#include \"a.h\"\n\nnamespace x {\n"), 1u) << "too early";
  EXPECT_EQ(count("// One.\n#include \"a.h\"\n\n// One.\n// Two.\n\nnamespace x {\n"), 1u);
}

}  // namespace
}  // namespace waypost::tidy
