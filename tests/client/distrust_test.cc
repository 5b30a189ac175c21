// The public client against servers that dribble, cut, lie and overflow, byte for byte.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/fakes/temp_dir.h"
#include "tests/http/client/scripted_server.h"
#include "waypost/client.h"

namespace waypost::client {
namespace {

using http::ScriptedServer;
using Talk = ScriptedServer::Talk;
using std::chrono_literals::operator""s;
using std::chrono_literals::operator""ms;

constexpr auto kAmple = 60s;
// SHA-256 of "hello".
constexpr char kHello[] = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

Client Of(const ScriptedServer& server, Options options = {}) {
  return Client(Endpoint{.address = server.address(), .token = "token"}, std::move(options));
}
std::string Ok(const std::string& headers, const std::string& body) {
  return "HTTP/1.1 200 OK\r\n" + headers + "\r\n" + body;
}

// A piece every 20 ms until the other side closes: each read is soon over, the answer never.
ScriptedServer::Script Dribble(std::string begin, std::string again) {
  return [begin = std::move(begin), again = std::move(again)](Talk& talk) {
    talk.ReadHead();
    talk.Say(begin);
    for (int i = 0; i < 1500 && talk.Say(again); ++i) std::this_thread::sleep_for(20ms);
  };
}

TEST(DistrustTest, ADeadlineHoldsForTheWholeCallWhateverDribbles) {
  const struct {
    const char* name;
    ScriptedServer::Script script;
  } cases[] = {
      {"silence", [](Talk& talk) { talk.WaitForTheOtherEnd(); }},
      {"a status line", Dribble("HTTP/1.1 ", "2")},
      {"headers", Dribble("HTTP/1.1 200 OK\r\n", "A: b\r\n")},
      {"a body", Dribble(Ok("Content-Length: 1000000\r\n", ""), "x")},
      {"chunks", Dribble(Ok("Transfer-Encoding: chunked\r\n", ""), "1\r\nx\r\n")},
      {"a chunk's length", Dribble(Ok("Transfer-Encoding: chunked\r\n", ""), "0")},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    ScriptedServer server(std::vector<ScriptedServer::Script>{c.script});
    const auto begin = Deadline::Clock::now();
    const auto status = Of(server).GetStatus(400ms);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().kind, ErrorKind::kDeadline) << status.error().message;
    EXPECT_GE(Deadline::Clock::now() - begin, 400ms);
    EXPECT_LT(Deadline::Clock::now() - begin, 10s);
  }
}

TEST(DistrustTest, ADeadlineHoldsWhileBytesComeWithoutAPause) {
  ScriptedServer server(std::vector<ScriptedServer::Script>{[](Talk& talk) {
    talk.ReadHead();
    talk.Say(Ok("Content-Length: 1000000000000\r\n", ""));
    const std::string piece(1 << 20, 'x');
    while (talk.Say(piece)) {
    }
  }});
  // Slower than they come, so that the socket never has to be waited for.
  const auto got = Of(server).Get(
      kHello,
      [](std::string_view) {
        std::this_thread::sleep_for(1ms);
        return true;
      },
      {}, 400ms);
  EXPECT_EQ(got.error().kind, ErrorKind::kDeadline) << got.error().message;
}

TEST(DistrustTest, ADeadlineHoldsWhileNobodyReadsAndDuringAHandshake) {
  ScriptedServer server(
      std::vector<ScriptedServer::Script>{[](Talk&) { std::this_thread::sleep_for(1s); }});
  const auto put = Of(server).PutBytes(std::string(64 << 20, 'x'), {}, 400ms);
  EXPECT_EQ(put.error().kind, ErrorKind::kDeadline) << put.error().message;
  ScriptedServer silent(
      std::vector<ScriptedServer::Script>{[](Talk& talk) { talk.WaitForTheOtherEnd(); }});
  const Endpoint secret{.address = silent.address(), .tls_sha256 = std::string(64, 'a')};
  EXPECT_EQ(Client(secret).GetStatus(400ms).error().kind, ErrorKind::kDeadline);
  ScriptedServer plain(Ok("Content-Length: 0\r\n", ""));
  const Endpoint not_tls{.address = plain.address(), .tls_sha256 = std::string(64, 'a')};
  // It waits for the end of a head that never comes, so the client's time is over.
  EXPECT_FALSE(Client(not_tls).GetStatus(400ms).ok());
}

TEST(DistrustTest, AStopTokenEndsACallThatWaits) {
  ScriptedServer server(
      std::vector<ScriptedServer::Script>{[](Talk& talk) { talk.WaitForTheOtherEnd(); }});
  std::stop_source stop;
  std::thread stopper([&] {
    std::this_thread::sleep_for(100ms);
    stop.request_stop();
  });
  const auto begin = Deadline::Clock::now();
  const auto status = Of(server).GetStatus(Deadline(kAmple, stop.get_token()));
  stopper.join();
  EXPECT_EQ(status.error().kind, ErrorKind::kStopped);
  EXPECT_LT(Deadline::Clock::now() - begin, 30s);
  // And one that has not begun.
  EXPECT_EQ(Of(server).GetStatus(Deadline(kAmple, stop.get_token())).error().kind,
            ErrorKind::kStopped);
}

// What is said in answer to GET /v1/status, and then closed.
TEST(DistrustTest, AnswersThatCannotBeBelievedAreIntegrityErrors) {
  const std::string json = "{\"name\": \"x\"}";
  const std::string length = "Content-Length: " + std::to_string(json.size()) + "\r\n";
  const std::string endless(1 << 20, 'a');
  const struct {
    const char* name;
    std::string answer;
  } cases[] = {
      {"cut", Ok("Content-Length: 100\r\n", json)},
      {"two lengths", Ok(length + length, json)},
      {"two different lengths", Ok(length + "Content-Length: 5\r\n", json)},
      {"a length that is none", Ok("Content-Length: 13abc\r\n", json)},
      {"a negative length", Ok("Content-Length: -13\r\n", json)},
      {"a length and chunks", Ok(length + "Transfer-Encoding: chunked\r\n", "0\r\n\r\n")},
      {"no length", Ok("", json)},
      {"an unknown coding", Ok("Transfer-Encoding: gzip\r\n", json)},
      {"gzip", Ok(length + "Content-Encoding: gzip\r\n", json)},
      {"chunks without the last", Ok("Transfer-Encoding: chunked\r\n", "d\r\n" + json + "\r\n")},
      {"a chunk cut", Ok("Transfer-Encoding: chunked\r\n", "ff\r\n" + json)},
      {"a chunk that goes on",
       Ok("Transfer-Encoding: chunked\r\n", "2\r\n" + json + "\r\n0\r\n\r\n")},
      {"a chunk with something behind it",
       Ok("Transfer-Encoding: chunked\r\n", "d\r\n" + json + "more\r\n0\r\n\r\n")},
      {"a last chunk cut", Ok("Transfer-Encoding: chunked\r\n", "d\r\n" + json + "\r\n0\r\n")},
      {"a long status line", "HTTP/1.1 200 " + endless + "\r\n\r\n"},
      {"a long header", Ok("A: " + endless + "\r\n", json)},
      {"interim answers", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 " + endless},
      {"no JSON", Ok("Content-Length: 5\r\n", "hello")},
      {"another JSON", Ok("Content-Length: 2\r\n", "[]")},
      {"more than is kept", Ok("Content-Length: 9000000\r\n", std::string(9000000, ' '))},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    ScriptedServer server(std::vector<ScriptedServer::Script>{[&c](Talk& talk) {
      talk.ReadHead();
      talk.Say(c.answer);
    }});
    const auto status = Of(server, {.kept_bytes_max = 1 << 20}).GetStatus(kAmple);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().kind, ErrorKind::kIntegrity) << status.error().message;
  }
}

TEST(DistrustTest, WhatIsNoAnswerAtAllIsAConnectionError) {
  const struct {
    const char* name;
    ScriptedServer::Script script;
  } cases[] = {
      {"closed at once", [](Talk&) {}},
      {"reset", [](Talk& talk) { talk.Reset(); }},
      {"closed after the request", [](Talk& talk) { talk.ReadHead(); }},
      {"half a head",
       [](Talk& talk) {
         talk.ReadHead();
         talk.Say("HTTP/1.1 200 OK\r\nContent-Le");
       }},
      {"another protocol",
       [](Talk& talk) {
         talk.ReadHead();
         talk.Say("SSH-2.0-OpenSSH_9.2\r\n");
       }},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    ScriptedServer server(std::vector<ScriptedServer::Script>{c.script});
    const auto status = Of(server).GetStatus(kAmple);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().kind, ErrorKind::kConnection) << status.error().message;
    EXPECT_EQ(status.error().http_status, 0);
  }
}

