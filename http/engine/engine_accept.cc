#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/host_port.h"
#include "base/local_socket.h"
#include "base/log.h"
#include "base/status.h"
#include "http/engine/engine_loop.h"
#include "http/engine/listen.h"

// How connections begin, and how all of them end. Every limit on their number is kept here: in all,
// for each address and key, and of handshakes under way, where the oldest is cut so that those that
// stall never keep an honest one out. An idle one goes for a newcomer before the newcomer does.

namespace waypost::http {
namespace {

// After accept failed for want of descriptors or memory.
constexpr base::Millis kAcceptPause{100};
// Connections over the limit that may read why they were turned away.
constexpr uint32_t kTurnedAwayMax = 64;

std::string TextOf(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    inet_ntop(AF_INET, &v4.sin_addr, text, sizeof(text));
  } else if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof(text));
  }
  return text;
}

}  // namespace

void EngineLoop::Accept() {
  for (int i = 0; i < 64 && listener_ >= 0; ++i) {
    sockaddr_storage address{};
    socklen_t length = sizeof(address);
    const int fd = accept4(listener_, reinterpret_cast<sockaddr*>(&address), &length,
                           SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      const absl::Status welcomed = base::WithinMemory([&] {
        Welcome(fd, TextOf(address));
        return absl::OkStatus();
      });
      if (welcomed.ok()) continue;
      PauseAccepting();
      return;
    }
    switch (errno) {
      case EAGAIN:
        return;
      case EMFILE:
      case ENFILE:
      case ENOBUFS:
      case ENOMEM:
        PauseAccepting();
        return;
      default:
        // ECONNABORTED, EPROTO, EINTR, and errors of the network that accept passes on: that client
        // only.
        continue;
    }
  }
}

void EngineLoop::PauseAccepting() {
  base::LogDebug(shared_.options.listener, ": no descriptor or memory for another connection");
  epoll_event event{};
  event.data.u64 = kListenerId;
  epoll_ctl(epoll_, EPOLL_CTL_MOD, listener_, &event);
  accepting_ = false;
  accept_again_ = Now() + kAcceptPause;
}

bool EngineLoop::IsWelcome(int fd) {
  if (!shared_.options.owner_only) return true;
  const uid_t user = base::UserAtOtherEnd(fd);
  if (user == geteuid() || user == 0) return true;
  shared_.CountRejected("user");
  return false;
}

void EngineLoop::Welcome(int fd, const std::string& remote) {
  if (!IsWelcome(fd)) {
    ::close(fd);
    return;
  }
  std::unique_ptr<Connection> connection(new (std::nothrow) Connection);
  if (connection == nullptr) {
    ::close(fd);
    return;
  }
  connection->fd = fd;
  connection->remote = remote;
  connection->local = IsSocketPath(shared_.options.address) || base::IsLoopback(remote);
  connection->network = base::NetworkOf(remote);
  Connection* const admitted = Admit(std::move(connection));
  if (admitted == nullptr) return;
  WithinMemory(admitted->id, [this](Connection& c) {
    const auto& options = shared_.options;
    if (options.tls != nullptr) {
      c.tls = options.tls->Begin(c.fd);
      if (c.tls == nullptr) {
        Close(c);
        return;
      }
      c.state = State::kHandshake;
      // Until it has shown a key.
      if (options.peers) SetPayer(c, base::PayerOf(c.network));
      LimitHandshakes(c.network);
      handshakes_.insert(c.id);
    }
    SetDeadline(c, Now() + (c.tls == nullptr ? options.head_timeout : options.handshake_timeout));
    Watch(c);
  });
}

