#pragma once

#include <fcntl.h>
#include <httplib.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "waypost/deadline.h"
#include "waypost/detail/tls.h"
#include "waypost/endpoint.h"
#include "waypost/result.h"

// One connection for one call: httplib's client, on a socket of ours. httplib writes the request,
// parses the answer's head and its chunks; the socket holds the deadline, which httplib has for
// single reads only, and bounds what httplib's parser is given.
namespace waypost::client::detail {

struct HostPort {
  std::string host, port;
};
// "127.0.0.1:7440", "[::1]:7440", "localhost:7440".
inline std::optional<HostPort> SplitAddress(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0) return std::nullopt;
  HostPort parts{.host = address.substr(0, colon), .port = address.substr(colon + 1)};
  if (parts.host.front() == '[' && parts.host.back() == ']') {
    parts.host = parts.host.substr(1, parts.host.size() - 2);
  }
  const bool number = !parts.port.empty() && parts.port.size() <= 5 &&
                      parts.port.find_first_not_of("0123456789") == std::string::npos;
  if (parts.host.empty() || !number || std::stoi(parts.port) > 65535) return std::nullopt;
  return parts;
}

// The socket as httplib sees it. The first thing that goes wrong is kept, because httplib has one
// word for all. One thread, but for the deadline's stop token.
class Wire final : public httplib::Stream {
 public:
  explicit Wire(const Deadline& deadline) : deadline_(deadline) {}

  // A socket, and with a fingerprint a handshake with who has that certificate; -1: see fault().
  // Names are looked up by the system, without a deadline; numbers need no looking up. The caller
  // closes the socket.
  int Connect(const Endpoint& endpoint);
  const std::optional<Error>& fault() const { return fault_; }
  // The other side answered or closed before it had the whole request: the rest is not sent.
  bool answered_early() const { return answered_early_; }
  // The last bytes that were read, five at most.
  std::string_view tail() const { return tail_; }

  // From now on stop() ends every wait; until the returned object is gone.
  auto EndOnStop() {
    return std::stop_callback(deadline_.stop(), [fd = fd_] { shutdown(fd, SHUT_RDWR); });
  }

  // Says to the other side that nothing more comes. Waits for nothing.
  void Finish() {
    if (tls_ != nullptr) tls_->Finish();
  }

  // ---- httplib::Stream ----
  bool is_readable() const override { return true; }
  bool is_writable() const override { return true; }
  ssize_t read(char* data, std::size_t size) override;
  ssize_t write(const char* data, std::size_t size) override;
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  int socket() const override { return fd_; }

 private:
  // The status line goes through std::regex in httplib, which takes some hundred bytes of stack for
  // each character.
  static constexpr std::size_t kStatusLineMax = 256;
  static constexpr std::size_t kHeadMax = std::size_t{64} << 10;

  bool Over() { return (deadline_.stopped() || deadline_.Left().count() == 0) && Wait(0) == 0; }
  // What poll() saw, with POLLERR and POLLHUP; 0: the deadline or a stop, see fault().
  short Wait(short events);
  bool Fail(ErrorKind kind, std::string message) {
    if (!fault_) fault_ = Error{.kind = kind, .message = std::move(message)};
    return false;
  }
  bool ConnectTo(const addrinfo& where);
  bool ConnectAt(const Endpoint& endpoint);
  bool Handshake(const std::string& fingerprint);
  // As recv() and send() that wait; -1 on errors.
  ssize_t Receive(char* data, std::size_t size);
  ssize_t SendSome(const char* data, std::size_t size);
  bool HeadStaysInBounds(std::string_view bytes);

  const Deadline deadline_;
  int fd_ = -1;
  std::unique_ptr<TlsSession> tls_;
  std::optional<Error> fault_;
  bool answered_early_ = false;

  std::array<char, 16384> buffer_;  // httplib reads lines byte by byte
  std::size_t begin_ = 0, end_ = 0;
  std::string tail_;
  // Of the head: what came of it, and of its line.
  bool in_head_ = true;
  std::size_t lines_ = 0, head_bytes_ = 0, line_bytes_ = 0;
};

// httplib's client for one request. One thread.
class Connection final : public httplib::ClientImpl {
 public:
  Connection(const Endpoint& endpoint, const HostPort& where, const Deadline& deadline)
      : ClientImpl(where.host, std::stoi(where.port)), endpoint_(endpoint), wire_(deadline) {
    set_url_encode(false);  // targets come encoded
    set_decompress(false);  // nor is anything encoded accepted
    set_keep_alive(false);
    set_follow_location(false);
  }
  const Wire& wire() const { return wire_; }

