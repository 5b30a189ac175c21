#include "integration/http_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace waypost::integration {
namespace {

bool SendAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

// False at the deadline.
bool Readable(int fd, base::Millis timeout) {
  pollfd entry{.fd = fd, .events = POLLIN, .revents = 0};
  int ready = 0;
  do {
    ready = poll(&entry, 1, static_cast<int>(timeout.count()));
  } while (ready < 0 && errno == EINTR);
  return ready > 0;
}

}  // namespace

std::string HttpReply::Header(const std::string& lower_case_name) const {
  const auto found = headers.find(lower_case_name);
  return found == headers.end() ? "" : found->second;
}

int Connect(const std::string& address, const ConnectFrom& from) {
  const std::size_t colon = address.rfind(':');
  sockaddr_in where{};
  where.sin_family = AF_INET;
  uint32_t port = 0;
  if (colon == std::string::npos || !absl::SimpleAtoi(address.substr(colon + 1), &port) ||
      inet_pton(AF_INET, address.substr(0, colon).c_str(), &where.sin_addr) != 1) {
    return -1;
  }
  where.sin_port = htons(static_cast<uint16_t>(port));
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (from.receive_buffer_bytes > 0) {
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &from.receive_buffer_bytes,
               sizeof(from.receive_buffer_bytes));
  }
  sockaddr_in ours{};
  ours.sin_family = AF_INET;
  if (!from.address.empty() &&
      (inet_pton(AF_INET, from.address.c_str(), &ours.sin_addr) != 1 ||
       bind(fd, reinterpret_cast<const sockaddr*>(&ours), sizeof(ours)) != 0)) {
    close(fd);
    return -1;
  }
  if (connect(fd, reinterpret_cast<const sockaddr*>(&where), sizeof(where)) != 0) {
    close(fd);
    return -1;
  }
  return fd;
}

absl::StatusOr<std::unique_ptr<HttpStream>> HttpStream::Open(const std::string& address,
                                                             std::string_view request,
                                                             base::Millis timeout) {
  const int fd = Connect(address);
  if (fd < 0) return absl::UnavailableError("cannot connect to " + address);
  std::unique_ptr<HttpStream> stream(new HttpStream(fd, timeout));
  // A server may answer and close before it has read all: the answer counts.
  SendAll(fd, request);
  RETURN_IF_ERROR(stream->ReadHead());
  return stream;
}

HttpStream::~HttpStream() { close(fd_); }

absl::Status HttpStream::Fill() {
  if (!Readable(fd_, timeout_)) return absl::DeadlineExceededError("nothing came");
  char bytes[64 * 1024];
  ssize_t got = 0;
  do {
    got = recv(fd_, bytes, sizeof(bytes), 0);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return absl::UnavailableError("the connection was reset");
  if (got == 0) return absl::OutOfRangeError("the connection was closed");
  buffer_.append(bytes, static_cast<std::size_t>(got));
  return absl::OkStatus();
}

absl::StatusOr<std::string> HttpStream::RawLine() {
  std::size_t end = 0;
  while ((end = buffer_.find("\r\n")) == std::string::npos) RETURN_IF_ERROR(Fill());
  std::string line = buffer_.substr(0, end);
  buffer_.erase(0, end + 2);
  return line;
}

absl::Status HttpStream::ReadHead() {
  std::string line;
  ASSIGN_OR_RETURN(line, RawLine());
  if (line.compare(0, 9, "HTTP/1.1 ") != 0 ||
      !absl::SimpleAtoi(line.substr(9, 3), &reply_.status)) {
    return absl::DataLossError("no HTTP answer: " + line);
  }
  while (true) {
    ASSIGN_OR_RETURN(line, RawLine());
    if (line.empty()) break;
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) return absl::DataLossError("no header: " + line);
    reply_.headers[absl::AsciiStrToLower(line.substr(0, colon))] =
        std::string(absl::StripAsciiWhitespace(line.substr(colon + 1)));
  }
  if (reply_.status == 100) {
    reply_ = {};
    return ReadHead();
  }
  chunked_ = reply_.Header("transfer-encoding") == "chunked";
  const std::string length = reply_.Header("content-length");
  uint64_t bytes = 0;
  if (!length.empty()) {
    if (!absl::SimpleAtoi(length, &bytes)) return absl::DataLossError("Content-Length: " + length);
    left_ = bytes;
  }
  if (reply_.status == 204 || reply_.status == 304) left_ = 0;
  return absl::OkStatus();
}

