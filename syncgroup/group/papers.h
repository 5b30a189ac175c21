#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "base/ids.h"
#include "base/index.h"
#include "syncgroup/group/core.h"
#include "syncgroup/group/group_writer.h"
#include "syncgroup/group/member_shares.h"
#include "syncgroup/membership/membership.h"
#include "syncgroup/protocol/messages.h"

namespace waypost::syncgroup {

// What shows that a peer is a member: its newest profile entry, the entry that admitted it last,
// and the entries that the right to do so rested on, back to the founder; at most kPapersMax. Folds
// the members of the group once, for however many peers it is asked about. `txn` outlives it; of
// one thread.
class PaperTrails {
 public:
  PaperTrails(base::ReadTxn& txn, const base::GroupId& group);
  Papers Of(const base::PeerId& peer) const;

 private:
  base::ReadTxn& txn_;
  const base::GroupId group_;
  const std::vector<StampedOp> ops_;  // in the order of stamps
  std::optional<Membership> membership_;
};
Papers PapersOf(base::ReadTxn& txn, const base::GroupId& group, const base::PeerId& peer);
// In a message, and a little more.
std::size_t BytesOf(const Papers& papers);

// What shows to one who was removed that it was: the entries that say so, the latest ones.
std::vector<SealedEntry> RemovalOf(base::ReadTxn& txn, const base::GroupId& group,
                                   const base::PeerId& peer);

// The entries of papers that may be looked at: they parse, belong to the group, and are not ahead
// of `now`; nullopt: by whose clock they are judged is not known yet, and none is ahead.
std::vector<PreparedEntry> ReadPapers(const Papers& papers, std::optional<base::WallTime> now);
// Is there anything in them that `txn` does not know?
bool PapersAreNews(base::ReadTxn& txn, const base::GroupId& group,
                   const std::vector<PreparedEntry>& entries);
// Of one origin so much is kept of what was only shown, until its log brings it: an admin that
// admitted many is shown by each of these.
inline constexpr std::size_t kPapersOfOriginMax = 256;
inline constexpr std::size_t kPaperBytesOfOriginMax = std::size_t{1} << 20;
// ... and apart from these so many that remove somebody, so that nothing shown before keeps a
// removal away.
inline constexpr std::size_t kRemovalPapersMax = 64;
inline constexpr std::size_t kRemovalPaperBytesMax = std::size_t{256} << 10;
// Of a group, however many origins it has.
inline constexpr std::size_t kPaperBytesOfGroupMax = std::size_t{32} << 20;
// What may be kept of papers, as of one transaction: of an origin no more than that, and, together
// with its entries that are here, no more admissions, settings, removals and numberings than
// MemberLimits says. What is beyond comes with the log. Of one thread.
class PaperShares {
 public:
  // `core`, `txn` and `row` outlive it.
  PaperShares(const Core& core, base::ReadTxn& txn, const base::GroupId& group,
              const GroupRow& row);
  // Is it kept already, or may it be? Then it counts.
  bool Take(const PreparedEntry& entry);
  std::vector<PreparedEntry> Within(std::vector<PreparedEntry> entries);

 private:
  struct Pot {
    std::size_t papers = 0, bytes = 0;
  };
  // Of one origin.
  struct Shown {
    Pot removals, others;
    std::set<base::Incarnation> numberings;  // none of which is in the log
  };
  Shown& Of(const base::PeerId& origin);
  std::size_t& BytesOfGroup();
  // Adds it, and says what it counts for with its origin's limits.
  MemberUse Add(Shown& shown, const Entry& entry, std::size_t bytes);

  const Core& core_;
  base::ReadTxn& txn_;
  const base::GroupId group_;
  MemberShares shares_;
  std::map<base::PeerId, Shown> shown_;
  std::optional<std::size_t> bytes_of_group_;  // once it was looked at
};
// Does what the entry decides about members count by its origin's rights of now, as far as one can
// tell before the members are folded? It admits or sets by an admin's right, admits by an
// inviter's, removes by an admin's, or leaves.
bool MayDecide(base::ReadTxn& txn, const base::GroupId& group, const Entry& entry);
// Of papers that say more than `txn` knows, what shows members: admissions that count as far as
// they go back to the founder, removals of this peer, and what the peer `of` says of itself;
// without `of`, what all of them say. Nothing where `of` is no member if they say the truth, and
// nothing where none of that is new.
std::vector<PreparedEntry> PapersToKeep(const Core& core, base::ReadTxn& txn,
                                        const base::GroupId& group, const GroupRow& row,
                                        std::vector<PreparedEntry> entries,
                                        const std::optional<base::PeerId>& of);
// Takes that for true at once and keeps it. Nothing else of papers leaves a trace. Folds the
// members: whoever is shown papers by others asks PapersToKeep in a read before.
void LearnPapers(GroupWriter& writer, const Core& core, std::vector<PreparedEntry> entries,
                 const std::optional<base::PeerId>& of);

}  // namespace waypost::syncgroup
