#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/mutex.h"
#include "http/client/exchange.h"
#include "http/engine/engine.h"
#include "http/message/errors.h"
#include "tests/fakes/gate.h"
#include "tests/fakes/temp_dir.h"
#include "tests/http/tls/test_certificate.h"

// An engine with a handler that does what tests ask of it, over plain HTTP and over TLS.
namespace waypost::http {

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

}  // namespace waypost::http
