// The socket by which the owner of a data folder reaches its service, and what a service shows
// those who would send it a token over a port.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "http/message/errors.h"
#include "http/message/service_proof.h"
#include "tests/fakes/temp_dir.h"
#include "tests/http/node.h"

namespace waypost::http {
namespace {

using ::testing::HasSubstr;

class ControlSocketTest : public ::testing::Test {
 protected:
  ControlSocketTest() : path_(folder_ / "control.sock") {}
  std::unique_ptr<Engine> ListenerAt(const std::string& path) {
    return std::make_unique<Engine>(
        EngineOptions{.listener = "control",
                      .address = path,
                      .workers = 2,
                      .owner_only = true,
                      .metrics = &metrics_},
        [this](Request& request) { return node_.app_api->Handle(request); },
        [this](const Request& request) { return node_.app_api->RouteName(request); });
  }
  // A socket at the path at which nobody listens yet.
  int BoundThere() const {
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un where{};
    where.sun_family = AF_UNIX;
    path_.copy(where.sun_path, sizeof(where.sun_path) - 1);
    EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&where), sizeof(where)), 0);
    return fd;
  }
  static AppClient ClientAt(const std::string& path, const std::string& token = "") {
    return AppClient(
        {.address = "localhost", .socket_path = path, .owner = geteuid(), .token = token});
  }
  static int StatusAt(const std::string& path, const std::string& target,
                      const std::string& token = "") {
    AppClient client = ClientAt(path, token);
    const auto reply = client.Send({.target = target});
    return reply.ok() ? reply->status : -1;
  }

  base::Metrics metrics_;
  Node node_;
  const base::TempDir folder_;
  const std::string path_;
};

TEST_F(ControlSocketTest, AnotherUserIsTurnedAwayAndCounted) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can be another user";
  const auto listener = ListenerAt(path_);
  ASSERT_TRUE(listener->Start().ok());
  // By its name in the folder: whoever comes here need not be able to go through those above it.
  sockaddr_un where{};
  where.sun_family = AF_UNIX;
  std::string_view("control.sock").copy(where.sun_path, sizeof(where.sun_path) - 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  // As if the folder and the socket were another's to open, for then the kernel keeps nobody out.
  ASSERT_EQ(chmod(folder_.path().c_str(), 0755), 0);
  ASSERT_EQ(chmod(path_.c_str(), 0666), 0);
  // Both change this thread alone.
  std::thread([&] {
    ASSERT_EQ(unshare(CLONE_FS), 0);
    ASSERT_EQ(chdir(folder_.path().c_str()), 0);
    ASSERT_EQ(syscall(SYS_setresuid, 65534, 65534, 0), 0);
    EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&where), sizeof(where)), 0);
  }).join();
  char byte = 0;
  EXPECT_LE(read(fd, &byte, 1), 0) << "it is closed";
  close(fd);
  EXPECT_EQ(metrics_
                .AddCounter("waypost_http_rejected_total", "",
                            {{"listener", "control"}, {"reason", "user"}})
                .value(),
            1);
  listener->Shutdown(base::Millis(0));
}

TEST_F(ControlSocketTest, TheOwnerNeedsNoTokenThereAndIsAnAdministrator) {
  const auto listener = ListenerAt(path_);
  ASSERT_TRUE(listener->Start().ok());
  struct stat found {};
  ASSERT_EQ(stat(path_.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777, 0600U);
  EXPECT_EQ(StatusAt(path_, "/v1/tokens"), 200);
  // A token that is shown counts, and a wrong one is wrong here too.
  EXPECT_EQ(StatusAt(path_, "/v1/tokens", Node::kReadToken), 403);
  EXPECT_EQ(StatusAt(path_, "/v1/tokens", "wrong"), 401);
  // At the port of apps one must be shown.
  AppClient without({.address = node_.app->bound_address()});
  EXPECT_EQ(without.Send({.target = "/v1/tokens"})->status, 401);
  listener->Shutdown(base::Millis(0));
  EXPECT_NE(lstat(path_.c_str(), &found), 0) << "it is left behind";
}

TEST_F(ControlSocketTest, APathMayBeLongerThanTheKernelTakes) {
  const std::string deep = folder_ / (std::string(90, 'd') + "/" + std::string(90, 'e'));
  ASSERT_EQ(mkdir((folder_ / std::string(90, 'd')).c_str(), 0700), 0);
  ASSERT_EQ(mkdir(deep.c_str(), 0700), 0);
  const auto listener = ListenerAt(deep + "/control.sock");
  const absl::Status started = listener->Start();
  ASSERT_TRUE(started.ok()) << started;
  EXPECT_EQ(StatusAt(deep + "/control.sock", "/v1/status"), 200);
}

TEST_F(ControlSocketTest, WhatACrashLeftIsReplacedAndAFileIsNot) {
  close(BoundThere());
  AppClient nobody = ClientAt(path_);
  EXPECT_EQ(nobody.Send({.target = "/healthz"}).status().code(), absl::StatusCode::kUnavailable);
  const auto listener = ListenerAt(path_);
  ASSERT_TRUE(listener->Start().ok());
  EXPECT_EQ(StatusAt(path_, "/healthz"), 200);

  const std::string file = folder_ / "file";
  std::ofstream(file) << "mine";
  const absl::Status refused = ListenerAt(file)->Start();
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("is no socket"));
}

