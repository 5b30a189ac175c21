#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace waypost::http {

// After a crash another program may listen where a service did, and must not be told its token. So
// who is about to send one over plain HTTP first asks, with a nonce, for what only somebody who
// knows the token can answer; the answer names the address too, so that it cannot be fetched from
// the service, which listens elsewhere now.
struct ProofOf {
  std::string nonce;    // 64 hexadecimal digits, chosen at random by who asks
  std::string address;  // of the app API as endpoints.json has it, "127.0.0.1:7440"
};

// Shorter ones could be guessed from a proof.
inline constexpr std::size_t kProvedTokenMin = 32;

// What proofs are made with instead of the token itself: its BLAKE2b, 32 bytes. Empty for a token
// that is too short.
std::string ProofKeyOf(std::string_view token);

// 64 hexadecimal digits: BLAKE2b with 32 bytes, keyed with `key`, of "waypost service", a zero
// byte, the nonce, a zero byte, the address. kInvalidArgument: a nonce that is none;
// kFailedPrecondition: an empty key.
absl::StatusOr<std::string> ProofFor(std::string_view key, const ProofOf& of);

}  // namespace waypost::http
