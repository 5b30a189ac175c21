#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace waypost::http {

struct Listening {
  int fd = -1;  // not blocking; the caller's
  std::string bound_address;
};
// Whether an address is a path, at which a Unix socket listens.
bool IsSocketPath(const std::string& address);

// Binds a numeric address (or "localhost") and listens, without SO_REUSEPORT: two services never
// share a port. A path gets a Unix socket, in place of one that nobody listens at any more, for its
// owner alone (mode 0600). kUnavailable names the address and `setting`; kInvalidArgument if it is
// no address.
absl::StatusOr<Listening> Listen(const std::string& address, const std::string& setting);

}  // namespace waypost::http
