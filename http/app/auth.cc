#include "http/app/auth.h"

#include <arpa/inet.h>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/host_port.h"
#include "base/log.h"
#include "base/status.h"
#include "base/utf8.h"
#include "http/app/app_context.h"
#include "http/message/errors.h"
#include "http/message/later_answer.h"
#include "http/message/text.h"

// Who may call the app API. Host and Origin are checked for every call, also for those that need no
// token, so that a web page cannot make a browser ask here in its name. Numbers are accepted as
// Host where all addresses are bound, names only if they are configured: a name could be made to
// point here by somebody else.

namespace waypost::http {
namespace {

bool IsNumeric(const std::string& host) {
  unsigned char buffer[16];
  if (host.size() > 2 && host.front() == '[') {
    return inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), buffer) == 1;
  }
  return inet_pton(AF_INET, host.c_str(), buffer) == 1;
}

}  // namespace

std::string_view BearerOf(const Request& request) {
  const auto header = request.Header("authorization");
  if (!header || !absl::StartsWithIgnoreCase(base::Abs(*header), "Bearer ")) return "";
  return TrimSpaces(header->substr(7));
}

std::string HostOf(std::string_view authority) {
  std::string host = absl::AsciiStrToLower(base::Abs(authority));
  if (!host.empty() && host.front() == '[') {
    const std::size_t end = host.find(']');
    if (end == std::string::npos) return "";
    const std::string port = host.substr(end + 1);
    if (!port.empty() && (port[0] != ':' || !ParseDecimal(port.substr(1)))) return "";
    return host.substr(0, end + 1);
  }
  const std::size_t colon = host.find(':');
  if (colon == std::string::npos) return host;
  if (!ParseDecimal(std::string_view(host).substr(colon + 1))) return "";
  return host.substr(0, colon);
}

bool Auth::HostAllowed(std::string_view authority) const {
  const std::string host = HostOf(authority);
  if (host.empty()) return false;
  if (host == "localhost" || host == "127.0.0.1" || host == "[::1]") return true;
  const std::shared_ptr<const Sites> allowed_sites = options_.sites.now();
  for (const std::string& allowed : allowed_sites->hosts) {
    if (absl::EqualsIgnoreCase(allowed, base::Abs(authority)) ||
        absl::EqualsIgnoreCase(allowed, host)) {
      return true;
    }
  }
  for (const std::string& bound : options_.bound_hosts()) {
    const std::string bound_host = HostOf(bound);
    if (bound_host == host) return true;
    // Bound to every address: any number may be one of ours, and a number is no name that someone
    // else could let point here.
    if ((bound_host == "0.0.0.0" || bound_host == "[::]") && IsNumeric(host)) return true;
  }
  return false;
}

std::optional<Response> Auth::CheckOrigin(const Request& request) const {
  const std::string_view host = request.Header("host").value_or("");
  if (!HostAllowed(host)) {
    return ErrorResponse(absl::PermissionDeniedError(absl::StrCat(
        "the Host \"", base::CutText(host, 200), "\" is not served: see http.allowed_hosts")));
  }
  const auto origin = request.Header("origin");
  const auto is_origin = [&](const char* scheme) {
    return absl::EqualsIgnoreCase(base::Abs(*origin), absl::StrCat(scheme, base::Abs(host)));
  };
  if (origin && !is_origin("http://") && !is_origin("https://") && !AllowedOrigin(request)) {
    return ErrorResponse(absl::PermissionDeniedError(
        absl::StrCat("requests of pages of \"", base::CutText(*origin, 200),
                     "\" are refused: see http.allowed_origins")));
  }
  return std::nullopt;
}

std::optional<std::string> Auth::AllowedOrigin(const Request& request) const {
  const auto origin = request.Header("origin");
  if (!origin) return std::nullopt;
  const std::shared_ptr<const Sites> allowed = options_.sites.now();
  for (const std::string& each : allowed->origins) {
    if (absl::EqualsIgnoreCase(each, base::Abs(*origin))) return std::string(*origin);
  }
  return std::nullopt;
}

