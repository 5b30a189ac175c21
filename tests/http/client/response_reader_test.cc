#include "http/client/response_reader.h"

#include <gtest/gtest.h>

namespace waypost::http {
namespace {

struct ResponseCase {
  const char* name;
  std::string head;
  bool good;
};

TEST(ResponseReaderTest, TakesOnlyWhatItMust) {
  const std::string ok = "HTTP/1.1 200 OK\r\n";
  const std::string length = "Content-Length: 5\r\n";
  std::string lines;
  for (int i = 0; i < 80; ++i) lines += "A: b\r\n";
  const ResponseCase cases[] = {
      {"plain", ok + length, true},
      {"no reason", "HTTP/1.1 200\r\n" + length, true},
      {"HTTP/1.0", "HTTP/1.0 200 OK\r\n" + length, true},
      {"204 without a length", "HTTP/1.1 204 No Content\r\n", true},
      {"no length", ok, false},
      {"two lengths", ok + length + length, false},
      {"a malformed length", ok + "Content-Length: 5x\r\n", false},
      {"a list of lengths", ok + "Content-Length: 5, 5\r\n", false},
      {"chunked", ok + "Transfer-Encoding: chunked\r\n", false},
      {"length and chunked", ok + length + "Transfer-Encoding: chunked\r\n", false},
      {"gzip", ok + length + "Content-Encoding: gzip\r\n", false},
      {"another protocol", "SSH-2.0-OpenSSH_9.2\r\n", false},
      {"HTTP/2", "HTTP/2 200 OK\r\n" + length, false},
      {"status of two digits", "HTTP/1.1 20 OK\r\n" + length, false},
      {"status 999", "HTTP/1.1 999 OK\r\n" + length, false},
      {"bare LF", "HTTP/1.1 200 OK\n" + length, false},
      {"a header without a name", ok + length + ": x\r\n", false},
      {"a continuation line", ok + length + " x: y\r\n", false},
      {"a zero byte", ok + length + std::string("X: a\0b\r\n", 8), false},
      {"a long status line", "HTTP/1.1 200 " + std::string(60000, 'a') + "\r\n" + length, false},
      {"a long head", ok + length + "X: " + std::string(20000, 'a') + "\r\n", false},
      {"many lines", ok + length + lines, false},
  };
  for (const ResponseCase& c : cases) {
    const auto head = ParseResponseHead(c.head + "\r\n", false, ResponseLimits());
    EXPECT_EQ(head.ok(), c.good) << c.name;
    if (c.good && head.ok()) {
      ASSERT_TRUE(head->has_value()) << c.name;
      EXPECT_EQ((*head)->size, c.head.size() + 2) << c.name;
    }
  }
}

TEST(ResponseReaderTest, ReadsStatusHeadersAndLength) {
  const auto head = ParseResponseHead(
      "HTTP/1.1 206 Partial Content\r\nContent-Length: 12\r\nX-Name:  value \r\n\r\nrest", false,
      ResponseLimits());
  ASSERT_TRUE(head.ok() && head->has_value());
  EXPECT_EQ((*head)->status, 206);
  EXPECT_EQ((*head)->content_length, 12u);
  EXPECT_EQ((*head)->Header("x-name"), "value");
  EXPECT_TRUE((*head)->keep_alive);
  const auto close = ParseResponseHead(
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: Close\r\n\r\n", false, ResponseLimits());
  EXPECT_FALSE((*close)->keep_alive);
}

TEST(ResponseReaderTest, WaitsForTheEndOfAHeadAndGivesUpEarly) {
  const auto half = ParseResponseHead("HTTP/1.1 200 OK\r\nContent-Len", false, ResponseLimits());
  ASSERT_TRUE(half.ok());
  EXPECT_FALSE(half->has_value());
  EXPECT_FALSE(ParseResponseHead(std::string(60000, 'H'), false, ResponseLimits()).ok());
}

TEST(ResponseReaderTest, StreamsAreReadOnlyWhereTheyAreExpected) {
  const ResponseLimits streams{.allow_streams = true};
  const auto chunked =
      ParseResponseHead("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false, streams);
  ASSERT_TRUE(chunked.ok() && chunked->has_value());
  EXPECT_TRUE((*chunked)->chunked);
  EXPECT_FALSE(ParseResponseHead(
                   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
                   false, streams)
                   .ok());
  const auto until_close = ParseResponseHead("HTTP/1.1 200 OK\r\n\r\n", false, streams);
  ASSERT_TRUE(until_close.ok() && until_close->has_value());
  EXPECT_FALSE((*until_close)->keep_alive);
}

std::string Decode(const std::string& text, std::size_t piece, bool& done, bool& good) {
  ChunkDecoder decoder;
  std::string out;
  good = true;
  for (std::size_t i = 0; i < text.size() && good && !decoder.done(); i += piece) {
    const auto used =
        decoder.Feed(std::string_view(text).substr(i, piece), [&](std::string_view bytes) {
          out.append(bytes);
          return absl::OkStatus();
        });
    good = used.ok();
  }
  done = decoder.done();
  return out;
}

TEST(ResponseReaderTest, ChunksComeApartHoweverTheyArrive) {
  const std::string text = "5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n";
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    bool done, good;
    EXPECT_EQ(Decode(text, piece, done, good), "hello0123456789") << piece;
    EXPECT_TRUE(done && good);
  }
}

TEST(ResponseReaderTest, MalformedChunksAreRefused) {
  for (const char* text : {"x\r\n", "\r\n", "5\nhello", "5\r\nhelloX\r\n", "-1\r\n", "5;a=b\r\n",
                           "FFFFFFFFFFFFFFFF\r\n"}) {
    bool done, good;
    Decode(text, 1000, done, good);
    EXPECT_FALSE(good) << text;
  }
}

}  // namespace
}  // namespace waypost::http