TEST_F(ControlSocketTest, WhereNoneCanBeMadeIsSaidWithItsCause) {
  for (const std::string& path : {folder_ / "none/control.sock", folder_ / std::string(107, 'n')}) {
    const absl::Status listening = ListenerAt(path)->Start();
    EXPECT_FALSE(listening.ok());
    EXPECT_NE(std::string(listening.message()).find(path), std::string::npos) << listening;
  }
}

TEST_F(ControlSocketTest, AListenerOfAnotherUserIsToldNothing) {
  const int other = BoundThere();
  // The kernel notes who listens: where the tests are root's, one thread becomes somebody else.
  std::thread([other] {
    EXPECT_TRUE(geteuid() != 0 || syscall(SYS_setresuid, 4321, 4321, 4321) == 0);
    EXPECT_EQ(listen(other, 1), 0);
  }).join();
  AppClient client(
      {.address = "localhost", .socket_path = path_, .owner = geteuid() == 0 ? 0 : geteuid() + 1});
  EXPECT_EQ(client.Send({.target = "/healthz"}).status().code(),
            absl::StatusCode::kPermissionDenied);
  close(other);
}

TEST_F(ControlSocketTest, ReloadingSaysWhatWasNoGood) {
  AppClient client = node_.Client();
  EXPECT_EQ(client.Send({.method = "POST", .target = "/v1/reload"})->status, 204);
  node_.reload = absl::InvalidArgumentError("waypost.toml:3: no such setting");
  const auto refused = client.Send({.method = "POST", .target = "/v1/reload"});
  EXPECT_EQ(refused->status, 400);
  EXPECT_THAT(refused->body, HasSubstr("waypost.toml:3"));
  EXPECT_EQ(node_.Ask(Node::kReadToken, "POST", "/v1/reload").status, 403);
}

TEST_F(ControlSocketTest, AServiceProvesThatItKnowsATokenAndSendsNone) {
  const std::string address = node_.app->bound_address();
  AppClient stranger({.address = address});
  const ProofOf of{.nonce = std::string(64, 'a'), .address = address};
  const auto reply = stranger.Send({.target = "/v1/proof?nonce=" + of.nonce});
  ASSERT_EQ(reply->status, 200) << reply->body;
  EXPECT_EQ(Json::parse(reply->body).value("proof", ""),
            ProofFor(ProofKeyOf(Node::kToken), of).value());
  EXPECT_EQ(reply->body.find(Node::kToken), std::string::npos);
  EXPECT_EQ(stranger.Send({.target = "/v1/proof?nonce=abc"})->status, 400);
  EXPECT_EQ(stranger.Send({.target = "/v1/proof?token=x&nonce=" + of.nonce})->status, 404);
  // That of the tests' reader is short.
  EXPECT_EQ(stranger.Send({.target = "/v1/proof?token=read&nonce=" + of.nonce})->status, 409);
  // From another machine.
  Request from{.method = "GET", .path = "/v1/proof", .remote_address = "192.0.2.1"};
  from.query = {{"nonce", of.nonce}};
  from.headers = {{"host", address}};
  EXPECT_EQ(node_.app_api->Handle(from).status, 404);
  // From here, and from here for somebody else.
  from.remote_address = "127.0.0.1";
  EXPECT_EQ(node_.app_api->Handle(from).status, 200);
  from.headers.emplace_back("x-forwarded-for", "192.0.2.1");
  EXPECT_EQ(node_.app_api->Handle(from).status, 404);
  from.headers = {{"host", "localhost"}};
  EXPECT_EQ(node_.app_api->Handle(from).status, 404);
}

}  // namespace
}  // namespace waypost::http
