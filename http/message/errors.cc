#include "http/message/errors.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/utf8.h"

// One table from status to HTTP and back. An error that crosses to another peer or to the command
// line comes out with the same code, and with its payloads: no room, digest mismatch, retry after.

namespace waypost::http {
namespace {

using absl::StatusCode;

struct Row {
  StatusCode status;
  HttpError http;
};
// The table both ways; the first row with a status or a code wins.
constexpr Row kTable[] = {
    {StatusCode::kInvalidArgument, {400, "invalid_argument"}},
    {StatusCode::kUnauthenticated, {401, "unauthenticated"}},
    {StatusCode::kPermissionDenied, {403, "permission_denied"}},
    {StatusCode::kNotFound, {404, "not_found"}},
    {StatusCode::kFailedPrecondition, {409, "failed_precondition"}},
    {StatusCode::kAlreadyExists, {409, "already_exists"}},
    // Invites: the store says kCancelled for one whose time is over.
    {StatusCode::kCancelled, {410, "expired"}},
    // A change whose If-Match or If-None-Match does not hold.
    {StatusCode::kAborted, {412, "precondition_failed"}},
    // The store says kOutOfRange for a blob over store.max_blob; 416 is made where ranges are read.
    {StatusCode::kOutOfRange, {413, "too_large"}},
    {StatusCode::kResourceExhausted, {429, "resource_exhausted"}},
    {StatusCode::kInternal, {500, "internal"}},
    {StatusCode::kDataLoss, {500, "internal"}},
    {StatusCode::kUnknown, {500, "internal"}},
    {StatusCode::kUnimplemented, {501, "unimplemented"}},
    {StatusCode::kUnavailable, {503, "unavailable"}},
    {StatusCode::kDeadlineExceeded, {504, "deadline_exceeded"}},
    // Only on the way back.
    {StatusCode::kInvalidArgument, {411, "length_required"}},
    {StatusCode::kInvalidArgument, {414, "uri_too_long"}},
    {StatusCode::kInvalidArgument, {415, "unsupported_media_type"}},
    {StatusCode::kOutOfRange, {416, "out_of_range"}},
    {StatusCode::kInvalidArgument, {431, "head_too_large"}},
    {StatusCode::kUnimplemented, {405, "method_not_allowed"}},
};

Response Render(int status, const char* code, const std::string& message,
                std::optional<base::Millis> retry_after, const Json& beside) {
  Json error = {{"code", code}, {"message", message}};
  Response response;
  response.status = status;
  response.Set("Content-Type", "application/json");
  if (retry_after) {
    const int64_t ms = std::max<int64_t>(retry_after->count(), 0);
    error["retry_after_ms"] = ms;
    response.Set("Retry-After", absl::StrCat((ms + 999) / 1000));
  }
  Json body = {{"error", std::move(error)}};
  for (const auto& [name, value] : beside.items()) body[name] = value;
  response.body = Dump(body) + "\n";
  return response;
}

// Finds code and message of {"error":{...}} and lets everything else pass.
class ErrorFinder final : public nlohmann::json_sax<Json> {
 public:
  std::string code, message;

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool string(string_t& value) override {
    if (depth_ == 2 && field_ != nullptr) *field_ = std::move(value);
    return true;
  }
  bool key(string_t& name) override {
    if (depth_ == 1) in_error_ = name == "error";
    if (depth_ <= 2) field_ = nullptr;
    if (depth_ == 2 && in_error_)
      field_ = name == "code" ? &code : name == "message" ? &message : nullptr;
    return true;
  }
  bool start_object(std::size_t) override { return ++depth_ > 0; }
  bool end_object() override { return depth_-- > 0; }
  bool start_array(std::size_t) override { return ++depth_ > 0; }
  bool end_array() override { return depth_-- > 0; }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    code.clear();
    message.clear();
    return false;
  }

 private:
  int depth_ = 0;
  bool in_error_ = false;
  std::string* field_ = nullptr;
};

}  // namespace

HttpError ErrorOf(const absl::Status& status) {
  if (status.ok()) return {200, "ok"};
  // There is room, but not for so large a file.
  if (base::IsFileTooLarge(status)) return {413, "too_large"};
  if (base::IsNoSpace(status)) return {507, "no_space"};
  if (base::IsDigestMismatch(status)) return {422, "digest_mismatch"};
  for (const Row& row : kTable) {
    if (row.status == status.code()) return row.http;
  }
  return {};
}

Response ErrorResponse(const absl::Status& status, std::optional<base::Millis> retry_after,
                       const Json& beside) {
  const HttpError error = ErrorOf(status);
  if (!retry_after) retry_after = base::RetryAfterOf(status);
  return Render(error.status, error.code, std::string(status.message()), retry_after, beside);
}

Response ErrorResponse(int status, const char* code, const std::string& message) {
  return Render(status, code, message, std::nullopt, nullptr);
}

void AddRequestId(std::string& body, std::string_view request_id) {
  constexpr std::string_view kError = "{\"error\":{";
  if (!body.starts_with(kError)) return;
  // Ids are letters, digits and dashes.
  body.insert(kError.size(), absl::StrCat("\"request_id\":\"", base::Abs(request_id), "\","));
}

absl::Status StatusOf(int http_status, std::string_view body, std::size_t message_bytes_max) {
  ErrorFinder found;
  Json::sax_parse(body.begin(), body.end(), &found);
  const std::string& code = found.code;
  const std::string text = found.message.empty() ? absl::StrCat("HTTP status ", http_status)
                                                 : base::CutText(found.message, message_bytes_max);
  if (http_status == 507 || code == "no_space") return base::NoSpaceError(text);
  if (http_status == 422 || code == "digest_mismatch") return base::DigestMismatchError(text);
  for (const Row& row : kTable) {
    if (code == row.http.code) return {row.status, text};
  }
  for (const Row& row : kTable) {
    if (http_status == row.http.status) return {row.status, text};
  }
  if (http_status >= 500) return absl::UnavailableError(text);
  if (http_status >= 400) return absl::InvalidArgumentError(text);
  return absl::InternalError(text);
}

}  // namespace waypost::http
