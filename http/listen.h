#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace waypost::http {

// "host:port" or "[v6]:port"; the port is decimal, 0-65535.
struct HostPort {
  std::string host;
  uint16_t port = 0;
};
absl::StatusOr<HostPort> ParseHostPort(std::string_view text);
std::string FormatHostPort(std::string_view host, uint16_t port);

struct Listening {
  int fd = -1;  // not blocking; the caller's
  std::string bound_address;
};
// Binds a numeric address (or "localhost") and listens, without SO_REUSEPORT: two services never
// share a port. kUnavailable names the address and `setting`; kInvalidArgument if it is no address.
absl::StatusOr<Listening> Listen(const std::string& address, const char* setting);

}  // namespace waypost::http
