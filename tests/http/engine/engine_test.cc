#include "http/engine/engine.h"

#include <gtest/gtest.h>

#include "http/client/exchange.h"
#include "tests/http/engine/engine_fixture.h"
#include "tests/http/engine/raw_client.h"

// Requests in, answers out, and connections that are turned.
namespace waypost::http {
namespace {

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

INSTANTIATE_TEST_SUITE_P(Over, EngineTest, testing::Bool(),
                         [](const auto& over) { return over.param ? "Tls" : "Plain"; });

}  // namespace
}  // namespace waypost::http
