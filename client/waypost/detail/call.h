#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "waypost/detail/connection.h"
#include "waypost/detail/text.h"
#include "waypost/exchange.h"

// One request and its answer, with everything that httplib lets pass.
namespace waypost::client::detail {

// The service's own id goes before that of a proxy between, which its log does not have.
inline std::string RequestIdOf(const Answer& answer) {
  std::string id = answer.Header("waypost-request-id");
  return id.empty() ? answer.Header("x-request-id") : id;
}

// One thread, one Run.
class Call {
 public:
  Call(const Endpoint& endpoint, uint64_t kept_bytes_max, const Request& request,
       const Receiver& receiver, const Deadline& deadline)
      : endpoint_(endpoint),
        kept_bytes_max_(kept_bytes_max),
        request_(request),
        receiver_(receiver),
        deadline_(deadline) {}

  // Any status is an answer. Errors: kUsage, kFile (of the source), kConnection, kDeadline,
  // kStopped, kIntegrity.
  Result<Answer> Run() {
    const auto where = SplitAddress(endpoint_.address);
    if (!where) return Bad(ErrorKind::kUsage, "no address: \"" + endpoint_.address + "\"");
    httplib::Request request;
    if (!Fill(request)) return *failed_;
    request.response_handler = [this](const httplib::Response& head) { return TakeHead(head); };
    request.content_receiver = [this](const char* data, std::size_t size, uint64_t, uint64_t) {
      return TakeBytes(std::string_view(data, size));
    };
    Connection connection(endpoint_, *where, deadline_);
    wire_ = &connection.wire();
    httplib::Response response;
    httplib::Error error = httplib::Error::Success;
    const bool sent = connection.send(request, response, error);
    if (failed_) return *failed_;
    if (wire_->fault()) return WithStatus(*wire_->fault());
    if (enough_) return std::move(answer_);
    if (deadline_.stopped()) return Bad(ErrorKind::kStopped, "the caller ended the call");
    if (!sent) return Broken(error);
    // HEAD and 204 have no body, and httplib shows their heads nobody.
    if (answer_.status == 0 && !TakeHead(response)) return *failed_;
    if (!WholeBody()) return *failed_;
    return std::move(answer_);
  }

 private:
  Error Bad(ErrorKind kind, std::string message) const {
    return WithStatus({.kind = kind, .message = std::move(message)});
  }
  Error WithStatus(Error error) const {
    error.http_status = answer_.status;
    error.request_id = RequestIdOf(answer_);
    return error;
  }
  bool Fail(ErrorKind kind, std::string message) {
    if (!failed_) failed_ = Bad(kind, std::move(message));
    return false;
  }
  Error Broken(httplib::Error error) const {
    if (answer_.status != 0) {
      return Bad(ErrorKind::kIntegrity, length_
                                            ? "the body ended after " + std::to_string(received_) +
                                                  " of " + std::to_string(*length_) + " bytes"
                                            : "the body ended early");
    }
    return Bad(ErrorKind::kConnection,
               endpoint_.address + ": no answer (" + httplib::to_string(error) + ")");
  }

  bool Fill(httplib::Request& request);
  bool TakeHead(const httplib::Response& head);
  bool TakeBytes(std::string_view bytes);
  bool WholeBody();
  bool SendBody(std::size_t left, httplib::DataSink& sink);

