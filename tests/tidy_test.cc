#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/tidy_rules.h"

namespace waypost::tidy {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFolders[] = {"base",      "blobstore", "client",     "signpost",
                                    "syncgroup", "upkeep",    "fetcher",    "http",
                                    "service",   "tests",     "integration"};

SourceFile ReadOne(const fs::path& root, const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream content;
  content << in.rdbuf();
  return {fs::relative(path, root).generic_string(), content.str()};
}

std::vector<SourceFile> ReadTree() {
  const fs::path root = WAYPOST_SOURCE_DIR;
  std::vector<SourceFile> files = {ReadOne(root, root / "CMakeLists.txt")};
  for (const char* const folder : kFolders) {
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root / folder)) {
      const fs::path& path = entry.path();
      const std::string ext = path.extension().string();
      if (!entry.is_regular_file()) continue;
      if (ext != ".cc" && ext != ".h" && path.filename() != "CMakeLists.txt") continue;
      files.push_back(ReadOne(root, path));
    }
  }
  return files;
}

std::string Lines(const std::vector<std::string>& messages) {
  std::string text;
  for (const std::string& message : messages) text += message + "\n";
  return text;
}

TEST(Tree, KeepsItsRules) {
  const std::vector<SourceFile> files = ReadTree();
  ASSERT_GT(files.size(), 60u) << "the tree was not found at " << WAYPOST_SOURCE_DIR;
  std::vector<std::string> found;
  for (const SourceFile& file : files) {
    if (file.path.ends_with("CMakeLists.txt")) continue;
    const auto of_file = CheckFile(file);
    found.insert(found.end(), of_file.begin(), of_file.end());
  }
  EXPECT_TRUE(found.empty()) << Lines(found);
}

TEST(Tree, EveryCcIsBuilt) {
  const auto found = CheckBuilt(ReadTree());
  EXPECT_TRUE(found.empty()) << Lines(found);
}

TEST(Tree, DependsNamesWhatIsIncluded) {
  const auto found = CheckDepends(ReadTree());
  EXPECT_TRUE(found.empty()) << Lines(found);
}

TEST(Tree, PolicyIsPure) {
  const auto found = CheckPure(ReadTree());
  EXPECT_TRUE(found.empty()) << Lines(found);
}

TEST(Tree, WhatOthersMakeUsHandleHasALimit) {
  const fs::path root = WAYPOST_SOURCE_DIR;
  const auto found =
      CheckLimits(ReadOne(root, root / "syncgroup/protocol/wire.proto"),
                  ReadOne(root, root / "base/tables.h"), ReadOne(root, root / "docs/security.md"));
  EXPECT_TRUE(found.empty()) << Lines(found);
}

TEST(Tree, TheTestsThatSecurityNamesAreThere) {
  const fs::path root = WAYPOST_SOURCE_DIR;
  const auto found = CheckNamedTests(ReadTree(), ReadOne(root, root / "docs/security.md"));
  EXPECT_TRUE(found.empty()) << Lines(found);
}

TEST(NamedTests, OneThatIsGoneIsFound) {
  const std::vector<SourceFile> files = {
      {"a_test.cc", "TEST_F(Wire, KeepsAll) {\nTEST(Wire,\n  Is) {"},
      {"b.cc", "TEST(Other, Thing) {"}};
  const auto found = CheckNamedTests(
      files,
      {"s.md", "`Wire.Keeps*` `Wire.*All` `Wire.Is` `Wire.*` `Wire.Gone*` `Other.Thing` `x.y`"});
  ASSERT_EQ(found.size(), 2u) << Lines(found);
  EXPECT_EQ(found[0], "s.md: there is no test `Wire.Gone*`");
}

TEST(Limits, AMessageOrTableWithoutALineIsFound) {
  const SourceFile wire{"w.proto", "message Known {\n}\nmessage New {\n  bytes a = 1;\n}\n"};
  const SourceFile tables{"t.h", "enum {\n  kOld,  // a\n  kFresh,\n};\n"};
  const SourceFile security{"s.md", "`New` `kFresh`\n## Limits\n`Known`, `kOld`\n## Next\n`New`\n"};
  const auto found = CheckLimits(wire, tables, security);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].rfind("w.proto:3: ", 0), 0u) << found[0];
  EXPECT_EQ(found[1].rfind("t.h:3: ", 0), 0u) << found[1];
}

