#include "http/client/app_client.h"

#include <gtest/gtest.h>

#include <atomic>

#include "http/engine/engine.h"
#include "http/message/errors.h"
#include "tests/http/engine/raw_client.h"

namespace waypost::http {
namespace {

// Three lines, at once.
class Lines final : public Subscription {
 public:
  void Start(std::function<void()>) override {}
  Result Step(base::SteadyTime) override {
    Result result;
    result.bytes = "one\ntwo\nthree\n";
    result.end = true;
    return result;
  }
};

class AppClientTest : public testing::Test {
 protected:
  AppClientTest()
      : engine_(
            {.listener = "app", .address = "127.0.0.1:0", .workers = 2},
            [this](Request& request) { return Handle(request); },
            [](const Request&) { return "any"; }) {
    EXPECT_TRUE(engine_.Start().ok());
    options_.address = engine_.bound_address();
    options_.token = "secret";
  }
  ~AppClientTest() override { engine_.Shutdown(base::Millis(1000)); }

  Response Handle(Request& request) {
    Response response;
    if (request.path == "/refuse") return ErrorResponse(absl::OutOfRangeError("too big for us"));
    if (request.path == "/lines") {
      response.body = std::shared_ptr<Subscription>(std::make_shared<Lines>());
      return response;
    }
    std::string text = request.method + " " + request.path + " " +
                       std::string(request.Header("authorization").value_or("")) + " ";
    if (request.body != nullptr) {
      const absl::Status read = request.body->Read([&](std::string_view piece) {
        text.append(piece);
        return absl::OkStatus();
      });
      EXPECT_TRUE(read.ok());
    }
    response.body = text;
    return response;
  }

  Engine engine_;
  AppClient::Options options_;
};

TEST_F(AppClientTest, CallsWithTokenAndBody) {
  AppClient client(options_);
  const auto get = client.Must({.target = "/a"});
  ASSERT_TRUE(get.ok()) << get.status();
  EXPECT_EQ(get->body, "GET /a Bearer secret ");
  const auto post = client.Must({.method = "POST", .target = "/b", .body = "data"});
  ASSERT_TRUE(post.ok());
  EXPECT_EQ(post->body, "POST /b Bearer secret data");
  EXPECT_EQ(client.Must({.method = "DELETE", .target = "/c"})->body, "DELETE /c Bearer secret ");
}

TEST_F(AppClientTest, UploadsPieceByPieceAndSaysHowFar) {
  AppClient client(options_);
  const uint64_t total = 3 << 20;
  uint64_t given = 0, told = 0;
  AppClient::Call call{.method = "PUT", .target = "/up"};
  call.upload_bytes = total;
  call.upload = [&](std::span<char> buffer) -> absl::StatusOr<std::size_t> {
    std::fill(buffer.begin(), buffer.end(), 'x');
    given += buffer.size();
    return buffer.size();
  };
  call.on_sent = [&](uint64_t sent) { told = sent; };
  const auto reply = client.Must(call);
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(given, total);
  EXPECT_EQ(told, total);
  EXPECT_EQ(reply->body, "PUT /up Bearer secret " + std::string(total, 'x'));
}

TEST_F(AppClientTest, ARefusedUploadEndsEarlyWithTheReason) {
  AppClient client(options_);
  AppClient::Call call{.method = "PUT", .target = "/refuse"};
  call.upload_bytes = uint64_t{1} << 40;
  call.upload = [&](std::span<char> buffer) -> absl::StatusOr<std::size_t> {
    return buffer.size();
  };
  const auto reply = client.Must(call);
  EXPECT_EQ(reply.status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(reply.status().message(), "too big for us");
  EXPECT_TRUE(client.Must({.target = "/a"}).ok());
}

TEST_F(AppClientTest, StreamsLines) {
  AppClient client(options_);
  std::vector<std::string> lines;
  AppClient::Call call{.target = "/lines"};
  call.line_sink = [&](std::string_view line) {
    lines.emplace_back(line);
    return absl::OkStatus();
  };
  ASSERT_TRUE(client.Must(call).ok());
  EXPECT_EQ(lines, (std::vector<std::string>{"one", "two", "three"}));
  call.line_sink = [&](std::string_view) { return absl::AbortedError("enough"); };
  EXPECT_EQ(client.Must(call).status().code(), absl::StatusCode::kAborted);
  EXPECT_TRUE(client.Must({.target = "/a"}).ok());
}

TEST_F(AppClientTest, AServiceThatIsNotThereIsUnavailable) {
  AppClient client(options_);
  ASSERT_TRUE(client.Must({.target = "/a"}).ok());
  engine_.Shutdown(base::Millis(1000));
  const auto reply = client.Must({.target = "/a"});
  EXPECT_EQ(reply.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(std::string(reply.status().message()).find("not reachable"), std::string::npos);
}

TEST(EscapeSegmentTest, KeepsOnlyUnreservedCharacters) {
  EXPECT_EQ(EscapeSegment("a/b c+d%\xC3\xA9~_.-"), "a%2Fb%20c%2Bd%25%C3%A9~_.-");
}

}  // namespace
}  // namespace waypost::http
