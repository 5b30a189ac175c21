// How the command line and the service find and prepare each other.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "integration/command_line.h"
#include "integration/eventually.h"
#include "integration/raw_socket.h"

namespace waypost::integration {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using CommandStartTest = CommandLineTest;

TEST_F(CommandStartTest, NoArgumentAndNoFileEndsItWithoutAWord) {
  const std::string group = laptop_->CreateGroup("family", "normal");
  const std::vector<std::string> odd_words = {"a b", "a\r\nHost: b", "%", "../..", "\xff", ""};
  for (std::size_t i = 0; i < odd_words.size(); i += kCaseStep) {
    const std::string& odd = odd_words[i];
    for (const std::vector<std::string>& words :
         std::vector<std::vector<std::string>>{{"group", "revoke", "family", odd},
                                               {"group", "show", odd},
                                               {"group", "remove", "family", odd},
                                               {"token", "revoke", odd},
                                               {"ref", "get", "family", odd},
                                               {"ref", "ls", "family", "--prefix", odd},
                                               {"ref", "ls", odd},
                                               {"get", "family", odd},
                                               {"get", odd},
                                               {"get", std::string(64, 'a'), "--timeout", odd},
                                               {"audit", "--since", odd},
                                               {"join", odd},
                                               {"config", "set", odd, odd}}) {
      const CommandResult result = laptop_->Run(words);
      EXPECT_LE(result.exit_status, 5) << words[0] << " " << odd << result.err;
    }
  }
  const std::string path = laptop_->dir() + "/api.token";
  const std::string token = ReadWholeFile(path);
  const auto rewrite = [](const std::string& name, const std::string& text) {
    fs::resize_file(name, 0);
    WriteWholeFile(name, text);
  };
  // Only who goes over the port needs it.
  rewrite(path, token + token);
  Ok(*laptop_, {"status"});
  fs::rename(laptop_->dir() + "/control.sock", laptop_->dir() + "/aside.sock");
  const CommandResult two = laptop_->Run({"status"});
  EXPECT_EQ(two.exit_status, 1);
  EXPECT_THAT(two.err, HasSubstr("api.token"));
  fs::rename(laptop_->dir() + "/aside.sock", laptop_->dir() + "/control.sock");
  rewrite(path, token);
  Ok(*laptop_, {"status"});
}

TEST_F(CommandStartTest, CtrlCAtThePassphraseGivesTheEchoBack) {
  int terminal = -1, ours = -1;
  ASSERT_EQ(openpty(&terminal, &ours, nullptr, nullptr, nullptr), 0);
  const std::string program = WaypostProgram(), data = laptop_->dir();
  const std::string file = cluster_.dir() + "/backup";
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    // Its controlling terminal, so that Ctrl-C is a signal.
    setsid();
    ioctl(ours, TIOCSCTTY, 0);
    for (int fd = 0; fd < 3; ++fd) dup2(ours, fd);
    execl(program.c_str(), program.c_str(), "identity", "backup", file.c_str(), "--data",
          data.c_str(), nullptr);
    _exit(127);
  }
  const auto echoes = [&] {
    termios now{};
    return tcgetattr(ours, &now) == 0 && (now.c_lflag & ECHO) != 0;
  };
  ASSERT_TRUE(echoes());
  EXPECT_TRUE(Eventually([&] { return !echoes(); }));
  ASSERT_EQ(write(terminal, "secret\x03", 7), 7);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT) << status;
  EXPECT_TRUE(echoes());
  close(terminal);
  close(ours);
}

TEST_F(CommandStartTest, SettingsThatKeepItFromStartingAreNamedAndUndoneWithoutIt) {
  Ok(*laptop_, {"config", "set", "fetcher.retry_base", "4m"});
  EXPECT_EQ(Ok(*laptop_, {"config", "get", "fetcher.retry_base"}), "4m");
  EXPECT_EQ(Ok(*laptop_, {"config", "set", "fetcher.concurrency", "3"}),
            "fetcher.concurrency: 4 (default) -> 3 (patched)");
  EXPECT_EQ(Ok(*laptop_, {"config", "unset", "fetcher.concurrency"}),
            "fetcher.concurrency: 3 (patched) -> 4 (default)");
  EXPECT_EQ(
      Parsed(laptop_->Run({"config", "get", "fetcher.concurrency", "--json"})).value("origin", ""),
      "default");
  Ok(*laptop_, {"config", "check"});
  ASSERT_EQ(laptop_->Stop(), 0);
  WriteWholeFile(laptop_->dir() + "/waypost.toml", "\n[fetcher]\nretry_max = \"3m\"\n");
  const CommandResult found = laptop_->Run({"config", "check"});
  EXPECT_EQ(found.exit_status, 1);
  const std::string failed(laptop_->Start().message());
  EXPECT_THAT(failed, HasSubstr("ended with 78"));
  for (const std::string& said : {found.err, failed}) {
    EXPECT_THAT(said, HasSubstr("fetcher.retry_base = 4m (patched"));
    EXPECT_THAT(said, HasSubstr("config unset fetcher.retry_base"));
    EXPECT_THAT(said, HasSubstr("waypost.toml:3"));
  }
  Ok(*laptop_, {"config", "unset", "fetcher.retry_base"});
  Ok(*laptop_, {"config", "unset", "fetcher.speed"}, 1);
  Ok(*laptop_, {"config", "check"});
  ASSERT_TRUE(laptop_->Start().ok());
}

TEST_F(CommandStartTest, AServiceOnAllAddressesIsDialledAtOne) {
  for (const char* all : {"0.0.0.0:0", "[::]:0"}) {
    ASSERT_EQ(laptop_->Stop(), 0);
    ASSERT_TRUE(laptop_->Start({.settings = {absl::StrCat("--http.listen=", all)}}).ok());
    const std::string endpoints = ReadWholeFile(laptop_->dir() + "/endpoints.json");
    EXPECT_THAT(endpoints, HasSubstr(all[0] == '[' ? "[::1]:" : "127.0.0.1:"));
    Ok(*laptop_, {"status"});
  }
}

