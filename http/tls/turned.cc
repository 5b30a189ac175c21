#include "http/tls/turned.h"

#include <unistd.h>

#include <utility>

// Owns a connection between its two uses, so that it is closed, and the other side told, where the
// second one never begins.
namespace waypost::http {

TurnedConnection::TurnedConnection(Parts parts) : parts_(std::move(parts)) {}

TurnedConnection::~TurnedConnection() {
  if (parts_.tls != nullptr) parts_.tls->SayEnd();
  if (parts_.fd >= 0) ::close(parts_.fd);
}

TurnedConnection::Parts TurnedConnection::Take() {
  return {.fd = std::exchange(parts_.fd, -1),
          .tls = std::move(parts_.tls),
          .received = std::move(parts_.received)};
}

}  // namespace waypost::http
