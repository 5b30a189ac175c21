#include "http/client/connection_pool.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace waypost::http {
namespace {

// What the pool takes for the time.
base::SteadyTime pool_now;

class ConnectionPoolTest : public testing::Test {
 protected:
  // Connections to it are open and silent: nobody accepts them.
  ConnectionPoolTest() {
    pool_now = base::SteadyTime(base::Millis(1'000'000));
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(at);
    CHECK(::bind(listener_, reinterpret_cast<sockaddr*>(&at), size) == 0);
    CHECK(::listen(listener_, 1024) == 0);
    CHECK(::getsockname(listener_, reinterpret_cast<sockaddr*>(&at), &size) == 0);
    address_ = absl::StrCat("127.0.0.1:", ntohs(at.sin_port));
  }
  ~ConnectionPoolTest() override { ::close(listener_); }
  // Which it is; it lives as long as it is kept.
  const Exchange* Give(const std::string& peer) {
    auto socket = Socket::Connect({address_}, {}, Interrupt{std::stop_token()});
    CHECK(socket.ok());
    auto exchange = std::make_unique<Exchange>(*std::move(socket));
    const Exchange* const given = exchange.get();
    pool_.Give(peer, std::move(exchange));
    return given;
  }

  const int listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::string address_;
  ConnectionPool pool_{+[] { return pool_now; }};
};

TEST_F(ConnectionPoolTest, OfAPeerEightAreKeptAndTheOldestIsClosedForANewOne) {
  Give("peer");
  std::vector<const Exchange*> given;
  for (int i = 0; i < 8; ++i) given.push_back(Give("peer"));
  for (; !given.empty(); given.pop_back()) {
    EXPECT_EQ(pool_.Take("peer").get(), given.back()) << given.size() << " are left";
  }
  EXPECT_EQ(pool_.Take("peer"), nullptr);
}

TEST_F(ConnectionPoolTest, OfAllPeersFiveHundredAndTwelveAreKeptAndNoNewerOne) {
  for (int i = 0; i < 512; ++i) Give(absl::StrCat("peer ", i));
  Give("newest");
  EXPECT_EQ(pool_.Take("newest"), nullptr);
  EXPECT_NE(pool_.Take("peer 0"), nullptr);
  EXPECT_NE(pool_.Take("peer 511"), nullptr);
  // What was taken left room, and so does what is dropped.
  Give("newest");
  EXPECT_NE(pool_.Take("newest"), nullptr);
  pool_.Drop("peer 1");
  for (const char* const peer : {"a", "b", "c", "d"}) Give(peer);
  EXPECT_NE(pool_.Take("c"), nullptr);
  EXPECT_EQ(pool_.Take("d"), nullptr);
}

TEST_F(ConnectionPoolTest, TheyAreKeptForFortyFiveSeconds) {
  const Exchange* const first = Give("peer");
  pool_now += base::Millis(45'000);
  EXPECT_EQ(pool_.Take("peer").get(), first);
  Give("peer");
  pool_now += base::Millis(30'000);
  const Exchange* const later = Give("peer");
  pool_now += base::Millis(15'001);
  EXPECT_EQ(pool_.Take("peer").get(), later);
  EXPECT_EQ(pool_.Take("peer"), nullptr);
}

}  // namespace
}  // namespace waypost::http
