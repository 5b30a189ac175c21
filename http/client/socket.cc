#include "http/client/socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <deque>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/host_port.h"
#include "base/local_socket.h"
#include "base/status.h"

// Dialling and talking with deadlines. Addresses are started 250 ms apart and the first to answer
// wins; each is judged by the dial rules after resolution. Every wait ends at its deadline or when
// the caller interrupts.

namespace waypost::http {
namespace {

std::string ErrorText(int error) {
  char buffer[128];
  return strerror_r(error, buffer, sizeof(buffer));
}

int MillisUntil(base::SteadyTime deadline) {
  if (deadline == base::SteadyTime::max()) return -1;
  const auto left = std::chrono::ceil<base::Millis>(deadline - base::SteadyNow()).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, 3600 * 1000));
}

struct Candidate {
  std::string name;  // as given
  sockaddr_storage address{};
  socklen_t length = 0;
};

// One address that is being dialled.
struct Dial {
  int fd = -1;
  std::string name;
  base::SteadyTime deadline;
};

// Dialling a free port of this machine can connect a socket to itself.
bool ConnectedToItself(int fd) {
  sockaddr_storage mine{}, theirs{};
  socklen_t mine_length = sizeof(mine), theirs_length = sizeof(theirs);
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&mine), &mine_length) != 0 ||
      ::getpeername(fd, reinterpret_cast<sockaddr*>(&theirs), &theirs_length) != 0) {
    return false;
  }
  return mine_length == theirs_length && std::memcmp(&mine, &theirs, mine_length) == 0;
}

// The race of one Connect.
class Dialling {
 public:
  Dialling(const Socket::ConnectOptions& options, const Interrupt& interrupt)
      : options_(options), interrupt_(interrupt) {}
  ~Dialling() {
    for (const Dial& dial : dials_) ::close(dial.fd);
  }

  void AddAddress(const std::string& text) {
    const auto where = base::ParseHostPort(text);
    if (!where.ok()) return Fail(text, "not an address");
    const auto numeric = NumericAddresses(where->host, where->port);
    if (numeric.empty()) names_.emplace_back(text, *where);
    AddCandidates(text, numeric);
  }

  // The socket and its address; kUnavailable when nobody answers.
  absl::StatusOr<std::pair<int, std::string>> Run() {
    base::SteadyTime next_start;
    while (true) {
      const auto now = base::SteadyNow();
      if (interrupt_.stopped()) return absl::CancelledError("stopped");
      if (now >= options_.deadline) {
        return absl::UnavailableError(absl::StrCat("no connection in time; ", failures_));
      }
      if (candidates_.empty() && dials_.empty() && !names_.empty()) {
        LookUpNext();
        continue;
      }
      if (!candidates_.empty() && (dials_.empty() || now >= next_start)) {
        StartNext(now);
        next_start = now + options_.stagger;
        continue;
      }
      if (dials_.empty()) return absl::UnavailableError(failures_);
      base::SteadyTime wake = candidates_.empty() ? base::SteadyTime::max() : next_start;
      for (const Dial& dial : dials_) wake = std::min(wake, dial.deadline);
      if (auto winner = WaitForOne(wake)) return std::move(*winner);
    }
  }

 private:
  void Fail(const std::string& name, const std::string& why) {
    absl::StrAppend(&failures_, failures_.empty() ? "" : "; ", name, ": ", why);
  }

  void AddCandidates(const std::string& text, const std::vector<NameLookups::Address>& addresses) {
    for (const NameLookups::Address& address : addresses) {
      const auto& generic = reinterpret_cast<const sockaddr&>(address.address);
      if (std::string why = options_.rules.WhyNot(generic); !why.empty()) {
        Fail(text, why);
        continue;
      }
      candidates_.push_back({text, address.address, address.length});
    }
  }

  void LookUpNext() {
    const auto [text, where] = names_.front();
    names_.pop_front();
    const auto found = options_.names == nullptr
                           ? ResolveName(where.host, where.port)
                           : options_.names->Find(where.host, where.port, options_.payer,
                                                  options_.deadline, interrupt_);
    if (!found.ok()) return Fail(text, std::string(found.status().message()));
    AddCandidates(text, *found);
  }

