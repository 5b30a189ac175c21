#include "syncgroup/protocol/log_entry.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "syncgroup/protocol/wire_codec.h"

// Entries of a log with branches, signed and checked. What is signed are the exact bytes that
// travel and are stored: nothing is ever serialized again to be checked.

namespace waypost::syncgroup {

std::string FormatActId(const ActId& id) {
  if (id == ActId::Genesis()) return "genesis";
  if (id == ActId::Recovery()) return "recovery";
  return absl::StrCat(id.entry.ToHex(), "/", id.position);
}

Holds HoldsOp(const LogOp& op) {
  const bool references =
      std::holds_alternative<PutRefOp>(op) || std::holds_alternative<DeleteRefOp>(op) ||
      std::holds_alternative<ProfileOp>(op) || std::holds_alternative<CloseOp>(op);
  return references ? Holds::kReferences : Holds::kActs;
}

SealedEntry SealLogEntry(const base::Identity& identity, const LogEntry& entry) {
  CHECK(entry.place.origin == identity.peer_id());
  SealedEntry sealed{.bytes = EncodeLogEntry(entry)};
  sealed.signature = identity.Sign(kLogEntryTag, sealed.bytes);
  return sealed;
}

absl::StatusOr<OpenedEntry> OpenLogEntry(const base::GroupId& group, SealedEntry sealed) {
  OpenedEntry opened;
  ASSIGN_OR_RETURN(opened.entry, DecodeLogEntry(sealed.bytes));
  if (opened.entry.group != group) {
    return absl::InvalidArgumentError("an entry belongs to another group");
  }
  const LogPlace& place = opened.entry.place;
  if (!base::VerifySignature(place.origin, kLogEntryTag, sealed.bytes, sealed.signature)) {
    return absl::InvalidArgumentError(absl::StrCat("entry ", place.generation, " of ",
                                                   place.origin.ToHex(), " is not signed by it"));
  }
  opened.hash = HashEntry(sealed.bytes);
  opened.sealed = std::move(sealed);
  return opened;
}

}  // namespace waypost::syncgroup
