#include "syncgroup/protocol/seal.h"

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "syncgroup/protocol/wire_codec.h"

// Signing entries, and the one check whether an entry is what it says. What is signed are the exact
// bytes that travel and are stored: nothing is ever serialized again to be checked.

namespace waypost::syncgroup {

SealedEntry SealEntry(const base::Identity& identity, const Entry& entry) {
  CHECK(entry.place.origin == identity.peer_id());
  SealedEntry sealed{.bytes = EncodeEntry(entry)};
  sealed.signature = identity.Sign(kEntryTag, sealed.bytes);
  return sealed;
}

absl::Status CheckSealed(const SealedEntry& sealed, const Entry& entry) {
  const EntryPlace& place = entry.place;
  if (base::VerifySignature(place.origin, kEntryTag, sealed.bytes, sealed.signature)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("entry ", place.generation, " of ",
                                                 place.origin.ToHex(), " is not signed by it"));
}

}  // namespace waypost::syncgroup
