#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "base/clock.h"
#include "http/message/json.h"
#include "http/message/message.h"

namespace waypost::http {

// The one table between absl::Status and HTTP: the status and the error code of docs/openapi.yaml.
struct HttpError {
  int status = 500;
  const char* code = "internal";
};
HttpError ErrorOf(const absl::Status& status);
// {"error":{"code","message","retry_after_ms"?}}, to which the engine adds the "request_id", with
// Retry-After when given. Members of `beside` come behind "error".
Response ErrorResponse(const absl::Status& status,
                       std::optional<base::Millis> retry_after = std::nullopt,
                       const Json& beside = nullptr);
// For codes that no absl::Status has: 405, 411, 414, 415, 416, 431.
Response ErrorResponse(int status, const char* code, const std::string& message);
// Adds "request_id" to the body of an error; leaves any other as it is.
void AddRequestId(std::string& body, std::string_view request_id);
// The way back, for clients: from an answer's status and its body, if that is one of an error. Of
// its message that much is kept. Whatever the body is, it is read once and nothing is built of it.
absl::Status StatusOf(int http_status, std::string_view body,
                      std::size_t message_bytes_max = std::string_view::npos);

}  // namespace waypost::http