TEST_F(CommandStartTest, ItStartsWithVariablesThatNameNoSettingAndSaysWhichAreOurs) {
  ASSERT_EQ(laptop_->Stop(), 0);
  const absl::Status started =
      laptop_->Start({.environment = {{"WAYPOST_FETCHER_SPEED", "3"},
                                      {"WAYPOST_PORT", "tcp://10.0.0.1:7440"},
                                      {"WAYPOST_PORT_7440_TCP_ADDR", "10.0.0.1"},
                                      {"WAYPOST_SERVICE_HOST", "10.0.0.1"}}});
  ASSERT_TRUE(started.ok()) << started;
  EXPECT_THAT(laptop_->Log(), HasSubstr("WAYPOST_FETCHER_SPEED"));
  EXPECT_EQ(laptop_->Log().find("WAYPOST_PORT"), std::string::npos);
  EXPECT_EQ(laptop_->Log().find("WAYPOST_SERVICE"), std::string::npos);
}

TEST_F(CommandStartTest, UnderALimitOfAddressesItStartsWithASmallerMapAndSaysSo) {
#ifdef WAYPOST_SANITIZED
  GTEST_SKIP() << "NOT TESTED: a sanitizer wants more addresses than any such limit leaves";
#endif
  ASSERT_EQ(laptop_->Stop(), 0);
  const absl::Status started =
      laptop_->Start({.under = {"/bin/sh", "-c", "ulimit -v 4194304; exec \"$0\" \"$@\""}});
  ASSERT_TRUE(started.ok()) << started;
  EXPECT_THAT(laptop_->Log(), HasSubstr("index.map_size is 64.0 GiB"));
  EXPECT_THAT(laptop_->Log(), HasSubstr("may address 4.0 GiB"));
  Ok(*laptop_, {"put", File("one", "hello")});
}

// After a crash endpoints.json stays, and names a port and a process that are somebody else's now.
TEST_F(CommandStartTest, AfterACrashNobodyElseIsToldTheTokenOrIsSignalled) {
  const std::string socket_path = laptop_->dir() + "/control.sock";
  Json endpoints = Json::parse(ReadWholeFile(laptop_->dir() + "/endpoints.json"));
  laptop_->Kill();
  PortListener other(endpoints.value("http", ""));
  // A signal to this process would end the test.
  endpoints["pid"] = getpid();
  WriteWholeFile(laptop_->dir() + "/endpoints.json", endpoints.dump());
  EXPECT_EQ(laptop_->Run({"status"}).exit_status, 4);
  EXPECT_EQ(other.heard(), "") << "the socket is there: it is asked and nothing else";
  fs::remove(socket_path);
  const CommandResult asked = laptop_->Run({"status"});
  EXPECT_EQ(asked.exit_status, 4);
  EXPECT_THAT(asked.err, HasSubstr("not the service of this token"));
  EXPECT_THAT(other.heard(), HasSubstr("GET /v1/proof"));
  const std::string before = Trimmed(ReadWholeFile(laptop_->dir() + "/api.token"));
  EXPECT_EQ(Json::parse(Ok(*laptop_, {"token", "rotate", "--json"}))["told"], false);
  EXPECT_EQ(other.heard().find(before), std::string::npos);
  EXPECT_EQ(other.heard().find("Bearer"), std::string::npos);
}

TEST_F(CommandStartTest, WhereThereIsNoSocketTheAppApiIsUsedOnceItHasProvedWhatItIs) {
  const std::string before = ReadWholeFile(laptop_->dir() + "/api.token");
  Ok(*laptop_, {"reload"});
  fs::remove(laptop_->dir() + "/control.sock");
  Ok(*laptop_, {"status"});
  EXPECT_EQ(Json::parse(Ok(*laptop_, {"token", "rotate", "--json"}))["told"], true);
  EXPECT_NE(ReadWholeFile(laptop_->dir() + "/api.token"), before);
  Ok(*laptop_, {"status"});
}

TEST(InitTest, InitWritesSettingsThatServeUses) {
  TempDir dir;
  const std::string data = dir.path() + "/data";
  const CommandResult made = RunCommand(
      {WaypostProgram(), "init", "--data", data, "--name", "camera", "--listen", "127.0.0.1:0",
       "--peer-listen", "127.0.0.1:0", "--advertise", "10.0.0.1:7441", "--advertise", "nas:7441"});
  EXPECT_EQ(made.exit_status, 0) << made.err;
  const std::string toml = ReadWholeFile(data + "/waypost.toml");
  EXPECT_THAT(toml, HasSubstr("\nname = \"camera\"\n"));
  EXPECT_THAT(toml, HasSubstr("\nadvertise = [\"10.0.0.1:7441\", \"nas:7441\"]\n"));
  struct stat info {};
  ASSERT_EQ(stat((data + "/identity.key").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_EQ(RunCommand({WaypostProgram(), "init", "--data", data}).exit_status, 1);
  EXPECT_EQ(RunCommand({WaypostProgram(), "init", "--data", data + "2", "--listen", "nonsense"})
                .exit_status,
            2);
  EXPECT_FALSE(fs::exists(data + "2"));
  // No folder: what to do is said.
  const CommandResult none = RunCommand({WaypostProgram(), "serve", "--data", data + "3"});
  EXPECT_EQ(none.exit_status, 1);
  EXPECT_THAT(none.err, HasSubstr("waypost init"));
}

}  // namespace
}  // namespace waypost::integration
