// What strangers and mistakes send: the right status, a message that says what to change, nothing
// kept, nothing lost, and the service goes on.
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "integration/cluster.h"
#include "integration/eventually.h"
#include "integration/raw_socket.h"

namespace waypost::integration {
namespace {

class BadInputTest : public ::testing::Test {
 protected:
  void SetUp() override {
    peer_ = &cluster_.Add("peer", {"--store.max_blob=1MiB"});
    group_ = peer_->CreateGroup("family", "server");
    blob_ = PutRef(*peer_, group_, "k", "hello");
    ASSERT_FALSE(blob_.empty());
  }
  // The status of an answer to raw bytes; 0 when none came.
  int Raw(const std::string& bytes, bool end_early = false) {
    const std::string answer =
        SendRaw(peer_->http().address(), bytes, end_early, base::Millis(20'000));
    return answer.size() > 12 ? std::atoi(answer.c_str() + 9) : 0;
  }
  static std::string CodeOf(const HttpReply& reply) {
    const Json json = Json::parse(reply.body, nullptr, /*allow_exceptions=*/false);
    return json.is_object() && json.contains("error") ? json["error"].value("code", "") : "";
  }

  Cluster cluster_;
  Peer* peer_ = nullptr;
  std::string group_, blob_;
};

TEST_F(BadInputTest, EachMistakeHasItsStatusAndCode) {
  const std::string other = HexOfSha256("other");
  const std::string long_key(401, 'k');
  const std::string no_group(64, '7');
  const Headers json = {{"Content-Type", "application/json"}};
  struct Case {
    const char* name;
    const char* method;
    std::string target;
    std::string body;
    Headers headers;
    int status;
    const char* code;
  };
  const std::string refs = "/v1/groups/" + group_ + "/refs/";
  const Case cases[] = {
      {"short id", "GET", "/v1/blobs/abc", "", {}, 400, "invalid_argument"},
      {"id in capitals",
       "GET",
       "/v1/blobs/" + std::string(64, 'A'),
       "",
       {},
       400,
       "invalid_argument"},
      {"unknown blob", "GET", "/v1/blobs/" + other, "", {}, 404, "not_found"},
      {"wrong digest", "PUT", "/v1/blobs/" + other, "bytes", {}, 422, "digest_mismatch"},
      {"over the largest blob", "POST", "/v1/blobs", SomeBytes(1'048'577, 1), {}, 413, "too_large"},
      {"bad range", "GET", "/v1/blobs/" + blob_, "", {{"Range", "bytes=99-"}}, 416, "out_of_range"},
      {"unknown group", "GET", "/v1/groups/" + no_group, "", {}, 404, "not_found"},
      {"bad group", "GET", "/v1/groups/family", "", {}, 400, "invalid_argument"},
      {"no JSON", "POST", "/v1/groups", "{", json, 400, "invalid_argument"},
      {"JSON of another kind", "POST", "/v1/groups", "[1]", json, 400, "invalid_argument"},
      {"name of another kind", "POST", "/v1/groups", R"({"name":5})", json, 400,
       "invalid_argument"},
      {"unknown role", "POST", "/v1/groups", R"({"name":"x","role":"king"})", json, 400,
       "invalid_argument"},
      {"name taken", "POST", "/v1/groups", R"({"name":"family"})", json, 409, "already_exists"},
      {"no invite", "POST", "/v1/join", R"({"invite":"hello"})", json, 400, "invalid_argument"},
      {"half an invite", "POST", "/v1/join", R"({"invite":"waypost1.AAAA"})", json, 400,
       "invalid_argument"},
      {"key too long", "PUT", refs + long_key, R"({"blob":")" + blob_ + R"("})", json, 400,
       "invalid_argument"},
      {"control character", "PUT", refs + "a%0Ab", R"({"blob":")" + blob_ + R"("})", json, 400,
       "invalid_argument"},
      {"no UTF-8", "PUT", refs + "a%FFb", R"({"blob":")" + blob_ + R"("})", json, 400,
       "invalid_argument"},
      {"bad escape", "PUT", refs + "a%zzb", R"({"blob":")" + blob_ + R"("})", json, 400,
       "invalid_argument"},
      {"no blob", "PUT", refs + "a", R"({})", json, 400, "invalid_argument"},
      {"unknown key", "GET", refs + "nothing", "", {}, 404, "not_found"},
      {"unknown key deleted", "DELETE", refs + "nothing", "", {}, 404, "not_found"},
      {"put under a bad key",
       "POST",
       "/v1/blobs?group=" + group_ + "&key=" + long_key,
       "kept?",
       {},
       400,
       "invalid_argument"},
      {"put into an unknown group",
       "POST",
       "/v1/blobs?group=" + no_group + "&key=k",
       "kept?",
       {},
       404,
       "not_found"},
      {"unknown path", "GET", "/v1/nothing", "", {}, 404, "not_found"},
      {"unknown method", "DELETE", "/v1/status", "", {}, 405, "method_not_allowed"},
      {"unknown setting", "PATCH", "/v1/config", R"({"fetcher.speed":"1"})", json, 400,
       "invalid_argument"},
      {"setting out of range", "PATCH", "/v1/config", R"({"fetcher.concurrency":0})", json, 400,
       "invalid_argument"},
      {"setting that is not live", "PATCH", "/v1/config", R"({"http.workers":3})", json, 409,
       "failed_precondition"},
      {"bad limit", "GET", "/v1/blobs?limit=many", "", {}, 400, "invalid_argument"},
      {"bad cursor", "GET", "/v1/blobs?cursor=!!!", "", {}, 400, "invalid_argument"},
      {"bad wait", "GET", "/v1/complete?wait=long", "", {}, 400, "invalid_argument"},
      {"wrong host", "GET", "/v1/status", "", {{"Host", "evil.example"}}, 403, "permission_denied"},
      {"foreign origin",
       "POST",
       "/v1/scan",
       "",
       {{"Origin", "http://evil.example"}},
       403,
       "permission_denied"},
  };
  for (const Case& c : cases) {
    const HttpReply reply = peer_->Call(c.method, c.target, c.body, c.headers);
    EXPECT_EQ(reply.status, c.status) << c.name << ": " << reply.body;
    EXPECT_EQ(CodeOf(reply), c.code) << c.name << ": " << reply.body;
  }
  // Nothing was kept, nothing was lost.
  EXPECT_FALSE(peer_->Has(HexOfSha256("kept?")));
  EXPECT_FALSE(peer_->Has(HexOfSha256("bytes")));
  EXPECT_EQ(peer_->Bytes(blob_), "hello");
  EXPECT_EQ(peer_->Get("/v1/groups/" + group_).value("refs", 0), 1);
  EXPECT_EQ(peer_->Metric("waypost_blobs"), 1);
}

TEST_F(BadInputTest, WithoutTheTokenNothingIsTold) {
  const std::string address = peer_->http().address();
  const auto status = [&](const std::string& token, const std::string& method,
                          const std::string& target) {
    const auto reply = HttpClient(address, token).Send({.method = method, .target = target});
    return reply.ok() ? reply->status : 0;
  };
  for (const char* token :
       {"", "wrong", "0000000000000000000000000000000000000000000000000000000000000000"}) {
    EXPECT_EQ(status(token, "GET", "/v1/status"), 401) << token;
    EXPECT_EQ(status(token, "GET", "/v1/blobs/" + blob_), 401) << token;
    EXPECT_EQ(status(token, "POST", "/v1/scan"), 401) << token;
    EXPECT_EQ(status(token, "GET", "/metrics"), 401) << token;
    EXPECT_EQ(status(token, "GET", "/healthz"), 200) << token;
    EXPECT_EQ(status(token, "GET", "/readyz"), 200) << token;
  }
  std::string read_token = ReadWholeFile(peer_->dir() + "/read.token");
  read_token.pop_back();
  EXPECT_EQ(status(read_token, "GET", "/v1/status"), 200);
  EXPECT_EQ(status(read_token, "GET", "/metrics"), 200);
  EXPECT_EQ(status(read_token, "POST", "/v1/scan"), 403);
}

TEST_F(BadInputTest, BodiesThatAreNotAsLongAsAnnouncedLeaveNothing) {
  const std::string head = absl::StrCat(
      "POST /v1/blobs HTTP/1.1\r\nHost: ", peer_->http().address(), "\r\nAuthorization: Bearer ",
      [&] {
        std::string token = ReadWholeFile(peer_->dir() + "/api.token");
        token.pop_back();
        return token;
      }(),
      "\r\nConnection: close\r\n");
  // Shorter: the sender ends early. No answer is owed, but if there is one it is an error.
  const int shorter = Raw(head + "Content-Length: 100\r\n\r\nonly this", /*end_early=*/true);
  EXPECT_TRUE(shorter == 0 || shorter >= 400) << shorter;
  EXPECT_FALSE(peer_->Has(HexOfSha256("only this")));
  // Longer: what is over is no part of the blob.
  EXPECT_EQ(Raw(head + "Content-Length: 4\r\n\r\nfour and more"), 201);
  EXPECT_EQ(peer_->Bytes(HexOfSha256("four")), "four");
  EXPECT_FALSE(peer_->Has(HexOfSha256("four and more")));
  EXPECT_EQ(Raw(head + "\r\nwithout a length"), 411);
  EXPECT_EQ(Raw(head + "Transfer-Encoding: chunked\r\n\r\n4\r\nfive\r\n0\r\n\r\n"), 201);
  EXPECT_EQ(Raw(head + "Transfer-Encoding: chunked\r\n\r\n4\r\nfive!\r\n0\r\n\r\n"), 400);
  EXPECT_EQ(Raw(head + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), 501);
  EXPECT_EQ(
      Raw(head + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n0\r\n\r\n"),
      400);
  EXPECT_EQ(Raw(head + "Content-Length: 4\r\nContent-Length: 5\r\n\r\nfives"), 400);
  EXPECT_EQ(Raw(head + "Content-Length: 4x\r\n\r\nfour"), 400);
  EXPECT_EQ(Raw(head + "Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nfour"), 400);
}

TEST_F(BadInputTest, RequestsThatAreNoneAreRefusedAndTheServiceGoesOn) {
  EXPECT_EQ(Raw("nonsense\r\n\r\n"), 400);
  EXPECT_EQ(Raw("GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"), 400);
  EXPECT_EQ(Raw("GET /" + std::string(5000, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n"), 414);
  EXPECT_EQ(Raw("GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + std::string(20'000, 'a') + "\r\n\r\n"),
            431);
  std::string many = "GET /healthz HTTP/1.1\r\nHost: x\r\n";
  for (int i = 0; i < 100; ++i) absl::StrAppend(&many, "X-", i, ": y\r\n");
  EXPECT_EQ(Raw(many + "\r\n"), 431);
  EXPECT_EQ(peer_->Call("GET", "/healthz").status, 200);
  EXPECT_EQ(peer_->Bytes(blob_), "hello");
}

TEST_F(BadInputTest, ThePeerApiTellsStrangersNothing) {
  const TempDir dir;
  const std::string key = dir.path() + "/key.pem", certificate = dir.path() + "/certificate.pem";
  const CommandResult made =
      RunCommand({"/usr/bin/openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "2",
                  "-subj", "/CN=stranger", "-keyout", key, "-out", certificate});
  ASSERT_EQ(made.exit_status, 0) << made.err;
  const auto ask = [&](const std::string& request, bool with_certificate,
                       std::vector<std::string> more = {"-quiet"}) {
    std::vector<std::string> arguments = {"/usr/bin/openssl", "s_client", "-ign_eof", "-connect",
                                          peer_->peer_address()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    if (with_certificate) {
      arguments.insert(arguments.end(), {"-cert", certificate, "-key", key});
    }
    return RunCommand(std::move(arguments), {}, request, base::Millis(30'000));
  };
  const auto post = [](const std::string& call, const std::string& body) {
    return absl::StrCat("POST /peer/v1/", call, " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n",
                        "Content-Length: ", body.size(), "\r\n\r\n", body);
  };
  // Everyone may look at the key; without one of their own nobody is answered.
  const CommandResult shown = ask("", false, {"-tls1_3", "-showcerts"});
  EXPECT_NE(shown.out.find("TLSv1.3"), std::string::npos) << shown.out << shown.err;
  EXPECT_NE(shown.out.find("Peer signature type: ed25519"), std::string::npos) << shown.out;
  EXPECT_EQ(ask(post("hello", "x"), false).out, "");
  EXPECT_EQ(ask(post("hello", "x"), true, {"-quiet", "-tls1_2"}).out, "");
  EXPECT_EQ(SendRaw(peer_->peer_address(), "GET / HTTP/1.1\r\nHost: x\r\n\r\n", false,
                    base::Millis(20'000))
                .find("HTTP/"),
            std::string::npos);
  // With one they are strangers, whatever they say they are.
  const std::string blob = ask(absl::StrCat("GET /peer/v1/blobs/", blob_, "?group=", group_,
                                            " HTTP/1.1\r\nHost: x\r\nWaypost-Peer: ", peer_->id(),
                                            "\r\nConnection: close\r\n\r\n"),
                               true)
                               .out;
  EXPECT_EQ(blob.substr(0, 12), "HTTP/1.1 404") << blob;
  EXPECT_EQ(blob.find("hello"), std::string::npos);
  // Changing keys again and again is work for us and none for them: after 16 times it is over.
  const auto updates = [&](int count) {
    const std::string command = absl::StrCat(
        "(for i in $(seq ", count,
        "); do echo K; sleep 0.03; done; printf 'GET / HTTP/1.1\\r\\nHost: "
        "x\\r\\nConnection: close\\r\\n\\r\\n'; sleep 1) | /usr/bin/openssl s_client -connect ",
        peer_->peer_address(), " -cert ", certificate, " -key ", key, " 2>/dev/null");
    return RunCommand({"/bin/sh", "-c", command}, {}, "", base::Millis(30'000)).out;
  };
  EXPECT_NE(updates(5).find("HTTP/1.1 404"), std::string::npos);
  EXPECT_EQ(updates(40).find("HTTP/1.1"), std::string::npos);
  const std::string garbage = ask(post("sync", "\xff\xff\xff\xff garbage"), true).out;
  EXPECT_EQ(garbage.substr(0, 12), "HTTP/1.1 400") << garbage;
  EXPECT_EQ(peer_->Call("GET", "/healthz").status, 200);
}

TEST(BadStartTest, AMistakeInTheSettingsNamesFileLineAndWhatIsAllowed) {
  Cluster cluster;
  Peer& peer = cluster.Prepare("peer");
  WriteWholeFile(peer.dir() + "/waypost.toml", "[fetcher]\nconcurrency = 1000\n");
  const CommandResult serve = peer.Run({"serve"});
  EXPECT_EQ(serve.exit_status, 78);
  EXPECT_NE(serve.err.find("waypost.toml:2"), std::string::npos) << serve.err;
  EXPECT_NE(serve.err.find("1-256"), std::string::npos) << serve.err;
  EXPECT_EQ(peer.Run({"config", "check", peer.dir() + "/waypost.toml"}).exit_status, 1);
  WriteWholeFile(peer.dir() + "/waypost.toml", "[fetcher]\nconcurrency = 10\n");
  EXPECT_EQ(peer.Run({"config", "check", peer.dir() + "/waypost.toml"}).exit_status, 0);
  EXPECT_EQ(peer.Run({"serve", "--fetcher.concurrency=0"}).exit_status, 78);
  EXPECT_EQ(peer.Run({"serve", "--fetcher.speed=1"}).exit_status, 2);
  // A port that is taken is named.
  ASSERT_TRUE(peer.Start().ok());
  Peer& other = cluster.Prepare("other");
  const CommandResult taken =
      other.Run({"serve", "--http.listen=" + peer.http().address(), "--peer.listen=127.0.0.1:0"});
  EXPECT_EQ(taken.exit_status, 1);
  EXPECT_NE(taken.err.find(peer.http().address()), std::string::npos) << taken.err;
}

// What no start that is tried again can mend has an exit status of its own, wherever it is written.
TEST(BadStartTest, AConfigurationThatCannotBeUsedEndsServeWith78AndIsNamed) {
  Cluster cluster;
  Peer& peer = cluster.Add("peer");
  // Fits the default of retry_max; it is kept.
  ASSERT_EQ(peer.Run({"config", "set", "fetcher.retry_base", "10m"}).exit_status, 0);
  ASSERT_EQ(peer.Stop(), 0);
  const std::string file = peer.dir() + "/waypost.toml", elsewhere = cluster.dir() + "/other.toml";
  const std::string good = ReadWholeFile(file);
  const std::string no_certificate = cluster.dir() + "/no.pem";
  WriteWholeFile(no_certificate, "no PEM");
  struct Case {
    const char* what;
    std::vector<std::string> arguments;
    std::map<std::string, std::string> environment;
    std::string toml;
    std::string named;
  };
  const Case cases[] = {
      {"no TOML", {}, {}, "[fetcher\n", "waypost.toml:1"},
      {"unknown setting", {}, {}, "[fetcher]\nspeed = 1\n", "fetcher.speed"},
      {"unknown section", {}, {}, "[fetch]\nconcurrency = 1\n", "fetch.concurrency"},
      {"value out of range", {}, {}, "[fetcher]\nconcurrency = 0\n", "fetcher.concurrency"},
      {"value of another kind", {}, {}, "[fetcher]\nconcurrency = [1]\n", "fetcher.concurrency"},
      {"no address", {}, {}, "[http]\nlisten = \"here\"\n", "http.listen"},
      {"overruled mistake", {"--fetcher.concurrency=2"}, {}, "[fetcher]\nconcurrency = 0\n", ":2"},
      {"half of two", {}, {}, "[http]\ntls_cert = \"/etc/cert.pem\"\n", "http.tls_key"},
      {"contradiction", {}, {}, "[fetcher]\nretry_base = \"2h\"\n", "fetcher.retry_base"},
      {"contradiction to what is patched",
       {"--fetcher.retry_max=1m"},
       {},
       good,
       "fetcher.retry_base"},
      {"file that is missing", {"--config=" + elsewhere}, {}, good, elsewhere},
      {"file that is a folder", {"--config=" + cluster.dir()}, {}, good, cluster.dir()},
      {"bad variable", {}, {{"WAYPOST_SYNC_INTERVAL", "often"}}, good, "WAYPOST_SYNC_INTERVAL"},
      {"bad option", {"--sync.interval=often"}, {}, good, "--sync.interval"},
      {"certificate that is none",
       {"--http.tls_cert=" + no_certificate, "--http.tls_key=" + no_certificate},
       {},
       good,
       no_certificate},
  };
  for (const Case& c : cases) {
    WriteWholeFile(file, c.toml);
    std::vector<std::string> arguments = {WaypostProgram(), "serve", "--data=" + peer.dir()};
    arguments.insert(arguments.end(), c.arguments.begin(), c.arguments.end());
    const CommandResult serve = RunCommand(arguments, c.environment, "", base::Millis(30'000));
    EXPECT_EQ(serve.exit_status, 78) << c.what << ": " << serve.err;
    EXPECT_NE(serve.err.find(c.named), std::string::npos) << c.what << ": " << serve.err;
  }
  WriteWholeFile(file, good);
  EXPECT_TRUE(peer.Start().ok());
}

}  // namespace
}  // namespace waypost::integration
