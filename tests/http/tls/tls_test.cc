#include "http/tls/tls.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/stat.h>

#include <fstream>

#include "base/metrics.h"
#include "http/client/app_client.h"
#include "http/engine/engine.h"
#include "http/engine/listen.h"
#include "tests/http/engine/raw_client.h"
#include "tests/http/tls/test_certificate.h"

namespace waypost::http {
namespace {

absl::Status LoadFiles(const std::string& certificate, const std::string& key) {
  return TlsServer::Load({.certificate = certificate,
                          .key = key,
                          .certificate_setting = "its.cert",
                          .key_setting = "its.key"})
      .status();
}

class TlsTest : public testing::Test {
 protected:
  void Start(base::Millis head_timeout = base::Millis(10000)) {
    auto loaded = TlsServer::Load(
        {.certificate = certificate_.certificate_file(), .key = certificate_.key_file()});
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    server_ = *std::move(loaded);
    EngineOptions options{.listener = "app", .address = "127.0.0.1:0"};
    options.workers = 2;
    options.tls = server_;
    options.head_timeout = head_timeout;
    options.metrics = &metrics_;
    engine_ = std::make_unique<Engine>(
        options,
        [](Request& request) {
          Response response;
          std::string body = "hello";
          if (request.body != nullptr) {
            body.clear();
            EXPECT_TRUE(request.body
                            ->Read([&](std::string_view piece) {
                              body.append(piece);
                              return absl::OkStatus();
                            })
                            .ok());
          }
          response.body = body;
          return response;
        },
        [](const Request& request) { return request.path; });
    ASSERT_TRUE(engine_->Start().ok());
  }
  ~TlsTest() override {
    if (engine_) engine_->Shutdown(base::Millis(2000));
  }
  // Whether a client that speaks up to `version` and, if any, these protocols gets through.
  bool Connects(int version, const std::string& alpn = "") {
    SSL_CTX* const context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_security_level(context, 0);
    SSL_CTX_set_max_proto_version(context, version);
    SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
    BIO* const bio = BIO_new_ssl_connect(context);
    BIO_set_conn_hostname(bio, engine_->bound_address().c_str());
    SSL* ssl = nullptr;
    BIO_get_ssl(bio, &ssl);
    if (!alpn.empty()) {
      SSL_set_alpn_protos(ssl, reinterpret_cast<const unsigned char*>(alpn.data()),
                          static_cast<unsigned>(alpn.size()));
    }
    char byte = 0;
    const std::string request = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    const bool through = BIO_do_handshake(bio) == 1 &&
                         BIO_write(bio, request.data(), static_cast<int>(request.size())) > 0 &&
                         BIO_read(bio, &byte, 1) == 1;
    BIO_free_all(bio);
    SSL_CTX_free(context);
    return through;
  }
  double Rejected(const std::string& reason) {
    return metrics_
        .AddCounter("waypost_http_rejected_total", "", {{"listener", "app"}, {"reason", reason}})
        .value();
  }
  absl::Status Load() {
    return LoadFiles(certificate_.certificate_file(), certificate_.key_file());
  }

