#pragma once

#include <memory>
#include <string>

#include "http/tls.h"

namespace waypost::http {

// A connection on its way to the other use: where requests were answered they will be sent
// (Socket), and where they were sent they will be answered (Engine::Serve). Who dialled it does not
// change. Closed when destroyed.
class TurnedConnection {
 public:
  // Owns `fd`. `received`: what the other side has sent already. `tls`: none for plain.
  TurnedConnection(int fd, std::unique_ptr<TlsSession> tls, std::string received);
  ~TurnedConnection();
  TurnedConnection(const TurnedConnection&) = delete;
  TurnedConnection& operator=(const TurnedConnection&) = delete;

 private:
  friend class EngineLoop;
  friend class Socket;

  int fd_;
  std::unique_ptr<TlsSession> tls_;
  std::string received_;
};

}  // namespace waypost::http
