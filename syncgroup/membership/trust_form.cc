#include "syncgroup/membership/trust_form.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "base/status.h"

// Form is what every taker finds the same, with whatever else it has: so it never depends on what
// counts. An act about its own author has a form, though it counts for nothing.

namespace waypost::syncgroup {
namespace {

absl::Status Missing(const std::string& what) {
  return absl::FailedPreconditionError(absl::StrCat(what, " is not here yet: ask for it first"));
}

absl::Status CheckLater(base::WallTime stamp, base::WallTime than, const std::string& what) {
  if (stamp > than) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("stamped ", base::FormatTime(stamp),
                                                 ", no later than ", what, " of ",
                                                 base::FormatTime(than)));
}

absl::Status CheckNames(const ActStore& store, base::WallTime stamp, const TrustAct& act) {
  if (act.names.size() > kNamesPerActMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("names ", act.names.size(), " acts, more than ", kNamesPerActMax));
  }
  const auto peer = store.FindPeer(act.peer);
  for (const ActId& name : act.names) {
    const auto named = store.FindAct(name);
    if (!named) return Missing(absl::StrCat("act ", FormatActId(name), ", which is named,"));
    const ActRecord& record = store.act(*named);
    if (!peer || record.peer != *peer) {
      return absl::InvalidArgumentError(
          absl::StrCat("names ", FormatActId(name), ", which is not about ", act.peer.ToHex()));
    }
    if (act.as_inviter && record.kind != ActKind::kLeave) {
      return absl::InvalidArgumentError(absl::StrCat("an inviter's admission names ",
                                                     FormatActId(name), ", which is no leaving"));
    }
    RETURN_IF_ERROR(CheckLater(stamp, store.StampOf(*named), "what it names"));
  }
  return absl::OkStatus();
}

absl::Status CheckPins(const ActStore& store, base::WallTime stamp, const TrustAct& act) {
  if (act.pins.size() > kPinsPerActMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("pins ", act.pins.size(), " heads, more than ", kPinsPerActMax));
  }
  for (const Pin& pin : act.pins) {
    if (!store.branches().Contains(pin.head.branch) || pin.head.generation == 0) {
      return Missing(absl::StrCat("a head of ", act.peer.ToHex(), ", which is pinned,"));
    }
    if (store.branches().OriginOf(pin.head.branch) != act.peer) {
      return absl::InvalidArgumentError(
          absl::StrCat("pins a head that is not of ", act.peer.ToHex()));
    }
    RETURN_IF_ERROR(CheckLater(stamp, pin.stamp, "what it pins"));
  }
  return absl::OkStatus();
}

absl::Status CheckWording(const TrustAct& act) {
  if (act.as_inviter) {
    if (act.kind != ActKind::kAdmit || act.authority == Authority::kAdmin) {
      return absl::InvalidArgumentError("an inviter admits readers and writers, and does no more");
    }
    if (!act.pins.empty()) {
      return absl::InvalidArgumentError("an inviter's admission pins, though it lowers nothing");
    }
  }
  if (act.only_named && act.kind != ActKind::kRemove) {
    return absl::InvalidArgumentError("only a removal can be of the named bases alone");
  }
  return absl::OkStatus();
}

absl::Status CheckAct(const ActStore& store, base::WallTime stamp, const TrustAct& act) {
  RETURN_IF_ERROR(CheckWording(act));
  RETURN_IF_ERROR(CheckNames(store, stamp, act));
  return CheckPins(store, stamp, act);
}

absl::Status CheckHere(const ActStore& store, const base::EntryHash& hash) {
  if (hash.IsZero()) return absl::InvalidArgumentError("the hash of an entry is never zero");
  if (!store.FindEntry(hash)) return absl::OkStatus();
  return absl::AlreadyExistsError(absl::StrCat("entry ", hash.ToHex(), " is here"));
}

absl::Status CheckBasis(const ActStore& store, const base::PeerId& origin, const ActId& id,
                        base::WallTime stamp) {
  const auto basis = store.FindAct(id);
  if (!basis) return Missing(absl::StrCat("basis ", FormatActId(id)));
  const ActRecord& act = store.act(*basis);
  const auto peer = store.FindPeer(origin);
  if (*basis == kRecoveryBasis || !act.is_basis() || !peer || act.peer != *peer) {
    return absl::InvalidArgumentError(
        absl::StrCat("rests on ", FormatActId(id), ", which is no admission of its origin"));
  }
  return CheckLater(stamp, store.StampOf(*basis), "its basis");
}

}  // namespace

absl::Status CheckActEntry(const ActStore& store, const ActEntry& entry) {
  RETURN_IF_ERROR(CheckHere(store, entry.hash));
  if (!store.branches().Contains(entry.place.branch)) return Missing("its branch");
  if (entry.place.generation == 0 || store.branches().Owner(entry.place) != entry.place) {
    return absl::InvalidArgumentError("stands at no place of its branch");
  }
  if (store.by_place().contains(entry.place)) {
    return absl::InvalidArgumentError("stands where another entry does: it is on another branch");
  }
  const Branches& branches = store.branches();
  return CheckWhatItSays(store, branches.OriginOf(entry.place.branch),
                         branches.BasisOf(entry.place.branch), entry);
}

absl::Status CheckWhatItSays(const ActStore& store, const base::PeerId& origin, const ActId& basis,
                             const ActEntry& entry) {
  RETURN_IF_ERROR(CheckBasis(store, origin, basis, entry.stamp));
  RETURN_IF_ERROR(CheckLater(entry.stamp, entry.previous, "the entry before it"));
  for (const TrustAct& act : entry.acts) {
    if (act.kind == ActKind::kLeave && act.peer != origin) {
      return absl::InvalidArgumentError("says that somebody else leaves");
    }
    RETURN_IF_ERROR(CheckAct(store, entry.stamp, act));
  }
  return absl::OkStatus();
}

absl::Status CheckRecoveryAct(const ActStore& store, const RecoveryAct& recovery) {
  RETURN_IF_ERROR(CheckHere(store, recovery.identity));
  const TrustAct& act = recovery.act;
  if (act.kind == ActKind::kLeave || act.as_inviter || act.only_named) {
    return absl::InvalidArgumentError("recovery admits and removes, and nothing else");
  }
  RETURN_IF_ERROR(CheckLater(recovery.stamp, store.genesis().when, "the genesis"));
  return CheckAct(store, recovery.stamp, act);
}

}  // namespace waypost::syncgroup