 private:
  bool create_and_connect_socket(Socket& socket, httplib::Error& error) override {
    socket.sock = wire_.Connect(endpoint_);
    if (socket.is_open()) return true;
    error = httplib::Error::Connection;
    return false;
  }
  bool process_socket(const Socket&, std::function<bool(httplib::Stream&)> callback) override {
    const auto end_on_stop = wire_.EndOnStop();
    const bool done = callback(wire_);
    wire_.Finish();
    return done;
  }

  const Endpoint& endpoint_;
  Wire wire_;
};

// ---- Wire ----

inline short Wire::Wait(short events) {
  while (true) {
    if (deadline_.stopped()) {
      Fail(ErrorKind::kStopped, "the caller ended the call");
      return 0;
    }
    const auto left = deadline_.Left();
    if (left.count() == 0) {
      Fail(ErrorKind::kDeadline, "the call's time was over");
      return 0;
    }
    pollfd entry{.fd = fd_, .events = events, .revents = 0};
    const auto slice = std::min<std::chrono::milliseconds>(left, std::chrono::hours(1));
    if (poll(&entry, 1, static_cast<int>(slice.count())) > 0 && !deadline_.stopped()) {
      return entry.revents;
    }
  }
}

inline int Wire::Connect(const Endpoint& endpoint) {
  if (!endpoint.socket_path.empty()) {
    if (ConnectAt(endpoint)) return fd_;
    if (fd_ >= 0) close(fd_);
    return fd_ = -1;
  }
  const auto where = SplitAddress(endpoint.address);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int looked_up = getaddrinfo(where->host.c_str(), where->port.c_str(), &hints, &found);
  if (looked_up != 0) {
    Fail(ErrorKind::kConnection, endpoint.address + ": " + gai_strerror(looked_up));
    return -1;
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(found, freeaddrinfo);
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    fault_.reset();
    const bool ready =
        ConnectTo(*each) && (endpoint.tls_sha256.empty() || Handshake(endpoint.tls_sha256));
    if (ready) return fd_;
    fault_->message = endpoint.address + ": " + fault_->message;
    tls_.reset();
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
    if (fault_->kind != ErrorKind::kConnection) break;
  }
  return -1;
}

