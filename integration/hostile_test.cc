// Clients that drip, stall, idle or come in crowds: everyone else is served as if they were not
// there, they cost little, and they are gone after their deadlines.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "integration/cluster.h"
#include "integration/eventually.h"
#include "integration/raw_socket.h"

namespace waypost::integration {
namespace {

using Steady = std::chrono::steady_clock;

// One connection that is kept. Every wait ends after a minute.
class KeptConnection {
 public:
  explicit KeptConnection(const std::string& address, const ConnectFrom& from = {})
      : fd_(Connect(address, from)) {}
  KeptConnection(KeptConnection&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  KeptConnection& operator=(KeptConnection&&) = delete;
  ~KeptConnection() {
    if (fd_ >= 0) close(fd_);
  }
  bool Send(std::string_view bytes) const {
    return send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT) ==
           static_cast<ssize_t>(bytes.size());
  }
  // Sends a request and reads the answer's head and as many bytes of body as it announces; the
  // status, 0 when it did not come.
  int Ask(const std::string& request, std::string* body = nullptr) const {
    if (!Send(request)) return 0;
    std::string answer;
    std::size_t end = std::string::npos;
    std::size_t length = 0;
    while (end == std::string::npos || answer.size() < end + 4 + length) {
      pollfd entry{.fd = fd_, .events = POLLIN, .revents = 0};
      if (poll(&entry, 1, 60'000) <= 0) return 0;
      char piece[64 * 1024];
      const ssize_t got = recv(fd_, piece, sizeof(piece), 0);
      if (got <= 0) return 0;
      answer.append(piece, static_cast<std::size_t>(got));
      if (end != std::string::npos) continue;
      end = answer.find("\r\n\r\n");
      const std::size_t at = answer.find("Content-Length: ");
      if (end != std::string::npos && at < end) {
        length = std::strtoull(answer.c_str() + at + 16, nullptr, 10);
      }
    }
    if (body != nullptr) *body = answer.substr(end + 4);
    return std::atoi(answer.c_str() + 9);
  }
  // The other side has closed, or did so while we were not looking.
  bool Closed() const {
    char piece[4096];
    while (true) {
      const ssize_t got = recv(fd_, piece, sizeof(piece), MSG_DONTWAIT);
      if (got > 0) continue;
      return got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
    }
  }
  bool connected() const { return fd_ >= 0; }

 private:
  int fd_;
};

class HostileTest : public ::testing::Test {
 protected:
  void Begin(std::vector<std::string> settings) {
    peer_ = &cluster_.Add("peer", std::move(settings));
    address_ = peer_->http().address();
    small_ = SomeBytes(1024, 1);
    const std::string small_id = peer_->PutBlob(small_);
    big_ = SomeBytes(64 << 20, 2);
    const std::string big_id = peer_->PutBlob(big_);
    ASSERT_FALSE(small_id.empty() || big_id.empty());
    get_small_ = Kept({.target = "/v1/blobs/" + small_id});
    get_big_ = Kept({.target = "/v1/blobs/" + big_id});
    // What the allocator and the caches take once, before anyone counts.
    KeptConnection warm(address_);
    for (int i = 0; i < 200; ++i) ASSERT_EQ(warm.Ask(get_small_), 200);
    ASSERT_EQ(warm.Ask(get_big_), 200);
  }
  // The call without its Connection: close.
  std::string Kept(const HttpCall& call) const {
    std::string request = peer_->http().Format(call);
    const std::string close = "Connection: close\r\n";
    const std::size_t at = request.find(close);
    if (at != std::string::npos) request.erase(at, close.size());
    return request;
  }
  // Times in ms of `count` requests for the small blob, one after the other, sorted.
  std::vector<double> Times(const ConnectFrom& from, int count) {
    std::vector<double> times;
    KeptConnection honest(address_, from);
    for (int i = 0; i < count; ++i) {
      const auto begin = Steady::now();
      std::string body;
      EXPECT_EQ(honest.Ask(get_small_, &body), 200) << "request " << i;
      EXPECT_TRUE(body == small_);
      if (::testing::Test::HasFailure()) break;
      times.push_back(std::chrono::duration<double, std::milli>(Steady::now() - begin).count());
    }
    std::sort(times.begin(), times.end());
    return times;
  }
  static double P99(const std::vector<double>& times) {
    return times.empty() ? 1e9 : times[times.size() * 99 / 100];
  }
  static constexpr int kOfAKind = 125;
  static double Median(const std::vector<double>& times) {
    return times.empty() ? 1e9 : times[times.size() / 2];
  }
  double Connections() const { return peer_->Metric("waypost_http_connections{listener=\"app\"}"); }
  double Rejected(const std::string& reason) const {
    return peer_->Metric("waypost_http_rejected_total{listener=\"app\",reason=\"" + reason + "\"}");
  }
  // Four kinds of hostile client, `kOfAKind` of each, of which `kept` of a kind get in.
  void RunAttack(const ConnectFrom& honest, int kept);

  Cluster cluster_;
  Peer* peer_ = nullptr;
  std::string address_, small_, big_, get_small_, get_big_;
};

void HostileTest::RunAttack(const ConnectFrom& honest, int kept) {
  const uint64_t memory_before = AnonymousBytes(peer_->process().pid());
  const int threads_before = ThreadCount(peer_->process().pid());
  std::vector<KeptConnection> heads, bodies, readers, idle;
  std::string authorized = peer_->http().Format({.method = "POST", .target = "/v1/blobs"});
  // Without its own length and end: half of them small enough to be gathered, half not.
  const std::size_t cut = authorized.find("Content-Length");
  authorized = authorized.substr(0, std::min(cut, authorized.size() - 2));
  for (int i = 0; i < kOfAKind; ++i) {
    heads.emplace_back(address_);
    heads.back().Send("GET /v1/blobs HTTP/1.1\r\nHost: ");
    bodies.emplace_back(address_);
    bodies.back().Send(absl::StrCat(
        authorized, "Content-Length: ", i % 2 == 0 ? 100'000 : 100'000'000, "\r\n\r\n"));
    readers.emplace_back(address_, ConnectFrom{.receive_buffer_bytes = 4096});
    readers.back().Send(get_big_);
    idle.emplace_back(address_);
  }
  std::atomic<bool> stop{false};
  std::thread drip([&] {
    while (!stop.load()) {
      for (const auto& connection : heads) connection.Send("a");
      for (const auto& connection : bodies) connection.Send("b");
      std::this_thread::sleep_for(base::Millis(200));
    }
  });
  // A big download goes on beside it, and an honest client is answered at once.
  std::atomic<int> downloads{0};
  std::thread download([&] {
    while (!stop.load()) {
      KeptConnection client(address_, honest);
      std::string body;
      if (client.Ask(get_big_, &body) == 200 && body == big_) ++downloads;
    }
  });
  uint64_t memory_most = 0;
  std::vector<double> times;
  for (int round = 0; round < 8 && !HasFailure(); ++round) {
    const std::vector<double> some = Times(honest, 250);
    times.insert(times.end(), some.begin(), some.end());
    memory_most = std::max(memory_most, AnonymousBytes(peer_->process().pid()));
    std::this_thread::sleep_for(base::Millis(200));
  }
  std::sort(times.begin(), times.end());
  stop.store(true);
  drip.join();
  download.join();
  RecordProperty("honest_p99_us", static_cast<int>(P99(times) * 1000));
  RecordProperty("memory_growth_kib", static_cast<int>((static_cast<int64_t>(memory_most) -
                                                        static_cast<int64_t>(memory_before)) /
                                                       1024));
  EXPECT_GT(downloads.load(), 0);
  EXPECT_EQ(ThreadCount(peer_->process().pid()), threads_before);
  if (kTimesCount) {
    EXPECT_LT(P99(times), 50);
    EXPECT_LT(memory_most, memory_before + (uint64_t{50} << 20));
  }
  // Nobody sends a byte any more; each is gone when its time is over.
  const auto all_closed = [](const std::vector<KeptConnection>& connections) {
    return std::all_of(connections.begin(), connections.end(),
                       [](const KeptConnection& connection) { return connection.Closed(); });
  };
  EXPECT_TRUE(
      Eventually([&] { return all_closed(heads) && all_closed(bodies) && all_closed(idle); }));
  // Who never reads has ten minutes, being on this machine, and takes nothing from others
  // meanwhile: EngineTest shows the end.
  EXPECT_TRUE(Eventually([&] { return Connections() == 1 + kept; })) << Connections();
  EXPECT_EQ(Times(honest, 1).size(), 1u);
}

TEST_F(HostileTest, FiveHundredDoNotHoldUpAnHonestClient) {
  Begin({"--http.max_per_address=1024", "--http.head_timeout=6s"});
  RunAttack({}, kOfAKind);
  EXPECT_EQ(Rejected("address"), 0);
  // Of the bodies that are not gathered some never got a worker.
  EXPECT_EQ(Rejected("slow_body") + Rejected("upload_slots"), 125);
  EXPECT_GT(Rejected("slow_body"), 62);
  EXPECT_EQ(Rejected("slow_reader"), 0);
  EXPECT_EQ(peer_->Stop(), 0);
}

TEST_F(HostileTest, WithTheDefaultsACrowdFromOneAddressLeavesRoomForOthers) {
  Begin({"--http.head_timeout=6s"});
  RunAttack({.address = "127.0.0.2"}, 256 / 4);
  EXPECT_EQ(Rejected("address"), 500 - 256);
  EXPECT_EQ(peer_->Stop(), 0);
}

TEST_F(HostileTest, AThousandIdleConnectionsCostNoThreadAndLittleMemory) {
  constexpr int kIdle = 1000;
  Begin({"--http.max_connections=1100", "--http.max_per_address=1100"});
  const std::vector<double> alone = Times({}, 1000);
  const int threads_before = ThreadCount(peer_->process().pid());
  const uint64_t memory_before = AnonymousBytes(peer_->process().pid());
  std::vector<KeptConnection> idle;
  for (int i = 0; i < kIdle; ++i) {
    idle.emplace_back(address_);
    ASSERT_EQ(idle.back().Ask(get_small_), 200) << i;
  }
  EXPECT_GE(Connections(), kIdle);
  const uint64_t memory = AnonymousBytes(peer_->process().pid());
  const uint64_t each = memory > memory_before ? (memory - memory_before) / kIdle : 0;
  const std::vector<double> beside = Times({}, 1000);
  RecordProperty("bytes_each", static_cast<int>(each));
  EXPECT_EQ(ThreadCount(peer_->process().pid()), threads_before);
  if (kTimesCount) {
    EXPECT_LT(each, 20u * 1024);
    // Generous, for a machine that does other things too.
    EXPECT_LT(Median(beside), Median(alone) * 2 + 0.2);
    EXPECT_LT(P99(beside), 50);
  }
  for (const auto& connection : idle) EXPECT_FALSE(connection.Closed());
  EXPECT_EQ(idle.front().Ask(get_small_), 200);
  EXPECT_EQ(peer_->Stop(), 0);
}

}  // namespace
}  // namespace waypost::integration
