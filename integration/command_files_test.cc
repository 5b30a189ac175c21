// Files that the command line puts, gets and exports.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/local_socket.h"
#include "integration/command_line.h"
#include "integration/eventually.h"
#include "integration/raw_socket.h"

namespace waypost::integration {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using CommandFilesTest = CommandLineTest;

// Stands where the service of a data folder is asked by the command line. When a request holds
// `word` it calls `before`, once, and passes the request on then. One connection at a time.
class ControlRelay {
 public:
  ControlRelay(const std::string& dir, std::string word, std::function<void()> before)
      : path_(dir + "/control.sock"), word_(std::move(word)), before_(std::move(before)) {
    fs::rename(path_, aside());
    const auto address = base::LocalSocketAddress::Of(path_);
    listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_TRUE(address.ok() && bind(listener_, address->get(), address->size()) == 0 &&
                listen(listener_, 8) == 0);
    thread_ = std::thread([this] { Run(); });
  }
  ~ControlRelay() {
    shutdown(listener_, SHUT_RDWR);  // ends accept()
    thread_.join();
    close(listener_);
    fs::rename(aside(), path_);
  }
  bool called() const { return called_; }

 private:
  std::string aside() const { return path_ + ".aside"; }
  void Run() {
    while (true) {
      const int from = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (from < 0) return;
      const auto address = base::LocalSocketAddress::Of(aside());
      const int to = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
      if (address.ok() && connect(to, address->get(), address->size()) == 0) Relay(from, to);
      close(to);
      close(from);
    }
  }
  void Relay(int from, int to) {
    std::string asked;
    for (pollfd ends[] = {{from, POLLIN, 0}, {to, POLLIN, 0}}; poll(ends, 2, 60'000) > 0;) {
      for (const pollfd& end : ends) {
        if (end.revents == 0) continue;
        char piece[4096];
        const ssize_t got = recv(end.fd, piece, sizeof(piece), 0);
        if (got <= 0) return;
        const std::string_view bytes(piece, static_cast<std::size_t>(got));
        if (end.fd == from && !called_ && (asked += bytes).find(word_) != std::string::npos) {
          before_();
          called_ = true;
        }
        if (!SendAll(end.fd == from ? to : from, bytes)) return;
      }
    }
  }

  const std::string path_, word_;
  const std::function<void()> before_;
  std::atomic<bool> called_{false};
  int listener_ = -1;
  std::thread thread_;
};

TEST_F(CommandFilesTest, AWholeTripFromPutToExport) {
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

TEST_F(CommandFilesTest, ExportNeverWritesOutsideItsFolder) {
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

TEST_F(CommandFilesTest, BlobsAreNamedByIdPrefixOrGroupAndKey) {
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
  EXPECT_EQ(Ok(*laptop_, {"ref", "ls", "family"}), "one  " + blob.substr(0, 12));
  EXPECT_EQ(Ok(*laptop_, {"ref", "ls", "family", "--long"}), "one  " + blob);
  Ok(*laptop_, {"ref", "set", "family", "two/three", blob});
  EXPECT_EQ(Ok(*laptop_, {"ref", "ls", "family", "--prefix", "two/", "--long"}),
            "two/three  " + blob);
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

TEST_F(CommandFilesTest, WhatIsWrittenForTheUserHarmsNothingThatIsThere) {
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

TEST_F(CommandFilesTest, WhatCannotBeReadIsNamedAndTheRestIsPut) {
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

TEST_F(CommandFilesTest, OnlyWhatIsNotHereIsSentAndTheClosingLineCounts) {
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

TEST_F(CommandFilesTest, KeysAndTokensOfPeersAreNotPut) {
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

TEST_F(CommandFilesTest, OutputThatIsLostIsNoSuccess) {
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

TEST_F(CommandFilesTest, AFileThatIsChangedWhileItIsReadIsNotPutAndNotReferenced) {
  laptop_->CreateGroup("family", "normal");
  const std::string path = File("one", "hello");
  {
    // Its bytes were hashed, and are not sent yet.
    const ControlRelay relay(laptop_->dir(), "/v1/blobs:have",
                             [&] { WriteWholeFile(path, "jello"); });
    const CommandResult put = laptop_->Run({"put", path, "--group", "family"});
    EXPECT_TRUE(relay.called());
    EXPECT_EQ(put.exit_status, 1) << put.out;
    EXPECT_THAT(put.err, HasSubstr(path + " was changed while it was read"));
    EXPECT_EQ(put.out, "");
  }
  EXPECT_EQ(Ok(*laptop_, {"ref", "ls", "family"}), "");
  EXPECT_EQ(Ok(*laptop_, {"ls"}), "");
  Ok(*laptop_, {"put", path, "--group", "family"});
  EXPECT_EQ(Ok(*laptop_, {"get", "family", "one"}), "jello");
}

TEST_F(CommandFilesTest, WhatHasNoSizeIsPutWholeOrNotAtAll) {
  Ok(*laptop_, {"put", "/proc/version"});
  EXPECT_EQ(Ok(*laptop_, {"get", HexOfSha256(ReadWholeFile("/proc/version"))}),
            Trimmed(ReadWholeFile("/proc/version")));
  const CommandResult closed = RunCommand(
      {"/bin/sh", "-c", "exec \"$0\" put - --data \"$1\" <&-", WaypostProgram(), laptop_->dir()});
  EXPECT_EQ(closed.exit_status, 1) << closed.out;
  EXPECT_THAT(closed.err, HasSubstr("standard input"));
  EXPECT_EQ(Parsed(laptop_->Run({"ls", "--json"})).size(), 1u);
}

}  // namespace
}  // namespace waypost::integration
