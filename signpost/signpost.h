#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/ids.h"
#include "base/time.h"

namespace waypost::signpost {

// A peer that probably has the blob.
struct Location {
  base::WallTime when_seen;
  bool is_server = false;
  bool is_proxy = false;
  base::WallTime denied;  // when it last said "not here"; kNever for never. Never sent.

  friend bool operator==(const Location&, const Location&) = default;
};

// What this peer knows of one group that mentions the blob. Local truth, never learned from others.
struct GroupMention {
  uint32_t keys = 0;  // keys of the group whose value here is this blob
  // One of them was set through this peer's own app: the blob is wanted whatever the role.
  bool set_here = false;
  bool wanted = false;  // counted as wanted in `counts`: mentioned, no holding, server or set_here
  // The member that mentioned it first, to which its bytes are charged: the first eight bytes of
  // its id, big-endian. 0: this peer itself, or not known.
  uint64_t first_by = 0;

  friend bool operator==(const GroupMention&, const GroupMention&) = default;
};

// Why an attempt ended without the blob. Stored numbers: never renumbered.
enum class ErrorClass : uint8_t {
  kNone = 0,
  kNotHere = 1,      // everyone asked said no
  kUnreachable = 2,  // refused, reset, timeout, stalled
  kBusy = 3,         // 5xx, 429
  kWrongBytes = 4,   // did not hash to the id, or another length than announced
  kNobody = 5,       // nobody to ask
  kNoSpace = 6,
  kDisk = 7,
  kResumeMismatch = 8,
};
const char* ErrorClassName(ErrorClass error);  // "not_here", ...

struct LastError {
  ErrorClass error = ErrorClass::kNone;
  base::PeerId peer;  // zero when no single peer is meant
  base::WallTime at;
  std::string message;  // at most 200 bytes

  friend bool operator==(const LastError&, const LastError&) = default;
};

// The persistent record of where a blob may be; exists whether or not the blob is here.
struct Signpost {
  std::map<base::PeerId, Location> locations;
  std::map<base::GroupId, GroupMention> groups;
  std::optional<uint64_t> size_hint_bytes;  // from others: a hint, judges nobody
  // What the last attempt left in `partial/`: charged as if it had been fetched, and part of what
  // is charged when all of it has come. 0 where nobody wants the blob.
  uint64_t partial_bytes = 0;
  uint64_t fetch_attempts = 0;  // that asked a peer, for ever
  uint32_t failures = 0;        // consecutive
  base::WallTime next_attempt;
  uint64_t evidence = 0;        // grows with every reason to try again at once
  base::WallTime stopped;       // an operator said stop
  base::WallTime asked_until;   // an app asked for it here; kNever: nobody did
  base::WallTime wanted_since;  // kNever while it is not wanted
  LastError last_error;
  base::WallTime created;
  base::WallTime updated;

  friend bool operator==(const Signpost&, const Signpost&) = default;
};

}  // namespace waypost::signpost