TEST(DistrustTest, RefusalsAreToldInTheServicesWordsOrAsTheyCame) {
  const auto refusal = [](const std::string& status, const std::string& headers,
                          const std::string& body) {
    ScriptedServer server("HTTP/1.1 " + status + "\r\nContent-Length: " +
                          std::to_string(body.size()) + "\r\n" + headers + "\r\n" + body);
    return Of(server).GetStatus(kAmple).error();
  };
  const Error busy = refusal(
      "503 Service Unavailable", "X-Request-Id: r1\r\n",
      R"({"error": {"code": "unavailable", "message": "not now", "retry_after_ms": 1500}})");
  EXPECT_EQ(busy.kind, ErrorKind::kRefused);
  EXPECT_EQ(busy.http_status, 503);
  EXPECT_EQ(busy.code, "unavailable");
  EXPECT_EQ(busy.message, "not now");
  EXPECT_EQ(busy.request_id, "r1");
  EXPECT_EQ(busy.retry_after, 1500ms);
  const Error proxy = refusal("502 Bad Gateway", "Retry-After: 2\r\n", "<html>no</html>");
  EXPECT_EQ(proxy.kind, ErrorKind::kRefused);
  EXPECT_EQ(proxy.code, "");
  EXPECT_EQ(proxy.message, "<html>no</html>");
  EXPECT_EQ(proxy.retry_after, 2s);
  // The service's own id goes before that of a proxy, which its log does not have.
  const std::string ids = "X-Request-Id: r1\r\nWaypost-Request-Id: w2\r\n";
  EXPECT_EQ(refusal("502 Bad Gateway", ids, "").request_id, "w2");
  EXPECT_EQ(refusal("404 Not Found", ids, R"({"error": {"request_id": "w3"}})").request_id, "w3");
  // Cut at a character, not within one.
  std::string many = "x";
  while (many.size() < 600) many += "\u00e4";
  EXPECT_EQ(refusal("502 Bad Gateway", "", many).message, many.substr(0, 499));
  // Nothing is followed: the token would go along.
  EXPECT_EQ(refusal("302 Found", "Location: http://127.0.0.1:1/\r\n", "").http_status, 302);
}

