// docs/proxies.md as it stands: a real nginx, and a real Caddy, with their configuration before a
// real service.
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
constexpr char kCaddy[] = "/usr/bin/caddy";

// A service, and before it a proxy that listens on a socket.
class ProxyTest : public testing::Test {
 protected:
  explicit ProxyTest(const char* program) : program_(program) {}
  void SetUp() override {
    if (!std::filesystem::exists(program_)) GTEST_SKIP() << "NOT TESTED: no " << program_;
    peer_ = &cluster_.Add("peer", {"--http.allowed_hosts=nas.example.org"});
  }
  void TearDown() override {
    // nginx's master ends its workers when it is asked; killed, it would leave them.
    proxy_.Signal(SIGTERM);
    proxy_.Wait(base::Millis(10'000));
  }

  std::string socket() const { return dir_.path() + "/proxy.sock"; }
  std::string log() const { return dir_.path() + "/error.log"; }
  // What the page shows between these words and the end of the block.
  static std::string OnThePage(const std::string& begins) {
    const std::string page = ReadWholeFile(std::string(WAYPOST_SOURCE_DIR) + "/docs/proxies.md");
    const std::size_t begin = page.find(begins) + begins.size();
    return page.substr(begin, page.find("```", begin) - begin);
  }
  void StartProxy(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), program_);
    auto proxy = Process::Spawn({.arguments = std::move(arguments),
                                 .environment = {{"HOME", dir_.path()},
                                                 {"XDG_CONFIG_HOME", dir_.path()},
                                                 {"XDG_DATA_HOME", dir_.path()}},
                                 .stderr_path = log()});
    ASSERT_TRUE(proxy.ok()) << proxy.status();
    proxy_ = *std::move(proxy);
    ASSERT_TRUE(Eventually([&] { return Curl({}, "/healthz").exit_status == 0; }))
        << ReadWholeFile(log());
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
  // Of no announced length, and over nginx's default of a megabyte.
  void ExpectBodies() const {
    const std::string bytes = SomeBytes(3 << 20, 1);
    const CommandResult put = Curl({"-T", "-", "-X", "POST"}, "/v1/blobs", bytes);
    EXPECT_EQ(Parsed(put).value("id", ""), HexOfSha256(bytes)) << put.out << put.err;
    const std::string target = "/v1/blobs/" + HexOfSha256(bytes);
    EXPECT_TRUE(Curl({}, target).out == bytes);
    EXPECT_TRUE(Curl({"-r", "1000000-1000099"}, target).out == bytes.substr(1'000'000, 100));
  }
  // The first line of a stream comes at once, not when there is a page of them.
  void ExpectStreams() const {
    const CommandResult events = Curl({"-N", "--max-time", "3"}, "/v1/events");
    EXPECT_NE(events.out.find(": events of this service"), std::string::npos) << events.err;
  }

  const std::string program_;
  TempDir dir_;
  Cluster cluster_;
  Peer* peer_ = nullptr;
  Process proxy_;
};

class NginxTest : public ProxyTest {
 protected:
  NginxTest() : ProxyTest(kNginx) {}
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
                    "/pid;\nerror_log ", log(), ";\nevents {}\nhttp {\n");
    for (const char* kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"}) {
      absl::StrAppend(&config, kind, "_temp_path ", dir_.path(), "/", kind, ";\n");
    }
    absl::StrAppend(&config, "access_log off;\n", here, "\n}\n");
    WriteWholeFile(dir_.path() + "/nginx.conf", config);
    StartProxy({"-e", log(), "-c", dir_.path() + "/nginx.conf"});
  }
};

TEST_F(NginxTest, AsThePageShowsItPassesBodiesAndStreamsOn) {
  ASSERT_NO_FATAL_FAILURE(StartNginx(OnThePage("```nginx\n")));
  ExpectBodies();
  ExpectStreams();
}

TEST_F(NginxTest, WithItsDefaultsStreamsComeAtOnceToo) {
  ASSERT_NO_FATAL_FAILURE(StartNginx(
      "server { listen 443 ssl; location / { proxy_pass http://127.0.0.1:7440; proxy_set_header "
      "Host $http_host; } }"));
  ExpectStreams();
}

class CaddyTest : public ProxyTest {
 protected:
  CaddyTest() : ProxyTest(kCaddy) {}
};

TEST_F(CaddyTest, AsThePageShowsItPassesBodiesAndStreamsOn) {
  const std::string block = OnThePage("## Caddy\n\n```\n");
  // But for HTTPS, its port, and where the service is.
  const std::string here = absl::StrReplaceAll(
      block,
      {{"nas.example.org {", absl::StrCat("http://nas.example.org {\n    bind unix/", socket())},
       {"127.0.0.1:7440", peer_->http().address()}});
  ASSERT_NE(here.find("bind"), std::string::npos) << block;
  ASSERT_NE(here.find(peer_->http().address()), std::string::npos) << block;
  WriteWholeFile(dir_.path() + "/Caddyfile", absl::StrCat("{\n    admin off\n}\n", here));
  ASSERT_NO_FATAL_FAILURE(
      StartProxy({"run", "--adapter", "caddyfile", "--config", dir_.path() + "/Caddyfile"}));
  ExpectBodies();
  ExpectStreams();
}

}  // namespace
}  // namespace waypost::integration
