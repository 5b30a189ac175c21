// The commands that the pages in docs/ show are run as they stand there.
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <regex>
#include <sstream>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
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

  Cluster cluster_;
  Peer* laptop_ = nullptr;
  Peer* phone_ = nullptr;
  std::string group_;
  int folders_ = 0;
};

TEST_F(DocsTest, EveryCommandOnThePagesDoesWhatItSays) {
  std::vector<std::string> commands;
  for (const char* page : {"operations.md", "proxies.md", "security.md", "architecture.md"}) {
    const auto of_page = CommandsOf(absl::StrCat(WAYPOST_SOURCE_DIR, "/docs/", page));
    commands.insert(commands.end(), of_page.begin(), of_page.end());
  }
  EXPECT_GT(commands.size(), 25U);
  const std::string nothing_wanted = Run("waypost wanted").out;
  for (const std::string& line : commands) {
    // Every other test starts one.
    if (absl::StartsWith(line, "waypost serve ")) continue;
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

}  // namespace
}  // namespace waypost::integration