  TestCertificate certificate_;
  base::Metrics metrics_;
  std::shared_ptr<TlsServer> server_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(TlsTest, SpeaksVersionsOneTwoAndOneThreeAndNothingOlder) {
  Start();
  EXPECT_TRUE(Connects(TLS1_3_VERSION));
  EXPECT_TRUE(Connects(TLS1_2_VERSION));
  EXPECT_FALSE(Connects(TLS1_1_VERSION));
  EXPECT_TRUE(Eventually([&] { return Rejected("tls") == 1; }));
}

TEST_F(TlsTest, WhoOffersProtocolsMustOfferHttp11) {
  Start();
  EXPECT_TRUE(Connects(TLS1_3_VERSION, "\x02h2\x08http/1.1"));
  EXPECT_FALSE(Connects(TLS1_3_VERSION, "\x02h2"));
}

TEST_F(TlsTest, PlainHttpIsToldToUseHttps) {
  Start();
  RawClient client(engine_->bound_address());
  const auto answer = client.Get("/");
  EXPECT_EQ(answer.status, 400);
  EXPECT_NE(answer.body.find("https://"), std::string::npos) << answer.body;
  EXPECT_TRUE(client.Closed());
}

TEST_F(TlsTest, GarbageAndSilenceInsteadOfAHandshakeEndTheConnectionOnly) {
  Start(base::Millis(200));
  RawClient garbage(engine_->bound_address());
  garbage.Send(std::string(600, '\x16'));
  garbage.ReadAll();  // an alert, perhaps
  RawClient silent(engine_->bound_address());
  EXPECT_TRUE(silent.Closed());
  EXPECT_TRUE(Eventually([&] { return Rejected("slow_handshake") == 1; }));
  EXPECT_EQ(Rejected("tls"), 1);
  EXPECT_EQ(RawClient("https://" + engine_->bound_address()).Get("/").body, "hello");
}

// The next request has come in one TLS record with the end of a body: no byte arrives after that.
TEST_F(TlsTest, ARequestBehindALargeBodyIsAnswered) {
  Start();
  RawClient client("https://" + engine_->bound_address());
  const std::string body(300'000, 'b');  // more than the loop gathers
  client.Send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n" + body.substr(5'000));
  client.Send(body.substr(0, 5'000) + "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.ReadAnswer().body, body);
  EXPECT_EQ(client.ReadAnswer().body, "hello");
}

TEST_F(TlsTest, TheCommandLinesClientTrustsTheOneCertificateOnly) {
  Start();
  AppClient client(
      {.address = engine_->bound_address(), .token = "t", .tls_sha256 = server_->Fingerprint()});
  std::string upload(1 << 20, 'u');
  for (int i = 0; i < 3; ++i) {
    const auto reply = client.Send({.method = "POST", .target = "/", .body = upload});
    ASSERT_TRUE(reply.ok()) << reply.status();
    EXPECT_EQ(reply->body, upload);
  }
  AppClient stranger(
      {.address = engine_->bound_address(), .token = "t", .tls_sha256 = std::string(64, '0')});
  EXPECT_TRUE(absl::IsUnauthenticated(stranger.Send({.target = "/"}).status()));
}

TEST_F(TlsTest, ARenewedCertificateCountsForNewConnections) {
  Start();
  const std::string before = server_->Fingerprint();
  const auto call = [&](AppClient& client) { return client.Send({.target = "/"}).status(); };
  AppClient old({.address = engine_->bound_address(), .token = "t", .tls_sha256 = before});
  ASSERT_TRUE(call(old).ok());
  certificate_.Renew();
  EXPECT_EQ(server_->Fingerprint(), before) << "nothing changes unasked";
  ASSERT_TRUE(server_->Reload().ok());
  const std::string after = server_->Fingerprint();
  EXPECT_NE(after, before);
  EXPECT_TRUE(call(old).ok()) << "a connection keeps what it began with";
  AppClient renewed({.address = engine_->bound_address(), .token = "t", .tls_sha256 = after});
  EXPECT_TRUE(call(renewed).ok());
  // What cannot be used changes nothing.
  std::ofstream(certificate_.certificate_file()) << "no certificate";
  EXPECT_TRUE(absl::IsInvalidArgument(server_->Reload()));
  AppClient again({.address = engine_->bound_address(), .token = "t", .tls_sha256 = after});
  EXPECT_TRUE(call(again).ok());
}

TEST_F(TlsTest, FilesThatCannotBeUsedAreNamed) {
  EXPECT_TRUE(Load().ok());
  ASSERT_EQ(::chmod(certificate_.key_file().c_str(), 0644), 0);
  EXPECT_TRUE(absl::IsFailedPrecondition(Load())) << "everybody may read the key";
  ASSERT_EQ(::chmod(certificate_.key_file().c_str(), 0640), 0);
  EXPECT_TRUE(Load().ok()) << "a group may";
  const TestCertificate other;
  const auto mixed = LoadFiles(other.certificate_file(), certificate_.key_file());
  EXPECT_TRUE(absl::IsInvalidArgument(mixed)) << mixed;
  EXPECT_TRUE(std::string(mixed.message()).starts_with("its.key: " + certificate_.key_file()))
      << mixed;
  EXPECT_TRUE(absl::IsNotFound(LoadFiles(other.certificate_file(), "/nowhere")));
  const auto none = LoadFiles("/nowhere", other.key_file());
  EXPECT_TRUE(std::string(none.message()).starts_with("its.cert: /nowhere ")) << none;
}

TEST_F(TlsTest, APassphraseIsNeverAskedFor) {
  EVP_PKEY* const key = EVP_EC_gen("P-256");
  std::FILE* const file = std::fopen(certificate_.key_file().c_str(), "w");
  char passphrase[] = "secret";
  ASSERT_EQ(PEM_write_PrivateKey(file, key, EVP_aes_128_cbc(),
                                 reinterpret_cast<unsigned char*>(passphrase), 6, nullptr, nullptr),
            1);
  std::fclose(file);
  EVP_PKEY_free(key);
  const absl::Status loaded = Load();
  EXPECT_TRUE(absl::IsInvalidArgument(loaded)) << loaded;
  EXPECT_NE(loaded.message().find("unencrypted"), std::string::npos) << loaded;
}

}  // namespace
}  // namespace waypost::http