Connection* EngineLoop::Admit(std::unique_ptr<Connection> connection) {
  connection->id = next_id_++;
  const std::string& network = connection->network;
  // Small answers leave at once; without it keep-alive costs 40 ms a request.
  const int on = 1;
  setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  epoll_event event{};
  event.data.u64 = connection->id;
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, connection->fd, &event) != 0) return nullptr;  // closes it
  const auto& options = shared_.options;
  // Before anybody goes for it.
  const auto of_address = per_address_.find(network);
  if (of_address != per_address_.end() && of_address->second >= options.max_per_address) {
    const std::string message =
        absl::StrCat(options.max_per_address, " connections from ", connection->remote, " are open",
                     options.names.See(options.names.max_per_address));
    TurnAway(std::move(connection), "address", message);
    return nullptr;
  }
  // An idle stranger goes for a newcomer, who may be a member; then one of the member that has
  // most.
  if (counted_ >= options.max_connections && !CloseIdleStranger() && !CloseIdleOfMost()) {
    TurnAway(std::move(connection), "connections",
             absl::StrCat(options.max_connections, " connections are open",
                          options.names.See(options.names.max_connections)));
    return nullptr;
  }
  Connection* const c = connection.get();
  // Both or none: where memory runs out, what is left counts nothing.
  uint32_t& of_network = per_address_[network];
  connections_.emplace(c->id, std::move(connection));
  ++counted_;
  ++of_network;
  shared_.connections.Add(1);
  c->state = State::kReading;
  return c;
}

void EngineLoop::NoteStranger(Connection& c, bool stranger) {
  if (c.stranger == stranger) return;
  c.stranger = stranger;
  strangers_ += stranger ? 1 : -1;
}

void EngineLoop::SetPayer(Connection& c, base::Payer payer) {
  Account& account = accounts_[payer];
  if (c.payer == payer) return;
  LeaveAccount(c);
  c.payer = payer;
  ++(c.turned ? account.turned : account.connections);
}

void EngineLoop::LeaveAccount(Connection& c) {
  if (c.payer == base::kNobody) return;
  const auto found = accounts_.find(c.payer);
  Account& account = found->second;
  --(c.turned ? account.turned : account.connections);
  if (account.connections + account.turned == 0) accounts_.erase(found);
  c.payer = base::kNobody;
}

std::map<uint64_t, uint64_t>& EngineLoop::IdleOf(const Connection& c) {
  return c.stranger ? idle_strangers_ : accounts_.find(c.payer)->second.idle;
}

void EngineLoop::NoteIdle(Connection& c, bool idle) {
  if (c.idle_number != 0) IdleOf(c).erase(c.idle_number);
  c.idle_number = 0;
  // What was dialled from here, to be turned, stays.
  if (!idle || c.payer == base::kNobody || c.turned) return;
  IdleOf(c).emplace(next_idle_number_ + 1, c.id);
  c.idle_number = ++next_idle_number_;
}

bool EngineLoop::CloseIdleStranger() {
  if (idle_strangers_.empty()) return false;
  shared_.CountRejected("stranger");
  Close(*Find(idle_strangers_.begin()->second));
  return true;
}

bool EngineLoop::CloseIdleOf(Account& account, const char* reason) {
  if (account.idle.empty()) return false;
  shared_.CountRejected(reason);
  Close(*Find(account.idle.begin()->second));
  return true;
}

bool EngineLoop::CloseIdleOfMost() {
  Account* most = nullptr;
  for (auto& [payer, account] : accounts_) {
    if (account.idle.empty() || account.connections < 2) continue;
    if (most == nullptr || account.connections > most->connections) most = &account;
  }
  return most != nullptr && CloseIdleOf(*most, "idle");
}

// Of strangers, whose keys cost nothing, their networks are limited.
bool EngineLoop::KeyHasRoom(const Connection& c) {
  if (c.stranger || c.payer == base::kNobody) return true;
  Account& account = accounts_.find(c.payer)->second;
  while (account.connections > shared_.options.max_connections_per_payer) {
    if (!CloseIdleOf(account, "key")) return false;
  }
  return true;
}

bool EngineLoop::LimitKey(Connection& c) {
  if (KeyHasRoom(c)) return true;
  shared_.CountRejected("key");
  Close(c);
  return false;
}

