#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "http/tls/tls.h"

namespace waypost::http {

// A connection on its way to the other use: where requests were answered they will be sent, and
// where they were sent they will be answered. Who dialled it does not change. Closed when
// destroyed. One thread at a time.
class TurnedConnection {
 public:
  struct Parts {
    int fd = -1;                      // the owner's to close
    std::unique_ptr<TlsSession> tls;  // none for plain
    std::string received;             // what the other side has sent already
  };
  explicit TurnedConnection(Parts parts);
  ~TurnedConnection();
  TurnedConnection(const TurnedConnection&) = delete;
  TurnedConnection& operator=(const TurnedConnection&) = delete;

  // For who uses it from now on; leaves nothing here.
  Parts Take();

 private:
  Parts parts_;
};

// Connections to one peer that this side dialled, gave to an engine to be served, and that are
// open; on how many of them a request is being answered.
struct TurnedLines {
  uint32_t open = 0;
  uint32_t busy = 0;
};

}  // namespace waypost::http
