// The commands and settings that the pages in docs/ show are tried as they stand there.
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "integration/cluster.h"
#include "integration/eventually.h"

namespace waypost::integration {
namespace {

namespace fs = std::filesystem;

// The lines of a page that show a command, with their comments.
std::vector<std::string> CommandsOf(const std::string& page) {
  std::vector<std::string> commands;
  std::istringstream text(ReadWholeFile(page));
  for (std::string line; std::getline(text, line);) {
    if (absl::StartsWith(line, "    waypost ")) commands.push_back(line.substr(4));
  }
  return commands;
}

// The commands that the prose and the tables of a page name, with what is optional.
std::vector<std::string> CommandsInProse(const std::string& page) {
  std::vector<std::string> commands;
  const std::string text = ReadWholeFile(page);
  const std::regex named("`(waypost [^`]*)`");
  for (std::sregex_iterator at(text.begin(), text.end(), named), end; at != end; ++at) {
    const std::string one_line = absl::StrReplaceAll(std::string((*at)[1]), {{"\n", " "}});
    commands.push_back(std::regex_replace(one_line, std::regex("\\[|\\]|\\|[a-z]+"), ""));
  }
  return commands;
}

constexpr const char* kPages[] = {"operations.md", "proxies.md", "security.md", "architecture.md"};

std::string PathOf(const char* page) { return absl::StrCat(WAYPOST_SOURCE_DIR, "/docs/", page); }

// What a page shows of a waypost.toml: each block that begins with a section.
std::vector<std::string> SettingsOf(const std::string& page) {
  std::vector<std::string> blocks;
  std::istringstream text(ReadWholeFile(page));
  bool inside = false;
  for (std::string line; std::getline(text, line);) {
    if (!inside && absl::StartsWith(line, "    [")) blocks.emplace_back();
    inside = absl::StartsWith(line, inside ? "    " : "    [");
    if (inside) absl::StrAppend(&blocks.back(), line.substr(4), "\n");
  }
  return blocks;
}

class DocsTest : public ::testing::Test {
 protected:
  DocsTest() {
    laptop_ = &cluster_.Add("laptop");
    phone_ = &cluster_.Add("phone");
    group_ = cluster_.Group("photos", {{laptop_, "server"}, {phone_, "normal"}});
    PutRef(*laptop_, group_, "a/b.jpg", "a picture");
    PutRef(*laptop_, group_, "2026/a.jpg", "another one");
    fs::create_directories(cluster_.dir() + "/photos");
    WriteWholeFile(cluster_.dir() + "/photos/c.jpg", "a third one");
    WriteWholeFile(cluster_.dir() + "/phrase", "nobody guesses this one");
  }
  // What stands for something of the reader's, here.
  std::string Filled(const std::string& line) {
    std::map<std::string, std::string> values = {
        {"DIR", absl::StrCat(cluster_.dir(), "/folder", ++folders_)},
        {"NAME", "nas"},
        {"FILE", absl::StrCat(cluster_.dir(), "/file", folders_)},
        {"G", "photos"},
        {"SHORT-ID", phone_->id().substr(0, 8)},
    };
    fs::create_directories(values["DIR"]);
    if (absl::StrContains(line, "INVITE")) {
      values["INVITE"] = phone_->Invite(phone_->CreateGroup("music", "server"));
    }
    std::string filled = line.substr(0, line.find(" #"));
    for (const auto& [word, value] : values) {
      filled =
          std::regex_replace(filled, std::regex("(^| )" + word + "(?![A-Za-z-])"), "$01" + value);
    }
    return filled;
  }
  CommandResult Run(const std::string& command) const {
    return RunCommand(
        {"/bin/bash", "-c",
         absl::StrCat("set -e; export HOME='", cluster_.dir(), "' WAYPOST_DATA='", laptop_->dir(),
                      "'; waypost() { '", WaypostProgram(), "' \"$@\"; }; ", command)});
  }

