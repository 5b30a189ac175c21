// Requests that wait for a slow disk, and those that only read meanwhile.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <vector>

#include "base/thread.h"
#include "http/client/app_client.h"
#include "http/engine/engine.h"
#include "tests/fakes/gate.h"

namespace waypost::http {
namespace {

class WritersTest : public ::testing::Test {
 protected:
  void StartEngine(uint32_t writers) {
    EngineOptions options{.listener = "app", .address = "127.0.0.1:0", .workers = 2};
    options.writers = writers;
    options.changes = [](std::string_view method, std::string_view path) {
      return method == "PUT" && path != "/reads";
    };
    engine_ = std::make_unique<Engine>(
        options,
        [this](Request& request) {
          if (request.method == "PUT") disk_.Pass();
          Response response;
          response.body = request.method;
          return response;
        },
        [](const Request& request) { return request.path; });
    ASSERT_TRUE(engine_->Start().ok());
  }
  ~WritersTest() override {
    if (engine_) engine_->Shutdown(base::Millis(2000));
  }
  int Status(const std::string& method, const std::string& target, const std::string& body) {
    AppClient client({.address = engine_->bound_address(), .idle_timeout = base::Millis(60'000)});
    AppClient::Call call{.method = method, .target = target};
    if (!body.empty()) call.body = body;
    const auto reply = client.Send(call);
    return reply.ok() ? reply->status : -1;
  }

  base::Gate disk_;
  std::unique_ptr<Engine> engine_;
};

// With bodies of every kind and without: more than there are workers and writers together.
TEST_F(WritersTest, ThoseThatWaitForTheDiskHoldNoWorkerOfThoseThatRead) {
  StartEngine(3);
  std::atomic<int> put{0};
  std::vector<base::Thread> clients;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back("client", [this, &put, i] {
      put += Status("PUT", "/slow?at=1", i % 2 == 0 ? "bytes" : "") == 200 ? 1 : 0;
    });
  }
  disk_.AwaitArrivals(3);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Status("GET", "/status", ""), 200);
  EXPECT_EQ(put, 0);
  disk_.Open();
  for (base::Thread& client : clients) client.Join();
  EXPECT_EQ(put, 8);
}

TEST_F(WritersTest, WhatIsNoChangeIsLeftToTheWorkers) {
  StartEngine(1);
  base::Thread slow("client", [this] { EXPECT_EQ(Status("PUT", "/slow", "x"), 200); });
  disk_.AwaitArrivals(1);
  // The one writer is taken: this one is held by the disk on a worker.
  base::Thread reads("client", [this] { EXPECT_EQ(Status("PUT", "/reads?x=1", "x"), 200); });
  disk_.AwaitArrivals(2);
  EXPECT_EQ(Status("GET", "/status", ""), 200);
  disk_.Open();
  slow.Join();
  reads.Join();
}

}  // namespace
}  // namespace waypost::http
