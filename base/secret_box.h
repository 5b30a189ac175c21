#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace waypost::base {

// Bytes that only a passphrase opens, as text of one line that is fit for paper and mail:
// base64url of a salt (16), a nonce (24) and XSalsa20-Poly1305 of `secret` under Argon2id of the
// passphrase, 3 passes over 256 MiB (libsodium's MODERATE): about a second each way.
std::string SealWithPassphrase(std::string_view secret, std::string_view passphrase);
// kInvalidArgument: no such text; kPermissionDenied: the passphrase does not open it, or it is
// damaged; kResourceExhausted: no 256 MiB of memory.
absl::StatusOr<std::string> OpenWithPassphrase(std::string_view text, std::string_view passphrase);

}  // namespace waypost::base
