#include "http/message/chunked.h"

#include <gtest/gtest.h>

#include <string>

namespace waypost::http {
namespace {

struct Decoded {
  absl::Status status;
  std::string data, behind;
  bool done = false;
};

// Fed in pieces of `step` bytes.
Decoded Decode(const std::string& text, std::size_t step) {
  Decoded decoded;
  ChunkedDecoder decoder;
  std::size_t at = 0;
  while (at < text.size() && !decoder.done()) {
    const auto used =
        decoder.Feed(std::string_view(text).substr(at, step), [&](std::string_view piece) {
          decoded.data += piece;
          return absl::OkStatus();
        });
    decoded.status = used.status();
    if (!used.ok()) return decoded;
    at += *used;
  }
  decoded.done = decoder.done();
  decoded.behind = text.substr(at);
  return decoded;
}

TEST(ChunkedDecoderTest, TakesBodiesApartHoweverTheyArrive) {
  struct {
    std::string text, data, behind;
  } cases[] = {
      {"0\r\n\r\n", "", ""},
      {"5\r\nhello\r\n0\r\n\r\n", "hello", ""},
      {"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\nGET / HTTP/1.1", "hello world", "GET / HTTP/1.1"},
      {"00A\r\n0123456789\r\n000\r\n\r\n", "0123456789", ""},
      {"a\r\n\r\n\r\n\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n\r\n\r\n\r\n", ""},
      {"1;name=value;\"q\"\r\nx\r\n0;last\r\n\r\n", "x", ""},
      {"1\r\nx\r\n0\r\nX-Sum: 1\r\nContent-Length: 5\r\n\r\nrest", "x", "rest"},
  };
  for (const auto& c : cases) {
    for (const std::size_t step : {std::size_t{1}, std::size_t{2}, std::size_t{3}, c.text.size()}) {
      const Decoded decoded = Decode(c.text, step);
      EXPECT_TRUE(decoded.status.ok()) << c.text << decoded.status;
      EXPECT_TRUE(decoded.done) << c.text;
      EXPECT_EQ(decoded.data, c.data) << c.text;
      EXPECT_EQ(decoded.behind, c.behind) << c.text;
    }
  }
}

TEST(ChunkedDecoderTest, WhatCouldBeReadInTwoWaysIsAnError) {
  const std::string cases[] = {
      "\r\n",
      " 5\r\nhello\r\n",
      "5 \r\nhello\r\n",
      "+5\r\nhello\r\n",
      "-1\r\n",
      "0x5\r\nhello\r\n",
      "5h\r\nhello\r\n",
      "5\nhello\n",
      "5\rhello\r\n",
      "5\r\nhello\n0\r\n\r\n",
      "5\r\nhello!\r\n",
      "5\r\nhello0\r\n\r\n",
      "5\r\nhell\r\n0\r\n\r\n",
      "10000000000000000\r\n",
      "FFFFFFFFFFFFFFFF\r\nx",
      ";x\r\n",
      "5;a\rb\r\nhello\r\n",
      "5;" + std::string(300, 'x') + "\r\nhello\r\n",
      std::string(300, '0'),
      "0\r\nX: 1\n\r\n",
      "0\r\nX: a\rb\r\n\r\n",
      "0\r\n" + std::string(5000, 'x') + "\r\n\r\n",
  };
  for (const std::string& text : cases) {
    for (const std::size_t step : {std::size_t{1}, text.size()}) {
      const Decoded decoded = Decode(text, step);
      EXPECT_TRUE(absl::IsInvalidArgument(decoded.status)) << text << decoded.status;
      EXPECT_FALSE(decoded.done) << text;
    }
  }
  // Many lines of trailers are no more than few.
  std::string many = "0\r\n";
  for (int i = 0; i < 1000; ++i) many += "X: 123456\r\n";
  EXPECT_TRUE(absl::IsInvalidArgument(Decode(many + "\r\n", 100).status));
}

TEST(ChunkedDecoderTest, StopsWhereItsDataIsRefused) {
  ChunkedDecoder decoder;
  const auto fed = decoder.Feed("5\r\nhello\r\n",
                                [](std::string_view) { return absl::OutOfRangeError("enough"); });
  EXPECT_TRUE(absl::IsOutOfRange(fed.status()));
}

}  // namespace
}  // namespace waypost::http
