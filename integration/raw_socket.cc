#include "integration/raw_socket.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/numbers.h"

// Plain sockets with a deadline on each wait: bytes go out as they are, and what comes back is kept
// as it came. Nothing here knows HTTP.

namespace waypost::integration {
namespace {

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

bool SendAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
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

PortListener::PortListener(const std::string& address) {
  sockaddr_in where{};
  where.sin_family = AF_INET;
  const std::size_t colon = address.rfind(':');
  uint32_t port = 0;
  const int on = 1;
  fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  const bool named = colon != std::string::npos &&
                     absl::SimpleAtoi(address.substr(colon + 1), &port) &&
                     inet_pton(AF_INET, address.substr(0, colon).c_str(), &where.sin_addr) == 1;
  where.sin_port = htons(static_cast<uint16_t>(port));
  EXPECT_TRUE(named && bind(fd_, reinterpret_cast<const sockaddr*>(&where), sizeof(where)) == 0 &&
              listen(fd_, 8) == 0)
      << address;
  thread_ = std::thread([this] { Run(); });
}

PortListener::~PortListener() {
  shutdown(fd_, SHUT_RDWR);  // ends accept()
  thread_.join();
  close(fd_);
}

std::string PortListener::heard() const {
  const std::lock_guard lock(mutex_);
  return heard_;
}

void PortListener::Run() {
  while (true) {
    const int fd = accept(fd_, nullptr, nullptr);
    if (fd < 0) return;
    std::string request;
    char piece[4096];
    while (request.find("\r\n\r\n") == std::string::npos && Readable(fd, base::Millis(5000))) {
      const ssize_t got = recv(fd, piece, sizeof(piece), 0);
      if (got <= 0) break;
      request.append(piece, static_cast<std::size_t>(got));
    }
    {
      const std::lock_guard lock(mutex_);
      heard_ += request;
    }
    SendAll(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    close(fd);
  }
}

}  // namespace waypost::integration
