#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/random.h"
#include "syncgroup/protocol/entry.h"
#include "syncgroup/protocol/messages.h"
#include "syncgroup/protocol/seal.h"
#include "syncgroup/protocol/wire_codec.h"

namespace waypost::support {

// A member that keeps to no rule: it signs with its real key whatever a test wants, under as many
// numberings as it likes. What it makes is sent by the test, over the codecs or a connection.
// Extend it: every field is open, and a default only saves typing.
class HostileMember {
 public:
  // Both outlive it.
  HostileMember(const base::Identity& identity, const base::Clock& clock)
      : identity_(identity), clock_(clock) {}

  // A series of entries; `generation` and `previous` may be set to anything before the next one.
  struct Numbering {
    base::Incarnation incarnation;
    uint64_t generation = 0;
    base::EntryHash previous;
  };
  static Numbering NewNumbering() {
    return {.incarnation = base::NewIncarnation(), .previous = {}};
  }

  const base::PeerId& peer() const { return identity_.peer_id(); }

  // Signed as it stands, except that the origin is this member.
  syncgroup::SealedEntry Sign(syncgroup::Entry entry) const {
    entry.place.origin = peer();
    return syncgroup::SealEntry(identity_, entry);
  }
  // The next of a numbering. `time`: by default a millisecond later than the one before, from now.
  syncgroup::SealedEntry Next(const base::GroupId& group, Numbering& numbering,
                              std::vector<syncgroup::Op> ops,
                              std::optional<base::WallTime> time = std::nullopt) {
    last_ = std::max(last_ + base::Millis(1), clock_.WallNow());
    const syncgroup::SealedEntry sealed =
        Sign({.group = group,
              .place = {peer(), numbering.incarnation, ++numbering.generation},
              .previous = numbering.previous,
              .time = time.value_or(last_),
              .ops = std::move(ops)});
    numbering.previous = syncgroup::HashEntry(sealed.bytes);
    return sealed;
  }
  // Another entry under the number that `numbering` used last.
  syncgroup::ForkProof ForkOf(const base::GroupId& group, const Numbering& numbering,
                              const syncgroup::SealedEntry& last,
                              std::vector<syncgroup::Op> ops) const {
    return {last, Sign({.group = group,
                        .place = {peer(), numbering.incarnation, numbering.generation},
                        .previous = {},
                        .time = clock_.WallNow(),
                        .ops = std::move(ops)})};
  }

 private:
  const base::Identity& identity_;
  const base::Clock& clock_;
  base::WallTime last_;
};

}  // namespace waypost::support