  void StartNext(base::SteadyTime now) {
    const Candidate candidate = std::move(candidates_.front());
    candidates_.pop_front();
    const int fd =
        ::socket(candidate.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return Fail(candidate.name, ErrorText(errno));
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&candidate.address), candidate.length) !=
            0 &&
        errno != EINPROGRESS) {
      Fail(candidate.name, ErrorText(errno));
      ::close(fd);
      return;
    }
    dials_.push_back({.fd = fd,
                      .name = candidate.name,
                      .deadline = std::min(now + options_.each, options_.deadline)});
  }

  std::optional<std::pair<int, std::string>> WaitForOne(base::SteadyTime wake) {
    std::vector<pollfd> pollers;
    for (const Dial& dial : dials_) pollers.push_back({dial.fd, POLLOUT, 0});
    pollers.push_back({interrupt_.fd(), POLLIN, 0});
    ::poll(pollers.data(), pollers.size(), MillisUntil(wake));
    const auto now = base::SteadyNow();
    for (std::size_t i = dials_.size(); i-- > 0;) {
      const Dial dial = dials_[i];
      int error = 0;
      if (pollers[i].revents != 0) {
        socklen_t length = sizeof(error);
        ::getsockopt(dial.fd, SOL_SOCKET, SO_ERROR, &error, &length);
        if (error == 0 && ConnectedToItself(dial.fd)) error = ECONNREFUSED;
      } else if (now >= dial.deadline) {
        error = ETIMEDOUT;
      } else {
        continue;
      }
      dials_.erase(dials_.begin() + static_cast<std::ptrdiff_t>(i));
      if (error == 0) return std::make_pair(dial.fd, dial.name);
      Fail(dial.name, ErrorText(error));
      ::close(dial.fd);
    }
    return std::nullopt;
  }

  const Socket::ConnectOptions options_;
  const Interrupt& interrupt_;
  std::deque<Candidate> candidates_;
  std::deque<std::pair<std::string, base::HostPort>> names_;  // looked up when it is their turn
  std::vector<Dial> dials_;
  std::string failures_;
};

}  // namespace

absl::StatusOr<Socket> Socket::Connect(const std::vector<std::string>& addresses,
                                       const ConnectOptions& options, const Interrupt& interrupt) {
  if (addresses.empty()) return absl::UnavailableError("no address of it is known");
  Dialling dialling(options, interrupt);
  for (const std::string& address : addresses) dialling.AddAddress(address);
  ASSIGN_OR_RETURN(auto winner, dialling.Run());
  return Socket(winner.first, std::move(winner.second));
}

// A Unix socket is connected, or refused, at once: unless its backlog is full, which is said.
absl::StatusOr<Socket> Socket::ConnectAtPath(const std::string& path, uid_t owner) {
  ASSIGN_OR_RETURN(const auto where, base::LocalSocketAddress::Of(path));
  Socket socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), path);
  if (socket.fd_ < 0) return base::ErrnoStatus(errno, "socket");
  if (::connect(socket.fd_, where.get(), where.size()) != 0) {
    const std::string why = absl::StrCat(path, ": ", ErrorText(errno));
    return errno == EACCES ? absl::PermissionDeniedError(why) : absl::UnavailableError(why);
  }
  const uid_t user = base::UserAtOtherEnd(socket.fd_);
  if (user == owner || user == 0) return socket;
  return absl::PermissionDeniedError(
      absl::StrCat(path, ": user ", user, " listens there, not the owner of the data folder"));
}

Socket::Socket(TurnedConnection::Parts turned, std::string address)
    : fd_(turned.fd), address_(std::move(address)), tls_(std::move(turned.tls)) {}

std::unique_ptr<TurnedConnection> Socket::Turn(std::string received) && {
  return std::make_unique<TurnedConnection>(TurnedConnection::Parts{
      .fd = std::exchange(fd_, -1), .tls = std::move(tls_), .received = std::move(received)});
}

