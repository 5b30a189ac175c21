// The command line against running services.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <filesystem>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "integration/cluster.h"
#include "integration/eventually.h"
#include "integration/raw_socket.h"

namespace waypost::integration {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

std::string Trimmed(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

class CommandLineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    laptop_ = &cluster_.Add("laptop");
    server_ = &cluster_.Add("server");
  }
  // Runs it and expects `status`; what it printed without the last newline.
  static std::string Ok(const Peer& peer, std::vector<std::string> words, int status = 0,
                        const std::string& input = {}) {
    const CommandResult result = peer.Run(words, input);
    EXPECT_EQ(result.exit_status, status) << words[0] << ": " << result.err;
    return Trimmed(result.out);
  }
  std::string File(const std::string& name, const std::string& content) {
    const std::string path = cluster_.dir() + "/" + name;
    fs::create_directories(fs::path(path).parent_path());
    WriteWholeFile(path, content);
    return path;
  }

  Cluster cluster_;
  Peer* laptop_ = nullptr;
  Peer* server_ = nullptr;
};

TEST_F(CommandLineTest, AWholeTripFromPutToExport) {
  const std::string group = Ok(*laptop_, {"group", "create", "family", "--role", "normal"});
  EXPECT_EQ(group.size(), 64u);
  const std::string invite = Ok(*laptop_, {"group", "invite", "family"});
  EXPECT_THAT(Ok(*server_, {"join", invite, "--role", "server"}), HasSubstr(group));

  File("photos/a.txt", "hello");
  File("photos/sub/b c.txt", SomeBytes(300'000, 1));
  File("photos/sub/\xc3\xa4.txt", "umlaut");
  File("photos/empty", "");
  const std::string listed = Ok(*laptop_, {"put", "-r", cluster_.dir() + "/photos", "--group",
                                           "family", "--prefix", "2026/"});
  EXPECT_THAT(listed, HasSubstr(HexOfSha256("hello") + "  " + cluster_.dir() + "/photos/a.txt"));
  EXPECT_EQ(
      Ok(*laptop_, {"put", "-", "--group", "family", "--key", "note"}, 0, "from standard input"),
      HexOfSha256("from standard input") + "  -");

  EXPECT_THAT(Ok(*laptop_, {"wait-held", "family", "--timeout", "60s"}), HasSubstr("held"));
  Ok(*server_, {"wait-complete", "--group", "family", "--timeout", "60s"});

  const std::string out = cluster_.dir() + "/out";
  EXPECT_THAT(Ok(*server_, {"export", "family", out, "--prefix", "2026/"}), HasSubstr("4 written"));
  EXPECT_EQ(ReadWholeFile(out + "/2026/a.txt"), "hello");
  EXPECT_EQ(ReadWholeFile(out + "/2026/sub/b c.txt") == SomeBytes(300'000, 1), true);
  EXPECT_EQ(ReadWholeFile(out + "/2026/sub/\xc3\xa4.txt"), "umlaut");
  EXPECT_TRUE(fs::exists(out + "/2026/empty"));
  EXPECT_FALSE(fs::exists(out + "/note"));
  WriteWholeFile(out + "/2026/a.txt", "changed");
  EXPECT_EQ(Parsed(server_->Run({"export", "family", out, "--json"})).value("failed", 0), 1);
  EXPECT_EQ(ReadWholeFile(out + "/2026/a.txt"), "changed");
  fs::remove(out + "/note");
  const CommandResult again = server_->Run({"export", "family", out, "--json", "--force"});
  EXPECT_EQ(Parsed(again).value("written", 0), 2) << again.out;  // a.txt and note
  EXPECT_EQ(Parsed(again).value("skipped", 0), 3) << again.out;
  EXPECT_EQ(ReadWholeFile(out + "/2026/a.txt"), "hello");
}

TEST_F(CommandLineTest, ExportNeverWritesOutsideItsFolder) {
  const std::string group = laptop_->CreateGroup("family", "normal");
  const std::string blob = PutRef(*laptop_, group, "good", "hello");
  for (const char* key : {"../evil", "a/../../evil", "/evil", "x/./y"}) {
    const std::string batch = Json{{"put", Json::array({{{"key", key}, {"blob", blob}}})}}.dump();
    ASSERT_EQ(laptop_
                  ->Call("POST", "/v1/groups/" + group + "/refs:batch", batch,
                         {{"Content-Type", "application/json"}})
                  .status,
              200)
        << key;
  }
  const std::string out = cluster_.dir() + "/deep/out";
  fs::create_directories(cluster_.dir() + "/deep");
  const CommandResult result = laptop_->Run({"export", "family", out});
  EXPECT_EQ(result.exit_status, 1);
  EXPECT_THAT(result.out, HasSubstr("1 written"));
  EXPECT_THAT(result.out, HasSubstr("4 failed"));
  EXPECT_EQ(ReadWholeFile(out + "/good"), "hello");
  EXPECT_FALSE(fs::exists(cluster_.dir() + "/deep/evil"));
  EXPECT_FALSE(fs::exists(cluster_.dir() + "/evil"));
  EXPECT_EQ(std::distance(fs::directory_iterator(out), {}), 1);
}

TEST_F(CommandLineTest, BlobsAreNamedByIdPrefixOrGroupAndKey) {
  laptop_->CreateGroup("family", "normal");
  const std::string path = File("one", "hello");
  Ok(*laptop_, {"put", path, "--group", "family"});
  const std::string blob = HexOfSha256("hello");
  EXPECT_EQ(Ok(*laptop_, {"get", blob}), "hello");
  EXPECT_EQ(Ok(*laptop_, {"get", "sha256:" + blob}), "hello");
  EXPECT_EQ(Ok(*laptop_, {"get", blob.substr(0, 8)}), "hello");
  EXPECT_EQ(Ok(*laptop_, {"get", "family", "one"}), "hello");
  Ok(*laptop_, {"get", "family", "one", "-o", cluster_.dir() + "/copy"});
  EXPECT_EQ(ReadWholeFile(cluster_.dir() + "/copy"), "hello");
  EXPECT_EQ(Ok(*laptop_, {"ref", "get", "family", "one"}), blob);
  EXPECT_EQ(Ok(*laptop_, {"ref", "ls", "family"}), blob + "  one");
  Ok(*laptop_, {"ref", "set", "family", "two/three", blob});
  EXPECT_EQ(Ok(*laptop_, {"ref", "ls", "family", "--prefix", "two/"}), blob + "  two/three");
  Ok(*laptop_, {"ref", "del", "family", "one"});
  EXPECT_EQ(Ok(*laptop_, {"ls"}), blob);
  EXPECT_EQ(Ok(*laptop_, {"ls", "--group", "family", "--long"}), blob + "  5 B");
  EXPECT_THAT(Ok(*laptop_, {"fetch", blob}), HasSubstr("done"));
  Ok(*laptop_, {"get", "family", "one"}, 1);
  Ok(*laptop_, {"get", blob.substr(0, 7)}, 2);
  Ok(*laptop_, {"get", std::string(8, '0')}, 1);
  Ok(*laptop_, {"ref", "ls", "nobody"}, 1);
  // Two groups of one name are told apart by their ids only.
  laptop_->Post("/v1/groups?duplicate=true", {{"name", "family"}}, 201);
  const CommandResult ambiguous = laptop_->Run({"ref", "ls", "family"});
  EXPECT_EQ(ambiguous.exit_status, 1);
  EXPECT_THAT(ambiguous.err, HasSubstr("ambiguous"));
}

TEST_F(CommandLineTest, WhatIsWrittenForTheUserHarmsNothingThatIsThere) {
  laptop_->CreateGroup("family", "normal");
  Ok(*laptop_, {"put", File("one", "hello"), "--group", "family", "--key", "a/one"});
  const auto get = [&](const std::string& to, int status,
                       const std::string& more = "--timeout=30s") {
    return Ok(*laptop_, {"get", "family", "a/one", "-o", to, more}, status);
  };
  const std::string secret = File("secret", "old");
  fs::permissions(secret, fs::perms::owner_read | fs::perms::owner_write);
  fs::create_symlink("secret", cluster_.dir() + "/link");
  get(cluster_.dir() + "/link", 1);
  EXPECT_EQ(ReadWholeFile(secret), "old");
  get(cluster_.dir() + "/link", 0, "--force");
  EXPECT_TRUE(fs::is_symlink(cluster_.dir() + "/link"));
  EXPECT_EQ(ReadWholeFile(secret), "hello");
  EXPECT_EQ(fs::status(secret).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  get(secret, 0);  // it has these bytes
  // Nothing can be made or renamed in /proc: no mistake here can harm what all programs use.
  EXPECT_EQ(get("/proc/self/fd/1", 0), "hello");
  const std::string pipe = cluster_.dir() + "/pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  const int end = open(pipe.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  ASSERT_GE(end, 0);
  get(pipe, 0);
  char came[16] = {};
  EXPECT_EQ(read(end, came, sizeof(came)), 5);
  EXPECT_STREQ(came, "hello");
  close(end);
  EXPECT_TRUE(fs::is_fifo(pipe));
  EXPECT_EQ(get("-", 0), "hello");
  fs::create_directory(cluster_.dir() + "/in");
  // An earlier call was cut.
  File("in/.waypost-part-" + HexOfSha256("hello").substr(0, 16), "hel");
  get(cluster_.dir() + "/in/", 0);
  EXPECT_EQ(ReadWholeFile(cluster_.dir() + "/in/one"), "hello");

  const std::string phrase = File("phrase", "correct horse battery"),
                    backup = File("backup", "old");
  const auto save = [&](const std::string& to, int status, const std::string& more = "--json") {
    Ok(*laptop_, {"identity", "backup", to, "--passphrase-file", phrase, more}, status);
  };
  save(backup, 1);
  EXPECT_EQ(ReadWholeFile(backup), "old");
  save(backup, 0, "--force");
  EXPECT_THAT(ReadWholeFile(backup), HasSubstr("waypost-identity-backup-1"));
  save(cluster_.dir() + "/in", 0);
  EXPECT_EQ(std::distance(fs::directory_iterator(cluster_.dir() + "/in"), {}), 2);
}

TEST_F(CommandLineTest, WhatCannotBeReadIsNamedAndTheRestIsPut) {
  laptop_->CreateGroup("family", "normal");
  File("tree/a", "hello");
  File("tree/sub/b", "world");
  const std::string none = cluster_.dir() + "/none";
  const CommandResult put =
      laptop_->Run({"put", "-r", none, cluster_.dir() + "/tree", "--group", "family"});
  EXPECT_EQ(put.exit_status, 1);
  EXPECT_THAT(put.err, HasSubstr(none));
  EXPECT_EQ(Parsed(laptop_->Run({"ref", "ls", "family", "--json"})).size(), 2u);
}

TEST_F(CommandLineTest, OnlyWhatIsNotHereIsSentAndTheClosingLineCounts) {
  laptop_->CreateGroup("family", "normal");
  laptop_->CreateGroup("clan", "normal");
  File("tree/a", "hello");
  File("tree/sub/b", "world");
  File("tree/sub/copy", "hello");
  File("tree/.DS_Store", "of a desktop");
  File("tree/c.tmp", "of a program");
  const std::vector<std::string> put = {"put",       "-r",    cluster_.dir() + "/tree",
                                        "--exclude", "*.tmp", "--group"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), put.begin(), put.end());
    return Ok(*laptop_, more);
  };
  EXPECT_THAT(with({"family", "-n"}), HasSubstr("3 files would be put (15 B)"));
  EXPECT_EQ(Ok(*laptop_, {"ls"}), "");
  EXPECT_EQ(Ok(*laptop_, {"ref", "ls", "family"}), "");
  const std::string first = with({"family"});
  EXPECT_THAT(first, HasSubstr(HexOfSha256("world") + "  " + cluster_.dir() + "/tree/sub/b"));
  EXPECT_THAT(first, HasSubstr("3 files put (15 B)"));
  EXPECT_THAT(first, HasSubstr("2 excluded, 0 failed"));
  // References are set all the same.
  EXPECT_THAT(with({"clan"}), HasSubstr("0 sent (0 B), 3 already here"));
  EXPECT_EQ(Parsed(laptop_->Run({"ref", "ls", "clan", "--json"})).size(), 3u);
  EXPECT_EQ(Ok(*laptop_, {"get", "clan", "sub/b"}), "world");
  EXPECT_EQ(with({"clan", "-q"}), "");
  // One key that cannot be keeps no other from being set.
  File("tree/" + std::string(200, 'x') + "/" + std::string(200, 'y'), "too long a key");
  File("tree/d", "world");
  const CommandResult long_key =
      laptop_->Run({"put", "-r", cluster_.dir() + "/tree", "--group", "clan"});
  EXPECT_EQ(long_key.exit_status, 1);
  EXPECT_THAT(long_key.out, HasSubstr("1 failed"));
  EXPECT_EQ(Ok(*laptop_, {"get", "clan", "d"}), "world");
  Ok(*laptop_, {"put", "--exclude", "x", cluster_.dir() + "/tree/a"}, 2);
}

TEST_F(CommandLineTest, KeysAndTokensOfPeersAreNotPut) {
  // The folders of both peers are below this one.
  const std::string one = File("one", "hello");
  const CommandResult put = laptop_->Run({"put", "-r", cluster_.dir()});
  EXPECT_EQ(put.exit_status, 0) << put.err;
  EXPECT_THAT(put.out, HasSubstr(one));
  for (const Peer* peer : {laptop_, server_}) {
    EXPECT_THAT(put.err, HasSubstr("left out, a data folder of Waypost, or a secret of one: " +
                                   peer->dir()));
    EXPECT_EQ(put.out.find(peer->dir() + "/identity.key"), std::string::npos);
    Ok(*laptop_, {"put", peer->dir() + "/identity.key"}, 1);
  }
  const std::string from_input = "exec \"$0\" put - --data \"$1\" < \"$1/identity.key\"";
  EXPECT_EQ(RunCommand({"/bin/sh", "-c", from_input, WaypostProgram(), laptop_->dir()}).exit_status,
            1);
}

TEST_F(CommandLineTest, OutputThatIsLostIsNoSuccess) {
  laptop_->CreateGroup("family", "normal");
  Ok(*laptop_, {"put", File("one", "hello"), "--group", "family"});
  const std::string phrase = File("phrase", "correct horse battery");
  const std::vector<std::vector<std::string>> commands = {
      {"ls"},
      {"ls", "--json"},
      {"ref", "ls", "family"},
      {"ref", "get", "family", "one"},
      {"group", "list"},
      {"group", "show", "family"},
      {"group", "members", "family"},
      {"group", "invites", "family"},
      {"group", "invite", "family"},
      {"status"},
      {"wanted"},
      {"why", HexOfSha256("hello")},
      {"peers"},
      {"config", "show"},
      {"token", "ls"},
      {"audit"},
      {"version"},
      {"identity", "show"},
      {"identity", "backup", "-", "--passphrase-file", phrase},
      {"get", "family", "one"},
      {"put", cluster_.dir() + "/one"},
      {"--help"}};
  for (const char* to : {">/dev/full", ">&-"}) {
    for (std::size_t i = 0; i < commands.size(); i += kCaseStep) {
      const std::vector<std::string>& words = commands[i];
      std::vector<std::string> all = {
          "/bin/sh",        "-c",     absl::StrCat("exec \"$0\" \"$@\" ", to),
          WaypostProgram(), "--data", laptop_->dir()};
      all.insert(all.end(), words.begin(), words.end());
      const CommandResult result = RunCommand(all);
      EXPECT_EQ(result.exit_status, 5) << words[0] << " " << to << ": " << result.err;
      EXPECT_THAT(result.err, HasSubstr("standard output")) << words[0];
    }
  }
}

TEST_F(CommandLineTest, NoArgumentAndNoFileEndsItWithoutAWord) {
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

TEST_F(CommandLineTest, CtrlCAtThePassphraseGivesTheEchoBack) {
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

TEST_F(CommandLineTest, SettingsThatKeepItFromStartingAreNamedAndUndoneWithoutIt) {
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

TEST_F(CommandLineTest, AServiceOnAllAddressesIsDialledAtOne) {
  for (const char* all : {"0.0.0.0:0", "[::]:0"}) {
    ASSERT_EQ(laptop_->Stop(), 0);
    ASSERT_TRUE(laptop_->Start({.settings = {absl::StrCat("--http.listen=", all)}}).ok());
    const std::string endpoints = ReadWholeFile(laptop_->dir() + "/endpoints.json");
    EXPECT_THAT(endpoints, HasSubstr(all[0] == '[' ? "[::1]:" : "127.0.0.1:"));
    Ok(*laptop_, {"status"});
  }
}

TEST_F(CommandLineTest, ItStartsWithVariablesThatNameNoSettingAndSaysWhichAreOurs) {
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

TEST_F(CommandLineTest, UnderALimitOfAddressesItStartsWithASmallerMapAndSaysSo) {
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

TEST_F(CommandLineTest, WaitCompleteSaysThatNobodyWasHeardAndEndsWhereNobodyServes) {
  // Nobody's server: final at once.
  const CommandResult none = laptop_->Run({"wait-complete", "--timeout", "60s", "--json"});
  EXPECT_EQ(none.exit_status, 3);
  EXPECT_EQ(Parsed(none).value("because", ""), "no_groups");
  cluster_.Group("family", {{laptop_, "normal"}, {server_, "server"}});
  Ok(*server_, {"wait-complete", "--group", "family", "--heard", "all"});
  Ok(*server_, {"wait-complete", "--heard", "everybody"}, 2);
  EXPECT_EQ(server_->Call("GET", "/v1/complete?heard=everybody").status, 400);
  // After a start that hears nobody.
  laptop_->Kill();
  ASSERT_EQ(server_->Stop(), 0);
  ASSERT_TRUE(server_->Start().ok());
  for (const char* heard : {"servers", "any", "all", "1"}) {
    const CommandResult alone = server_->Run(
        {"wait-complete", "--group", "family", "--timeout", "1s", "--heard", heard, "--json"});
    EXPECT_EQ(alone.exit_status, 3) << heard << alone.out;
  }
  EXPECT_TRUE(
      Eventually([&] { return server_->Get("/v1/complete").value("because", "") == "not_heard"; }));
}

TEST_F(CommandLineTest, CommandsAreKnownByTheNamesThatPeopleTry) {
  laptop_->CreateGroup("family", "normal");
  const std::string path = File("one", "hello");
  for (const char* name : {"del", "rm", "delete"}) {
    Ok(*laptop_, {"put", path, "--group", "family"});
    Ok(*laptop_, {"ref", name, "family", "one"});
    EXPECT_EQ(Ok(*laptop_, {"ref", "list", "family"}), "");
  }
  EXPECT_EQ(Ok(*laptop_, {"list"}), Ok(*laptop_, {"ls"}));
  EXPECT_EQ(Ok(*laptop_, {"group", "ls"}), Ok(*laptop_, {"group", "list"}));
  EXPECT_EQ(Ok(*laptop_, {"token", "list"}), Ok(*laptop_, {"token", "ls"}));
  EXPECT_THAT(laptop_->Run({"config", "set", "fetcher.concurency", "3"}).err,
              HasSubstr("fetcher.concurrency"));
}

TEST_F(CommandLineTest, WhatHasNoSizeIsPutWholeOrNotAtAll) {
  Ok(*laptop_, {"put", "/proc/version"});
  EXPECT_EQ(Ok(*laptop_, {"get", HexOfSha256(ReadWholeFile("/proc/version"))}),
            Trimmed(ReadWholeFile("/proc/version")));
  const CommandResult closed = RunCommand(
      {"/bin/sh", "-c", "exec \"$0\" put - --data \"$1\" <&-", WaypostProgram(), laptop_->dir()});
  EXPECT_EQ(closed.exit_status, 1) << closed.out;
  EXPECT_THAT(closed.err, HasSubstr("standard input"));
  EXPECT_EQ(Parsed(laptop_->Run({"ls", "--json"})).size(), 1u);
}

TEST_F(CommandLineTest, WhatOthersWroteNeverReachesTheTerminalRaw) {
  const std::string group = laptop_->CreateGroup("family\xe2\x80\xa8laptop  admin", "normal");
  const std::string override_key =
      "invoice\xe2\x80\xae"
      "fdp.exe";
  PutRef(*laptop_, group, override_key, "hello");
  EXPECT_THAT(Ok(*laptop_, {"ref", "ls", group}), HasSubstr("invoice\\u202efdp.exe"));
  EXPECT_THAT(Ok(*laptop_, {"group", "list"}), HasSubstr("family\\u2028laptop"));
  // A program reads what is meant.
  const std::string json = Ok(*laptop_, {"ref", "ls", group, "--json"});
  EXPECT_EQ(json.find("\xe2\x80\xae"), std::string::npos);
  EXPECT_EQ(Json::parse(json)[0].value("key", ""), override_key);
}

TEST_F(CommandLineTest, ExitStatusesSayWhatKindOfFailure) {
  EXPECT_EQ(laptop_->Run({"frobnicate"}).exit_status, 2);
  EXPECT_EQ(laptop_->Run({"put"}).exit_status, 2);
  EXPECT_EQ(laptop_->Run({"put", cluster_.dir()}).exit_status, 2);  // a folder without -r
  EXPECT_EQ(laptop_->Run({"retry"}).exit_status, 2);
  EXPECT_EQ(laptop_->Run({"put", "/does/not/exist"}).exit_status, 1);
  const std::string group = laptop_->CreateGroup("family", "normal");
  EXPECT_EQ(laptop_->Run({"wait-complete", "--timeout", "100ms"}).exit_status,
            3);  // no server here
  laptop_->SetRef(group, "k", HexOfSha256("nowhere"));
  EXPECT_EQ(laptop_->Run({"wait-held", "family", "--timeout", "100ms"}).exit_status, 3);
  EXPECT_EQ(
      RunCommand({WaypostProgram(), "status", "--data", cluster_.dir() + "/none"}).exit_status, 4);
  laptop_->Kill();  // endpoints.json stays
  EXPECT_EQ(laptop_->Run({"status"}).exit_status, 4);
}

// After a crash endpoints.json stays, and names a port and a process that are somebody else's now.
TEST_F(CommandLineTest, AfterACrashNobodyElseIsToldTheTokenOrIsSignalled) {
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

TEST_F(CommandLineTest, WhereThereIsNoSocketTheAppApiIsUsedOnceItHasProvedWhatItIs) {
  const std::string before = ReadWholeFile(laptop_->dir() + "/api.token");
  Ok(*laptop_, {"reload"});
  fs::remove(laptop_->dir() + "/control.sock");
  Ok(*laptop_, {"status"});
  EXPECT_EQ(Json::parse(Ok(*laptop_, {"token", "rotate", "--json"}))["told"], true);
  EXPECT_NE(ReadWholeFile(laptop_->dir() + "/api.token"), before);
  Ok(*laptop_, {"status"});
}

TEST_F(CommandLineTest, WhatPeopleLookAtCanBePrintedForPeopleAndForPrograms) {
  const std::string group = cluster_.Group("family", {{laptop_, "normal"}, {server_, "server"}});
  const std::string blob = HexOfSha256("nobody has this");
  laptop_->SetRef(group, "k", blob);
  ASSERT_TRUE(Eventually([&] { return !WantedItem(*server_, blob).empty(); }));
  const std::vector<std::vector<std::string>> commands = {{"status"},
                                                          {"wanted"},
                                                          {"why", blob},
                                                          {"peers"},
                                                          {"group", "list"},
                                                          {"config", "show"},
                                                          {"group", "members", "family"},
                                                          {"group", "show", "family"},
                                                          {"version"}};
  for (std::vector<std::string> words : commands) {
    EXPECT_FALSE(Ok(*server_, words).empty()) << words[0];
    words.emplace_back("--json");
    const CommandResult result = server_->Run(words);
    EXPECT_EQ(result.exit_status, 0) << words[0] << result.err;
    EXPECT_FALSE(Parsed(result).is_discarded()) << words[0] << ": " << result.out;
  }
  EXPECT_THAT(Ok(*server_, {"wanted", "--long"}), HasSubstr(blob));
  const Json shown = Parsed(server_->Run({"identity", "show", "--json"}));
  const std::string short_id = shown.value("short", "");
  EXPECT_THAT(Ok(*laptop_, {"group", "members", "family"}), HasSubstr(short_id));
  EXPECT_THAT(Ok(*laptop_, {"group", "members", "family", "--json"}), HasSubstr(server_->id()));
  // People may type it.
  Ok(*laptop_, {"group", "authority", "family", short_id, "reader"});
  Ok(*laptop_, {"group", "authority", "family", short_id, "writer"});
  EXPECT_THAT(Ok(*server_, {"retry", blob}), HasSubstr("1 moved"));
  Ok(*server_, {"retry", "--all"});
  // A member may lower its own role; another's is an admin's.
  Ok(*server_, {"group", "role", "family", "normal"});
  EXPECT_TRUE(Eventually(
      [&] { return server_->Get("/v1/groups/" + group).value("role", "") == "normal"; }));
  Ok(*server_, {"group", "role", "family", laptop_->id().substr(0, 8), "server"}, 1);
  Ok(*server_, {"group", "leave", "family"});
  EXPECT_TRUE(
      Eventually([&] { return server_->Call("GET", "/v1/groups/" + group).status == 404; }));
}

TEST_F(CommandLineTest, WhoIsMeantIsSaidByAnIdAndANameIsAskedAbout) {
  const std::string group = cluster_.Group("family", {{laptop_, "normal"}, {server_, "server"}});
  const auto authority = [&] {
    const Json members = laptop_->Get("/v1/groups/" + group + "/members");
    for (const Json& member : members.value("items", Json::array())) {
      if (member.value("peer", "") == server_->id()) return member.value("authority", "");
    }
    return std::string("gone");
  };
  const std::string before = authority();
  const std::string short_id =
      Parsed(server_->Run({"identity", "show", "--json"})).value("short", "");
  // A name is what that peer calls itself: nothing happens without a yes.
  for (const char* answer : {"", "no\n", "y\n"}) {
    const CommandResult asked =
        laptop_->Run({"group", "authority", "family", "server", "reader"}, answer);
    EXPECT_EQ(asked.exit_status, 2) << answer;
    EXPECT_THAT(asked.err, HasSubstr(short_id));
  }
  Ok(*laptop_, {"group", "authority", "family", "server", "reader", "--yes"}, 2);
  Ok(*laptop_, {"group", "remove", "family", "server", "--yes"}, 2);
  EXPECT_EQ(authority(), before);
  Ok(*laptop_, {"group", "authority", "family", "server", "reader"}, 0, "yes\n");
  EXPECT_EQ(authority(), "reader");
  Ok(*laptop_, {"group", "authority", "family", short_id, "writer"});
  EXPECT_EQ(authority(), "writer");
  // One that names itself like another's id is not taken for it.
  Ok(*laptop_, {"group", "authority", "family", server_->id().substr(0, 8), "reader", "--yes"});
  EXPECT_EQ(authority(), "reader");

  // An admin that is older can answer its removal; one that is younger cannot.
  Ok(*laptop_, {"group", "authority", "family", short_id, "admin"});
  ASSERT_TRUE(Eventually(
      [&] { return server_->Get("/v1/groups/" + group).value("authority", "") == "admin"; }));
  const std::string founder = laptop_->id().substr(0, 12);
  const CommandResult answered = server_->Run({"group", "remove", "family", founder});
  EXPECT_EQ(answered.exit_status, 2);
  EXPECT_THAT(answered.err, HasSubstr("admitted before this peer"));
  const CommandResult younger = laptop_->Run({"group", "remove", "family", short_id});
  EXPECT_EQ(younger.exit_status, 0) << younger.err;
  EXPECT_EQ(younger.err, "");
  EXPECT_EQ(authority(), "gone");
}

TEST_F(CommandLineTest, TokensAreMadeListedAndRevokedAndTheAuditTells) {
  const std::string group = laptop_->CreateGroup("family", "normal");
  const std::string token = Ok(*laptop_, {"token", "create", "backup", "--rights", "read",
                                          "--group", "family", "--expires", "90d"});
  const HttpClient backup(laptop_->http().address(), token);
  const auto status = [&backup](const std::string& target) {
    const auto reply = backup.Send({.target = target});
    return reply.ok() ? reply->status : 0;
  };
  EXPECT_EQ(status("/v1/groups/" + group), 200);
  EXPECT_EQ(status("/v1/status"), 404);
  const std::string listed = Ok(*laptop_, {"token", "ls"});
  EXPECT_THAT(listed, HasSubstr("backup"));
  EXPECT_EQ(listed.find(token), std::string::npos);
  EXPECT_EQ(Parsed(laptop_->Run({"token", "ls", "--json"}))[0].value("rights", ""), "read");
  Ok(*laptop_, {"token", "create", "backup", "--rights", "read"}, 1);
  Ok(*laptop_, {"token", "create", "other", "--rights", "root"}, 2);
  Ok(*laptop_, {"token", "create", "other"}, 2);

  // It outlives a restart, and not its revocation.
  ASSERT_EQ(laptop_->Stop(), 0);
  ASSERT_TRUE(laptop_->Start().ok());
  EXPECT_EQ(status("/v1/groups/" + group), 200);
  Ok(*laptop_, {"token", "revoke", "backup"});
  EXPECT_EQ(status("/v1/groups/" + group), 401);
  Ok(*laptop_, {"token", "revoke", "backup"}, 1);

  const std::string audit = Ok(*laptop_, {"audit", "--since", "1h"});
  for (const char* act : {"token api", "group.create", "token.create", "token.revoke"}) {
    EXPECT_THAT(audit, HasSubstr(act));
  }
  EXPECT_EQ(audit.find(token), std::string::npos);
  const Json of_group = Parsed(laptop_->Run({"audit", "--group", "family", "--json"}));
  EXPECT_THAT(of_group.dump(), HasSubstr("group.create"));
  EXPECT_EQ(of_group.dump().find("token.create"), std::string::npos);  // it is about this peer
}

TEST_F(CommandLineTest, WhatTheServiceDoesOfItselfIsPausedStoppedAndWatched) {
  const std::string group = laptop_->CreateGroup("family", "server");
  Ok(*laptop_, {"put", File("one", "hello"), "--group", "family"});
  const auto status = [&] { return Parsed(laptop_->Run({"status", "--json"})); };
  Ok(*laptop_, {"pause", "--for", "1h"});
  Ok(*laptop_, {"pause", "scan"});
  EXPECT_EQ(status()["pause"]["reason"], "operator");
  EXPECT_EQ(status()["scan"]["paused"], true);
  Ok(*laptop_, {"scan", "--wait"}, 1);
  Ok(*laptop_, {"resume", "fetch"});
  EXPECT_EQ(Parsed(laptop_->Run({"resume", "scan", "--json"})).value("paused", true), false);
  EXPECT_EQ(status()["scan"]["paused"], false);
  EXPECT_EQ(status()["paused"], false);
  Ok(*laptop_, {"pause", "sleep"}, 2);
  Ok(*laptop_, {"pause", "--for", "soon"}, 1);

  const std::string missing = HexOfSha256("nobody has it");
  Ok(*laptop_, {"ref", "set", "family", "gone", missing});
  Ok(*laptop_, {"stop", "family", "gone"});
  EXPECT_THAT(Ok(*laptop_, {"wanted", "--state", "stopped", "--group", "family"}),
              HasSubstr("gone  family  " + missing.substr(0, 8) + "  stopped"));
  EXPECT_THAT(Ok(*laptop_, {"wanted", "--long"}), HasSubstr(missing));
  const std::string why = Ok(*laptop_, {"why", "family", "gone"});
  EXPECT_THAT(why, HasSubstr("gone: by laptop ("));
  EXPECT_THAT(why, HasSubstr("`waypost retry` starts it again"));
  EXPECT_THAT(Ok(*laptop_, {"wait-held", "family", "--timeout", "0s"}, 3),
              HasSubstr("not there: gone"));
  EXPECT_THAT(Ok(*laptop_, {"signpost", missing.substr(0, 8)}), HasSubstr("stopped"));
  EXPECT_EQ(Ok(*laptop_, {"retry", "family", "gone"}), "1 moved");

  const std::string set = Ok(*laptop_, {"events", "--kind", "ref.set", "--group", "family"});
  EXPECT_THAT(set, HasSubstr("key=gone"));
  EXPECT_EQ(set.find("blob.stored"), std::string::npos);
  EXPECT_GT(Parsed(laptop_->Run({"events", "--json"})).size(), 2u);
  Ok(*laptop_, {"events", "--kind", "ref.sett"}, 1);

  const std::string address = Ok(*laptop_, {"link", "create", "family", "one", "--expires", "1h"});
  EXPECT_THAT(address, HasSubstr("http://127.0.0.1:"));
  EXPECT_EQ(laptop_->Call("GET", address.substr(address.find("/s/"))).body, "hello");
  const Json links = Parsed(laptop_->Run({"link", "ls", "--json"}));
  ASSERT_EQ(links.size(), 1u);
  Ok(*laptop_, {"link", "revoke", links[0].value("id", "")});
  EXPECT_EQ(Parsed(laptop_->Run({"link", "ls", "--json"})).size(), 0u);

  EXPECT_EQ(Ok(*laptop_, {"health"}), "alive  ok\nready  ok");
  EXPECT_THAT(Ok(*laptop_, {"metrics"}), HasSubstr("waypost_http_requests_total"));
  EXPECT_THAT(Ok(*laptop_, {"openapi"}), HasSubstr("operationId: postBlob"));
}

TEST_F(CommandLineTest, AGroupsSettingsAreChangedOneByOne) {
  const std::string group = cluster_.Group("family", {{laptop_, "normal"}, {server_, "server"}});
  const auto shown = [&] { return Parsed(laptop_->Run({"group", "show", "family", "--json"})); };
  EXPECT_EQ(shown().value("public", true), false);
  EXPECT_EQ(shown().value("inviters", ""), "admin");

  Ok(*laptop_, {"group", "set", "family", "--public"});
  EXPECT_EQ(shown().value("public", false), true);
  Ok(*laptop_, {"group", "set", "family", "--inviters", "writer"});
  EXPECT_EQ(shown().value("public", false), true);
  EXPECT_EQ(shown().value("inviters", ""), "writer");
  Ok(*laptop_, {"group", "set", "family", "--private"});
  EXPECT_EQ(shown().value("public", true), false);
  EXPECT_EQ(shown().value("inviters", ""), "writer");
  // It reaches the other members: the server may invite now.
  EXPECT_TRUE(Eventually([&] {
    return server_->Run({"group", "invite", "family"}).exit_status == 0;
  }));

  Ok(*laptop_, {"group", "set", "family", "--description", "of ours"});
  Ok(*laptop_, {"group", "set", "family", "--name", "clan"});
  const Json named = Parsed(laptop_->Run({"group", "show", "clan", "--json"}));
  EXPECT_EQ(named.value("id", ""), group);
  EXPECT_EQ(named.value("description", ""), "of ours");

  // Nothing to change, no such authority, and not one's to change.
  Ok(*laptop_, {"group", "set", "clan"}, 2);
  Ok(*laptop_, {"group", "set", "clan", "--inviters", "everybody"}, 2);
  Ok(*server_, {"group", "set", group, "--public"}, 1);
}

TEST_F(CommandLineTest, EveryCommandPrintsAJsonValueOrAnErrorAsJson) {
  laptop_->CreateGroup("family", "server");
  const std::string one = File("one", "hello"), phrase = File("phrase", "correct horse battery");
  const std::string blob = HexOfSha256("hello"), missing = HexOfSha256("nobody has it");
  const std::string dir = cluster_.dir();
  // In an order in which each can succeed; ID and GROUP stand for themselves in what fails.
  const std::vector<std::pair<std::string, std::vector<std::string>>> table = {
      {"help", {}},
      {"version", {}},
      {"init", {}},
      {"identity show", {}},
      {"identity backup", {dir + "/backup", "--passphrase-file", phrase}},
      {"identity restore", {dir + "/backup", "--passphrase-file", phrase}},
      {"put", {one, "--group", "family", "--key", "one"}},
      {"get", {"family", "one", "-o", dir + "/got"}},
      {"fetch", {blob}},
      {"ls", {"--group", "family"}},
      {"export", {"family", dir + "/out"}},
      {"ref set", {"family", "gone", missing}},
      {"ref get", {"family", "one"}},
      {"ref ls", {"family"}},
      {"link create", {"family", "one"}},
      {"link ls", {}},
      {"group create", {"other"}},
      {"group list", {}},
      {"group show", {"family"}},
      {"group set", {"family", "--description", "of ours"}},
      {"group members", {"family"}},
      {"group invite", {"family"}},
      {"group invites", {"family"}},
      {"group role", {"family", "server"}},
      {"status", {}},
      {"wanted", {}},
      {"why", {"family", "gone"}},
      {"signpost", {"family", "gone"}},
      {"stop", {"family", "gone"}},
      {"retry", {"--all"}},
      {"scan", {"--wait"}},
      {"pause", {"scan"}},
      {"resume", {"scan"}},
      {"peers", {}},
      {"health", {}},
      {"metrics", {}},
      {"openapi", {}},
      {"events", {}},
      {"ref del", {"family", "gone"}},
      {"wait-complete", {"--group", "family", "--timeout", "20s"}},
      {"wait-held", {"family", "--timeout", "20s"}},
      {"config show", {}},
      {"config get", {"fetcher.concurrency"}},
      {"config set", {"fetcher.concurrency", "3"}},
      {"config unset", {"fetcher.concurrency"}},
      {"config check", {}},
      {"reload", {}},
      {"token create", {"robot", "--rights", "read"}},
      {"token ls", {}},
      {"token revoke", {"robot"}},
      {"audit", {}},
      {"token rotate", {}},
  };
  // These need somebody else, or what another printed.
  std::set<std::string> tried = {"serve",           "join",         "group leave", "group remove",
                                 "group authority", "group revoke", "link revoke"};
  for (const auto& [command, words] : table) {
    tried.insert(command);
    std::vector<std::string> line = {WaypostProgram()};
    for (const auto& word : absl::StrSplit(command, ' ')) line.emplace_back(word);
    line.insert(line.end(), words.begin(), words.end());
    line.emplace_back("--json");
    const bool makes = command == "init" || command == "identity restore";
    std::vector<std::string> here = line, nowhere = line;
    here.insert(here.end(), {"--data", makes ? dir + "/new-" + command : laptop_->dir()});
    nowhere.insert(nowhere.end(), {"--data", "/proc/none"});
    const CommandResult result = RunCommand(here);
    EXPECT_EQ(result.exit_status, 0) << command << ": " << result.err;
    EXPECT_FALSE(Json::parse(result.out, nullptr, false).is_discarded()) << command << result.out;
    if (tried.size() % 3 != 0) continue;
    const CommandResult failed = RunCommand(nowhere);
    if (failed.exit_status == 0) continue;  // it needs no data folder
    EXPECT_EQ(failed.out, "") << command;
    const std::vector<std::string> lines = absl::StrSplit(failed.err, '\n', absl::SkipWhitespace());
    const Json error =
        lines.empty() ? Json() : Json::parse(lines.back(), nullptr, /*allow_exceptions=*/false);
    ASSERT_TRUE(error.is_object() && error.contains("error")) << command << ": " << failed.err;
    EXPECT_NE(error["error"].value("code", ""), "") << command;
    EXPECT_NE(error["error"].value("message", ""), "") << command;
  }
  const Json commands = Parsed(RunCommand({WaypostProgram(), "help", "--json"}));
  for (const Json& command : commands) {
    const bool above = command.value("examples", "").empty();
    const std::string path = command.value("command", "");
    EXPECT_TRUE(above || tried.contains(path)) << path;
  }
  // What the service said of it; what is wrong with a line; a wrong option.
  const auto error_of = [&](std::vector<std::string> words) {
    words.emplace_back("--json");
    const Json error = Json::parse(laptop_->Run(words).err, nullptr, false);
    return error.is_object() && error.contains("error") ? error["error"] : Json::object();
  };
  const Json unknown = error_of({"ref", "get", "family", "none"});
  EXPECT_EQ(unknown.value("code", ""), "not_found");
  EXPECT_NE(unknown.value("request_id", ""), "");
  EXPECT_EQ(error_of({"stauts"}).value("code", ""), "usage");
  EXPECT_EQ(error_of({"get"}).value("code", ""), "usage");
  EXPECT_EQ(error_of({"put", "--gruop", "x"}).value("code", ""), "usage");
}

TEST(HelpTest, EveryCommandAndEveryWordSaysWhatItDoes) {
  const CommandResult all = RunCommand({WaypostProgram(), "help", "--json"});
  ASSERT_EQ(all.exit_status, 0) << all.err;
  const Json commands = Parsed(all);
  ASSERT_GT(commands.size(), 40u);
  for (const Json& command : commands) {
    const std::string path = command.value("command", "");
    EXPECT_NE(command.value("help", ""), "") << path;
    for (const Json& word : command["words"]) {
      EXPECT_NE(word.value("help", ""), "") << path << " " << word;
    }
    std::vector<std::string> words = {WaypostProgram(), "help"};
    for (const auto& word : absl::StrSplit(path, ' ')) words.emplace_back(word);
    const CommandResult one = RunCommand(words);
    EXPECT_EQ(one.exit_status, 0) << path;
    EXPECT_THAT(one.out, HasSubstr("Usage: waypost " + path));
    // A command of others has none of its own.
    const bool above = absl::StrContains(all.out, absl::StrCat("\"command\": \"", path, " "));
    const std::vector<std::string> lines =
        absl::StrSplit(command.value("examples", ""), '\n', absl::SkipWhitespace());
    EXPECT_EQ(lines.size(), above ? 0u : 3u) << path << ": " << command.value("examples", "");
  }
}

TEST(HelpTest, WrongWordsAreNamedWithTheNearestRightOnes) {
  const auto says = [](std::vector<std::string> words, const std::string& what) {
    words.insert(words.begin(), WaypostProgram());
    const CommandResult result = RunCommand(words);
    EXPECT_EQ(result.exit_status, 2) << result.out;
    EXPECT_THAT(result.err, HasSubstr(what));
  };
  says({"stauts"}, "\"stauts\"; did you mean: status");
  says({"group", "membres", "x"}, "\"group membres\"; did you mean: members");
  says({"put", "x", "--gruop", "y"}, "\"--gruop\"; did you mean: --group");
  says({"serve", "--fetcher.concurency=3"}, "--fetcher.concurrency");
  says({"help", "puts"}, "did you mean: put");
  says({"frobnicate"}, "see: waypost help");
  const std::string version = RunCommand({WaypostProgram(), "version"}).out;
  EXPECT_EQ(RunCommand({WaypostProgram(), "--version"}).out, version);
  EXPECT_THAT(RunCommand({WaypostProgram(), "help"}).out, HasSubstr("wait-complete"));
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