// The rules themselves, on made-up files: each must fire, and must leave its neighbour alone.
struct Case {
  const char* name;
  const char* path;
  const char* content;
  const char* expected;  // how the only message begins; empty: nothing is wrong
};

class Rule : public testing::TestWithParam<Case> {};

TEST_P(Rule, FiresWhereItShould) {
  const Case& c = GetParam();
  const auto found = CheckFile({c.path, c.content});
  if (std::string(c.expected).empty()) {
    EXPECT_TRUE(found.empty()) << Lines(found);
    return;
  }
  ASSERT_EQ(found.size(), 1u) << Lines(found);
  EXPECT_EQ(found[0].substr(0, std::string(c.expected).size()), c.expected);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, Rule,
    testing::Values(
        Case{"PrintingElsewhere", "service/cli/a.cc", "\n  std::cout << name;\n",
             "service/cli/a.cc:2: cout prints past"},
        Case{"WritingToStandardOutput", "service/cli/a.cc",
             "\n  std::fwrite(a.data(), 1, a.size(), stdout);\n",
             "service/cli/a.cc:2: stdout prints past"},
        Case{"PrintingWhereAllIsPrinted", "service/cli/print.cc", "\n  std::cout.flush();\n", ""},
        Case{"FormattingIsNoPrinting", "service/cli/a.cc",
             "\n  std::snprintf(to, 4, \"%d\", 1);  // not to stdout\n", ""},
        Case{"PrintingOfOthers", "service/a.cc", "\n  std::fputs(text, stderr);\n", ""},
        Case{"UpIsWrong", "base/a.cc", "\n#include \"blobstore/b.h\"\n",
             "base/a.cc:2: base/ may not"},
        Case{"UpInAngleBracketsIsWrong", "base/a.cc", "#include <blobstore/b.h>\n",
             "base/a.cc:1: base/ may not"},
        Case{"DownIsRight", "blobstore/a.cc", "#include \"base/b.h\"\n", ""},
        Case{"SiblingIsWrong", "signpost/a.h", "#include \"blobstore/b.h\"\n", "signpost/a.h:1: "},
        Case{"OtherSiblingIsWrong", "blobstore/a.h", "#include \"signpost/b.h\"\n",
             "blobstore/a.h:1: "},
        Case{"LedgerSeesStores", "syncgroup/ledger/a.h",
             "#include \"signpost/b.h\"\n#include \"blobstore/b.h\"\n", ""},
        Case{"MembershipSeesNoLedger", "syncgroup/membership/a.h",
             "#include \"syncgroup/ledger/b.h\"\n", "syncgroup/membership/a.h:1: "},
        Case{"GroupNotSync", "syncgroup/group/a.cc", "#include \"syncgroup/sync/b.h\"\n",
             "syncgroup/group/a.cc:1: "},
        Case{"SyncgroupNotFetcher", "syncgroup/sync/a.h", "#include \"fetcher/policy/b.h\"\n",
             "syncgroup/sync/a.h:1: "},
        Case{"WorkNotUpkeep", "fetcher/work/a.h", "#include \"upkeep/b.h\"\n",
             "fetcher/work/a.h:1: "},
        Case{"ReportSeesUpkeep", "fetcher/report/a.h", "#include \"upkeep/b.h\"\n", ""},
        Case{"FetcherNotHttp", "fetcher/work/a.h", "#  include \"http/message/b.h\"\n",
             "fetcher/work/a.h:1: "},
        Case{"ClientNotEngine", "http/client/a.h", "#include \"http/engine/b.h\"\n",
             "http/client/a.h:1: "},
        Case{"ListenersAreBlind", "http/app/a.h", "#include \"http/peer/b.h\"\n",
             "http/app/a.h:1: "},
        Case{"PeerSeesClient", "http/peer/a.h", "#include \"http/client/b.h\"\n", ""},
        Case{"PeerNotEngine", "http/peer/a.h", "#include \"http/engine/b.h\"\n",
             "http/peer/a.h:1: "},
        Case{"HttpNotService", "http/app/a.h", "#include \"service/b.h\"\n", "http/app/a.h:1: "},
        Case{"CommandLineNotFetcher", "service/cli/a.h", "#include \"fetcher/work/b.h\"\n",
             "service/cli/a.h:1: "},
        Case{"NoChamber", "http/a.h", "int x;\n", "http/a.h:0: stands in no chamber"},
        Case{"ProductNotTests", "http/app/a.h", "#include \"tests/fakes/b.h\"\n",
             "http/app/a.h:1: "},
        Case{"TestsSeeAll", "tests/base/a.cc", "#include \"service/b.h\"\n", ""},
        Case{"IntegrationSeesCodecs", "integration/a.cc",
             "#include \"syncgroup/protocol/wire_codec.h\"\n#include \"signpost/codec.h\"\n", ""},
        Case{"IntegrationNothingElse", "integration/a.cc",
             "#include \"syncgroup/ledger/ledger.h\"\n", "integration/a.cc:1: "},
        Case{"IntegrationSeesWhatTestsShare", "integration/a.cc",
             "#include \"tests/support/eventually.h\"\n", ""},
        Case{"IntegrationNotOtherTests", "integration/a.cc", "#include \"tests/fakes/b.h\"\n",
             "integration/a.cc:1: "},
        Case{"LmdbInBase", "base/environment.h", "#include <lmdb.h>\n", ""},
        Case{"LmdbElsewhere", "signpost/a.cc", "#include <lmdb.h>\n", "signpost/a.cc:1: may not"},
        Case{"SodiumElsewhere", "base/sha256.cc", "#include <sodium.h>\n", "base/sha256.cc:1: "},
        Case{"OpensslElsewhere", "fetcher/work/a.cc", "#include <openssl/evp.h>\n",
             "fetcher/work/a.cc:1: "},
        Case{"SpdlogElsewhere", "service/a.cc", "#include <spdlog/spdlog.h>\n", "service/a.cc:1: "},
        Case{"PrometheusElsewhere", "http/app/a.cc", "#include <prometheus/counter.h>\n",
             "http/app/a.cc:1: may not"},
        Case{"PrometheusInMetrics", "base/metrics.cc", "#include <prometheus/counter.h>\n", ""},
        Case{"JsonElsewhere", "fetcher/work/a.cc", "#include <nlohmann/json.hpp>\n",
             "fetcher/work/a.cc:1: may not"},
        Case{"JsonInHttp", "http/message/json.h", "#include \"nlohmann/json.hpp\"\n", ""},
        Case{"TheBoardInTheReport", "fetcher/report/a.cc", "#include \"fetcher/work/board.h\"\n",
             "fetcher/report/a.cc:1: may not"},
        Case{"TheBoardInTheWork", "fetcher/work/a.cc", "#include \"fetcher/work/board.h\"\n", ""},
        Case{"HttplibInHttp", "http/app/a.cc", "#include <httplib.h>\n",
             "http/app/a.cc:1: may not"},
        Case{"HttplibInTheClient", "client/waypost/detail/a.h", "#include <httplib.h>\n", ""},
        Case{"OursInTheClient", "client/waypost/a.h", "#include \"base/clock.h\"\n",
             "client/waypost/a.h:1: client/ may not"},
        Case{"TheClientInService", "service/a.cc", "#include \"waypost/client.h\"\n",
             "service/a.cc:1: may not"},
        Case{"CliElsewhere", "http/app/a.cc", "#include <CLI/CLI.hpp>\n",
             "http/app/a.cc:1: may not"},
        Case{"CliInService", "service/a.cc", "#include <CLI/CLI.hpp>\n", ""},
        Case{"GoogleTestInProduct", "base/a.cc", "#include <gtest/gtest.h>\n",
             "base/a.cc:1: may not"},
        Case{"ProtoInCodec", "syncgroup/protocol/wire_codec.cc",
             "#include \"syncgroup/protocol/wire.pb.h\"\n", ""},
        Case{"ProtoElsewhere", "syncgroup/ledger/ledger.cc",
             "#include \"syncgroup/protocol/wire.pb.h\"\n", "syncgroup/ledger/ledger.cc:1: "},
        Case{"TomlElsewhere", "http/app/a.cc", "#include <toml++/toml.h>\n", "http/app/a.cc:1: "},
        Case{"UsingStd", "tests/a.cc", "using namespace std;\n", "tests/a.cc:1: `using"},
        Case{"SleepInProduct", "fetcher/work/a.cc", "std::this_thread::sleep_for(x);\n",
             "fetcher/work/a.cc:1: sleep"},
        Case{"SleepUntilInProduct", "http/app/a.cc", "std::this_thread::sleep_until(x);\n",
             "http/app/a.cc:1: sleep"},
        Case{"UsleepInProduct", "base/a.cc", "usleep(5);\n", "base/a.cc:1: usleep"},
        Case{"NanosleepInProduct", "base/a.cc", "nanosleep(&x, nullptr);\n",
             "base/a.cc:1: nanosleep"},
        Case{"SleepInText", "fetcher/work/a.cc", "Log(\"sleep_for\");  // sleep_for\n", ""},
        Case{"SleepInTests", "tests/a.cc", "std::this_thread::sleep_for(x);\n", ""},
        Case{"SteadyClockInProduct", "http/app/a.cc",
             "const auto t = std::chrono::steady_clock::now();\n",
             "http/app/a.cc:1: steady_clock::now reads a clock"},
        Case{"SystemClockInProduct", "syncgroup/group/a.cc",
             "\nx = std::chrono::system_clock::now();\n",
             "syncgroup/group/a.cc:2: system_clock::now reads a clock"},
        Case{"ClockGettimeInProduct", "fetcher/work/a.cc",
             "clock_gettime(CLOCK_MONOTONIC, &now);\n", "fetcher/work/a.cc:1: clock_gettime reads"},
        Case{"GettimeofdayInProduct", "service/cli/a.cc", "gettimeofday(&now, nullptr);\n",
             "service/cli/a.cc:1: gettimeofday reads"},
        Case{"TimeInProduct", "signpost/a.cc", "std::srand(std::time(nullptr));\n",
             "signpost/a.cc:1: time(nullptr) reads"},
        Case{"ClockElsewhereInBase", "base/index_writer.cc", "std::chrono::steady_clock::now();\n",
             "base/index_writer.cc:1: steady_clock::now reads"},
        Case{"ClockInItsFile", "base/clock.cc", "return std::chrono::steady_clock::now();\n", ""},
        Case{"ClockInIntegration", "integration/a.cc", "std::chrono::steady_clock::now();\n", ""},
        Case{"ClockInClient", "client/waypost/client.h", "std::chrono::steady_clock::now();\n", ""},
        Case{"ClockInTests", "tests/http/a.cc", "std::chrono::steady_clock::now();\n", ""},
        Case{"ClockHandedIn", "fetcher/work/a.cc",
             "const base::SteadyTime now = parts.clock.SteadyNow();  // not steady_clock::now\n",
             ""},
        Case{"ClockAsAType", "http/app/a.cc",
             "using Time = std::chrono::steady_clock::time_point;\n", ""},
        Case{"LongerNameThanTime", "http/app/a.cc", "SetDeadline_time(nullptr);\n", ""},
        Case{"RandomDeviceInProduct", "service/a.cc", "std::random_device random;\n",
             "service/a.cc:1: random_device reads randomness"},
        Case{"SodiumRandomElsewhereInBase", "base/crypto.cc", "randombytes_buf(seed, 32);\n",
             "base/crypto.cc:1: randombytes reads"},
        Case{"GetrandomInProduct", "blobstore/a.cc", "getrandom(&x, sizeof x, 0);\n",
             "blobstore/a.cc:1: getrandom reads"},
        Case{"GetrandomInItsFile", "base/entropy.cc", "getrandom(&x, sizeof x, 0);\n", ""},
        Case{"RandInProduct", "fetcher/work/a.cc", "return rand() % 6;\n",
             "fetcher/work/a.cc:1: rand() reads"},
        Case{"LongerNameThanRand", "fetcher/work/a.cc", "return operand();\n", ""},
        Case{"UrandomInText", "service/a.cc", "Open(\"/dev/urandom\");\n",
             "service/a.cc:1: /dev/urandom reads"},
        Case{"BytesFromBase", "syncgroup/group/a.cc", "id = base::RandomBytes(16);\n", ""},
        Case{"HoldingBegun", "fetcher/work/a.cc", "record.row->holdings.try_emplace(group, x);\n",
             "fetcher/work/a.cc:1: a holding or a blob row begins or ends"},
        Case{"HoldingAssigned", "syncgroup/group/a.cc", "row->holdings[group] = x;\n",
             "syncgroup/group/a.cc:1: a holding"},
        Case{"HoldingEnded", "upkeep/a.cc", "row.holdings.erase(group);\n",
             "upkeep/a.cc:1: a holding"},
        Case{"HoldingsReplaced", "upkeep/a.cc", "row.holdings = other.holdings;\n",
             "upkeep/a.cc:1: a holding"},
        Case{"RowEnded", "upkeep/a.cc", "record.row.reset();\n", "upkeep/a.cc:1: a holding"},
        Case{"RowBegun", "upkeep/a.cc", "record.row = std::move(row);\n",
             "upkeep/a.cc:1: a holding"},
        Case{"HoldingElsewhereInLedger", "syncgroup/ledger/ledger.cc",
             "record.row->holdings.insert(x);\n", "syncgroup/ledger/ledger.cc:1: a holding"},
        Case{"HoldingInItsFile", "syncgroup/ledger/holdings.cc",
             "record.row->holdings.insert(x);\n", ""},
        Case{"HoldingRead", "http/app/a.cc",
             "if (row->holdings.contains(group) && record.row == before.row) return;\n", ""},
        Case{"RowOfABlobElsewhere", "upkeep/a.cc", "  blobstore::StoreBlobRow(txn, blob, row);\n",
             "upkeep/a.cc:1: StoreBlobRow() outside of syncgroup/ledger"},
        Case{"RowOfABlobDeletedElsewhere", "blobstore/reconcile.cc",
             "\nDeleteBlobRow(txn, blob);\n", "blobstore/reconcile.cc:2: DeleteBlobRow()"},
        Case{"LostRowElsewhere", "syncgroup/group/a.cc", "StoreLostRow(txn, blob, row);\n",
             "syncgroup/group/a.cc:1: StoreLostRow()"},
        Case{"LostRowDeletedElsewhere", "fetcher/work/a.cc", "DeleteLostRow(txn, blob);\n",
             "fetcher/work/a.cc:1: DeleteLostRow()"},
        Case{"RowOfABlobInTheLedger", "syncgroup/ledger/ledger.cc",
             "  blobstore::DeleteBlobRow(txn, blob);\n", ""},
        Case{"RowOfABlobInItsFile", "blobstore/blob_row.cc",
             "void StoreBlobRow(base::WriteTxn& txn) {\n", ""},
        Case{"RowOfABlobInTests", "tests/a.cc", "StoreBlobRow(txn, blob, row);\n", ""},
        Case{"MainWithoutDescriptors", "tests/bench/a.cc", "\nint main() {\n  return 0;\n}\n",
             "tests/bench/a.cc:2: main() does not begin with"},
        Case{"MainOfTheService", "service/cli/a.cc", "int main(int argc, char** argv) {\n}\n",
             "service/cli/a.cc:1: main() does not begin with"},
        Case{"MainWithDescriptors", "integration/a.cc",
             "int main() {\n  if (!waypost::base::FillStandardDescriptors()) return 1;\n}\n", ""},
        Case{"MainOfThoseOutside", "client/examples/a.cc", "int main() {\n}\n", ""},
        Case{"HoldingInTests", "tests/a.cc", "record.row->holdings.erase(group);\n", ""},
        Case{"BareTodo", "base/a.cc", "// TODO: fix\n", "base/a.cc:1: TODO"},
        Case{"TodoWithReason", "base/a.cc", "// TODO: drop when Debian ships LMDB 1.0\n", ""}),
    [](const testing::TestParamInfo<Case>& i) { return std::string(i.param.name); });

