// HTTPS on the app listener, as curl and our own command line see it.
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <string>

#include "absl/strings/str_cat.h"
#include "integration/cluster.h"
#include "integration/eventually.h"

namespace waypost::integration {
namespace {

class HttpsTest : public testing::Test {
 protected:
  void SetUp() override {
    MakeCertificate();
    peer_ =
        &cluster_.Prepare("peer", {"--http.tls_cert=" + certificate(), "--http.tls_key=" + key()});
  }
  std::string certificate() const { return dir_.path() + "/certificate.pem"; }
  std::string key() const { return dir_.path() + "/key.pem"; }
  void MakeCertificate() {
    const CommandResult made = RunCommand(
        {"/usr/bin/openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key(), "-out", certificate()});
    ASSERT_EQ(made.exit_status, 0) << made.err;
  }
  CommandResult Curl(std::vector<std::string> more, const std::string& path) const {
    const Json endpoints = Json::parse(ReadWholeFile(peer_->dir() + "/endpoints.json"));
    std::string token = ReadWholeFile(peer_->dir() + "/api.token");
    while (!token.empty() && token.back() == '\n') token.pop_back();
    std::vector<std::string> arguments = {
        "/usr/bin/curl", "-sS",         "--max-time", "60",
        "--cacert",      certificate(), "-H",         "Authorization: Bearer " + token};
    arguments.insert(arguments.end(), more.begin(), more.end());
    arguments.push_back("https://" + endpoints.value("http", "") + path);
    return RunCommand(std::move(arguments));
  }

  TempDir dir_;
  Cluster cluster_;
  Peer* peer_ = nullptr;
};

TEST_F(HttpsTest, CurlAndTheCommandLineWorkAndPlainHttpIsToldWhatToChange) {
  ASSERT_TRUE(peer_->Start().ok());
  const std::string bytes = SomeBytes(3 << 20, 1), file = dir_.path() + "/file";
  WriteWholeFile(file, bytes);
  // Larger than what is gathered, so curl waits for "100 Continue".
  const CommandResult put =
      Curl({"--data-binary", "@" + file, "-H", "Expect: 100-continue"}, "/v1/blobs");
  const std::string id = Parsed(put).value("id", "");
  ASSERT_EQ(id.size(), 64u) << put.out << put.err;
  EXPECT_TRUE(Curl({}, "/v1/blobs/" + id).out == bytes);
  EXPECT_EQ(Curl({"-r", "1000000-1000009"}, "/v1/blobs/" + id).out, bytes.substr(1'000'000, 10));
  EXPECT_EQ(Curl({"--tls-max", "1.2"}, "/healthz").exit_status, 0);
  EXPECT_NE(Curl({"--cacert", "/etc/ssl/certs/ca-certificates.crt"}, "/healthz").exit_status, 0);
  const CommandResult status = peer_->Run({"status", "--json"});
  EXPECT_EQ(status.exit_status, 0) << status.err;
  const CommandResult got = peer_->Run({"get", id});
  EXPECT_EQ(got.exit_status, 0) << got.err;
  EXPECT_TRUE(got.out == bytes) << got.out.size();
  // Over the port too what listens there proves that it is the service, before it is sent a token.
  ASSERT_EQ(unlink((peer_->dir() + "/control.sock").c_str()), 0);
  const CommandResult by_port = peer_->Run({"status", "--json"});
  EXPECT_EQ(by_port.exit_status, 0) << by_port.err;
  const HttpReply plain = peer_->Call("GET", "/healthz");
  EXPECT_EQ(plain.status, 400);
  EXPECT_NE(plain.body.find("https://"), std::string::npos) << plain.body;
  EXPECT_EQ(peer_->Stop(), 0);
}

TEST_F(HttpsTest, ARenewedCertificateIsShownAfterSighup) {
  ASSERT_TRUE(peer_->Start().ok());
  ASSERT_EQ(Curl({}, "/healthz").exit_status, 0);
  MakeCertificate();
  EXPECT_NE(Curl({}, "/healthz").exit_status, 0) << "the old one is still shown";
  peer_->process().Signal(SIGHUP);
  EXPECT_TRUE(Eventually([&] { return Curl({}, "/healthz").exit_status == 0; })) << peer_->Log();
  EXPECT_EQ(peer_->Run({"status"}).exit_status, 0);
  // What cannot be used changes nothing.
  const std::string kept = ReadWholeFile(certificate());
  WriteWholeFile(certificate(), "no certificate");
  peer_->process().Signal(SIGHUP);
  EXPECT_TRUE(Eventually(
      [&] { return peer_->Log().find("the old certificate stays in use") != std::string::npos; }));
  WriteWholeFile(certificate(), kept);
  EXPECT_EQ(Curl({}, "/healthz").exit_status, 0);
}

// A path that changes while the service runs may lead to where it gave up files.
TEST_F(HttpsTest, APathThatChangesWhileItRunsIsRefusedByName) {
  const auto settings = [&](const std::string& folder) {
    return absl::StrCat("[http]\ntls_cert = \"", folder, "/certificate.pem\"\ntls_key = \"", folder,
                        "/key.pem\"\n");
  };
  const std::string file = peer_->dir() + "/waypost.toml", elsewhere = peer_->dir() + "-elsewhere";
  ASSERT_EQ(RunCommand({"/bin/cp", "-r", dir_.path(), elsewhere}).exit_status, 0);
  WriteWholeFile(file, settings(dir_.path()));
  peer_->SetSettings({});
  ASSERT_TRUE(peer_->Start().ok());
  const auto logged = [&](const std::string& what) {
    return Eventually([&] { return peer_->Log().find(what) != std::string::npos; });
  };
  // By a command.
  for (const char* setting : {"http.tls_cert", "http.tls_key"}) {
    const CommandResult set = peer_->Run({"config", "set", setting, elsewhere + "/key.pem"});
    EXPECT_EQ(set.exit_status, 1) << setting;
    EXPECT_NE(set.err.find(setting), std::string::npos) << set.err;
  }
  // By the file.
  WriteWholeFile(file, settings(elsewhere));
  peer_->process().Signal(SIGHUP);
  for (const char* setting : {"http.tls_cert", "http.tls_key"}) {
    EXPECT_TRUE(logged(absl::StrCat(setting, " was changed in"))) << peer_->Log();
  }
  // By a link that leads elsewhere, where the kernel fences files in.
  ASSERT_EQ(
      RunCommand({"/bin/ln", "-sf", elsewhere + "/certificate.pem", certificate()}).exit_status, 0);
  if (peer_->Log().find("sandbox: landlock") != std::string::npos) {
    peer_->process().Signal(SIGHUP);
    EXPECT_TRUE(logged("the old certificate stays in use")) << peer_->Log();
    const std::string log = peer_->Log();
    EXPECT_NE(log.find(certificate(), log.find("the old certificate stays in use")),
              std::string::npos)
        << log;
  }
  EXPECT_EQ(Curl({}, "/healthz").exit_status, 0);
  // From the next start on they count.
  EXPECT_EQ(peer_->Stop(), 0);
  ASSERT_TRUE(peer_->Start().ok());
  EXPECT_EQ(Curl({}, "/healthz").exit_status, 0);
}

TEST_F(HttpsTest, AKeyThatEverybodyMayReadIsRefusedAtTheStart) {
  ASSERT_EQ(RunCommand({"/bin/chmod", "644", key()}).exit_status, 0);
  const absl::Status started = peer_->Start();
  EXPECT_FALSE(started.ok());
  EXPECT_NE(started.message().find("chmod 600"), std::string::npos) << started;
}

}  // namespace
}  // namespace waypost::integration
