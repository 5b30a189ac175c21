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

constexpr const char* kFolders[] = {"base",    "blobstore", "client",  "signpost", "syncgroup",
                                    "fetcher", "http",      "service", "tests",    "integration"};

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
        Case{"UpIsWrong", "base/a.cc", "\n#include \"blobstore/b.h\"\n",
             "base/a.cc:2: base/ may not"},
        Case{"UpInAngleBracketsIsWrong", "base/a.cc", "#include <blobstore/b.h>\n",
             "base/a.cc:1: base/ may not"},
        Case{"DownIsRight", "blobstore/a.cc", "#include \"base/b.h\"\n", ""},
        Case{"SiblingIsWrong", "signpost/a.h", "#include \"blobstore/b.h\"\n", "signpost/a.h:1: "},
        Case{"OtherSiblingIsWrong", "blobstore/a.h", "#include \"signpost/b.h\"\n",
             "blobstore/a.h:1: "},
        Case{"SyncgroupSeesStores", "syncgroup/a.h",
             "#include \"signpost/b.h\"\n#include \"blobstore/b.h\"\n", ""},
        Case{"SyncgroupNotFetcher", "syncgroup/a.h", "#include \"fetcher/b.h\"\n",
             "syncgroup/a.h:1: "},
        Case{"FetcherNotHttp", "fetcher/a.h", "#  include \"http/b.h\"\n", "fetcher/a.h:1: "},
        Case{"HttpNotService", "http/a.h", "#include \"service/b.h\"\n", "http/a.h:1: "},
        Case{"ProductNotTests", "http/a.h", "#include \"tests/fakes/b.h\"\n", "http/a.h:1: "},
        Case{"TestsSeeAll", "tests/base/a.cc", "#include \"service/b.h\"\n", ""},
        Case{"IntegrationSeesCodecs", "integration/a.cc",
             "#include \"syncgroup/wire_codec.h\"\n#include \"signpost/codec.h\"\n", ""},
        Case{"IntegrationNothingElse", "integration/a.cc", "#include \"syncgroup/ledger.h\"\n",
             "integration/a.cc:1: "},
        Case{"LmdbInBase", "base/environment.h", "#include <lmdb.h>\n", ""},
        Case{"LmdbElsewhere", "signpost/a.cc", "#include <lmdb.h>\n", "signpost/a.cc:1: may not"},
        Case{"SodiumElsewhere", "base/sha256.cc", "#include <sodium.h>\n", "base/sha256.cc:1: "},
        Case{"OpensslElsewhere", "fetcher/a.cc", "#include <openssl/evp.h>\n", "fetcher/a.cc:1: "},
        Case{"SpdlogElsewhere", "service/a.cc", "#include <spdlog/spdlog.h>\n", "service/a.cc:1: "},
        Case{"PrometheusElsewhere", "http/a.cc", "#include <prometheus/counter.h>\n",
             "http/a.cc:1: may not"},
        Case{"PrometheusInMetrics", "base/metrics.cc", "#include <prometheus/counter.h>\n", ""},
        Case{"JsonElsewhere", "fetcher/a.cc", "#include <nlohmann/json.hpp>\n",
             "fetcher/a.cc:1: may not"},
        Case{"JsonInHttp", "http/json.h", "#include \"nlohmann/json.hpp\"\n", ""},
        Case{"HttplibInHttp", "http/app/a.cc", "#include <httplib.h>\n",
             "http/app/a.cc:1: may not"},
        Case{"HttplibInTheClient", "client/waypost/detail/a.h", "#include <httplib.h>\n", ""},
        Case{"OursInTheClient", "client/waypost/a.h", "#include \"base/clock.h\"\n",
             "client/waypost/a.h:1: client/ may not"},
        Case{"TheClientInService", "service/a.cc", "#include \"waypost/client.h\"\n",
             "service/a.cc:1: may not"},
        Case{"CliElsewhere", "http/a.cc", "#include <CLI/CLI.hpp>\n", "http/a.cc:1: may not"},
        Case{"CliInService", "service/a.cc", "#include <CLI/CLI.hpp>\n", ""},
        Case{"GoogleTestInProduct", "base/a.cc", "#include <gtest/gtest.h>\n",
             "base/a.cc:1: may not"},
        Case{"ProtoInCodec", "syncgroup/wire_codec.cc", "#include \"syncgroup/wire.pb.h\"\n", ""},
        Case{"ProtoElsewhere", "syncgroup/ledger.cc", "#include \"syncgroup/wire.pb.h\"\n",
             "syncgroup/ledger.cc:1: "},
        Case{"TomlElsewhere", "http/a.cc", "#include <toml++/toml.h>\n", "http/a.cc:1: "},
        Case{"UsingStd", "tests/a.cc", "using namespace std;\n", "tests/a.cc:1: `using"},
        Case{"SleepInProduct", "fetcher/a.cc", "std::this_thread::sleep_for(x);\n",
             "fetcher/a.cc:1: sleep"},
        Case{"SleepUntilInProduct", "http/a.cc", "std::this_thread::sleep_until(x);\n",
             "http/a.cc:1: sleep"},
        Case{"UsleepInProduct", "base/a.cc", "usleep(5);\n", "base/a.cc:1: usleep"},
        Case{"NanosleepInProduct", "base/a.cc", "nanosleep(&x, nullptr);\n",
             "base/a.cc:1: nanosleep"},
        Case{"SleepInText", "fetcher/a.cc", "Log(\"sleep_for\");  // sleep_for\n", ""},
        Case{"SleepInTests", "tests/a.cc", "std::this_thread::sleep_for(x);\n", ""},
        Case{"SteadyClockInProduct", "http/a.cc",
             "const auto t = std::chrono::steady_clock::now();\n",
             "http/a.cc:1: steady_clock::now reads a clock"},
        Case{"SystemClockInProduct", "syncgroup/group/a.cc",
             "\nx = std::chrono::system_clock::now();\n",
             "syncgroup/group/a.cc:2: system_clock::now reads a clock"},
        Case{"ClockGettimeInProduct", "fetcher/a.cc", "clock_gettime(CLOCK_MONOTONIC, &now);\n",
             "fetcher/a.cc:1: clock_gettime reads"},
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
        Case{"ClockHandedIn", "fetcher/a.cc",
             "const base::SteadyTime now = parts.clock.SteadyNow();  // not steady_clock::now\n",
             ""},
        Case{"ClockAsAType", "http/a.cc", "using Time = std::chrono::steady_clock::time_point;\n",
             ""},
        Case{"LongerNameThanTime", "http/a.cc", "SetDeadline_time(nullptr);\n", ""},
        Case{"RandomDeviceInProduct", "service/a.cc", "std::random_device random;\n",
             "service/a.cc:1: random_device reads randomness"},
        Case{"SodiumRandomElsewhereInBase", "base/crypto.cc", "randombytes_buf(seed, 32);\n",
             "base/crypto.cc:1: randombytes reads"},
        Case{"GetrandomInProduct", "blobstore/a.cc", "getrandom(&x, sizeof x, 0);\n",
             "blobstore/a.cc:1: getrandom reads"},
        Case{"GetrandomInItsFile", "base/entropy.cc", "getrandom(&x, sizeof x, 0);\n", ""},
        Case{"RandInProduct", "fetcher/a.cc", "return rand() % 6;\n",
             "fetcher/a.cc:1: rand() reads"},
        Case{"LongerNameThanRand", "fetcher/a.cc", "return operand();\n", ""},
        Case{"UrandomInText", "service/a.cc", "Open(\"/dev/urandom\");\n",
             "service/a.cc:1: /dev/urandom reads"},
        Case{"BytesFromBase", "syncgroup/a.cc", "id = base::RandomBytes(16);\n", ""},
        Case{"BareTodo", "base/a.cc", "// TODO: fix\n", "base/a.cc:1: TODO"},
        Case{"TodoWithReason", "base/a.cc", "// TODO: drop when Debian ships LMDB 1.0\n", ""}),
    [](const testing::TestParamInfo<Case>& i) { return std::string(i.param.name); });

TEST(LongFile, IsFoundInProductCodeOnly) {
  std::string content;
  for (int i = 0; i < 601; ++i) content += "int x;\n";
  EXPECT_EQ(CheckFile({"base/a.cc", content}).size(), 1u);
  EXPECT_TRUE(CheckFile({"tests/a.cc", content}).empty());
  EXPECT_TRUE(CheckFile({"syncgroup/wire_codec.cc", content}).empty());
  EXPECT_EQ(CheckFile({"syncgroup/wire_codec.cc", content + content}).size(), 1u);
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
