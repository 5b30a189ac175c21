// docs/proxies.md as it stands: a real nginx with its configuration before a real service.
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "integration/cluster.h"
#include "integration/eventually.h"

namespace waypost::integration {
namespace {

constexpr char kNginx[] = "/usr/sbin/nginx";

class ProxyTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(kNginx)) GTEST_SKIP() << "no nginx on this machine";
    peer_ = &cluster_.Add("peer", {"--http.allowed_hosts=nas.example.org"});
  }
  void TearDown() override {
    // The master ends its workers when it is asked; killed, it would leave them.
    nginx_.Signal(SIGTERM);
    nginx_.Wait(base::Millis(10'000));
  }

  std::string socket() const { return dir_.path() + "/nginx.sock"; }
  // The server block that the page shows.
  static std::string BlockOfThePage() {
    const std::string page = ReadWholeFile(std::string(WAYPOST_SOURCE_DIR) + "/docs/proxies.md");
    const std::size_t begin = page.find("```nginx\n") + 9;
    return page.substr(begin, page.find("```", begin) - begin);
  }
  // nginx with a server block, but for its port, certificate and where the service is.
  void StartNginx(const std::string& block) {
    const std::string here = absl::StrReplaceAll(
        block, {{"listen 443 ssl;", absl::StrCat("listen unix:", socket(), ";")},
                {"ssl_certificate ", "# "},
                {"ssl_certificate_key ", "# "},
                {"127.0.0.1:7440", peer_->http().address()}});
    ASSERT_NE(here, block);
    std::string config = geteuid() == 0 ? "user root;\n" : "";
    absl::StrAppend(&config, "daemon off;\nworker_processes 1;\npid ", dir_.path(),
                    "/pid;\nerror_log ", dir_.path(), "/error.log;\nevents {}\nhttp {\n");
    for (const char* kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"}) {
      absl::StrAppend(&config, kind, "_temp_path ", dir_.path(), "/", kind, ";\n");
    }
    absl::StrAppend(&config, "access_log off;\n", here, "\n}\n");
    WriteWholeFile(dir_.path() + "/nginx.conf", config);
    auto nginx = Process::Spawn(
        {.arguments = {kNginx, "-e", dir_.path() + "/error.log", "-c", dir_.path() + "/nginx.conf"},
         .stderr_path = dir_.path() + "/error.log"});
    ASSERT_TRUE(nginx.ok()) << nginx.status();
    nginx_ = *std::move(nginx);
    ASSERT_TRUE(Eventually([&] { return Curl({}, "/healthz").exit_status == 0; }))
        << ReadWholeFile(dir_.path() + "/error.log");
  }
  CommandResult Curl(std::vector<std::string> more, const std::string& path,
                     const std::string& input = {}) const {
    std::string token = ReadWholeFile(peer_->dir() + "/api.token");
    while (!token.empty() && token.back() == '\n') token.pop_back();
    std::vector<std::string> arguments = {"/usr/bin/curl", "-sS", "-f",
                                          "--max-time",    "60",  "--unix-socket",
                                          socket(),        "-H",  "Authorization: Bearer " + token};
    arguments.insert(arguments.end(), more.begin(), more.end());
    arguments.push_back("http://nas.example.org" + path);
    return RunCommand(std::move(arguments), {}, input);
  }
  // The first line of a stream comes at once, not when there is a page of them.
  void ExpectStreams() const {
    const CommandResult events = Curl({"-N", "--max-time", "3"}, "/v1/events");
    EXPECT_NE(events.out.find(": events of this service"), std::string::npos) << events.err;
  }

  TempDir dir_;
  Cluster cluster_;
  Peer* peer_ = nullptr;
  Process nginx_;
};

TEST_F(ProxyTest, NginxAsThePageShowsItPassesBodiesAndStreamsOn) {
  ASSERT_NO_FATAL_FAILURE(StartNginx(BlockOfThePage()));
  // Of no announced length, and over nginx's default of a megabyte.
  const std::string bytes = SomeBytes(3 << 20, 1);
  const CommandResult put = Curl({"-T", "-", "-X", "POST"}, "/v1/blobs", bytes);
  EXPECT_EQ(Parsed(put).value("id", ""), HexOfSha256(bytes)) << put.out << put.err;
  EXPECT_TRUE(Curl({}, "/v1/blobs/" + HexOfSha256(bytes)).out == bytes);
  ExpectStreams();
}

TEST_F(ProxyTest, WithNginxsDefaultsStreamsComeAtOnceToo) {
  ASSERT_NO_FATAL_FAILURE(StartNginx(
      "server { listen 443 ssl; location / { proxy_pass http://127.0.0.1:7440; proxy_set_header "
      "Host $http_host; } }"));
  ExpectStreams();
}

}  // namespace
}  // namespace waypost::integration
