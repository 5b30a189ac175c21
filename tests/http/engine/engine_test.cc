#include "http/engine/engine.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <random>
#include <thread>

#include "base/mutex.h"
#include "base/status.h"
#include "base/thread.h"
#include "http/client/exchange.h"
#include "http/message/errors.h"
#include "tests/fakes/gate.h"
#include "tests/fakes/temp_dir.h"
#include "tests/http/engine/allocation_limit.h"
#include "tests/http/engine/raw_client.h"
#include "tests/http/tls/test_certificate.h"

namespace waypost::http {
namespace {

// A blob of a test: a file, or bytes in memory.
class TestReader final : public base::ByteSource {
 public:
  TestReader(std::string bytes, bool in_file) : bytes_(std::move(bytes)) {
    if (!in_file) return;
    const base::TempDir dir;
    fd_ = ::open((dir / "blob").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    EXPECT_EQ(::write(fd_, bytes_.data(), bytes_.size()), static_cast<ssize_t>(bytes_.size()));
  }
  ~TestReader() override {
    if (fd_ >= 0) ::close(fd_);
  }
  uint64_t size_bytes() const override { return bytes_.size(); }
  absl::StatusOr<std::size_t> ReadAt(uint64_t offset, std::span<char> buffer) const override {
    const std::string piece = bytes_.substr(offset, buffer.size());
    std::copy(piece.begin(), piece.end(), buffer.begin());
    return piece.size();
  }
  int fd() const override { return fd_; }
  std::string_view in_memory() const override { return bytes_; }

 private:
  std::string bytes_;
  int fd_ = -1;
};

// What a test's subscriptions are told.
struct Topic {
  base::Mutex mutex;
  std::function<void()> wake GUARDED_BY(mutex);
  std::string bytes GUARDED_BY(mutex);
  bool end GUARDED_BY(mutex) = false;
  bool answer GUARDED_BY(mutex) = false;
  std::atomic<int> alive{0};
  std::atomic<int> steps{0};

  void Say(const std::string& text, bool last) {
    std::function<void()> call;
    {
      base::MutexLock lock(mutex);
      bytes += text;
      end = last;
      call = wake;
    }
    if (call) call();
  }
};

class TopicSubscription final : public Subscription {
 public:
  TopicSubscription(Topic& topic, base::Millis deadline) : topic_(topic), deadline_(deadline) {
    ++topic_.alive;
  }
  ~TopicSubscription() override {
    base::MutexLock lock(topic_.mutex);
    topic_.wake = nullptr;
    --topic_.alive;
  }
  void Start(std::function<void()> wake) override {
    started_ = std::chrono::steady_clock::now();
    base::MutexLock lock(topic_.mutex);
    topic_.wake = std::move(wake);
  }
  Result Step(base::SteadyTime now) override {
    ++topic_.steps;
    Result result;
    base::MutexLock lock(topic_.mutex);
    result.bytes = std::move(topic_.bytes);
    topic_.bytes.clear();
    result.end = topic_.end;
    if (topic_.answer) {
      result.answer = std::make_unique<Response>();
      result.answer->body = std::string("answered");
    } else if (deadline_.count() > 0 && now >= started_ + deadline_) {
      result.answer =
          std::make_unique<Response>(ErrorResponse(absl::DeadlineExceededError("over")));
    }
    if (deadline_.count() > 0) result.next_deadline = started_ + deadline_;
    return result;
  }
  std::string content_type() const override { return "application/x-ndjson"; }