TEST(LongFile, IsFoundInProductCodeOnly) {
  std::string content;
  for (int i = 0; i < 601; ++i) content += "int x;\n";
  EXPECT_EQ(CheckFile({"base/a.cc", content}).size(), 1u);
  EXPECT_TRUE(CheckFile({"tests/a.cc", content}).empty());
  EXPECT_TRUE(CheckFile({"syncgroup/protocol/wire_codec.cc", content}).empty());
  EXPECT_EQ(CheckFile({"syncgroup/protocol/wire_codec.cc", content + content}).size(), 1u);
}

TEST(Pure, WhatReachesALockByItsIncludesIsFound) {
  const std::vector<SourceFile> files = {
      {"fetcher/policy/a.h", "#include \"signpost/b.h\"\n"},
      {"fetcher/policy/c.h", "#include \"signpost/d.h\"\n#include <map>\n"},
      {"fetcher/work/e.h", "#include \"base/mutex.h\"\n"},
      {"signpost/b.h", "#include \"fetcher/policy/a.h\"\n#include \"base/mutex.h\"\n"},
      {"signpost/d.h", "#include <string>\n"}};
  const auto found = CheckPure(files);
  ASSERT_EQ(found.size(), 1u) << Lines(found);
  EXPECT_TRUE(found[0].starts_with("fetcher/policy/a.h:1: "));
}

