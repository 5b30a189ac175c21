#include "http/message/errors.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "http/message/json.h"

namespace waypost::http {
namespace {

std::string HeaderOf(const Response& response, const std::string& name) {
  for (const auto& header : response.headers) {
    if (header.first == name) return header.second;
  }
  return "";
}

TEST(ErrorsTest, EveryStatusHasItsNumberAndCodeBothWays) {
  struct {
    absl::Status status;
    int http;
    const char* code;
  } cases[] = {
      {absl::InvalidArgumentError("m"), 400, "invalid_argument"},
      {absl::UnauthenticatedError("m"), 401, "unauthenticated"},
      {absl::PermissionDeniedError("m"), 403, "permission_denied"},
      {absl::NotFoundError("m"), 404, "not_found"},
      {absl::FailedPreconditionError("m"), 409, "failed_precondition"},
      {absl::AlreadyExistsError("m"), 409, "already_exists"},
      {absl::CancelledError("m"), 410, "expired"},
      {absl::AbortedError("m"), 412, "precondition_failed"},
      {absl::OutOfRangeError("m"), 413, "too_large"},
      {base::DigestMismatchError("m"), 422, "digest_mismatch"},
      {absl::ResourceExhaustedError("m"), 429, "resource_exhausted"},
      {absl::InternalError("m"), 500, "internal"},
      {absl::DataLossError("m"), 500, "internal"},
      {absl::UnimplementedError("m"), 501, "unimplemented"},
      {absl::UnavailableError("m"), 503, "unavailable"},
      {absl::DeadlineExceededError("m"), 504, "deadline_exceeded"},
      {base::NoSpaceError("m"), 507, "no_space"},
  };
  for (const auto& c : cases) {
    const Response response = ErrorResponse(c.status);
    EXPECT_EQ(response.status, c.http) << c.code;
    const Json body = Json::parse(std::get<std::string>(response.body));
    EXPECT_EQ(body["error"]["code"], c.code);
    EXPECT_EQ(body["error"]["message"], "m");
    EXPECT_FALSE(body["error"].contains("retry_after_ms"));
    const absl::Status back = StatusOf(c.http, std::get<std::string>(response.body));
    EXPECT_EQ(ErrorOf(back).status, c.http) << c.code;
    EXPECT_STREQ(ErrorOf(back).code, c.code);
    EXPECT_EQ(back.message(), "m");
  }
}

TEST(ErrorsTest, RetryAfterIsInTheBodyAndRoundedUpInTheHeader) {
  const Response given = ErrorResponse(absl::UnavailableError("m"), base::Millis(1001));
  EXPECT_EQ(HeaderOf(given, "Retry-After"), "2");
  EXPECT_EQ(Json::parse(std::get<std::string>(given.body))["error"]["retry_after_ms"], 1001);
  const Response carried =
      ErrorResponse(base::WithRetryAfter(absl::UnavailableError("m"), base::Millis(500)));
  EXPECT_EQ(HeaderOf(carried, "Retry-After"), "1");
}

TEST(ErrorsTest, TextThatIsNoUtf8IsReplacedInTheBody) {
  const Response response = ErrorResponse(absl::InvalidArgumentError("bad key \xFF\"\n"));
  const Json body = Json::parse(std::get<std::string>(response.body));
  EXPECT_EQ(body["error"]["message"], "bad key \xEF\xBF\xBD\"\n");
}

TEST(ErrorsTest, AnUnknownCodeFallsBackToTheNumber) {
  EXPECT_EQ(StatusOf(404, "").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(StatusOf(418, R"({"error":{"code":"teapot","message":"m"}})").code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(StatusOf(502, "<html>").code(), absl::StatusCode::kUnavailable);
  // Not the shape of an error, or only a part of it.
  for (const char* body : {"[]", "{}", R"({"error":"not_found"})", R"({"error":{"code":404}})",
                           R"({"error":{"message":["m"]}})"}) {
    EXPECT_EQ(StatusOf(400, body), absl::InvalidArgumentError("HTTP status 400")) << body;
  }
}

TEST(ErrorsTest, OfAnErrorOnlyItsOwnFieldsAreTaken) {
  const absl::Status status =
      StatusOf(400, R"({"code":"no_space","x":{"code":"no_space"},"error":{"a":{"message":"no"},)"
                    R"("list":["no_space"],"code":"not_found","message":"m","z":[{"code":1}]}})");
  EXPECT_EQ(status, absl::NotFoundError("m"));
}

TEST(ErrorsTest, ABodyOfManyKeysIsReadOnce) {
  std::string body = "{\"error\":{";
  for (int i = 0; i < 100'000; ++i) absl::StrAppend(&body, "\"", i, "\":0,");
  body += R"("code":"not_found","message":"m"}})";
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(StatusOf(500, body), absl::NotFoundError("m"));
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(2));
}

TEST(ErrorsTest, OfALongMessageAsMuchIsKeptAsIsWanted) {
  const char* const body = R"({"error":{"code":"no_space","message":"0123456789"}})";
  const absl::Status status = StatusOf(507, body, /*message_bytes_max=*/4);
  EXPECT_EQ(status.message(), "0123");
  EXPECT_TRUE(base::IsNoSpace(status));
  EXPECT_EQ(StatusOf(404, "").message(), "HTTP status 404");
}

}  // namespace
}  // namespace waypost::http
