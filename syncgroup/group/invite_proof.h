#pragma once

#include <string>
#include <string_view>

#include "base/ids.h"
#include "syncgroup/protocol/messages.h"

// How a joiner shows that it holds an invite's secret, without saying it. For this chamber only.
namespace waypost::syncgroup {

// What the inviter keeps of the secret.
std::string VerifierOf(std::string_view secret);

// Shows that the joiner holds the secret, to this inviter, as this joiner, for this group and
// numbering: a proof that somebody overhears or relays serves nobody else.
std::string ProofOf(std::string_view verifier, const JoinRequest& request,
                    const base::PeerId& inviter, const base::PeerId& joiner);

}  // namespace waypost::syncgroup
