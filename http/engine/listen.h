#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace waypost::http {

struct Listening {
  int fd = -1;  // not blocking; the caller's
  std::string bound_address;
};
// Binds a numeric address (or "localhost") and listens, without SO_REUSEPORT: two services never
// share a port. kUnavailable names the address and `setting`; kInvalidArgument if it is no address.
absl::StatusOr<Listening> Listen(const std::string& address, const std::string& setting);

}  // namespace waypost::http
