#include "http/engine_httplib.h"

#include <algorithm>
#include <cstring>

#include "http/router.h"
#include "http/text.h"
#include "httplib.h"

namespace waypost::http {
namespace {

// Gives httplib the head from memory and takes what it writes.
class MemoryStream final : public httplib::Stream {
 public:
  explicit MemoryStream(const std::string& input) : input_(input) {}
  bool is_readable() const override { return position_ < input_.size(); }
  bool is_writable() const override { return true; }
  ssize_t read(char* ptr, size_t size) override {
    const std::size_t count = std::min(size, input_.size() - position_);
    std::memcpy(ptr, input_.data() + position_, count);
    position_ += count;
    return static_cast<ssize_t>(count);
  }
  ssize_t write(const char* ptr, size_t size) override {
    output.append(ptr, size);
    return static_cast<ssize_t>(size);
  }
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  socket_t socket() const override { return -1; }

  std::string output;

 private:
  const std::string& input_;
  std::size_t position_ = 0;
};

// The target as sent, split and decoded by us: httplib takes a plus for a space, and decodes the
// path before anyone could tell %2F from a slash.
void SplitTarget(const std::string& target, Request& request) {
  const std::size_t mark = target.find('?');
  request.path = target.substr(0, mark);
  if (mark == std::string::npos) return;
  std::string_view rest = std::string_view(target).substr(mark + 1);
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

class HeadCodec::Parser final : public httplib::Server {
 public:
  Parser() {
    set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
      Handle(request, response);
      // Its own router is never reached.
      return httplib::Server::HandlerResponse::Handled;
    });
    set_post_routing_handler([this](const httplib::Request&, httplib::Response& response) {
      // Only the lengths, the type and the way of closing that we chose go out.
      const auto chosen = [this](const char* name) {
        return std::any_of(headers_.begin(), headers_.end(), [name](const auto& header) {
          return EqualsIgnoringCase(header.first, name);
        });
      };
      for (const char* name : {"Content-Length", "Content-Type", "Accept-Ranges", "Connection"}) {
        if (!chosen(name)) response.headers.erase(name);
      }
      response.headers.erase("Keep-Alive");
    });
  }

  std::string Process(const std::string& head,
                      const std::function<std::optional<AnswerHead>(Request&)>& answer) {
    answer_ = &answer;
    answered_ = false;
    headers_.clear();
    MemoryStream stream(head);
    bool closed = false;
    process_request(stream, /*close_connection=*/false, closed, nullptr);
    answer_ = nullptr;
    return answered_ ? std::move(stream.output) : std::string();
  }

 private:
  void Handle(const httplib::Request& from, httplib::Response& to) {
    Request request;
    request.method = from.method;
    SplitTarget(from.target, request);
    request.headers.reserve(from.headers.size());
    for (const auto& header : from.headers) {
      std::string name = LowerCase(header.first);
      // httplib's own additions; a client's header of such a name goes with them.
      if (name == "remote_addr" || name == "remote_port" || name == "local_addr" ||
          name == "local_port") {
        continue;
      }
      request.headers.emplace_back(std::move(name), header.second);
    }
    auto head = (*answer_)(request);
    if (!head) return;
    answered_ = true;
    headers_ = std::move(head->headers);
    if (head->close) headers_.emplace_back("Connection", "close");
    to.status = head->status;
    for (const auto& header : headers_) {
      // What carries a line break would be a head of its own; httplib drops it as well.
      if (header.second.find_first_of("\r\n") != std::string::npos) continue;
      to.headers.emplace(header.first, header.second);
    }
  }

  const std::function<std::optional<AnswerHead>(Request&)>* answer_ = nullptr;
  bool answered_ = false;
  std::vector<std::pair<std::string, std::string>> headers_;
};

HeadCodec::HeadCodec() : parser_(std::make_unique<Parser>()) {}
HeadCodec::~HeadCodec() = default;

std::string HeadCodec::Run(const std::string& head,
                           const std::function<std::optional<AnswerHead>(Request&)>& answer) {
  return parser_->Process(head, answer);
}

std::string HeadCodec::Format(const AnswerHead& answer) {
  static const std::string kAny = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
  return parser_->Process(kAny, [&answer](Request&) { return std::optional<AnswerHead>(answer); });
}

}  // namespace waypost::http