Socket::Socket(Socket&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      address_(std::move(other.address_)),
      tls_(std::move(other.tls_)) {}

Socket& Socket::operator=(Socket&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(address_, other.address_);
  std::swap(tls_, other.tls_);
  return *this;
}

Socket::~Socket() {
  if (tls_ != nullptr) tls_->SayEnd();
  if (fd_ >= 0) ::close(fd_);
}

absl::Status Socket::Wait(short events, base::SteadyTime deadline,
                          const Interrupt& interrupt) const {
  pollfd pollers[2] = {{fd_, events, 0}, {interrupt.fd(), POLLIN, 0}};
  const int ready = ::poll(pollers, 2, MillisUntil(deadline));
  if (interrupt.stopped()) return absl::CancelledError("stopped");
  if (ready < 0 && errno != EINTR) return base::ErrnoStatus(errno, "waiting for a peer");
  if (ready == 0 && base::SteadyNow() >= deadline) {
    return absl::DeadlineExceededError(absl::StrCat(address_, " did not answer in time"));
  }
  return absl::OkStatus();
}

short Socket::WaitsFor(short events) const {
  return tls_ != nullptr && tls_->blocked_on() != 0 ? tls_->blocked_on() : events;
}

absl::Status Socket::FinishHandshake(base::SteadyTime deadline, const Interrupt& interrupt) {
  if (tls_ == nullptr) return absl::ResourceExhaustedError("no memory for TLS");
  while (true) {
    switch (tls_->Handshake()) {
      case TlsSession::Step::kDone:
        return absl::OkStatus();
      case TlsSession::Step::kFailed:
        return absl::UnavailableError(absl::StrCat(address_, ": TLS: ", tls_->failure()));
      case TlsSession::Step::kBlocked:
        RETURN_IF_ERROR(Wait(tls_->blocked_on(), deadline, interrupt));
    }
  }
}

absl::Status Socket::StartTls(const std::string& fingerprint, base::SteadyTime deadline,
                              const Interrupt& interrupt) {
  static const TlsClient client;
  tls_ = client.Begin(fd_);
  RETURN_IF_ERROR(FinishHandshake(deadline, interrupt));
  if (tls_->PeerFingerprint() == fingerprint) return absl::OkStatus();
  return absl::UnauthenticatedError(
      absl::StrCat(address_, " does not show the certificate that is expected there"));
}

absl::Status Socket::StartPeerTls(const PeerTls& tls, const base::PeerId& peer,
                                  base::SteadyTime deadline, const Interrupt& interrupt) {
  tls_ = tls.Dial(fd_, peer);
  return FinishHandshake(deadline, interrupt);
}

absl::Status Socket::SendAll(std::string_view bytes, base::SteadyTime deadline,
                             const Interrupt& interrupt) {
  while (!bytes.empty()) {
    const ssize_t sent = tls_ != nullptr
                             ? tls_->Send(bytes.data(), bytes.size())
                             : ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) {
      return absl::UnavailableError(absl::StrCat(address_, ": ", ErrorText(errno)));
    }
    RETURN_IF_ERROR(Wait(WaitsFor(POLLOUT), deadline, interrupt));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::size_t> Socket::Receive(std::span<char> buffer, base::SteadyTime deadline,
                                            const Interrupt& interrupt) {
  while (true) {
    if (interrupt.stopped()) return absl::CancelledError("stopped");
    const ssize_t got = tls_ != nullptr ? tls_->Receive(buffer.data(), buffer.size())
                                        : ::recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) {
      return absl::UnavailableError(absl::StrCat(address_, ": ", ErrorText(errno)));
    }
    RETURN_IF_ERROR(Wait(WaitsFor(POLLIN), deadline, interrupt));
  }
}

bool Socket::Idle() const {
  if (tls_ != nullptr && tls_->HasBuffered()) return false;
  char byte;
  return ::recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
         (errno == EAGAIN || errno == EWOULDBLOCK);
}

bool Socket::Readable() const {
  if (tls_ != nullptr && tls_->HasBuffered()) return true;
  pollfd poller{fd_, POLLIN, 0};
  return ::poll(&poller, 1, 0) > 0;
}

}  // namespace waypost::http
