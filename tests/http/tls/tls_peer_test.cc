#include "http/tls/tls_peer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <ctime>
#include <filesystem>
#include <functional>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/mutex.h"
#include "base/random.h"
#include "base/status.h"
#include "http/client/exchange.h"
#include "http/engine/engine.h"
#include "http/peer/peer_http_client.h"
#include "syncgroup/protocol/wire_codec.h"
#include "tests/fakes/temp_dir.h"
#include "tests/http/engine/raw_client.h"
#include "tests/http/tls/test_certificate.h"

namespace waypost::http {
namespace {

// Two peers: one listens, one dials.
class PeerTlsTest : public testing::Test {
 protected:
  PeerTlsTest() {
    CHECK(base::InitCrypto());
    CHECK(std::filesystem::create_directory(folder_ / "index"));
    index_ = *base::Index::Open({.dir = folder_ / "index"});
    peers_ = std::make_unique<signpost::PeerBook>(*index_, clock_, random_);
    options_.listener = "peer";
    options_.address = "127.0.0.1:0";
    options_.workers = 2;
    options_.peers = true;
    options_.metrics = &metrics_;
    options_.tls = Tls(*callee_);
  }
  ~PeerTlsTest() override {
    if (engine_ != nullptr) engine_->Shutdown(base::Millis(1000));
    index_->Shutdown();
  }
  static std::shared_ptr<const PeerTls> Tls(const base::Identity& identity) {
    auto tls = PeerTls::Create(identity);
    EXPECT_TRUE(tls.ok()) << tls.status();
    return *std::move(tls);
  }
  // Answers who is calling.
  void Listen() {
    Listen([](Request& request) { return request.peer ? request.peer->ToHex() : "nobody"; });
  }
  void Listen(const std::function<std::string(Request&)>& body) {
    engine_ = std::make_unique<Engine>(
        options_,
        [body](Request& request) {
          Response response;
          response.body = body(request);
          return response;
        },
        [](const Request&) { return std::string("any"); });
    ASSERT_TRUE(engine_->Start().ok());
  }
  static base::SteadyTime Deadline() {
    return std::chrono::steady_clock::now() + base::Millis(20'000);
  }
  // What `caller` is answered who dials and expects `expected`; or the error.
  absl::StatusOr<std::string> Ask(const base::Identity& caller, const base::PeerId& expected,
                                  const std::string& more_headers = "") {
    ASSIGN_OR_RETURN(Socket socket, Socket::Connect({engine_->bound_address()}, {}, interrupt_));
    RETURN_IF_ERROR(socket.StartPeerTls(*Tls(caller), expected, Deadline(), interrupt_));
    Exchange exchange(std::move(socket));
    RETURN_IF_ERROR(exchange.Send("GET / HTTP/1.1\r\nHost: x\r\n" + more_headers + "\r\n",
                                  Deadline(), interrupt_));
    ASSIGN_OR_RETURN(const ResponseHead head, exchange.ReadHead(false, {}, Deadline(), interrupt_));
    std::string body;
    RETURN_IF_ERROR(exchange.ReadBody(head, {}, Deadline(), interrupt_, [&](std::string_view p) {
      body.append(p);
      return absl::OkStatus();
    }));
    return body;
  }
  double Rejected(const std::string& reason) {
    return metrics_
        .AddCounter("waypost_http_rejected_total", "", {{"listener", "peer"}, {"reason", reason}})
        .value();
  }

  base::TempDir folder_;
  base::SystemClock clock_;
  base::SystemRandom random_;
  base::Metrics metrics_;
  std::unique_ptr<base::Index> index_;
  std::unique_ptr<signpost::PeerBook> peers_;
  const std::unique_ptr<base::Identity> callee_ = base::Identity::Generate();
  const std::unique_ptr<base::Identity> caller_ = base::Identity::Generate();
  const Interrupt interrupt_{std::stop_token()};
  EngineOptions options_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(PeerTlsTest, TheCallerIsWhoeverProvedTheKeyAndNothingElse) {
  Listen();
  EXPECT_EQ(*Ask(*caller_, callee_->peer_id()), caller_->peer_id().ToHex());
  EXPECT_EQ(*Ask(*caller_, callee_->peer_id(), "Waypost-Peer: " + std::string(64, 'a') + "\r\n"),
            caller_->peer_id().ToHex());
}

TEST_F(PeerTlsTest, WhoExpectsAnotherKeySendsNothing) {
  Listen();
  const auto answer = Ask(*caller_, caller_->peer_id());
  EXPECT_TRUE(absl::IsUnavailable(answer.status())) << answer.status();
  EXPECT_NE(answer.status().message().find(callee_->peer_id().ToHex()), std::string::npos)
      << answer.status();
  const auto other = base::Identity::Generate();
  EXPECT_FALSE(Ask(*caller_, other->peer_id()).ok());
}

TEST_F(PeerTlsTest, OurOwnKeyIsNoPeer) {
  Listen();
  EXPECT_FALSE(Ask(*callee_, callee_->peer_id()).ok());
}

TEST_F(PeerTlsTest, WhoShowsNoCertificateOrNoEd25519KeyIsRefused) {
  Listen();
  // Does not even offer the signature that we ask for, has no certificate, and no TLS 1.2.
  RawClient client("https://" + engine_->bound_address());
  client.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(client.ReadAnswer().status, 0);
  RawClient plain(engine_->bound_address());
  plain.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(plain.ReadAnswer().status, 0) << "nobody is told that plain HTTP would be read";
  EXPECT_TRUE(Eventually([&] { return Rejected("tls") == 2; })) << Rejected("tls");
  EXPECT_TRUE(Ask(*caller_, callee_->peer_id()).ok());
}

TEST_F(PeerTlsTest, ACertificateAuthoritysServerIsNotAPeer) {
  TestCertificate certificate;
  options_.tls = certificate.Server();
  Listen();
  EXPECT_FALSE(Ask(*caller_, callee_->peer_id()).ok());
}

TEST_F(PeerTlsTest, StalledHandshakesDoNotHoldUpAnHonestOneAndAreCut) {
  options_.max_handshakes = 16;
  options_.max_handshakes_per_address = 8;
  options_.handshake_timeout = base::Millis(1000);
  Listen();
  std::vector<std::unique_ptr<RawClient>> stalled;
  for (int i = 0; i < 100; ++i) {
    stalled.push_back(std::make_unique<RawClient>(engine_->bound_address()));
    stalled.back()->Send("\x16");
  }
  EXPECT_TRUE(Ask(*caller_, callee_->peer_id()).ok());
  EXPECT_TRUE(Eventually([&] {
    return Rejected("slow_handshake") + Rejected("handshakes") >= 100;
  })) << Rejected("slow_handshake")
      << " " << Rejected("handshakes");
  EXPECT_GE(Rejected("handshakes"), 92);
  for (const auto& client : stalled) EXPECT_TRUE(client->Closed());
}

// Sanitizers have times of their own.
#ifndef WAYPOST_SANITIZED
TEST_F(PeerTlsTest, AHundredAndTwentyEightStalledHandshakesDelayNobody) {
  options_.max_handshakes_per_address = 128;
  Listen();
  const auto medians = [&] {
    std::vector<double> times;
    for (int i = 0; i < 21; ++i) {
      const auto begin = std::chrono::steady_clock::now();
      EXPECT_TRUE(Ask(*caller_, callee_->peer_id()).ok());
      times.push_back(
          std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
              .count());
    }
    std::nth_element(times.begin(), times.begin() + 10, times.end());
    return times[10];
  };
  const double alone = medians();
  std::vector<std::unique_ptr<RawClient>> stalled;
  for (int i = 0; i < 128; ++i) {
    stalled.push_back(std::make_unique<RawClient>(engine_->bound_address()));
    stalled.back()->Send("\x16\x03\x01");
  }
  const double beside = medians();
  RecordProperty("alone_ms", std::to_string(alone));
  RecordProperty("beside_ms", std::to_string(beside));
  EXPECT_LT(beside, alone + 10);
}
#endif

TEST_F(PeerTlsTest, TheClientGoesOnToAnotherAddressWhenSomebodyElseHasTheFirst) {
  Listen([](Request&) { return std::string("no Protobuf"); });
  const auto stranger = base::Identity::Generate();
  EngineOptions options = options_;
  options.tls = Tls(*stranger);
  int asked = 0;
  Engine other(
      options,
      [&asked](Request&) {
        ++asked;
        return Response();
      },
      [](const Request&) { return std::string("any"); });
  ASSERT_TRUE(other.Start().ok());
  PeerHttpClient client({.self = caller_->peer_id(), .tls = Tls(*caller_)}, *peers_);
  const auto ask = [&](std::vector<std::string> addresses) {
    return client.Held({.peer = callee_->peer_id(), .addresses = std::move(addresses)}, {}, {});
  };
  // The answer is no Protobuf; that it came is what counts.
  const auto reached = ask({other.bound_address(), engine_->bound_address()});
  EXPECT_TRUE(absl::IsInvalidArgument(reached.status())) << reached.status();
  PeerHttpClient fresh({.self = caller_->peer_id(), .tls = Tls(*caller_)}, *peers_);
  const auto wrong =
      fresh.Held({.peer = callee_->peer_id(), .addresses = {other.bound_address()}}, {}, {});
  EXPECT_TRUE(absl::IsUnavailable(wrong.status())) << wrong.status();
  EXPECT_EQ(asked, 0);
  other.Shutdown(base::Millis(1000));
}

TEST_F(PeerTlsTest, APeerThatMayReadNoMoreIsCutInTheMiddleOfAnAnswer) {
  options_.min_rate_bytes_per_s = 0;
  // More than all buffers on the way hold.
  const std::string much(15 << 20, 'x');  // and less than a caller may leave unread
  Listen([&much](Request&) { return much; });
  const auto other = base::Identity::Generate();
  std::vector<Exchange> exchanges;
  for (const base::Identity* caller : {caller_.get(), other.get()}) {
    auto socket = Socket::Connect({engine_->bound_address()}, {}, interrupt_);
    ASSERT_TRUE(socket.ok());
    ASSERT_TRUE(
        socket->StartPeerTls(*Tls(*caller), callee_->peer_id(), Deadline(), interrupt_).ok());
    Exchange& exchange = exchanges.emplace_back(std::move(*socket));
    ASSERT_TRUE(exchange.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n", Deadline(), interrupt_).ok());
    ASSERT_TRUE(exchange.ReadHead(false, {}, Deadline(), interrupt_).ok());
  }
  engine_->CutPeers([&](const base::PeerId& peer) { return peer == caller_->peer_id(); });
  const auto rest = [&](Exchange& exchange) {
    ResponseHead head;
    head.content_length = much.size();
    uint64_t bytes = 0;
    const absl::Status status =
        exchange.ReadBody(head, {}, Deadline(), interrupt_, [&](std::string_view piece) {
          bytes += piece.size();
          return absl::OkStatus();
        });
    return std::make_pair(status, bytes);
  };
  const auto cut = rest(exchanges[0]);
  EXPECT_FALSE(cut.first.ok());
  EXPECT_LT(cut.second, much.size());
  EXPECT_TRUE(rest(exchanges[1]).first.ok());
  EXPECT_EQ(Rejected("peer_left"), 1);
}

TEST_F(PeerTlsTest, ACertificateOfMoreThanFourKilobytesIsRefused) {
  Listen();
  const std::string request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
  // What stands around the comment has some 250 bytes.
  RawClient fits("peer://" + engine_->bound_address(), 0, {.certificate_filler = 3700});
  fits.Send(request);
  EXPECT_EQ(fits.ReadAnswer().status, 200);
  EXPECT_EQ(Rejected("tls"), 0);
  RawClient longer("peer://" + engine_->bound_address(), 0, {.certificate_filler = 4096});
  longer.Send(request);
  EXPECT_EQ(longer.ReadAnswer().status, 0);
  EXPECT_TRUE(Eventually([&] { return Rejected("tls") == 1; })) << Rejected("tls");
}

TEST_F(PeerTlsTest, OfKeyUpdatesAConnectionHasSixteen) {
  Listen();
  const std::string request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
  RawClient client("peer://" + engine_->bound_address());
  for (int i = 0; i < 16; ++i) ASSERT_TRUE(client.UpdateKey());
  ASSERT_TRUE(client.Send(request));
  EXPECT_EQ(client.ReadAnswer().status, 200);
  client.UpdateKey();
  client.Send(request);
  EXPECT_EQ(client.ReadAnswer().status, 0) << "the seventeenth";
}

TEST_F(PeerTlsTest, AFloodOfKeyUpdatesIsCut) {
  options_.workers = 1;
  Listen();
  const std::string request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
  RawClient polite("peer://" + engine_->bound_address());
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(polite.UpdateKey());
  ASSERT_TRUE(polite.Send(request));
  EXPECT_EQ(polite.ReadAnswer().status, 200);
  RawClient flood("peer://" + engine_->bound_address());
  int updates = 0;
  while (updates < 100'000 && flood.UpdateKey()) ++updates;
  EXPECT_LT(updates, 100'000) << "was never cut";
  EXPECT_TRUE(Ask(*caller_, callee_->peer_id()).ok());
}

// Whoever ended its own side and reads no more costs no turns of the loop, and not for long.
TEST_F(PeerTlsTest, AHalfClosedDownloadThatNobodyReadsIsCut) {
  const std::string much(15 << 20, 'x');  // and less than a caller may leave unread
  Listen([&much](Request&) { return much; });
  RawClient client("peer://" + engine_->bound_address());
  ASSERT_TRUE(client.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  ASSERT_TRUE(client.Receive());
  client.FinishSending();
  const std::clock_t cpu_before = std::clock();
  EXPECT_TRUE(Eventually([&] { return Rejected("slow_reader") == 1; }));
  const double cpu_seconds = static_cast<double>(std::clock() - cpu_before) / CLOCKS_PER_SEC;
  EXPECT_LT(cpu_seconds, 2.0);
  EXPECT_LT(client.ReadAll().size(), much.size());
}

// It may read to the end what it asked for before.
TEST_F(PeerTlsTest, AHalfClosedDownloadThatIsReadEnds) {
  const std::string much(8 << 20, 'x');
  Listen([&much](Request&) { return much; });
  RawClient client("peer://" + engine_->bound_address());
  ASSERT_TRUE(client.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  client.FinishSending();
  const RawClient::Answer answer = client.ReadAnswer();
  EXPECT_TRUE(answer.complete);
  EXPECT_EQ(answer.body, much);
  EXPECT_TRUE(client.Closed());
}

TEST_F(PeerTlsTest, NobodyIsCalledWithoutAnId) {
  PeerHttpClient client({.self = caller_->peer_id(), .tls = Tls(*caller_)}, *peers_);
  Listen();
  const auto reply = client.Held({.addresses = {engine_->bound_address()}}, {}, {});
  EXPECT_TRUE(absl::IsInvalidArgument(reply.status())) << reply.status();
}

}  // namespace
}  // namespace waypost::http