  // A service in a folder of its own, until it is ready.
  void Serve(const std::string& command) {
    const std::string folder = absl::StrCat(cluster_.dir(), "/folder", folders_);
    ASSERT_EQ(Run("waypost init --data " + folder).exit_status, 0);
    auto service =
        Process::Spawn({.arguments = {"/bin/bash", "-c",
                                      absl::StrCat("exec '", WaypostProgram(), "'",
                                                   command.substr(std::string("waypost").size()))},
                        .environment = {{"WAYPOST_HTTP_LISTEN", "127.0.0.1:0"},
                                        {"WAYPOST_PEER_LISTEN", "127.0.0.1:0"}},
                        .stderr_path = folder + ".log"});
    ASSERT_TRUE(service.ok()) << service.status();
    EXPECT_TRUE(Eventually([&] { return fs::exists(folder + "/endpoints.json"); }))
        << command << "\n"
        << ReadWholeFile(folder + ".log");
    service->Signal(SIGTERM);
    EXPECT_EQ(service->Wait(base::Millis(60'000)), 0) << command;
  }

  Cluster cluster_;
  Peer* laptop_ = nullptr;
  Peer* phone_ = nullptr;
  std::string group_;
  int folders_ = 0;
};

TEST_F(DocsTest, EveryCommandOnThePagesDoesWhatItSays) {
  std::vector<std::string> commands;
  for (const char* page : kPages) {
    const auto of_page = CommandsOf(PathOf(page));
    commands.insert(commands.end(), of_page.begin(), of_page.end());
  }
  EXPECT_GT(commands.size(), 25U);
  const std::string nothing_wanted = Run("waypost wanted").out;
  for (const std::string& line : commands) {
    if (absl::StartsWith(line, "waypost serve ")) {
      Serve(Filled(line));
      continue;
    }
    if (absl::StartsWith(line, "waypost stop ")) {
      const std::string absent = HexOfSha256("nobody has this");
      Run("waypost ref set photos 2026/a.jpg " + absent);
      EXPECT_TRUE(Eventually([&] { return Run("waypost wanted").out != nothing_wanted; }));
    }
    std::string command = Filled(line);
    if (absl::StartsWith(line, "waypost identity backup ")) {
      absl::StrAppend(&command, " --passphrase-file ", cluster_.dir(), "/phrase");
    }
    const CommandResult result = Run(command);
    EXPECT_EQ(result.exit_status, 0) << line << "\n" << command << "\n" << result.out << result.err;
  }
}

// In a folder where no service runs: a line that the command line does not take ends with 2, any
// other one with what is missing. A command that is named without its words is one of `help`.
TEST(DocsProseTest, EveryCommandThatIsNamedHasTheWordsThatItIsNamedWith) {
  std::vector<std::string> pages = {WAYPOST_SOURCE_DIR "/README.md",
                                    WAYPOST_SOURCE_DIR "/CONTRIBUTING.md"};
  for (const auto& entry : fs::directory_iterator(WAYPOST_SOURCE_DIR "/docs")) {
    if (entry.path().extension() == ".md") pages.push_back(entry.path().string());
  }
  std::set<std::string> known;
  for (const Json& command : Parsed(RunCommand({WaypostProgram(), "help", "--json"}))) {
    known.insert("waypost " + command.value("command", ""));
  }
  std::size_t tried = 0;
  for (const std::string& page : pages) {
    for (const std::string& command : CommandsInProse(page)) {
      ++tried;
      if (known.contains(command)) continue;
      std::vector<std::string> words = absl::StrSplit(command, ' ', absl::SkipWhitespace());
      words[0] = WaypostProgram();
      for (std::string& word : words) {
        if (word == "DIR") word = "/proc/none";
        if (word == "COMMAND") word = "put";
      }
      const CommandResult result = RunCommand(words, {{"WAYPOST_DATA", "/proc/none"}});
      EXPECT_TRUE(result.exit_status != 2 && result.exit_status != -1)
          << page << ": " << command << "\n"
          << result.err;
    }
  }
  EXPECT_GT(tried, 25U);
}

// Settings that are no more, a value that is none, files of a certificate that nothing takes.
TEST_F(DocsTest, TheSettingsOnThePagesAreTaken) {
  const std::string certificate = cluster_.dir() + "/fullchain.pem",
                    key = cluster_.dir() + "/key.pem";
  ASSERT_EQ(RunCommand({"/usr/bin/openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=nas.example.org",
                        "-keyout", key, "-out", certificate})
                .exit_status,
            0);
  std::size_t tried = 0;
  for (const char* page : kPages) {
    for (const std::string& block : SettingsOf(PathOf(page))) {
      const std::string file = absl::StrCat(cluster_.dir(), "/settings", ++tried, ".toml");
      WriteWholeFile(file, absl::StrReplaceAll(block, {{"/etc/waypost/fullchain.pem", certificate},
                                                       {"/etc/waypost/key.pem", key},
                                                       {":7440", ":0"}}));
      const CommandResult checked = Run("waypost config check " + file);
      EXPECT_EQ(checked.exit_status, 0) << page << "\n" << block << checked.out << checked.err;
      // And a service starts with them.
      Serve(Filled("waypost serve --data DIR --peer.listen=127.0.0.1:0 --config " + file));
    }
  }
  EXPECT_GT(tried, 0U);
}

}  // namespace
}  // namespace waypost::integration
