#pragma once

#include "absl/status/status.h"
#include "syncgroup/membership/act_store.h"
#include "syncgroup/membership/trust_acts.h"

// What must hold of an act whoever wrote it, and whatever its author may do: its form. Pure.
namespace waypost::syncgroup {

// May the entry be added to what is here? kAlreadyExists: it is here. kFailedPrecondition: its
// branch, or something that it rests on or names, is not here yet; the message says which.
// kInvalidArgument: it has no form that anybody may take, now or ever:
// - an entry is stamped later than the one before it, its basis, and all that it names and pins;
// - its numbering rests on an admission of its own origin, or on the genesis if that is the
// founder;
// - names are acts about the same peer, 64 at most; the genesis is one about the founder;
// - pins are of that peer's own numberings, 256 at most;
// - an inviter's admission gives no admin's authority, names leavings only and pins nothing, for it
//   lowers nothing;
// - who leaves is the author.
// Cost: O(names + pins).
absl::Status CheckActEntry(const ActStore& store, const ActEntry& entry);
// The same of one that has no place yet, wherever it will stand: by its author and its basis. Also
// of entries without acts.
absl::Status CheckWhatItSays(const ActStore& store, const base::PeerId& origin, const ActId& basis,
                             const ActEntry& entry);

// The same of an act by the recovery keys: an Admit or a Remove, never as an inviter nor of named
// bases only. Pins of it may be missing here and are not asked about: they pin nothing yet.
absl::Status CheckRecoveryAct(const ActStore& store, const RecoveryAct& recovery);

}  // namespace waypost::syncgroup
