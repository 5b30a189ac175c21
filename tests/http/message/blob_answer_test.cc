#include "http/message/blob_answer.h"

#include <gtest/gtest.h>

#include <map>

#include "base/byte_source.h"

namespace waypost::http {
namespace {

class Digits final : public base::ByteSource {
 public:
  uint64_t size_bytes() const override { return in_memory().size(); }
  absl::StatusOr<std::size_t> ReadAt(uint64_t, std::span<char>) const override { return 0; }
  int fd() const override { return -1; }
  std::string_view in_memory() const override { return "0123456789"; }
};

// Of ten digits, with a header that goes with the bytes.
Response Answer(std::optional<std::string_view> range) {
  Response response;
  response.Set("ETag", "\"tag\"");
  return BlobAnswer(std::move(response), range, std::make_shared<Digits>());
}
std::map<std::string, std::string> HeadersOf(const Response& response) {
  return {response.headers.begin(), response.headers.end()};
}

TEST(BlobAnswerTest, IsAllOfItOrTheOneRangeThatWasAskedFor) {
  struct Case {
    std::optional<std::string_view> range;
    int status;
    uint64_t offset, length;
    const char* content_range;
  };
  for (const Case& c :
       {Case{std::nullopt, 200, 0, 10, ""}, Case{"pages=1-2", 200, 0, 10, ""},
        Case{"bytes=2-4", 206, 2, 3, "bytes 2-4/10"}, Case{"bytes=8-", 206, 8, 2, "bytes 8-9/10"},
        Case{"bytes=-3", 206, 7, 3, "bytes 7-9/10"}}) {
    const Response response = Answer(c.range);
    const std::string name(c.range.value_or("none"));
    EXPECT_EQ(response.status, c.status) << name;
    const auto& part = std::get<SourcePart>(response.body);
    EXPECT_EQ(part.offset, c.offset) << name;
    EXPECT_EQ(part.length, c.length) << name;
    auto headers = HeadersOf(response);
    EXPECT_EQ(headers["Content-Range"], c.content_range) << name;
    EXPECT_EQ(headers["Accept-Ranges"], "bytes");
    EXPECT_EQ(headers["ETag"], "\"tag\"");
  }
}

TEST(BlobAnswerTest, NoRangeOfItAndMoreThanOneAre416WithItsSize) {
  for (const char* range : {"bytes=10-", "bytes=10-20", "bytes=0-1,3-4"}) {
    const Response response = Answer(range);
    EXPECT_EQ(response.status, 416) << range;
    auto headers = HeadersOf(response);
    EXPECT_EQ(headers["Content-Range"], "bytes */10") << range;
    EXPECT_EQ(headers.count("ETag"), 0u);
    EXPECT_NE(std::get<std::string>(response.body).find("10 bytes"), std::string::npos);
  }
}

}  // namespace
}  // namespace waypost::http