TEST(DistrustTest, ABlobOfOtherBytesOrAnotherPlaceLeavesNoFile) {
  const base::TempDir folder;
  const std::string path = folder.path() + "/file";
  const auto get = [&](const std::string& answer, const GetOptions& options) {
    ScriptedServer server(answer);
    return Of(server).GetFile(kHello, path, options, kAmple);
  };
  const GetOptions part{.range = Range{2, 3}};
  const struct {
    const char* name;
    std::string answer;
    GetOptions options;
  } cases[] = {
      {"other bytes", Ok("Content-Length: 5\r\n", "hallo"), {}},
      {"fewer bytes", Ok("Content-Length: 4\r\n", "hell"), {}},
      {"a part of a whole",
       "HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\n"
       "Content-Range: bytes 0-4/5\r\n\r\nhello",
       {}},
      {"a whole for a part", Ok("Content-Length: 5\r\n", "hello"), part},
      {"another place",
       "HTTP/1.1 206 Partial Content\r\nContent-Length: 3\r\n"
       "Content-Range: bytes 1-3/5\r\n\r\nell",
       part},
      {"too little",
       "HTTP/1.1 206 Partial Content\r\nContent-Length: 2\r\n"
       "Content-Range: bytes 2-3/5\r\n\r\nll",
       part},
      {"no place", "HTTP/1.1 206 Partial Content\r\nContent-Length: 3\r\n\r\nllo", part},
      {"nonsense",
       "HTTP/1.1 206 Partial Content\r\nContent-Length: 3\r\n"
       "Content-Range: bytes 2-4/*\r\n\r\nllo",
       part},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    const auto got = get(c.answer, c.options);
    ASSERT_FALSE(got.ok());
    EXPECT_EQ(got.error().kind, ErrorKind::kIntegrity) << got.error().message;
    EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  }
  const auto right =
      get("HTTP/1.1 206 Partial Content\r\nContent-Length: 3\r\n"
          "Content-Range: bytes 2-4/5\r\n\r\nllo",
          part);
  ASSERT_TRUE(right.ok()) << right.error().message;
  EXPECT_EQ(right->blob_bytes, 5u);
  ASSERT_TRUE(get(Ok("Content-Length: 5\r\n", "hello"), {}).ok());
  std::string content;
  std::ifstream(path) >> content;
  EXPECT_EQ(content, "hello");
}

