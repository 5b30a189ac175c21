// Start, stop, signals, the lock of the data folder, settings while running.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <regex>
#include <thread>

#include "absl/strings/str_cat.h"
#include "integration/cluster.h"
#include "integration/eventually.h"
#include "integration/raw_socket.h"

namespace waypost::integration {
namespace {

namespace fs = std::filesystem;

// The index would be descriptor 2, and a line of the log its first page.
TEST(LifecycleTest, WhereStandardDescriptorsAreClosedNoFileTakesTheirPlace) {
  Cluster cluster;
  Peer& peer = cluster.Add("peer");
  const std::string group = peer.CreateGroup("family", "server");
  const std::string blob = PutRef(peer, group, "k", "hello");
  ASSERT_EQ(peer.Stop(), 0);
  for (const char* closed : {"0<&- 1>&- 2>&-", "2>&-", "0<&-"}) {
    ASSERT_TRUE(
        peer.Start({.under = {"/bin/sh", "-c", absl::StrCat("exec \"$@\" ", closed), "sh"}}).ok())
        << closed;
    for (int fd = 0; fd <= 2; ++fd) {
      const fs::path link = absl::StrCat("/proc/", peer.process().pid(), "/fd/", fd);
      std::error_code error;
      const std::string target = fs::read_symlink(link, error).string();
      EXPECT_FALSE(error) << closed << ": " << fd;
      EXPECT_EQ(target.find(peer.dir() + "/"), std::string::npos)
          << closed << ": " << fd << " is " << target;
    }
    EXPECT_EQ(peer.Bytes(blob), "hello") << closed;
    ASSERT_EQ(peer.Stop(), 0) << closed;
  }
  ASSERT_TRUE(peer.Start().ok());
  EXPECT_EQ(peer.Bytes(blob), "hello");
}

// What shells and systemd give is for programs that use select.
TEST(LifecycleTest, TheSoftLimitOfDescriptorsIsRaisedToWhatTheSettingsNeed) {
  Cluster cluster;
  Peer& peer = cluster.Prepare("peer");
  ASSERT_TRUE(peer.Start({.under = {"/bin/sh", "-c", "ulimit -Sn 256 && exec \"$@\"", "sh"}}).ok());
  const std::string limits = ReadWholeFile(absl::StrCat("/proc/", peer.process().pid(), "/limits"));
  std::smatch found;
  ASSERT_TRUE(std::regex_search(limits, found, std::regex("Max open files +([0-9]+) +([0-9]+)")))
      << limits;
  // A connection and the file sent on it, of both listeners as they are by default.
  EXPECT_GE(std::stoull(found[1]), std::min(std::stoull(found[2]), 4096ULL)) << limits;
}

TEST(LifecycleTest, APeerThatWasGivenNoNameHasThatOfItsMachine) {
  Cluster cluster;
  Peer& peer = cluster.Prepare("peer");
  const std::string file = peer.dir() + "/waypost.toml", named = ReadWholeFile(file);
  const std::size_t name = named.find("\nname = \"peer\"\n");
  ASSERT_NE(name, std::string::npos) << named;
  WriteWholeFile(file, std::string(named).insert(name + 1, "#"));
  ASSERT_TRUE(peer.Start().ok());
  char machine[256] = {};
  ASSERT_EQ(gethostname(machine, sizeof(machine) - 1), 0);
  EXPECT_EQ(peer.Status().value("name", ""), machine);
}

TEST(LifecycleTest, AFolderIsNeverServedUnderAnIdentityThatIsNotItsOwn) {
  Cluster cluster;
  Peer& peer = cluster.Add("peer");
  Peer& other = cluster.Add("other");
  const std::string group = peer.CreateGroup("family", "server");
  const std::string blob = PutRef(peer, group, "k", "hello");
  ASSERT_EQ(peer.Stop(), 0);
  const std::string file = peer.dir() + "/identity.key";
  const std::string right = ReadWholeFile(file);
  const auto flipped = [&](std::size_t at) {
    std::string damaged = right;
    damaged[at] = damaged[at] == '1' ? '2' : '1';
    return damaged;
  };
  const std::string no_key = flipped(10);
  // A digit of its seed makes it the key of a peer that nobody has seen.
  const std::string another_key = flipped(right.rfind(' ') + 1);
  for (const std::string& wrong :
       {no_key, another_key, ReadWholeFile(other.dir() + "/identity.key")}) {
    WriteWholeFile(file, wrong);
    const CommandResult serve = peer.Run({"serve", "--http.listen=127.0.0.1:0"});
    EXPECT_EQ(serve.exit_status, 78) << serve.err;
    EXPECT_NE(serve.err.find("identity.key"), std::string::npos) << serve.err;
    if (wrong == no_key) continue;
    EXPECT_NE(serve.err.find("is that of peer "), std::string::npos) << serve.err;
    EXPECT_NE(serve.err.find(peer.id()), std::string::npos) << serve.err;
    if (wrong != another_key) {
      EXPECT_NE(serve.err.find(other.id()), std::string::npos) << serve.err;
    }
  }
  WriteWholeFile(file, right);
  ASSERT_TRUE(peer.Start().ok());
  EXPECT_EQ(peer.Bytes(blob), "hello");
}

TEST(LifecycleTest, AnIndexThatIsGoneIsReplacedOnlyWhereSomebodySaysSo) {
  Cluster cluster;
  Peer& peer = cluster.Add("peer");
  const std::string bytes(100'000, 'x');
  const std::string blob = PutRef(peer, peer.CreateGroup("family", "server"), "k", bytes);
  ASSERT_EQ(peer.Stop(), 0);
  fs::remove_all(peer.dir() + "/index");
  for (const std::string more : {"--log.level=info", "--init"}) {
    const CommandResult serve = peer.Run({"serve", "--http.listen=127.0.0.1:0", more});
    EXPECT_EQ(serve.exit_status, 78) << serve.err;
    EXPECT_NE(serve.err.find("--new-index"), std::string::npos) << serve.err;
  }
  EXPECT_NE(peer.Run({"config", "unset", "fetcher.concurrency"}).exit_status, 0);
  ASSERT_TRUE(peer.Start({.settings = {"--new-index=true", "--scan.initial_delay=0s"}}).ok());
  EXPECT_TRUE(Eventually([&] { return peer.Bytes(blob) == bytes; }));
  EXPECT_EQ(peer.Get("/v1/groups")["items"].size(), 0u);
  EXPECT_TRUE(Eventually([&] { return peer.Log().find("taken in: 1") != std::string::npos; }));
  // The next start needs no word.
  ASSERT_EQ(peer.Stop(), 0);
  ASSERT_TRUE(peer.Start().ok());
  EXPECT_EQ(peer.Bytes(blob), bytes);
}

TEST(LifecycleTest, ServeMakesADataFolderWhereItIsAskedTo) {
  Cluster cluster;
  Peer& peer = cluster.Prepare("peer");
  fs::remove_all(peer.dir());
  const CommandResult none = peer.Run({"serve", "--http.listen=127.0.0.1:0"});
  EXPECT_EQ(none.exit_status, 1) << none.err;
  EXPECT_FALSE(fs::exists(peer.dir()));
  const std::vector<std::string> words = {"--init=true", "--http.listen=127.0.0.1:0",
                                          "--peer.listen=127.0.0.1:0"};
  std::string id;
  for (int start = 0; start < 2; ++start) {
    ASSERT_TRUE(peer.Start({.settings = words}).ok());
    if (start == 0) id = peer.Status().value("peer", "");
    EXPECT_EQ(peer.Status().value("peer", ""), id);
    ASSERT_EQ(peer.Stop(), 0);
  }
  // A key that is gone from a folder in use is no reason to make another peer of it.
  fs::rename(peer.dir() + "/identity.key", cluster.dir() + "/key");
  EXPECT_EQ(peer.Run({"serve", "--init"}).exit_status, 78);
  EXPECT_FALSE(fs::exists(peer.dir() + "/identity.key"));
}

TEST(LifecycleTest, AStopIsCleanAndWhatWasThereIsThereAgain) {
  Cluster cluster;
  Peer& peer = cluster.Add("peer");
  const std::string group = peer.CreateGroup("family", "server");
  const std::string blob = PutRef(peer, group, "k", "hello");
  const std::string address = peer.http().address();
  EXPECT_EQ(peer.Call("GET", "/readyz").status, 200);
  for (const int number : {SIGTERM, SIGINT}) {
    EXPECT_TRUE(fs::exists(peer.dir() + "/endpoints.json"));
    const auto start = std::chrono::steady_clock::now();
    peer.process().Signal(number);
    EXPECT_EQ(peer.process().Wait(kPatience), 0);
    if (kTimesCount) {
      EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
    }
    EXPECT_FALSE(fs::exists(peer.dir() + "/endpoints.json"));
    ASSERT_TRUE(peer.Start().ok());
    EXPECT_EQ(peer.http().address(), address);  // the picked port is kept
    EXPECT_EQ(peer.Bytes(blob), "hello");
    EXPECT_EQ(peer.Get("/v1/groups/" + group + "/refs/k").value("blob", ""), blob);
  }
}

TEST(LifecycleTest, AStopEndsWaitingCallsAndStreamsWithinTwentySeconds) {
  Cluster cluster;
  Peer& laptop = cluster.Add("laptop");
  Peer& phone = cluster.Add("phone", {"--fetcher.rate_limit=1KiB"});
  const std::string group = cluster.Group("family", {{&laptop, "normal"}, {&phone, "normal"}});
  const std::string blob = PutRef(laptop, group, "film", SomeBytes(4 << 20, 4));
  ASSERT_TRUE(Eventually([&] { return phone.Get("/v1/groups/" + group).value("refs", 0) == 1; }));
  auto events = phone.http().OpenStream({.target = "/v1/events"});
  auto fetch =
      phone.http().OpenStream({.method = "POST", .target = "/v1/blobs/" + blob + "/fetch"});
  ASSERT_TRUE(events.ok() && fetch.ok());
  std::thread waiter([&] { phone.Call("GET", "/v1/blobs/" + blob + "?timeout=10m"); });
  EXPECT_EQ(phone.Stop(base::Millis(kTimesCount ? 20'000 : 120'000)), 0);
  waiter.join();
}

TEST(LifecycleTest, ASecondSignalEndsAtOnce) {
  Cluster cluster;
  Peer& laptop = cluster.Add("laptop");
  // A put that never ends keeps the first signal's clean stop busy.
  const int fd = Connect(laptop.http().address());
  ASSERT_GE(fd, 0);
  std::string request =
      laptop.http().Format({.method = "POST", .target = "/v1/blobs", .body = "x"});
  request.replace(request.find("Content-Length: 1"), 17, "Content-Length: 1000000");
  ASSERT_GT(write(fd, request.data(), request.size()), 0);
  laptop.process().Signal(SIGTERM);
  const std::optional<int> after_first = laptop.process().Wait(base::Millis(500));
  if (!after_first) {
    laptop.process().Signal(SIGTERM);
    EXPECT_EQ(laptop.process().Wait(kPatience), 128 + SIGTERM);
  } else {
    EXPECT_EQ(*after_first, 0);
  }
  close(fd);
  ASSERT_TRUE(laptop.Start().ok());
  EXPECT_EQ(laptop.Call("GET", "/healthz").status, 200);
}

TEST(LifecycleTest, ASecondServiceOnTheSameFolderIsToldWhoHasIt) {
  Cluster cluster;
  Peer& peer = cluster.Add("peer");
  const CommandResult second =
      peer.Run({"serve", "--http.listen=127.0.0.1:0", "--peer.listen=127.0.0.1:0"});
  EXPECT_EQ(second.exit_status, 1);
  EXPECT_NE(second.err.find(absl::StrCat("process ", peer.process().pid())), std::string::npos)
      << second.err;
  EXPECT_EQ(peer.Call("GET", "/healthz").status, 200);
}

TEST(LifecycleTest, MetricsNameTheVersionThatRuns) {
  Cluster cluster;
  Peer& peer = cluster.Add("peer");
  const std::string version = peer.Status().value("version", "none");
  EXPECT_EQ(peer.Metric("waypost_build_info{version=\"" + version + "\"}"), 1) << version;
}

TEST(LifecycleTest, PlainHttpBeyondThisMachineIsWarnedOf) {
  Cluster cluster;
  Peer& here = cluster.Add("here");
  EXPECT_EQ(here.Log().find("is plain HTTP"), std::string::npos);
  Peer& everywhere = cluster.Add("everywhere", {"--http.listen=0.0.0.0:0"});
  EXPECT_NE(everywhere.Log().find("is plain HTTP on 0.0.0.0:"), std::string::npos);
}

TEST(LifecycleTest, AHangUpReadsTheFileAgain) {
  Cluster cluster;
  Peer& peer = cluster.Add("peer");
  const auto value = [&](const std::string& key) {
    const Json settings = peer.Get("/v1/config").value("settings", Json::object());
    const Json item = settings.value(key, Json::object());
    return item.value("value", "") + " " + item.value("origin", "");
  };
  EXPECT_EQ(value("fetcher.concurrency"), "4 default");
  WriteWholeFile(peer.dir() + "/waypost.toml", "[fetcher]\nconcurrency = 7\n");
  peer.process().Signal(SIGHUP);
  EXPECT_TRUE(Eventually([&] { return value("fetcher.concurrency") == "7 file"; }))
      << value("fetcher.concurrency");
  // A mistake is logged and changes nothing.
  WriteWholeFile(peer.dir() + "/waypost.toml", "[fetcher]\nconcurrency = 0\n");
  peer.process().Signal(SIGHUP);
  EXPECT_TRUE(Eventually([&] { return peer.Log().find("waypost.toml:2") != std::string::npos; }));
  EXPECT_EQ(value("fetcher.concurrency"), "7 file");
  // A patch goes before the file and survives a restart.
  EXPECT_EQ(peer.Run({"config", "set", "fetcher.concurrency", "9"}).exit_status, 0);
  EXPECT_EQ(value("fetcher.concurrency"), "9 patched");
  WriteWholeFile(peer.dir() + "/waypost.toml", "[fetcher]\nconcurrency = 5\n");
  peer.process().Signal(SIGHUP);
  EXPECT_TRUE(Eventually([&] {
    return peer.Log().find("waypost config unset fetcher.concurrency") != std::string::npos;
  }));
  EXPECT_EQ(peer.Stop(), 0);
  ASSERT_TRUE(peer.Start().ok());
  EXPECT_EQ(value("fetcher.concurrency"), "9 patched");
  EXPECT_EQ(peer.Run({"config", "set", "http.listen", "127.0.0.1:1"}).exit_status, 1);
}

TEST(LifecycleTest, AFileThatIsTooLargeForTheProcessIsAnErrorAndNotItsEnd) {
  Cluster cluster;
  Peer& peer = cluster.Prepare("peer", {"--index.map_size=16MiB"});
  ASSERT_TRUE(peer.Start({.file_size_max_bytes = uint64_t{24} << 20}).ok());
  const HttpReply reply = peer.Call("POST", "/v1/blobs", SomeBytes(32 << 20, 1));
  EXPECT_EQ(reply.status, 413) << reply.body;
  EXPECT_NE(reply.body.find("limit on file sizes"), std::string::npos) << reply.body;
  EXPECT_EQ(peer.Bytes(peer.PutBlob("small")), "small");
}

}  // namespace
}  // namespace waypost::integration
