#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

// Addresses as people and peers write them.
namespace waypost::base {

struct HostPort {
  std::string host;  // a numeric address or a name, without brackets
  uint16_t port = 0;

  std::string ToString() const;  // IPv6 in brackets
};

// "127.0.0.1:7440", "[::1]:7440", "nas.local:7441"; a name has letters, digits, "-", "." and "_",
// 253 bytes at most. Looks nothing up. kInvalidArgument says what is wanted.
absl::StatusOr<HostPort> ParseHostPort(std::string_view text);

// The 4 or 16 bytes of a numeric address in network order; empty when it is none.
std::string NumericAddress(const std::string& address);

// What whoever has this numeric address may have many of is counted by: an IPv4 address itself,
// also one that is written as IPv6; of an IPv6 address its /64, of which a customer has at least
// one.
std::string NetworkOf(const std::string& address);

// True for what only this machine reaches: 127.0.0.0/8, also as ::ffff:127.x.y.z, and ::1.
bool IsLoopback(const std::string& address);

}  // namespace waypost::base
