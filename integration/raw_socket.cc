#include "integration/raw_socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/numbers.h"

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

}  // namespace waypost::integration
