#include "http/engine/engine_head.h"

#include <optional>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "http/message/text.h"

// From checked facts to a Request, and from an answer to the bytes of its head. Only heads that
// CheckHead accepted come here, so nothing is judged again; a header value with a line break is
// left out rather than sent.

namespace waypost::http {
namespace {

// RFC 9110, 15.
constexpr std::pair<int, std::string_view> kReasonPhrases[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {499, "Client Closed Request"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {507, "Insufficient Storage"},
};

std::string_view ReasonPhrase(int status) {
  for (const auto& [known, phrase] : kReasonPhrases) {
    if (known == status) return phrase;
  }
  return "Unknown";
}

// Path and query are decoded apart: nobody could tell %2F from a slash otherwise.
void SplitTarget(std::string_view target, Request& request) {
  const std::size_t mark = target.find('?');
  request.path = std::string(target.substr(0, mark));
  if (mark == std::string_view::npos) return;
  std::string_view rest = target.substr(mark + 1);
  while (!rest.empty()) {
    const std::size_t end = rest.find('&');
    const std::string_view item = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    if (item.empty()) continue;
    const std::size_t equals = item.find('=');
    auto name = PercentDecode(item.substr(0, equals));
    auto value = equals == std::string_view::npos ? std::optional<std::string>("")
                                                  : PercentDecode(item.substr(equals + 1));
    // A malformed item keeps a name that no handler knows, so that it is refused by name.
    if (!name || !value) {
      request.query.emplace_back("malformed escape", std::string(item));
      continue;
    }
    request.query.emplace_back(std::move(*name), std::move(*value));
  }
}

}  // namespace

Request MakeRequest(HeadFacts& facts) {
  Request request;
  request.method = facts.method;
  SplitTarget(facts.target, request);
  request.headers = std::move(facts.headers);
  facts.headers.clear();
  return request;
}

std::string FormatHead(const AnswerHead& answer) {
  std::string out;
  out.reserve(512);
  absl::StrAppend(&out, "HTTP/1.1 ", answer.status, " ", base::Abs(ReasonPhrase(answer.status)),
                  "\r\n");
  for (const auto& [name, value] : answer.headers) {
    if (value.find_first_of("\r\n") != std::string::npos) continue;
    out.append(name).append(": ").append(value).append("\r\n");
  }
  if (answer.close) out.append("Connection: close\r\n");
  out.append("\r\n");
  return out;
}

}  // namespace waypost::http
