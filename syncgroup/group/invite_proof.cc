#include "syncgroup/group/invite_proof.h"

#include "base/crypto.h"

// Both bytes are a contract between peers: what is hashed begins with a tag of its own and has
// fields of fixed length up to the last, so that no two requests give the same text.

namespace waypost::syncgroup {
namespace {

std::string TaggedHash(std::string_view tag, std::string_view text) {
  std::string whole(tag);
  whole.push_back('\0');
  whole.append(text);
  const auto digest = base::Hash256(whole);
  return std::string(reinterpret_cast<const char*>(digest.data()), digest.size());
}

}  // namespace

std::string VerifierOf(std::string_view secret) { return TaggedHash("waypost-invite-1", secret); }

std::string ProofOf(std::string_view verifier, const JoinRequest& request,
                    const base::PeerId& inviter, const base::PeerId& joiner) {
  std::string text("waypost-join-1");
  text.push_back('\0');
  text.append(request.group.bytes()).append(inviter.bytes()).append(joiner.bytes());
  text.append(request.incarnation.bytes()).append(request.invite_id);
  return base::Mac256(verifier, text);
}

}  // namespace waypost::syncgroup
