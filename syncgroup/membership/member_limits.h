#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/time.h"
#include "syncgroup/protocol/entry.h"
#include "syncgroup/protocol/log_entry.h"

namespace waypost::syncgroup {

// What one member may bring into one group, as far as this peer takes it: so that nobody can fill
// its log, its tables or its requests. What was taken is counted for ever, deleted references too;
// what is beyond waits at whoever has it, and is asked for again. All count from the admission.
struct MemberLimits {
  // Operations of every kind, references above all.
  uint64_t total = 5'000'000;
  // Of these at once, and then so many a second.
  uint64_t burst = 100'000;
  uint64_t per_second = 200;
  // That a server fetches because of what they mention, for ever; blobs that an app here asks for
  // are no part of it.
  uint64_t bytes = uint64_t{1} << 40;
  uint64_t entries = 1'000'000;
  uint64_t log_bytes = uint64_t{1} << 30;
  // Admissions and settings at once, and so many more a day; removals as many by themselves, so
  // that nobody who admitted much cannot remove.
  uint64_t membership = 1000;
  uint64_t membership_per_day = 100;
  // At once, and one more a day: a device that was restored or wiped begins one.
  uint64_t numberings = 64;
};

// What of one member has been taken.
struct MemberUse {
  uint64_t numberings = 0;
  uint64_t entries = 0;
  uint64_t log_bytes = 0;
  uint64_t operations = 0;
  uint64_t membership = 0;
  uint64_t removals = 0;
  MemberUse& operator+=(const MemberUse& more);
  friend bool operator==(const MemberUse&, const MemberUse&) = default;
};
// Of an entry whose sealed form has `sealed_bytes`. A peer that is admitted or removed counts once
// for each 64 of its numberings that are named, itself once for each. Pure.
MemberUse UseOf(const Entry& entry, uint64_t sealed_bytes);

// The same of an entry of a log with branches, which begins a branch or goes on with one: each
// branch counts as a numbering. An act counts once, and once more for each 64 heads that it pins.
// Pure.
MemberUse UseOf(const LogEntry& entry, uint64_t sealed_bytes, bool begins);

// What is beyond the limits when a member that was admitted then comes to `use` by `more` of it, in
// words that name the settings; nullopt: nothing. Of what there is no more a limit that was lowered
// since holds nothing up. Pure.
std::optional<std::string> BeyondLimits(const MemberLimits& limits, const MemberUse& use,
                                        const MemberUse& more, base::WallTime admitted,
                                        base::WallTime now);

// Those that came by the invites of one member have together what a member has, apart from that
// one, so that nobody multiplies itself; and each of the first of them this much in any case, but
// for admissions, so that the rest does not shut it out. Pure.
MemberLimits OwnShareOfInvited(const MemberLimits& limits);

// Since when a member's age counts: its admission, or where that is younger than the admission of
// this peer, which then saw it come, when it was first seen here: so that nobody dates its
// admission back. Pure.
base::WallTime AgeBegins(base::WallTime admitted, base::WallTime first_seen,
                         base::WallTime own_admission);

// How large a blob may be whose first mention is by a member for which so much was fetched. Pure.
uint64_t BytesAllowed(const MemberLimits& limits, uint64_t fetched_bytes);

// Of a member that was admitted then, all its operations together. Pure.
uint64_t OperationsAllowed(const MemberLimits& limits, base::WallTime admitted, base::WallTime now);

}  // namespace waypost::syncgroup