absl::StatusOr<std::string> HttpStream::ReadSome() {
  if (ended_) return std::string();
  if (chunked_ && left_.value_or(0) == 0) {
    std::string size;
    ASSIGN_OR_RETURN(size, RawLine());
    left_ = std::strtoull(size.c_str(), nullptr, 16);
    if (*left_ == 0) {
      ended_ = true;
      RETURN_IF_ERROR(RawLine().status());
      return std::string();
    }
  }
  if (left_ && *left_ == 0) {
    ended_ = true;
    return std::string();
  }
  if (buffer_.empty()) {
    const absl::Status filled = Fill();
    if (absl::IsOutOfRange(filled)) {
      ended_ = true;
      if (left_)
        return absl::DataLossError(absl::StrCat("the body ended ", *left_, " bytes early"));
      return std::string();
    }
    RETURN_IF_ERROR(filled);
  }
  const std::size_t take = left_ ? std::min<uint64_t>(*left_, buffer_.size()) : buffer_.size();
  std::string piece = buffer_.substr(0, take);
  buffer_.erase(0, take);
  if (left_) *left_ -= take;
  if (chunked_ && *left_ == 0) RETURN_IF_ERROR(RawLine().status());
  return piece;
}

absl::StatusOr<std::optional<std::string>> HttpStream::ReadLine() {
  while (true) {
    const std::size_t end = line_.find('\n');
    if (end != std::string::npos) {
      std::string line = line_.substr(0, end);
      line_.erase(0, end + 1);
      return std::optional<std::string>(std::move(line));
    }
    std::string more;
    ASSIGN_OR_RETURN(more, ReadSome());
    if (more.empty()) return std::optional<std::string>();
    line_ += more;
  }
}

absl::StatusOr<std::string> HttpStream::ReadAll() {
  std::string all;
  while (true) {
    std::string more;
    ASSIGN_OR_RETURN(more, ReadSome());
    if (more.empty()) return all;
    all += more;
  }
}

std::string HttpClient::Format(const HttpCall& call) const {
  std::string request = absl::StrCat(call.method, " ", call.target, " HTTP/1.1\r\n");
  bool host = false;
  for (const auto& header : call.headers) {
    absl::StrAppend(&request, header.first, ": ", header.second, "\r\n");
    host = host || header.first == "Host";
  }
  if (!host) absl::StrAppend(&request, "Host: ", address_, "\r\n");
  if (!token_.empty()) absl::StrAppend(&request, "Authorization: Bearer ", token_, "\r\n");
  if (call.method != "GET" && call.method != "HEAD") {
    absl::StrAppend(&request, "Content-Length: ", call.body.size(), "\r\n");
  }
  return absl::StrCat(request, "Connection: close\r\n\r\n", call.body);
}

absl::StatusOr<std::unique_ptr<HttpStream>> HttpClient::OpenStream(const HttpCall& call) const {
  return HttpStream::Open(address_, Format(call), call.timeout);
}

absl::StatusOr<HttpReply> HttpClient::Send(const HttpCall& call) const {
  std::unique_ptr<HttpStream> stream;
  ASSIGN_OR_RETURN(stream, OpenStream(call));
  HttpReply reply = stream->head();
  if (call.method == "HEAD") return reply;
  ASSIGN_OR_RETURN(reply.body, stream->ReadAll());
  return reply;
}

std::string SendRaw(const std::string& address, std::string_view bytes, bool end_early,
                    base::Millis timeout) {
  const int fd = Connect(address);
  if (fd < 0) return {};
  SendAll(fd, bytes);
  if (end_early) shutdown(fd, SHUT_WR);
  std::string answer;
  char piece[4096];
  while (Readable(fd, timeout)) {
    const ssize_t got = recv(fd, piece, sizeof(piece), 0);
    if (got <= 0) break;
    answer.append(piece, static_cast<std::size_t>(got));
  }
  close(fd);
  return answer;
}

std::string EscapePath(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (absl::ascii_isalnum(byte) || std::string_view("-._~/").find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
  return out;
}

}  // namespace waypost::integration