TEST(Depends, WhatIsMissingAndWhatNobodyUsesIsFound) {
  const std::vector<SourceFile> files = {
      {"signpost/CMakeLists.txt",
       "# waypost_upkeep\nwaypost_room(signpost\n  SOURCES\n    a.cc\n  DEPENDS\n"
       "    waypost_base\n    waypost_blobstore\n    absl::cord\n    absl::strings\n"
       "    absl::time\n    OpenSSL::SSL)\ntarget_sources(x PRIVATE b.cc)\n"},
      {"signpost/a.cc",
       "#include \"signpost/a.h\"\n#include \"base/ids.h\"\n#include \"absl/strings/match.h\"\n"
       "#include \"absl/strings/cord.h\"\n#include \"fetcher/policy/pause.h\"\n"},
      {"signpost/a.h", "#include \"absl/base/thread_annotations.h\"\n#include <map>\n"},
      {"signpost/b.cc", "#include \"absl/debugging/stacktrace.h\"\n"},
      {"tests/signpost/CMakeLists.txt", "waypost_test(t SOURCES t.cc)\n"}};
  const auto found = CheckDepends(files);
  ASSERT_EQ(found.size(), 4u) << Lines(found);
  EXPECT_EQ(found[0],
            "signpost/CMakeLists.txt:1: a.h includes absl/base/thread_annotations.h: name "
            "absl::core_headers under DEPENDS");
  EXPECT_NE(found[1].find("name waypost_fetcher_policy under"), std::string::npos) << found[1];
  EXPECT_NE(found[2].find("includes what is in absl::time:"), std::string::npos) << found[2];
  EXPECT_NE(found[3].find("includes what is in waypost_blobstore:"), std::string::npos) << found[3];
}

TEST(Built, AFileThatNoTargetNamesIsFound) {
  const std::vector<SourceFile> files = {
      {"base/CMakeLists.txt", "waypost_room(base SOURCES a.cc\n  b.cc) # c.cc\n"},
      {"tests/base/CMakeLists.txt", "waypost_test(t SOURCES ../fakes/f.cc x_test.cc)"},
      {"base/a.cc", ""},
      {"base/b.cc", ""},
      {"base/c.cc", ""},
      {"tests/fakes/f.cc", ""},
      {"tests/base/x_test.cc", ""},
      {"tests/base/a.cc", ""}};
  const auto found = CheckBuilt(files);
  ASSERT_EQ(found.size(), 2u) << Lines(found);
  EXPECT_TRUE(found[0].starts_with("base/c.cc:1: "));
  EXPECT_TRUE(found[1].starts_with("tests/base/a.cc:1: "));
}

}  // namespace
}  // namespace waypost::tidy