// What is left of the listener is for members.
bool EngineLoop::LimitStrangers(Connection& c) {
  if (!c.stranger || strangers_ <= shared_.strangers.connections || CloseIdleStranger())
    return true;
  shared_.CountRejected("stranger");
  Close(c);
  return false;
}

void EngineLoop::Adopt(TurnedConnection& turned) {
  if (shared_.draining.load()) return;  // whoever holds it closes it
  auto connection = std::make_unique<Connection>();
  TurnedConnection::Parts parts = turned.Take();
  connection->fd = parts.fd;
  connection->tls = std::move(parts.tls);
  connection->in = std::move(parts.received);
  if (connection->tls != nullptr) connection->peer = connection->tls->PeerKey();
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  if (getpeername(connection->fd, reinterpret_cast<sockaddr*>(&address), &length) == 0) {
    connection->remote = TextOf(address);
    connection->network = base::NetworkOf(connection->remote);
  }
  Connection* const admitted = Admit(std::move(connection));
  if (admitted == nullptr) return;
  WithinMemory(admitted->id, [this](Connection& c) {
    if (c.peer) {
      shared_.NoteTurned(*c.peer, 1, 0);
      c.turned = true;
      SetPayer(c, shared_.PayerOf(*c.peer).value_or(base::PayerOf(c.peer->bytes())));
    }
    ReadNext(c);
  });
}

void EngineLoop::GiveAway(Connection& c) {
  epoll_ctl(epoll_, EPOLL_CTL_DEL, c.fd, nullptr);
  auto turned = std::make_unique<TurnedConnection>(TurnedConnection::Parts{
      .fd = std::exchange(c.fd, -1), .tls = std::move(c.tls), .received = ""});
  const auto turn = std::move(c.turn);
  Close(c);
  turn(std::move(turned));
}

void EngineLoop::TurnAway(std::unique_ptr<Connection> connection, const char* reason,
                          const std::string& message) {
  shared_.CountRejected(reason);
  // Over TLS the reason would cost a handshake.
  if (shared_.options.tls != nullptr || connections_.size() >= counted_ + kTurnedAwayMax) {
    return;  // closes it
  }
  Connection& c = *connection;
  c.counted = false;
  connections_.emplace(c.id, std::move(connection));
  Refuse(c, 503, "unavailable", message, nullptr, base::Millis(1000));
}

void EngineLoop::BeginDrain() {
  drain_begun_ = true;
  if (listener_ >= 0) ::close(listener_);
  listener_ = -1;
  if (IsSocketPath(shared_.options.address)) ::unlink(shared_.options.address.c_str());
  ForEach([this](Connection& c) {
    switch (c.state) {
      case State::kHandshake:
      case State::kReading:
      case State::kResting:
        Close(c);
        break;
      case State::kPending:
        Refuse(c, 503, "unavailable", "the service is stopping: try again", "stopping",
               base::Millis(1000));
        break;
      case State::kWaiting:
        Dispatch(c, Job::Kind::kAbort);
        break;
      default:
        break;
    }
  });
}

void EngineLoop::CutAll() {
  cut_ = true;
  ForEach([this](Connection& c) { Cut(c, "cut"); });
}

void EngineLoop::CutPeers(const std::function<bool(const base::PeerId&)>& whom) {
  ForEach([this, &whom](Connection& c) {
    // One that has not shown its key yet has been allowed nothing.
    if (c.peer && whom(*c.peer)) Cut(c, "peer_left");
  });
}

void EngineLoop::Cut(Connection& c, const char* reason) {
  if (c.state != State::kLinger) shared_.CountRejected(reason);
  if (c.state == State::kWorking) {
    // The worker notices and gives it back.
    ::shutdown(c.fd, SHUT_RDWR);
  } else {
    Close(c);
  }
}

}  // namespace waypost::http
