// Thousands of requests that are nearly right, over real sockets, against the whole service: it
// answers or hangs up, soon, never with 500, and is afterwards as it was. How many:
// MALFORMED_REQUESTS.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <random>

#include "absl/strings/str_cat.h"
#include "integration/cluster.h"
#include "integration/eventually.h"
#include "integration/raw_socket.h"

namespace waypost::integration {
namespace {

using Random = std::mt19937_64;

int RequestsWanted() {
  const char* given = std::getenv("MALFORMED_REQUESTS");
  return given != nullptr ? std::atoi(given) : 5000;
}

std::size_t Below(Random& random, std::size_t bound) {
  return static_cast<std::size_t>(random() % std::max<std::size_t>(1, bound));
}

const char* const kPieces[] = {"\r\n",
                               "\n",
                               "\r",
                               "\r\n\r\n",
                               " ",
                               "\t",
                               ":",
                               "%",
                               "%00",
                               "%2e%2e/",
                               "../",
                               "?",
                               "#",
                               ",",
                               ";q=0.5",
                               "Content-Length: 5\r\n",
                               "Content-Length: -1\r\n",
                               "Content-Length: 99999999999999999999\r\n",
                               "Transfer-Encoding: chunked\r\n",
                               "Transfer-Encoding: gzip, chunked\r\n",
                               "Expect: 100-continue\r\n",
                               "Connection: close\r\n",
                               "Connection: upgrade\r\nUpgrade: h2c\r\n",
                               "Host: evil\r\n",
                               "Origin: http://evil\r\n",
                               "Range: bytes=5-2\r\n",
                               "Range: bytes=0-0,1-1\r\n",
                               "X: y\r\n z\r\n",
                               "HTTP/1.0",
                               "HTTP/2.0",
                               "\xff\xfe",
                               "{",
                               "[[[[[[[[[[[[",
                               "\"",
                               "GET / HTTP/1.1\r\n"};

std::string Mutate(std::string text, const std::vector<std::string>& seeds, Random& random) {
  for (std::size_t changes = 1 + Below(random, 6); changes > 0; --changes) {
    const std::size_t at = Below(random, text.size() + 1);
    const std::size_t count = std::min(text.size() - at, 1 + Below(random, 24));
    switch (Below(random, 7)) {
      case 0:
        if (at < text.size()) text[at] = static_cast<char>(random());
        break;
      case 1:
        text.erase(at, count);
        break;
      case 2:
        text.insert(at, text.substr(at, count));
        break;
      case 3: {
        // At the beginning of a line as often as anywhere.
        const std::size_t line = text.find("\r\n", at);
        text.insert(line == std::string::npos ? at : line + 2,
                    kPieces[Below(random, std::size(kPieces))]);
        break;
      }
      case 4:
        text.insert(at, kPieces[Below(random, std::size(kPieces))]);
        break;
      case 5:
        text.insert(at, std::string(Below(random, 64) == 0 ? 20'000 : 40, 'a'));
        break;
      default: {
        const std::string& other = seeds[Below(random, seeds.size())];
        const std::size_t from = Below(random, other.size());
        text = text.substr(0, at) + other.substr(from);
      }
    }
  }
  return text;
}

class MalformedTest : public ::testing::Test {
 protected:
  void SetUp() override {
    peer_ = &cluster_.Add("peer");
    group_ = peer_->CreateGroup("family", "server");
    bytes_ = SomeBytes(100'000, 1);
    blob_ = PutRef(*peer_, group_, "a/key", bytes_);
    ASSERT_FALSE(blob_.empty());
  }
  std::vector<std::string> AppSeeds() const {
    const Headers json = {{"Content-Type", "application/json"}};
    std::vector<std::string> seeds;
    for (const HttpCall& call : std::vector<HttpCall>{
             {.target = "/v1/blobs/" + blob_, .headers = {{"Range", "bytes=5-99"}}},
             {.method = "HEAD", .target = "/v1/blobs/" + blob_},
             {.target = "/v1/blobs?limit=3&cursor=AAAA"},
             {.target = "/v1/groups/" + group_ + "/refs?prefix=a%2F&limit=2"},
             {.target = "/v1/groups/" + group_ + "/refs/a/key"},
             {.method = "POST", .target = "/v1/blobs", .body = "hello"},
             {.method = "PUT",
             .target = "/v1/groups/" + group_ + "/refs/another/key",
             .body = "{\"blob\":\"" + blob_ + "\"}",
             .headers = json},
             {.method = "POST",
             .target = "/v1/groups/" + group_ + "/refs:batch",
             .body = R"({"put":[{"key":"k","blob":")" + blob_ + R"("}],"delete":["x"]})",
             .headers = json},
             {.method = "POST",
             .target = "/v1/join",
             .body = R"({"invite":"waypost1.AAAA","role":"server"})",
             .headers = json},
             {.target = "/v1/status"},
             {.target = "/v1/why/" + blob_},
             {.target = "/v1/wanted?state=parked"},
             {.target = "/metrics"}}) {
      seeds.push_back(peer_->http().Format(call));
    }
    return seeds;
  }
  // Peers speak TLS: what is not, ends there.
  std::vector<std::string> PeerSeeds() const {
    const std::string head = " HTTP/1.1\r\nHost: " + peer_->peer_address() + "\r\n";
    std::vector<std::string> seeds = {
        absl::StrCat("GET /peer/v1/blobs/", blob_, "?groups=", group_, head, "\r\n")};
    const std::string body = "\x0a\x20" + SomeBytes(32, 5) + "\x12\x04\x0a\x02\x08\x01";
    for (const char* call : {"hello", "sync", "join", "held", "poke", "wrong"}) {
      seeds.push_back(absl::StrCat("POST /peer/v1/", call, head,
                                   "Content-Type: application/x-protobuf\r\nContent-Length: ",
                                   body.size(), "\r\n\r\n", body));
    }
    return seeds;
  }
  // Sends it whole or in two pieces, ends our side, and reads to the end. False: the service still
  // holds the connection after a while, or failed.
  static bool SendOne(const std::string& address, const std::string& request, Random& random) {
    const int fd = Connect(address);
    if (fd < 0) return false;
    const std::size_t cut = random() % 4 == 0 ? Below(random, request.size()) : request.size();
    // It may answer and close in the middle.
    send(fd, request.data(), cut, MSG_NOSIGNAL);
    if (cut < request.size()) {
      send(fd, request.data() + cut, request.size() - cut, MSG_NOSIGNAL);
    }
    shutdown(fd, SHUT_WR);
    timeval patience{.tv_sec = 30, .tv_usec = 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    std::string answer;
    char piece[16 * 1024];
    ssize_t got;
    while ((got = recv(fd, piece, sizeof(piece), 0)) > 0) {
      if (answer.size() < 16) answer.append(piece, static_cast<std::size_t>(got));
    }
    const bool hung = got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(fd);
    if (hung) return false;
    if (answer.starts_with("\x15\x03")) return true;  // an alert of TLS
    return answer.empty() ||
           (answer.starts_with("HTTP/1.1 ") && !answer.starts_with("HTTP/1.1 500"));
  }
  void Attack(const std::string& address, const std::vector<std::string>& seeds, int count,
              uint64_t seed) {
    Random random(seed);
    for (int i = 0; i < count; ++i) {
      std::string request = Mutate(seeds[Below(random, seeds.size())], seeds, random);
      // Something behind it, as a smuggler would have it.
      if (random() % 8 == 0) request += seeds[Below(random, seeds.size())];
      ASSERT_TRUE(SendOne(address, request, random))
          << "request " << i << " of seed " << seed << ": " << request.substr(0, 2000);
      if (i % 1000 == 0) {
        ASSERT_TRUE(peer_->process().running()) << peer_->Log();
      }
    }
  }

  Cluster cluster_;
  Peer* peer_ = nullptr;
  std::string group_, blob_, bytes_;
};

TEST_F(MalformedTest, NearlyRightRequestsChangeNothingAndCostNothing) {
  const int wanted = RequestsWanted();
  const std::vector<std::string> app = AppSeeds(), peer = PeerSeeds();
  // Caches and allocators fill once.
  Attack(peer_->http().address(), app, 1000, 1);
  Attack(peer_->peer_address(), peer, 1000, 2);
  const uint64_t memory = AnonymousBytes(peer_->process().pid());
  Attack(peer_->http().address(), app, wanted / 2, 3);
  Attack(peer_->peer_address(), peer, wanted / 2, 4);
  ASSERT_FALSE(HasFatalFailure());
  const uint64_t after = AnonymousBytes(peer_->process().pid());
  RecordProperty("memory_kib_before", static_cast<int>(memory / 1024));
  RecordProperty("memory_kib_after", static_cast<int>(after / 1024));
  if (kTimesCount) {
    EXPECT_LT(after, memory + (uint64_t{16} << 20));
  }
  EXPECT_TRUE(peer_->Bytes(blob_) == bytes_);
  EXPECT_EQ(peer_->Get("/v1/groups/" + group_ + "/refs/a/key").value("blob", ""), blob_);
  EXPECT_EQ(peer_->Stop(), 0);
}

}  // namespace
}  // namespace waypost::integration
