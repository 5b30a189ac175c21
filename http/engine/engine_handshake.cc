#include <sys/epoll.h>

#include "base/log.h"
#include "http/engine/engine_loop.h"

// Handshakes under way. They are few, in all and of one address, and the oldest is cut for a new
// one, so that those that stall never keep an honest one out.

namespace waypost::http {

// Those that stall are the oldest; an honest one is done within milliseconds.
void EngineLoop::LimitHandshakes(const std::string& remote) {
  uint32_t of_address = 0;
  Connection* oldest = nullptr;
  for (uint64_t id : handshakes_) {
    Connection* const c = Find(id);
    if (c->remote != remote) continue;
    if (oldest == nullptr) oldest = c;
    ++of_address;
  }
  if (of_address < shared_.options.max_handshakes_per_address) {
    if (handshakes_.size() < shared_.options.max_handshakes) return;
    oldest = Find(*handshakes_.begin());
  }
  shared_.CountRejected("handshakes");
  Close(*oldest);
}

void EngineLoop::Handshake(Connection& c) {
  switch (c.tls->Handshake()) {
    case TlsSession::Step::kDone:
      handshakes_.erase(c.id);
      c.peer = c.tls->PeerKey();
      c.stranger = shared_.options.is_member != nullptr && c.peer.has_value();
      LookUp(c);
      c.state = State::kReading;
      SetDeadline(c, Now() + shared_.options.head_timeout);
      Arm(c, EPOLLIN);
      return;
    case TlsSession::Step::kBlocked:
      Arm(c, EPOLLIN);
      return;
    case TlsSession::Step::kFailed:
      break;
  }
  base::LogDebug(shared_.options.listener, " ", c.remote, " TLS: ", c.tls->failure());
  if (!c.tls->plain_http() || shared_.options.peers) {
    shared_.CountRejected("tls");
    Close(c);
    return;
  }
  handshakes_.erase(c.id);
  c.tls.reset();
  Refuse(c, 400, "invalid_argument", "this port speaks HTTPS: use https://", "tls");
}

}  // namespace waypost::http
