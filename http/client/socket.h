#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/payer.h"
#include "http/client/dial_rules.h"
#include "http/client/interrupt.h"
#include "http/client/name_lookups.h"
#include "http/tls/tls.h"
#include "http/tls/tls_peer.h"
#include "http/tls/turned.h"

namespace waypost::http {

// The client's end of a TCP connection, or of a Unix socket. Every call blocks until it is done,
// its deadline passes (kDeadlineExceeded), `interrupt` is stopped (kCancelled) or the connection
// fails (kUnavailable). One thread at a time.
class Socket {
 public:
  struct ConnectOptions {
    base::Millis each{3000};    // for one address
    base::Millis stagger{250};  // until the next one is tried beside it
    DialRules rules = DialRules::Anywhere();
    // For all of them together, with their names.
    base::SteadyTime deadline = base::SteadyTime::max();
    // Null: names are looked up on this thread, as long as the resolver likes. Outlives the call.
    NameLookups* names = nullptr;
    // On whose behalf they are.
    base::Payer payer = base::kNobody;
  };
  // Tries "host:port" addresses in their order, those with a name after the others; the first that
  // answers is used.
  // kUnavailable says of each why it failed.
  static absl::StatusOr<Socket> Connect(const std::vector<std::string>& addresses,
                                        const ConnectOptions& options, const Interrupt& interrupt);
  // A Unix socket of this machine. kUnavailable: nobody listens there; kPermissionDenied: who does
  // is another user than `owner`, and not root.
  static absl::StatusOr<Socket> ConnectAtPath(const std::string& path, uid_t owner);
  // A connection on which this side has served until now. `address`: what to call it.
  Socket(TurnedConnection::Parts turned, std::string address);
  // Gives the connection away, to be served on. `received`: what was read beyond the last answer.
  std::unique_ptr<TurnedConnection> Turn(std::string received) &&;
  Socket(Socket&& other) noexcept;
  Socket& operator=(Socket&& other) noexcept;
  ~Socket();

  // The address that answered, as it was given.
  const std::string& address() const { return address_; }
  absl::Status SendAll(std::string_view bytes, base::SteadyTime deadline,
                       const Interrupt& interrupt);
  // Speaks TLS from now on, with the one whose certificate has this SHA-256 (hex) and nobody else:
  // kUnauthenticated. Before anything is sent.
  absl::Status StartTls(const std::string& fingerprint, base::SteadyTime deadline,
                        const Interrupt& interrupt);
  // As StartTls between peers: with the one who proves this key.
  absl::Status StartPeerTls(const PeerTls& tls, const base::PeerId& peer, base::SteadyTime deadline,
                            const Interrupt& interrupt);
  // At least one byte, or 0 at the end of the stream.
  absl::StatusOr<std::size_t> Receive(std::span<char> buffer, base::SteadyTime deadline,
                                      const Interrupt& interrupt);
  // Open and silent: fit for another request.
  bool Idle() const;
  bool Readable() const;

 private:
  Socket(int fd, std::string address) : fd_(fd), address_(std::move(address)) {}
  absl::Status FinishHandshake(base::SteadyTime deadline, const Interrupt& interrupt);
  absl::Status Wait(short events, base::SteadyTime deadline, const Interrupt& interrupt) const;
  // What a call that returned -1 with errno EAGAIN waits for.
  short WaitsFor(short events) const;
  int fd_ = -1;
  std::string address_;
  std::unique_ptr<TlsSession> tls_;  // none: plain
};

}  // namespace waypost::http
