#include <gtest/gtest.h>

#include "base/mutex.h"
#include "base/thread.h"
#include "http/engine/engine.h"
#include "tests/http/engine/engine_fixture.h"
#include "tests/http/engine/raw_client.h"

// Answers that wait, and what a stop makes of them and of what runs.
namespace waypost::http {
namespace {

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

TEST_P(EngineTest, RefuseNewAnswers503) {
  StartEngine();
  RawClient client(address_);
  EXPECT_EQ(client.Get("/hello").status, 200);
  engine_->RefuseNew();
  const auto answer = client.Get("/hello");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.headers.at("connection"), "close");
}

}  // namespace
}  // namespace waypost::http