std::optional<Response> Auth::Preflight(const Request& request) const {
  if (request.method != "OPTIONS" || !request.Header("access-control-request-method")) {
    return std::nullopt;
  }
  if (auto refused = CheckOrigin(request)) return refused;
  if (!AllowedOrigin(request)) return std::nullopt;
  Response response;
  response.status = 204;
  response.Set("Access-Control-Allow-Methods", "GET, HEAD, PUT, POST, PATCH, DELETE");
  response.Set("Access-Control-Allow-Headers",
               "Authorization, Content-Type, If-Match, If-None-Match, If-Range, Last-Event-ID, "
               "Range");
  response.Set("Access-Control-Max-Age", "600");
  return response;
}

void Auth::LetRead(const Request& request, Response& response) const {
  const auto origin = AllowedOrigin(request);
  if (!origin) return;
  const std::vector<std::pair<std::string, std::string>> headers = {
      {"Access-Control-Allow-Origin", *origin},
      {"Access-Control-Expose-Headers",
       "Accept-Ranges, Content-Disposition, Content-Range, Date, ETag, Repr-Digest, Retry-After, "
       "Waypost-Request-Id"},
      {"Vary", "Origin"}};
  for (const auto& header : headers) response.headers.push_back(header);
  if (auto* later = std::get_if<std::shared_ptr<Subscription>>(&response.body)) {
    *later = WithHeaders(std::move(*later), headers);
  }
}

Response Auth::Wrong(const Request& request) const {
  wrong_.Add();
  Response refused = ErrorResponse(absl::UnauthenticatedError(
      "this token is none, or it has ended: make one with waypost token create"));
  refused.Set("WWW-Authenticate", "Bearer");
  const std::string from = base::NetworkOf(request.remote_address);
  const base::SteadyTime now = options_.clock.SteadyNow();
  if (log_.May(from, now)) {
    base::LogWarning("a wrong token from ", request.remote_address, " for ", request.method,
                     ", request ", request.id, "; so far ", wrong_.value());
  }
  const auto wait = limiter_.Wait(from, now);
  limiter_.Note(from, now);
  if (!wait) return refused;
  if (held_back_->fetch_add(1) >= kHeldBackMax) {
    held_back_->fetch_sub(1);
    return ErrorResponse(absl::ResourceExhaustedError("too many wrong tokens"), *wait);
  }
  // Given back when the answer has left or the caller has.
  const std::shared_ptr<void> place(nullptr, [count = held_back_](void*) { count->fetch_sub(1); });
  Response later;
  later.body =
      WaitUntil({}, now + kHeldBack, [place, refused](bool last) -> std::unique_ptr<Response> {
        return last ? std::make_unique<Response>(refused) : nullptr;
      });
  return later;
}

std::optional<Response> Auth::Check(Request& request, Right right) const {
  if (auto refused = CheckOrigin(request)) return refused;
  if (right == Right::kAnybody) return std::nullopt;
  const std::string_view token = BearerOf(request);
  if (token.empty() && request.by_owner) {
    request.caller = options_.tokens.Owner();
    return std::nullopt;
  }
  if (token.empty()) {
    Response response = ErrorResponse(absl::UnauthenticatedError(
        "send the token: Authorization: Bearer <what is in api.token of the data folder>"));
    response.Set("WWW-Authenticate", "Bearer");
    return response;
  }
  request.caller = options_.tokens.Find(token);
  if (request.caller == nullptr) return Wrong(request);
  if (request.caller->right >= right) return std::nullopt;
  return ErrorResponse(absl::PermissionDeniedError(
      absl::StrCat("this token may ", RightName(request.caller->right), ", and this call needs ",
                   RightName(right), ": use one with that right, as in api.token")));
}

}  // namespace waypost::http
