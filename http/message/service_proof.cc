#include "http/message/service_proof.h"

#include "base/crypto.h"
#include "base/ids.h"

// How a service shows that it is the one whose token somebody holds. Both ends make the same text
// and compare; neither sends the token.

namespace waypost::http {
namespace {

constexpr std::size_t kNonceDigits = 64;

}  // namespace

std::string ProofKeyOf(std::string_view token) {
  if (token.size() < kProvedTokenMin) return "";
  const auto hashed = base::Hash256(token);
  return {hashed.begin(), hashed.end()};
}

absl::StatusOr<std::string> ProofFor(std::string_view key, const ProofOf& of) {
  if (of.nonce.size() != kNonceDigits ||
      of.nonce.find_first_not_of("0123456789abcdef") != std::string::npos) {
    return absl::InvalidArgumentError("nonce: 64 hexadecimal digits");
  }
  if (key.empty()) {
    return absl::FailedPreconditionError(
        "the token is too short to be proved: make one with waypost token rotate");
  }
  std::string text = "waypost service";
  for (const std::string& part : {of.nonce, of.address}) {
    text.push_back('\0');
    text += part;
  }
  return base::ToHex(base::Mac256(key, text));
}

}  // namespace waypost::http