// What the kernel takes as the path of a socket is short: a longer one goes through a descriptor of
// its folder.
inline bool Wire::ConnectAt(const Endpoint& endpoint) {
  const auto fail = [&](const std::string& why) {
    return Fail(ErrorKind::kConnection, endpoint.socket_path + ": " + why);
  };
  const std::size_t slash = endpoint.socket_path.rfind('/');
  if (slash == std::string::npos) return fail("no absolute path");
  const int folder =
      open(endpoint.socket_path.substr(0, slash + 1).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return fail(std::strerror(errno));
  sockaddr_un where{};
  where.sun_family = AF_UNIX;
  const std::string path =
      "/proc/self/fd/" + std::to_string(folder) + endpoint.socket_path.substr(slash);
  const bool fits = path.size() < sizeof(where.sun_path);
  if (fits) std::memcpy(where.sun_path, path.data(), path.size());
  fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const bool connected =
      fits && fd_ >= 0 && connect(fd_, reinterpret_cast<sockaddr*>(&where), sizeof(where)) == 0;
  const int error = errno;
  close(folder);
  if (!connected) return fail(fits ? std::strerror(error) : "the name is too long");
  ucred listener{};
  socklen_t size = sizeof(listener);
  if (getsockopt(fd_, SOL_SOCKET, SO_PEERCRED, &listener, &size) == 0 &&
      (listener.uid == endpoint.owner || listener.uid == 0)) {
    return true;
  }
  return fail("another user than the owner of the folder listens there");
}

inline bool Wire::ConnectTo(const addrinfo& where) {
  fd_ = ::socket(where.ai_family, where.ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
                 where.ai_protocol);
  if (fd_ < 0) return Fail(ErrorKind::kConnection, std::strerror(errno));
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (connect(fd_, where.ai_addr, where.ai_addrlen) == 0) return true;
  if (errno != EINPROGRESS) return Fail(ErrorKind::kConnection, std::strerror(errno));
  const auto end_on_stop = EndOnStop();
  if (Wait(POLLOUT) == 0) return false;
  int error = 0;
  socklen_t size = sizeof(error);
  getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
  return error == 0 || Fail(ErrorKind::kConnection, std::strerror(error));
}

inline bool Wire::Handshake(const std::string& fingerprint) {
  tls_ = std::make_unique<TlsSession>(&fd_);
  const auto end_on_stop = EndOnStop();
  while (true) {
    const TlsSession::Step step = tls_->Handshake();
    if (step == TlsSession::Step::kDone) break;
    if (step != TlsSession::Step::kWantRead && step != TlsSession::Step::kWantWrite) {
      return Fail(ErrorKind::kConnection, "no TLS handshake");
    }
    if (Wait(step == TlsSession::Step::kWantRead ? POLLIN : POLLOUT) == 0) return false;
  }
  if (tls_->Fingerprint() == fingerprint) return true;
  return Fail(ErrorKind::kIntegrity,
              "another certificate than expected, so nothing was sent: its SHA-256 is " +
                  tls_->Fingerprint());
}

inline ssize_t Wire::Receive(char* data, std::size_t size) {
  while (true) {
    short wanted = POLLIN;
    if (tls_ == nullptr) {
      const ssize_t got = recv(fd_, data, size, 0);
      if (got >= 0) return got;
      if (errno != EAGAIN && errno != EINTR) return -1;
    } else {
      std::size_t got = 0;
      switch (tls_->Read(data, size, got)) {
        case TlsSession::Step::kDone:
          return static_cast<ssize_t>(got);
        case TlsSession::Step::kEnd:
          return 0;
        case TlsSession::Step::kFailed:
          return -1;
        case TlsSession::Step::kWantWrite:
          wanted = POLLOUT;
          break;
        case TlsSession::Step::kWantRead:
          break;
      }
    }
    if (Wait(wanted) == 0) return -1;
  }
}

inline ssize_t Wire::read(char* data, std::size_t size) {
  if (begin_ == end_) {
    // Also of a socket that always has something to read.
    const ssize_t got = Over() ? -1 : Receive(buffer_.data(), buffer_.size());
    if (got <= 0) return got;
    begin_ = 0;
    end_ = static_cast<std::size_t>(got);
  }
  const std::size_t count = std::min(size, end_ - begin_);
  const std::string_view bytes(buffer_.data() + begin_, count);
  if (in_head_ && !HeadStaysInBounds(bytes)) return -1;
  std::memcpy(data, bytes.data(), count);
  begin_ += count;
  tail_.append(bytes.substr(count - std::min<std::size_t>(count, 5)));
  if (tail_.size() > 5) tail_.erase(0, tail_.size() - 5);
  return static_cast<ssize_t>(count);
}

inline bool Wire::HeadStaysInBounds(std::string_view bytes) {
  for (const char byte : bytes) {
    ++head_bytes_;
    ++line_bytes_;
    if (head_bytes_ > kHeadMax || (lines_ == 0 && line_bytes_ > kStatusLineMax)) {
      return Fail(ErrorKind::kIntegrity, "the answer's head is too long");
    }
    // "HTTP/1.1 1": nobody asked for an interim answer, and httplib would read on without bounds.
    if (head_bytes_ == 10 && byte == '1') {
      return Fail(ErrorKind::kIntegrity, "an interim answer that nobody asked for");
    }
    if (byte != '\n') continue;
    ++lines_;
    if (line_bytes_ <= 2) in_head_ = false;
    line_bytes_ = 0;
    if (!in_head_) return true;
  }
  return true;
}

inline ssize_t Wire::SendSome(const char* data, std::size_t size) {
  short wanted = POLLOUT;
  while (true) {
    if (tls_ == nullptr) {
      const ssize_t sent = send(fd_, data, size, MSG_NOSIGNAL);
      if (sent >= 0) return sent;
      if (errno != EAGAIN && errno != EINTR) return 0;
    } else {
      std::size_t sent = 0;
      const TlsSession::Step step = tls_->Write(data, size, sent);
      if (step == TlsSession::Step::kDone) return static_cast<ssize_t>(sent);
      if (step != TlsSession::Step::kWantRead && step != TlsSession::Step::kWantWrite) return 0;
      wanted = step == TlsSession::Step::kWantRead ? POLLIN : POLLOUT;
    }
    // An answer before the request is whole is a refusal. (With TLS there is always something to
    // read, so there it is seen when the service closes.)
    const auto watched = static_cast<short>(tls_ == nullptr ? POLLOUT | POLLIN : wanted);
    const short seen = Wait(watched);
    if (seen == 0) return -1;
    if (tls_ == nullptr && (seen & POLLIN) != 0) return 0;
  }
}

inline ssize_t Wire::write(const char* data, std::size_t size) {
  std::size_t done = 0;
  while (done < size && !answered_early_) {
    if (Over()) return -1;
    const ssize_t sent = SendSome(data + done, size - done);
    if (sent < 0) return -1;
    // What the other side will not read need not be sent, but its answer is worth reading.
    if (sent == 0) answered_early_ = true;
    done += static_cast<std::size_t>(sent);
  }
  return static_cast<ssize_t>(size);
}

}  // namespace waypost::client::detail
