#include "http/message/head_check.h"

#include <gtest/gtest.h>

namespace waypost::http {
namespace {

struct HeadCase {
  const char* name;
  std::string head;  // without the empty line at the end
  int status;        // 0: fine
};

std::string HeaderLines(int count) {
  std::string lines;
  for (int i = 0; i < count; ++i) lines += "X-" + std::to_string(i) + ": v\r\n";
  return lines;
}

std::vector<HeadCase> Cases() {
  const std::string host = "Host: a\r\n";
  return {
      {"plain GET", "GET / HTTP/1.1\r\n" + host, 0},
      {"HTTP/1.0", "GET / HTTP/1.0\r\n" + host, 0},
      {"PUT with a length", "PUT /x HTTP/1.1\r\n" + host + "Content-Length: 5\r\n", 0},
      {"GET with length 0", "GET / HTTP/1.1\r\n" + host + "Content-Length: 0\r\n", 0},
      {"two lengths", "PUT / HTTP/1.1\r\n" + host + "Content-Length: 5\r\nContent-Length: 5\r\n",
       400},
      {"a list of lengths", "PUT / HTTP/1.1\r\n" + host + "Content-Length: 5, 5\r\n", 400},
      {"length with letters", "PUT / HTTP/1.1\r\n" + host + "Content-Length: 5abc\r\n", 400},
      {"negative length", "PUT / HTTP/1.1\r\n" + host + "Content-Length: -1\r\n", 400},
      {"length with a sign", "PUT / HTTP/1.1\r\n" + host + "Content-Length: +5\r\n", 400},
      {"empty length", "PUT / HTTP/1.1\r\n" + host + "Content-Length:\r\n", 400},
      {"length over 63 bits",
       "PUT / HTTP/1.1\r\n" + host + "Content-Length: 9223372036854775808\r\n", 400},
      {"chunked", "PUT / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n", 411},
      {"identity transfer", "PUT / HTTP/1.1\r\n" + host + "Transfer-Encoding: identity\r\n", 501},
      {"length and chunked",
       "PUT / HTTP/1.1\r\n" + host + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400},
      {"chunked on GET", "GET / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n", 411},
      {"gzip body", "PUT / HTTP/1.1\r\n" + host + "Content-Length: 5\r\nContent-Encoding: gzip\r\n",
       400},
      {"body on GET", "GET / HTTP/1.1\r\n" + host + "Content-Length: 5\r\n", 400},
      {"body on HEAD", "HEAD / HTTP/1.1\r\n" + host + "Content-Length: 5\r\n", 400},
      {"no host", "GET / HTTP/1.1\r\n", 400},
      {"empty host", "GET / HTTP/1.1\r\nHost:\r\n", 400},
      {"two hosts", "GET / HTTP/1.1\r\n" + host + "hOsT: b\r\n", 400},
      {"two tokens", "GET / HTTP/1.1\r\n" + host + "Authorization: a\r\nAuthorization: b\r\n", 400},
      {"one range", "GET / HTTP/1.1\r\n" + host + "Range: bytes=0-1\r\n", 0},
      {"two ranges", "GET / HTTP/1.1\r\n" + host + "Range: bytes=0-1,3-4\r\n", 416},
      {"two range headers",
       "GET / HTTP/1.1\r\n" + host + "Range: bytes=0-1\r\nRange: bytes=0-1\r\n", 416},
      {"space before the colon", "GET / HTTP/1.1\r\nHost : a\r\n", 400},
      {"continuation line", "GET / HTTP/1.1\r\n" + host + "X: a\r\n b\r\n", 400},
      {"no colon", "GET / HTTP/1.1\r\n" + host + "nonsense\r\n", 400},
      {"empty name", "GET / HTTP/1.1\r\n" + host + ": x\r\n", 400},
      {"zero byte", "GET / HTTP/1.1\r\n" + host + std::string("X: a\0b\r\n", 8), 400},
      {"lone CR in a value", "GET / HTTP/1.1\r\n" + host + "X: a\rb\r\n", 400},
      {"tab in a value", "GET / HTTP/1.1\r\n" + host + "X: a\tb\r\n", 0},
      {"64 lines", "GET / HTTP/1.1\r\n" + host + HeaderLines(63), 0},
      {"65 lines", "GET / HTTP/1.1\r\n" + host + HeaderLines(64), 431},
      {"a line of 9,000 bytes",
       "GET / HTTP/1.1\r\n" + host + "X: " + std::string(9000, 'a') + "\r\n", 431},
      {"target of 4,096 bytes", "GET /" + std::string(4095, 'a') + " HTTP/1.1\r\n" + host, 0},
      {"target of 4,097 bytes", "GET /" + std::string(4096, 'a') + " HTTP/1.1\r\n" + host, 414},
      {"absolute target", "GET http://a/ HTTP/1.1\r\n" + host, 400},
      {"CONNECT", "CONNECT a:1 HTTP/1.1\r\n" + host, 501},
      {"star", "OPTIONS * HTTP/1.1\r\n" + host, 400},
      {"fragment", "GET /a#b HTTP/1.1\r\n" + host, 400},
      {"unknown method", "BREW / HTTP/1.1\r\n" + host, 501},
      {"method in small letters", "get / HTTP/1.1\r\n" + host, 501},
      {"HTTP/2", "PRI * HTTP/2.0\r\n", 501},
      {"HTTP/1.2", "GET / HTTP/1.2\r\n" + host, 501},
      {"HTTP/0.9", "GET /\r\n", 400},
      {"two spaces", "GET  / HTTP/1.1\r\n" + host, 400},
      {"trailing space", "GET / HTTP/1.1 \r\n" + host, 400},
      {"Expect", "PUT / HTTP/1.1\r\n" + host + "Content-Length: 5\r\nExpect: 100-continue\r\n", 0},
      {"another expectation", "PUT / HTTP/1.1\r\n" + host + "Content-Length: 5\r\nExpect: tea\r\n",
       400},
  };
}

TEST(HeadCheckTest, ChunksAreFramedInOneWayOnly) {
  const std::string put = "PUT / HTTP/1.1\r\nHost: a\r\n";
  const std::string chunked = "Transfer-Encoding: chunked\r\n";
  const HeadCase cases[] = {
      {"chunked", put + chunked, 0},
      {"in capitals", put + "TRANSFER-ENCODING: Chunked\r\n", 0},
      {"a length behind", put + chunked + "Content-Length: 5\r\n", 400},
      {"a length before", put + "Content-Length: 5\r\n" + chunked, 400},
      {"a length of 0", put + "Content-Length: 0\r\n" + chunked, 400},
      {"twice", put + chunked + chunked, 400},
      {"a list", put + "Transfer-Encoding: gzip, chunked\r\n", 501},
      {"twice in a list", put + "Transfer-Encoding: chunked, chunked\r\n", 501},
      {"something behind it", put + "Transfer-Encoding: chunked;q=1\r\n", 501},
      {"a space before the colon", put + "Transfer-Encoding : chunked\r\n", 400},
      {"a vertical tab",
       put + "Transfer-Encoding: \x0b"
             "chunked\r\n",
       400},
      {"empty", put + "Transfer-Encoding:\r\n", 501},
      {"HTTP/1.0", "PUT / HTTP/1.0\r\nHost: a\r\n" + chunked, 400},
      {"GET", "GET / HTTP/1.1\r\nHost: a\r\n" + chunked, 400},
  };
  HeadLimits limits;
  limits.chunked_bodies = true;
  for (const HeadCase& c : cases) {
    const HeadFacts facts = CheckHead(c.head + "\r\n", limits);
    EXPECT_EQ(facts.refused, c.status) << c.name << ": " << facts.message;
    if (c.status == 0) {
      EXPECT_TRUE(facts.chunked && !facts.content_length) << c.name;
    }
  }
}

TEST(HeadCheckTest, FollowsTheTable) {
  for (const HeadCase& c : Cases()) {
    const HeadFacts facts = CheckHead(c.head + "\r\n", HeadLimits());
    EXPECT_EQ(facts.refused, c.status) << c.name << ": " << facts.message;
    if (c.status != 0) {
      EXPECT_FALSE(facts.message.empty()) << c.name;
      EXPECT_STRNE(facts.reason, "") << c.name;
    }
  }
}

TEST(HeadCheckTest, ReadsFraming) {
  const HeadFacts put = CheckHead(
      "PUT /a?b=c HTTP/1.1\r\nhost: x\r\nContent-Length: 12\r\nExpect: 100-continue\r\n\r\n",
      HeadLimits());
  EXPECT_EQ(put.method, "PUT");
  EXPECT_EQ(put.target, "/a?b=c");
  EXPECT_EQ(put.content_length, 12u);
  EXPECT_TRUE(put.expect_continue);
  EXPECT_TRUE(put.keep_alive);
  // What was understood is not told twice.
  EXPECT_EQ(put.headers, (std::vector<std::pair<std::string, std::string>>{{"host", "x"}}));

  const HeadFacts close =
      CheckHead("GET / HTTP/1.1\r\nHost: x\r\nConnection: a, Close\r\n\r\n", HeadLimits());
  EXPECT_FALSE(close.keep_alive);
  const HeadFacts old = CheckHead("GET / HTTP/1.0\r\nHost: x\r\n\r\n", HeadLimits());
  EXPECT_FALSE(old.keep_alive);
  const HeadFacts old_kept =
      CheckHead("GET / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n", HeadLimits());
  EXPECT_TRUE(old_kept.keep_alive);
}

TEST(HeadCheckTest, FindsTheEndOfAHeadAndGivesUpEarly) {
  const HeadLimits limits;
  EXPECT_EQ(FindHead("GET / HTTP/1.1\r\nHost: a\r\n", limits).size, 0u);
  EXPECT_EQ(FindHead("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET", limits).size, 27u);
  // Looked at again from where its last line begins.
  EXPECT_EQ(FindHead("GET / HTTP/1.1\r\nHost: a\r\n", limits).line_start, 25u);
  EXPECT_EQ(FindHead("GET / HTTP/1.1\r\nHost: a\r\n\r\n", limits, 25).size, 27u);
  const auto refusal = [&](const std::string& text) {
    const auto progress = FindHead(text, limits);
    return progress.refused ? progress.refused->refused : 0;
  };
  EXPECT_EQ(refusal("GET / HTTP/1.1\n"), 400);
  EXPECT_EQ(refusal("\n"), 400);
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\nHost: a\n\n"), 400);
  EXPECT_EQ(refusal("GET /" + std::string(8000, 'a')), 414);
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\nX: " + std::string(20000, 'a')), 431);
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\nX: " + std::string(10000, 'a')), 0);
}

}  // namespace
}  // namespace waypost::http