 private:
  Topic& topic_;
  const base::Millis deadline_;
  base::SteadyTime started_;
};

// Every test runs over plain HTTP and over TLS.
class EngineTest : public testing::TestWithParam<bool> {
 protected:
  EngineTest() {
    options_.listener = "app";
    options_.address = "127.0.0.1:0";
    options_.workers = 4;
    options_.metrics = &metrics_;
    if (GetParam()) options_.tls = certificate_.Server();
    for (int i = 0; i < 4 << 20; ++i) big_.push_back(static_cast<char>(i * 31 + (i >> 12)));
  }
  ~EngineTest() override {
    if (engine_) engine_->Shutdown(base::Millis(2000));
  }
  void StartEngine() {
    engine_ = std::make_unique<Engine>(
        options_, [this](Request& request) { return Handle(request); },
        [](const Request& request) { return request.path.size() < 20 ? request.path : "long"; });
    ASSERT_TRUE(engine_->Start().ok());
    address_ = (GetParam() ? "https://" : "") + engine_->bound_address();
  }
  Response Handle(Request& request) {
    Response response;
    ++handled_;
    if (request.path == "/hello") response.body = std::string("hello");
    if (request.path == "/hold") gate_.Pass();
    if (request.path == "/nothing") response.status = 204;
    if (request.path == "/throw") throw std::runtime_error("secret text");
    if (request.path == "/big") response.body = big_;
    if (request.path == "/file") {
      response.body = SourcePart{std::make_shared<TestReader>(big_, true), 10, big_.size() - 10};
    }
    if (request.path == "/inline") {
      response.body = SourcePart{std::make_shared<TestReader>("0123456789", false), 2, 5};
    }
    if (request.path == "/turn") {
      response.turn = [this](std::unique_ptr<TurnedConnection> connection) {
        base::MutexLock lock(turned_mutex_);
        turned_ = std::move(connection);
      };
    }
    if (request.path == "/refuse") response = ErrorResponse(absl::PermissionDeniedError("no"));
    if (request.path == "/echo") {
      std::string body;
      if (request.body == nullptr) {
        body = "no body";
      } else {
        const absl::Status read = request.body->Read([&](std::string_view piece) {
          body.append(piece);
          return absl::OkStatus();
        });
        if (!read.ok()) return ErrorResponse(absl::InvalidArgumentError(read.message()));
      }
      response.body = body;
    }
    if (request.path == "/headers") {
      std::string text;
      for (const auto& header : request.headers) text += header.first + "=" + header.second + ";";
      for (const auto& item : request.query) text += item.first + "=" + item.second + ";";
      text += "from " + request.remote_address + ";";
      response.body = text + (request.peer ? request.peer->ToHex() : "nobody");
    }
    if (request.path == "/wait") {
      response.body = std::shared_ptr<Subscription>(
          std::make_shared<TopicSubscription>(topic_, base::Millis(0)));
    }
    if (request.path == "/wait-short") {
      response.body = std::shared_ptr<Subscription>(
          std::make_shared<TopicSubscription>(topic_, base::Millis(50)));
    }
    return response;
  }
  std::unique_ptr<TurnedConnection> TakeTurned() {
    base::MutexLock lock(turned_mutex_);
    return std::move(turned_);
  }
  // Asks the engine to turn the connection.
  Exchange DialAndTurn(const Interrupt& interrupt) {
    auto socket = Socket::Connect({engine_->bound_address()}, {}, interrupt);
    EXPECT_TRUE(socket.ok()) << socket.status();
    if (GetParam()) {
      EXPECT_TRUE(
          socket->StartTls(certificate_.Server()->Fingerprint(), Deadline(), interrupt).ok());
    }
    Exchange exchange(*std::move(socket));
    EXPECT_EQ(Ask(exchange, "POST", "/turn", interrupt).first, 200);
    return exchange;
  }
  static base::SteadyTime Deadline() {
    return std::chrono::steady_clock::now() + base::Millis(30'000);
  }
  // Status and body.
  static std::pair<int, std::string> Ask(Exchange& exchange, const std::string& method,
                                         const std::string& target, const Interrupt& interrupt) {
    const auto length = method == "POST" ? std::optional<uint64_t>(0) : std::nullopt;
    absl::Status sent = exchange.Send(FormatRequest(method, target, "localhost", {}, length),
                                      Deadline(), interrupt);
    const auto head = exchange.ReadHead(false, {}, Deadline(), interrupt);
    if (!sent.ok() || !head.ok()) return {0, head.status().ToString()};
    std::string body;
    const absl::Status read =
        exchange.ReadBody(*head, {}, Deadline(), interrupt, [&body](std::string_view piece) {
          body.append(piece);
          return absl::OkStatus();
        });
    return {read.ok() ? head->status : 0, std::move(body)};
  }
  double Rejected(const std::string& reason) {
    return metrics_
        .AddCounter("waypost_http_rejected_total", "", {{"listener", "app"}, {"reason", reason}})
        .value();
  }

  TestCertificate certificate_;
  base::Metrics metrics_;
  EngineOptions options_;
  Topic topic_;
  std::string big_;
  std::atomic<int> handled_{0};
  base::Gate gate_;
  std::unique_ptr<Engine> engine_;
  std::string address_;
  base::Mutex turned_mutex_;
  std::unique_ptr<TurnedConnection> turned_ GUARDED_BY(turned_mutex_);
};

TEST_P(EngineTest, AnswersAndKeepsTheConnection) {
  StartEngine();
  RawClient client(address_);
  for (int i = 0; i < 3; ++i) {
    const auto answer = client.Get("/hello");
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "hello");
    EXPECT_EQ(answer.headers.at("content-length"), "5");
    EXPECT_EQ(answer.headers.count("connection"), 0u);
  }
  const auto nothing = client.Get("/nothing");
  EXPECT_EQ(nothing.status, 204);
  EXPECT_EQ(nothing.headers.count("content-length"), 0u);
  EXPECT_EQ(client.Get("/hello", "Connection: close\r\n").headers.at("connection"), "close");
  EXPECT_TRUE(client.Closed());
}

TEST_P(EngineTest, PipelinedRequestsAreAnsweredInOrder) {
  StartEngine();
  RawClient client(address_);
  std::string requests;
  for (int i = 0; i < 20; ++i) {
    const std::string body = "body" + std::to_string(i);
    requests += "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) +
                "\r\n\r\n" + body;
  }
  ASSERT_TRUE(client.Send(requests));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(client.ReadAnswer().body, "body" + std::to_string(i));
}

TEST_P(EngineTest, HeadHasTheLengthAndNoBody) {
  StartEngine();
  RawClient client(address_);
  client.Send("HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\nHEAD /file HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.ReadAnswer(true).headers.at("content-length"), "5");
  EXPECT_EQ(client.ReadAnswer(true).headers.at("content-length"), std::to_string(big_.size() - 10));
  EXPECT_EQ(client.Get("/hello").body, "hello");
}

TEST_P(EngineTest, BodiesAreExactFromMemoryFileAndInline) {
  StartEngine();
  RawClient client(address_);
  EXPECT_TRUE(client.Get("/big").body == big_);
  EXPECT_TRUE(client.Get("/file").body == big_.substr(10));
  EXPECT_EQ(client.Get("/inline").body, "23456");
  EXPECT_EQ(client.Get("/hello").body, "hello");
}

TEST_P(EngineTest, RequestBodiesArriveWholeSmallAndLarge) {
  StartEngine();
  RawClient client(address_);
  for (std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{100000}, std::size_t{3} << 20}) {
    const std::string body = big_.substr(0, size);
    ASSERT_TRUE(client.Send("PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: " +
                            std::to_string(size) + "\r\n\r\n" + body));
    const auto answer = client.ReadAnswer();
    EXPECT_EQ(answer.status, 200);
    EXPECT_TRUE(answer.body == body) << size;
  }
  client.Send("PUT /echo HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.ReadAnswer().body, "no body");
}

TEST_P(EngineTest, ContinueIsSaidOnlyWhenTheHandlerReads) {
  StartEngine();
  RawClient client(address_);
  client.Send("PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.ReadAnswer().status, 100);
  client.Send("data");
  EXPECT_EQ(client.ReadAnswer().body, "data");

  client.Send(
      "PUT /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  const auto refused = client.ReadAnswer();
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(refused.headers.at("connection"), "close");
}

TEST_P(EngineTest, ARefusalReachesAClientThatGoesOnSending) {
  StartEngine();
  RawClient client(address_);
  const std::string body(8 << 20, 'x');
  ASSERT_TRUE(client.Send("PUT /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: " +
                          std::to_string(body.size()) + "\r\n\r\n"));
  client.Send(body);
  EXPECT_EQ(client.ReadAnswer().status, 403);
}

TEST_P(EngineTest, SmugglingIsRefusedBeforeAnyHandlerAndTheConnectionEnds) {
  StartEngine();
  struct {
    const char* head;
    int status;
  } cases[] = {
      {"PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400},
      {"PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5abc\r\n\r\nhello", 400},
      {"PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411},
      {"PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx",
       400},
      {"GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nGET /", 400},
      {"GET /hello HTTP/1.1\r\n\r\n", 400},
      {"GET /hello HTTP/1.1\nHost: a\n\n", 400},
      {"GET /hello HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1,2-3\r\n\r\n", 416},
      {"GET http://a/hello HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"BREW /hello HTTP/1.1\r\nHost: a\r\n\r\n", 501},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 501},
      {"\x16\x03\x01\x02\x01\n", 400},
  };
  for (const auto& c : cases) {
    RawClient client(address_);
    client.Send(c.head);
    const auto answer = client.ReadAnswer();
    EXPECT_EQ(answer.status, c.status) << c.head;
    EXPECT_NE(answer.body.find("\"error\""), std::string::npos) << c.head;
    EXPECT_TRUE(client.Closed()) << c.head;
  }
  EXPECT_EQ(handled_, 0);
}

TEST_P(EngineTest, LongHeadsAndTargetsAreRefused) {
  StartEngine();
  RawClient head(address_);
  head.Send("GET /hello HTTP/1.1\r\nHost: a\r\n");
  for (int i = 0; i < 5; ++i)
    head.Send("X-Filler-" + std::to_string(i) + ": " + std::string(4000, 'a') + "\r\n");
  EXPECT_EQ(head.ReadAnswer().status, 431);
  RawClient target(address_);
  target.Send("GET /" + std::string(60000, 'a'));
  EXPECT_EQ(target.ReadAnswer().status, 414);
  RawClient lines(address_);
  std::string many;
  for (int i = 0; i < 100; ++i) many += "A: b\r\n";
  lines.Send("GET /hello HTTP/1.1\r\nHost: a\r\n" + many + "\r\n");
  EXPECT_EQ(lines.ReadAnswer().status, 431);
  EXPECT_EQ(handled_, 0);
}

TEST_P(EngineTest, HeadersAndQueryArriveAsSent) {
  options_.peers = true;
  options_.plain_peers_for_tests = true;
  StartEngine();
  const std::string peer(64, 'a');
  RawClient client(address_);
  const auto answer =
      client.Get("/headers?a=1+2&b=%2F%25&c",
                 "X-Odd: 100%25 %0d%0aX: y\r\nRange: bytes=0-1\r\nREMOTE_ADDR: 6.6.6.6\r\n"
                 "Waypost-Peer: " +
                     peer + "\r\n");
  EXPECT_NE(answer.body.find("x-odd=100%25 %0d%0aX: y;"), std::string::npos) << answer.body;
  EXPECT_NE(answer.body.find("range=bytes=0-1;"), std::string::npos) << answer.body;
  EXPECT_NE(answer.body.find("a=1+2;b=/%;c=;"), std::string::npos) << answer.body;
  // What a client says of its address is a header like any other.
  EXPECT_NE(answer.body.find("from 127.0.0.1;"), std::string::npos) << answer.body;
  EXPECT_NE(answer.body.find(peer), std::string::npos);
}

TEST_P(EngineTest, AnExceptionIsA500WithoutItsText) {
  StartEngine();
  RawClient client(address_);
  const auto answer = client.Get("/throw");
  EXPECT_EQ(answer.status, 500);
  EXPECT_EQ(answer.body.find("secret"), std::string::npos);
  EXPECT_EQ(answer.headers.count("exception_what"), 0u);
  EXPECT_EQ(client.Get("/hello").body, "hello");
}

// Who is shown an id asks about it, and the log is where it is looked for.
TEST_P(EngineTest, A500IsLoggedWithTheIdThatItsCallerWasShown) {
  options_.request_ids = true;
  StartEngine();
  RawClient client(address_);
  testing::internal::CaptureStderr();
  const auto failed = client.Get("/throw");
  const auto refused = client.Get("/refuse");
  engine_->Shutdown(base::Millis(2000));
  const std::string log = testing::internal::GetCapturedStderr();
  ASSERT_EQ(failed.status, 500);
  const std::string id = failed.headers.at("waypost-request-id");
  EXPECT_NE(failed.body.find("\"request_id\":\"" + id + "\""), std::string::npos) << failed.body;
  EXPECT_NE(log.find("GET /throw was answered with 500, request " + id + "\n"), std::string::npos)
      << log;
  EXPECT_NE(log.find("an exception in the handler of GET, request " + id), std::string::npos)
      << log;
  // What the caller did wrong is no news.
  ASSERT_EQ(refused.status, 403);
  EXPECT_EQ(log.find(refused.headers.at("waypost-request-id")), std::string::npos) << log;
}

TEST_P(EngineTest, SlowHeadsAndIdleConnectionsAreClosed) {
  options_.head_timeout = base::Millis(200);
  options_.idle_timeout = base::Millis(300);
  StartEngine();
  RawClient silent(address_);
  EXPECT_TRUE(silent.Closed());
  RawClient dripping(address_);
  dripping.Send("GET /hel");
  EXPECT_TRUE(dripping.Closed());
  EXPECT_EQ(Rejected("slow_head"), 1);
  RawClient idle(address_);
  EXPECT_EQ(idle.Get("/hello").status, 200);
  EXPECT_TRUE(idle.Closed());
}

TEST_P(EngineTest, ManySlowClientsDoNotDelayAnother) {
  StartEngine();
  std::vector<std::unique_ptr<RawClient>> slow;
  for (int i = 0; i < 60; ++i) {
    slow.push_back(std::make_unique<RawClient>(address_));
    slow.back()->Send(i % 3 == 0 ? "GET /hello HTT"
                      : i % 3 == 1
                          ? "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc"
                          : "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
  }
  ASSERT_TRUE(Eventually([&] { return topic_.alive == 20; }));
  RawClient client(address_);
  EXPECT_EQ(client.Get("/hello").body, "hello");
}

TEST_P(EngineTest, TwoEmptyLinesBeforeARequestAreTakenOffAndNoMore) {
  StartEngine();
  RawClient client(address_);
  client.Send("\r\n");
  client.Send("\r\n");
  EXPECT_EQ(client.Get("/hello").body, "hello");
  // Each request may have its own.
  client.Send("\r\n\r\n");
  EXPECT_EQ(client.Get("/hello").body, "hello");
  client.Send("\r\n\r\n\r\n");
  EXPECT_EQ(client.Get("/hello").status, 400);
}

TEST_P(EngineTest, EmptyLinesThatDripHoldNoConnection) {
  options_.head_timeout = base::Millis(300);
  StartEngine();
  RawClient client(address_);
  client.Send("\r\n");
  const auto began = std::chrono::steady_clock::now();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  client.Send("\r\n");
  EXPECT_TRUE(client.Closed());
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(450));
}

TEST_P(EngineTest, AFloodOfEmptyLinesDelaysNobody) {
  if (GetParam()) GTEST_SKIP() << "a record holds too few of them";
  options_.express = {"/hello"};
  StartEngine();
  std::atomic<bool> stop{false};
  std::string lines;
  while (lines.size() < 1 << 20) lines += "\r\n";
  std::vector<base::Thread> floods;
  for (int i = 0; i < 32; ++i) {
    floods.emplace_back("flood", [&] {
      while (!stop) {
        RawClient client(address_);
        while (!stop && client.Send(lines)) {
        }
      }
    });
  }
  RawClient client(address_);
  std::vector<std::chrono::microseconds> took;
  for (int i = 0; i < 20; ++i) {
    const auto began = std::chrono::steady_clock::now();
    EXPECT_EQ(client.Get("/hello").status, 200);
    took.push_back(std::chrono::duration_cast<std::chrono::microseconds>(
        std::chrono::steady_clock::now() - began));
  }
  stop = true;
  engine_->Shutdown(base::Millis(0));
  for (auto& thread : floods) thread.Join();
  std::sort(took.begin(), took.end());
  RecordProperty("median_us", static_cast<int>(took[10].count()));
  EXPECT_LT(took[10], std::chrono::milliseconds(100));
}

TEST_P(EngineTest, MemoryThatRunsOutEndsOneConnectionAndNotTheService) {
  if (!AllocationLimit::kHolds) GTEST_SKIP() << "only in builds without sanitizers";
  StartEngine();
  RawClient other(address_), client(address_);
  EXPECT_EQ(other.Get("/hello").body, "hello");
  const std::string body(200'000, 'x');
  client.Send("PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n");
  {
    // The loop gathers it.
    const AllocationLimit limit(100'000);
    client.Send(body);
    EXPECT_TRUE(client.Closed());
  }
  EXPECT_EQ(Rejected("memory"), 1);
  EXPECT_EQ(other.Get("/hello").body, "hello");
}

TEST(WithinMemory, SaysThatMemoryRanOutWithoutAny) {
  if (!AllocationLimit::kHolds) GTEST_SKIP() << "only in builds without sanitizers";
  absl::Status status;
  {
    const AllocationLimit limit(0);
    status = base::WithinMemory([] {
      throw std::bad_alloc();
      return absl::OkStatus();
    });
  }
  EXPECT_EQ(status.message(), "memory ran out");
}

TEST_P(EngineTest, MemoryThatRunsOutInTheQueueEndsThoseItHadNoRoomFor) {
  if (!AllocationLimit::kHolds) GTEST_SKIP() << "only in builds without sanitizers";
  StartEngine();
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 24; ++i) {
    clients.push_back(std::make_unique<RawClient>(address_));
    EXPECT_EQ(clients.back()->Get("/hello").body, "hello");
  }
  const std::string request = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
  {
    // A queue takes memory for some jobs at a time; an answer's head has none either.
    const AllocationLimit limit(400);
    for (const auto& client : clients) client->Send(request);
    for (const auto& client : clients) EXPECT_TRUE(client->Closed());
  }
  EXPECT_GE(Rejected("memory"), 10);
  EXPECT_EQ(RawClient(address_).Get("/hello").body, "hello");
}

TEST_P(EngineTest, MemoryThatRunsOutForATurnedConnectionEndsThatOne) {
  if (!AllocationLimit::kHolds) GTEST_SKIP() << "only in builds without sanitizers";
  StartEngine();
  RawClient other(address_);
  EXPECT_EQ(other.Get("/hello").body, "hello");
  std::stop_source stop;
  const Interrupt interrupt(stop.get_token());
  const Exchange exchange = DialAndTurn(interrupt);
  std::unique_ptr<TurnedConnection> turned;
  ASSERT_TRUE(Eventually([&] { return (turned = TakeTurned()) != nullptr; }));
  {
    const AllocationLimit limit(400);
    EXPECT_TRUE(engine_->Serve(std::move(turned)).ok());
    EXPECT_TRUE(Eventually([&] { return Rejected("memory") == 1; }));
  }
  EXPECT_EQ(other.Get("/hello").body, "hello");
}

TEST_P(EngineTest, ASlowBodyIsCut) {
  StartEngine();
  RawClient small(address_);
  small.Send("PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc");
  RawClient large(address_);
  large.Send("PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\nabc");
  EXPECT_EQ(small.ReadAnswer().status, 400);
  EXPECT_EQ(large.ReadAnswer().status, 400);
  EXPECT_EQ(Rejected("slow_body"), 2);
}

TEST_P(EngineTest, ABodyThatEndsEarlyIsNoRequest) {
  StartEngine();
  RawClient large(address_);
  large.Send("PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\nabc");
  large.FinishSending();
  const auto answer = large.ReadAnswer();
  EXPECT_EQ(answer.status, 400);
  EXPECT_NE(answer.body.find("ended after 3 of 10000000"), std::string::npos) << answer.body;
  RawClient small(address_);
  small.Send("PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
  small.FinishSending();
  EXPECT_EQ(small.ReadAnswer().status, 0);
}

TEST_P(EngineTest, AReaderThatStopsIsCut) {
  StartEngine();
  RawClient client(address_, 4096);
  client.Send("GET /big HTTP/1.1\r\nHost: a\r\n\r\nGET /file HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(Eventually([&] { return Rejected("slow_reader") == 1; }));
}

TEST_P(EngineTest, AReaderOnThisMachineMayPauseForLong) {
  options_.reader_window = base::Millis(100);
  options_.local_reader_window = base::Millis(60'000);
  StartEngine();
  RawClient client(address_, 4096);
  client.Send("GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(client.Receive());
  std::this_thread::sleep_for(std::chrono::milliseconds(1000));
  EXPECT_EQ(Rejected("slow_reader"), 0);
  EXPECT_TRUE(client.ReadAnswer().complete);
}

TEST_P(EngineTest, ConnectionsAreLimitedInAllAndPerAddress) {
  options_.max_per_address = 2;
  options_.names.max_per_address = "http.max_per_address";
  StartEngine();
  RawClient first(address_), second(address_);
  EXPECT_EQ(first.Get("/hello").status, 200);
  EXPECT_EQ(second.Get("/hello").status, 200);
  RawClient third(address_);
  if (GetParam()) {
    EXPECT_FALSE(third.connected()) << "the reason would cost a handshake";
  } else {
    const auto answer = third.ReadAnswer();
    EXPECT_EQ(answer.status, 503);
    EXPECT_EQ(answer.headers.at("retry-after"), "1");
    EXPECT_NE(answer.body.find(": see http.max_per_address"), std::string::npos);
  }
  EXPECT_EQ(Rejected("address"), 1);
  second.Close();
  EXPECT_TRUE(Eventually([&] {
    RawClient again(address_);
    return again.Get("/hello").status == 200;
  }));
}

TEST_P(EngineTest, ExpressPathsAreAnsweredWhileEveryWorkerIsBusy) {
  options_.express = {"/hello"};
  StartEngine();
  std::vector<std::unique_ptr<RawClient>> busy;
  for (unsigned i = 0; i < options_.workers; ++i) {
    busy.push_back(std::make_unique<RawClient>(address_));
    busy.back()->Send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
  }
  gate_.AwaitArrivals(static_cast<int>(options_.workers));
  RawClient client(address_);
  EXPECT_EQ(client.Get("/hello?verbose=1").body, "hello");
  // Pipelined ones as well, and then another that takes its turn with the workers.
  std::string many;
  for (int i = 0; i < 2000; ++i) many += "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
  client.Send(many + "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n");
  for (int i = 0; i < 2000; ++i) ASSERT_EQ(client.ReadAnswer().body, "hello") << i;
  EXPECT_TRUE(client.buffered.empty());
  gate_.Open();
  EXPECT_EQ(client.ReadAnswer().status, 204);
  for (auto& one : busy) EXPECT_EQ(one->ReadAnswer().status, 200);
}

TEST_P(EngineTest, ASubscriptionAnswersWhenWoken) {
  StartEngine();
  RawClient client(address_);
  client.Send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(Eventually([&] { return topic_.steps >= 1; }));
  {
    base::MutexLock lock(topic_.mutex);
    topic_.answer = true;
  }
  topic_.Say("", false);
  EXPECT_EQ(client.ReadAnswer().body, "answered");
  EXPECT_EQ(topic_.alive, 0);
  EXPECT_EQ(client.Get("/hello").body, "hello");
}

TEST_P(EngineTest, ASubscriptionAnswersAtItsDeadline) {
  StartEngine();
  RawClient client(address_);
  EXPECT_EQ(client.Get("/wait-short").status, 504);
}

TEST_P(EngineTest, AStreamArrivesInPiecesAndEnds) {
  StartEngine();
  RawClient client(address_);
  client.Send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(Eventually([&] { return topic_.steps >= 1; }));
  topic_.Say("{\"a\":1}\n", false);
  while (client.buffered.find("{\"a\":1}") == std::string::npos) ASSERT_TRUE(client.Receive());
  topic_.Say("{\"a\":2}\n", true);
  const auto answer = client.ReadAnswer();
  EXPECT_EQ(answer.headers.at("content-type"), "application/x-ndjson");
  EXPECT_EQ(answer.body, "{\"a\":1}\n{\"a\":2}\n");
  EXPECT_TRUE(answer.complete);
  EXPECT_EQ(client.Get("/hello").body, "hello");

  RawClient old(address_);
  {
    base::MutexLock lock(topic_.mutex);
    topic_.end = false;
  }
  old.Send("GET /wait HTTP/1.0\r\nHost: a\r\n\r\n");
  topic_.Say("line\n", true);
  const auto plain = old.ReadAnswer();
  EXPECT_EQ(plain.headers.count("transfer-encoding"), 0u);
  EXPECT_EQ(plain.body, "line\n");
}

TEST_P(EngineTest, AClientThatLeavesEndsItsSubscription) {
  StartEngine();
  auto client = std::make_unique<RawClient>(address_);
  client->Send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(Eventually([&] { return topic_.alive == 1; }));
  client.reset();
  EXPECT_TRUE(Eventually([&] { return topic_.alive == 0; }));
}

TEST_P(EngineTest, SubscriptionsAreLimited) {
  options_.max_waiting = 1;
  options_.names.max_waiting = "http.max_waiting";
  StartEngine();
  RawClient first(address_), second(address_);
  first.Send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(Eventually([&] { return topic_.steps >= 1; }));
  const auto answer = second.Get("/wait");
  EXPECT_EQ(answer.status, 503);
  EXPECT_NE(answer.body.find(": see http.max_waiting"), std::string::npos);
  EXPECT_EQ(second.Get("/hello").status, 200);
}

// The peer listener and control.sock named settings that there are not.
TEST_P(EngineTest, WhatNobodyCanChangeIsNotNamedAsASetting) {
  options_.max_waiting = 1;
  options_.max_connections = 2;
  StartEngine();
  RawClient first(address_), second(address_);
  first.Send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(Eventually([&] { return topic_.steps >= 1; }));
  const auto answer = second.Get("/wait");
  EXPECT_EQ(answer.status, 503);
  EXPECT_NE(answer.body.find("waiting already: try again"), std::string::npos) << answer.body;
  if (GetParam()) return;  // the reason would cost a handshake
  EXPECT_NE(RawClient(address_).ReadAnswer().body.find("are open: try again"), std::string::npos);
}

TEST_P(EngineTest, ShutdownFinishesWhatRunsAndEndsWhatWaits) {
  StartEngine();
  RawClient waiting(address_), idle(address_), reading(address_, 4096);
  EXPECT_EQ(idle.Get("/hello").status, 200);
  waiting.Send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
  reading.Send("GET /file HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(Eventually([&] { return topic_.steps >= 1 && handled_ == 3; }));
  base::Thread stopper("stopper", [&] { engine_->Shutdown(base::Millis(60000)); });
  EXPECT_EQ(waiting.ReadAnswer().status, 503);
  EXPECT_TRUE(idle.Closed());
  const auto answer = reading.ReadAnswer();
  EXPECT_TRUE(answer.complete);
  EXPECT_TRUE(answer.body == big_.substr(10));
  reading.Close();
  waiting.Close();
  stopper.Join();
  EXPECT_EQ(topic_.alive, 0);
  EXPECT_FALSE(RawClient(address_).connected());
}

TEST_P(EngineTest, ShutdownCutsWhatDoesNotEnd) {
  StartEngine();
  RawClient stuck(address_, 4096), uploading(address_);
  stuck.Send("GET /file HTTP/1.1\r\nHost: a\r\n\r\n");
  uploading.Send("PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\nabc");
  ASSERT_TRUE(Eventually([&] { return handled_ == 2; }));
  engine_->Shutdown(base::Millis(100));
  EXPECT_GE(Rejected("cut"), 1);
  EXPECT_FALSE(stuck.ReadAnswer().complete);
}

// Who serves on a connection does not depend on who dialled it.
TEST_P(EngineTest, AConnectionCanBeTurned) {
  StartEngine();
  // The dialler's own engine; nobody could reach its listener.
  EngineOptions options;
  options.listener = "app";
  options.address = "127.0.0.1:0";
  Engine own(
      options, [this](Request& request) { return Handle(request); },
      [](const Request& request) { return request.path; });
  ASSERT_TRUE(own.Start().ok());
  const Interrupt interrupt{std::stop_token()};
  Exchange dialled = DialAndTurn(interrupt);
  std::unique_ptr<TurnedConnection> turned;
  ASSERT_TRUE(Eventually([&] { return (turned = TakeTurned()) != nullptr; }));
  // Asked before the dialler listens: it is answered all the same.
  Exchange asking(Socket(turned->Take(), "the dialler"));
  const std::string early = FormatRequest("GET", "/hello", "localhost", {}, std::nullopt);
  ASSERT_TRUE(asking.Send(early, Deadline(), interrupt).ok());
  ASSERT_TRUE(own.Serve(std::move(dialled).Turn()).ok());
  const auto head = asking.ReadHead(false, {}, Deadline(), interrupt);
  ASSERT_TRUE(head.ok()) << head.status();
  EXPECT_EQ(head->content_length, 5u);
  ASSERT_TRUE(asking
                  .ReadBody(*head, {}, Deadline(), interrupt,
                            [](std::string_view) { return absl::OkStatus(); })
                  .ok());
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Ask(asking, "GET", "/hello", interrupt), std::make_pair(200, std::string("hello")));
    EXPECT_TRUE(Ask(asking, "GET", "/file", interrupt).second == big_.substr(10));
  }
  EXPECT_TRUE(asking.Reusable());
  own.Shutdown(base::Millis(2000));
  EXPECT_EQ(Ask(asking, "GET", "/hello", interrupt).first, 0);
  EXPECT_TRUE(absl::IsUnavailable(own.Serve(nullptr)));
}

TEST_P(EngineTest, AConnectionWithMoreRequestsOnItsWayIsNotTurned) {
  StartEngine();
  RawClient client(address_);
  const std::string turn = "POST /turn HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
  ASSERT_TRUE(client.Send(turn + "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_EQ(client.ReadAnswer().status, 200);
  EXPECT_TRUE(client.Closed());
  EXPECT_EQ(TakeTurned(), nullptr);
  EXPECT_EQ(RawClient(address_).Get("/hello").body, "hello");
}

TEST_P(EngineTest, RefuseNewAnswers503) {
  StartEngine();
  RawClient client(address_);
  EXPECT_EQ(client.Get("/hello").status, 200);
  engine_->RefuseNew();
  const auto answer = client.Get("/hello");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.headers.at("connection"), "close");
}

TEST_P(EngineTest, AnAddressInUseIsNamed) {
  StartEngine();
  EngineOptions again = options_;
  again.address = engine_->bound_address();
  again.names.address = "http.listen";
  again.metrics = nullptr;
  Engine second(
      again, [](Request&) { return Response(); }, [](const Request&) { return ""; });
  const absl::Status status = second.Start();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(std::string(status.message()).find(again.address), std::string::npos);
  EXPECT_NE(std::string(status.message()).find("http.listen"), std::string::npos);
  again.address = "no-such-host:1";
  Engine third(
      again, [](Request&) { return Response(); }, [](const Request&) { return ""; });
  EXPECT_EQ(third.Start().code(), absl::StatusCode::kInvalidArgument);
}

// Requests with a few bytes changed, cut or repeated: each is answered or cut, and the service goes
// on.
TEST_P(EngineTest, MalformedRequestsLeaveTheServiceAlive) {
  options_.head_timeout = base::Millis(100);
  StartEngine();
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  const std::vector<std::string> seeds = {
      "GET /hello HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1\r\nConnection: keep-alive\r\n\r\n",
      "PUT /echo?a=%20b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: "
      "100-continue\r\n\r\nhello",
      "HEAD /inline HTTP/1.0\r\nHost: a\r\nIf-None-Match: \"x\"\r\n\r\n",
      "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
      "chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"};
  for (int i = 0; i < 1000; ++i) {
    std::string text = seeds[random() % seeds.size()];
    for (uint64_t changes = 1 + random() % 4; changes > 0 && !text.empty(); --changes) {
      const std::size_t at = random() % text.size();
      switch (random() % 4) {
        case 0:
          text[at] = static_cast<char>(random());
          break;
        case 1:
          text.erase(at, 1 + random() % 8);
          break;
        case 2:
          text.insert(at, text.substr(at, 1 + random() % 20));
          break;
        default:
          text.insert(at, 1, "\r\n\0 :%/"[random() % 8]);
      }
    }
    RawClient client(address_);
    client.Send(text);
    client.FinishSending();
    if (i % 100 == 0) client.ReadAll();
  }
  RawClient honest(address_);
  EXPECT_EQ(honest.Get("/hello").body, "hello");
}

TEST_P(EngineTest, CountsRequestsByRouteAndCode) {
  StartEngine();
  {
    RawClient client(address_);
    client.Get("/hello");
    client.Get("/refuse");
  }
  ASSERT_TRUE(Eventually([&] {
    return metrics_.AddGauge("waypost_http_connections", "", {{"listener", "app"}}).value() == 0;
  }));
  const std::string text = metrics_.Render();
  EXPECT_NE(
      text.find("waypost_http_requests_total{code=\"200\",listener=\"app\",route=\"/hello\"} 1"),
      std::string::npos)
      << text;
  EXPECT_NE(text.find("code=\"403\",listener=\"app\",route=\"/refuse\"} 1"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Over, EngineTest, testing::Bool(),
                         [](const auto& over) { return over.param ? "Tls" : "Plain"; });

}  // namespace
}  // namespace waypost::http