TEST(DistrustTest, APutThatTheServiceTookForSomethingElseIsAnIntegrityError) {
  const std::string taken = R"({"id": ")" + std::string(kHello) + R"(", "size": 5})";
  ScriptedServer server(Ok("Content-Length: " + std::to_string(taken.size()) + "\r\n", taken));
  EXPECT_TRUE(Of(server).PutBytes("hello", {}, kAmple).ok());
  EXPECT_EQ(Of(server).PutBytes("hallo", {}, kAmple).error().kind, ErrorKind::kIntegrity);
}

TEST(DistrustTest, StreamsThatEndEarlyOrNeverEndALineAreErrors) {
  const auto stream = [](const std::string& body) {
    return Ok("Content-Length: " + std::to_string(body.size()) + "\r\n", body);
  };
  const auto fetch = [&](const std::string& body) {
    ScriptedServer server(stream(body));
    return Of(server).Fetch(kHello, nullptr, kAmple);
  };
  EXPECT_EQ(fetch("{\"state\":\"pending\"}\n").error().kind, ErrorKind::kIntegrity);
  EXPECT_EQ(fetch(std::string(2 << 20, 'x')).error().kind, ErrorKind::kIntegrity);
  EXPECT_EQ(fetch("{\"state\":\"new word\"}\n{\"state\":\"done\"}\n")->kind,
            FetchState::Kind::kDone);
  const auto events = [&](const std::string& body) {
    ScriptedServer server(stream(body));
    return Of(server).Events(
        "", [](const Event&) { return true; }, kAmple);
  };
  EXPECT_EQ(events(": hello\n\n").error().kind, ErrorKind::kConnection);
  EXPECT_EQ(events("data: " + std::string(2 << 20, 'x')).error().kind, ErrorKind::kIntegrity);
}

TEST(DistrustTest, ValuesOfOtherTypesAreAsIfTheyWereMissing) {
  const std::string json =
      R"({"items": [{"key": 5, "blob": null, "size": "x", "updated": "yesterday", "origin": []}, 7],)"
      R"( "next": 5})";
  ScriptedServer server(Ok("Content-Length: " + std::to_string(json.size()) + "\r\n", json));
  const auto page = Of(server).ListRefs("g", "", {}, kAmple);
  ASSERT_TRUE(page.ok()) << page.error().message;
  ASSERT_EQ(page->items.size(), 2u);
  EXPECT_EQ(page->items[0].key, "");
  EXPECT_FALSE(page->items[0].size_bytes.has_value());
  EXPECT_FALSE(page->items[0].updated.has_value());
  EXPECT_EQ(page->next, "");
}

TEST(ParseTimeTest, ReadsWhatTheServiceWritesAndNothingElse) {
  const auto at = [](const std::string& text) {
    const auto time = detail::ParseTime(text);
    return time ? time->time_since_epoch().count() : -1;
  };
  EXPECT_EQ(at("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(at("2026-11-28T07:35:10.123Z"), 1795851310123);
  EXPECT_EQ(at("2026-11-28T07:35:10.123456789Z"), 1795851310123);
  EXPECT_EQ(at("2026-02-30T00:00:00Z"), -1);
  EXPECT_EQ(at("2026-11-28T07:35:10+01:00"), -1);
  EXPECT_EQ(at("yesterday"), -1);
}

}  // namespace
}  // namespace waypost::client