  const Endpoint& endpoint_;
  const uint64_t kept_bytes_max_;
  const Request& request_;
  const Receiver& receiver_;
  const Deadline& deadline_;
  const Wire* wire_ = nullptr;
  std::array<char, 65536> piece_;  // of the source
  Answer answer_;
  std::optional<Error> failed_;
  std::optional<uint64_t> length_;  // announced
  bool chunked_ = false, keeps_ = true, enough_ = false;
  uint64_t received_ = 0;
};

inline bool IsOneLine(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

inline bool Call::Fill(httplib::Request& request) {
  request.method = request_.method;
  request.path = request_.target;
  bool one_line = IsOneLine(request_.method) && IsOneLine(request_.target) &&
                  IsOneLine(endpoint_.token) && request_.target.find(' ') == std::string::npos;
  for (const auto& [name, value] : request_.headers) {
    one_line = one_line && IsOneLine(name) && IsOneLine(value);
    request.headers.emplace(name, value);
  }
  if (!one_line) return Fail(ErrorKind::kUsage, "a line break in a request");
  if (!request.has_header("Host")) request.headers.emplace("Host", endpoint_.address);
  if (!endpoint_.token.empty() && !request.has_header("Authorization")) {
    request.headers.emplace("Authorization", "Bearer " + endpoint_.token);
  }
  const bool with_body = request_.source != nullptr || !request_.body.empty();
  if (with_body && !request.has_header("Content-Type")) {
    request.headers.emplace("Content-Type", "application/octet-stream");
  }
  if (request_.source == nullptr) {
    request.body = request_.body;
    return true;
  }
  request.content_length_ = request_.source->bytes;
  request.content_provider_ = [this](std::size_t, std::size_t left, httplib::DataSink& sink) {
    return SendBody(left, sink);
  };
  return true;
}

inline bool Call::SendBody(std::size_t left, httplib::DataSink& sink) {
  std::size_t count = std::min(left, piece_.size());
  // Refused already: what is left is skipped, for httplib reads no answer before all is sent.
  if (!wire_->answered_early()) {
    const std::ptrdiff_t read = request_.source->read(piece_.data(), count);
    if (read <= 0) {
      return Fail(ErrorKind::kFile,
                  read == 0 ? "what is put ended " + std::to_string(left) + " bytes early"
                            : "what is put cannot be read");
    }
    count = static_cast<std::size_t>(read);
  }
  return sink.write(piece_.data(), count);
}

inline bool Call::TakeHead(const httplib::Response& head) {
  answer_.status = head.status;
  for (const auto& [name, value] : head.headers) answer_.headers.emplace_back(name, value);
  const std::size_t lengths = head.get_header_value_count("Content-Length");
  const std::size_t codings = head.get_header_value_count("Transfer-Encoding");
  const std::string length = head.get_header_value("Content-Length");
  chunked_ = codings == 1 && head.get_header_value("Transfer-Encoding") == "chunked";
  length_ = ParseNumber(length);
  if (lengths > 1 || codings > 1 || lengths + codings > 1 || (lengths == 1 && !length_) ||
      (codings == 1 && !chunked_)) {
    return Fail(ErrorKind::kIntegrity, "it is not clear how long the answer's body is");
  }
  const bool bodiless = request_.method == "HEAD" || head.status == 204 || head.status == 304;
  // Without a length a body that is cut looks whole.
  if (!bodiless && lengths + codings == 0) {
    return Fail(ErrorKind::kIntegrity, "an answer without a length");
  }
  if (head.has_header("Content-Encoding")) {
    return Fail(ErrorKind::kIntegrity, "an answer in an encoding that nobody asked for");
  }
  keeps_ = (receiver_.head && !receiver_.head(answer_)) || !receiver_.bytes;
  return true;
}

inline bool Call::TakeBytes(std::string_view bytes) {
  received_ += bytes.size();
  if (keeps_) {
    if (received_ > kept_bytes_max_) {
      return Fail(ErrorKind::kIntegrity,
                  "an answer of more than " + std::to_string(kept_bytes_max_) + " bytes");
    }
    answer_.body.append(bytes);
    return true;
  }
  enough_ = !receiver_.bytes(bytes);
  return !enough_;
}

inline bool Call::WholeBody() {
  const bool bodiless = request_.method == "HEAD" || answer_.status == 204 || answer_.status == 304;
  if (bodiless) return true;
  if (length_ && received_ != *length_) {
    return Fail(ErrorKind::kIntegrity, "the body has " + std::to_string(received_) + " of " +
                                           std::to_string(*length_) + " bytes");
  }
  // httplib takes a bad chunk for the last one.
  if (chunked_ && wire_->tail() != "0\r\n\r\n") {
    return Fail(ErrorKind::kIntegrity, "the body ended early");
  }
  return true;
}

}  // namespace waypost::client::detail
