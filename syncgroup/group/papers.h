#pragma once

#include <optional>
#include <vector>

#include "base/ids.h"
#include "base/index.h"
#include "syncgroup/group/core.h"
#include "syncgroup/group/group_writer.h"
#include "syncgroup/protocol/messages.h"

namespace waypost::syncgroup {

// What shows that `peer` is a member: its newest profile entry, the entry that admitted it last,
// and the entries that the right to do so rested on, back to the founder; at most kPapersMax.
Papers PapersOf(base::ReadTxn& txn, const base::GroupId& group, const base::PeerId& peer);

// What shows to one who was removed that it was: the entries that say so, the latest ones.
std::vector<SealedEntry> RemovalOf(base::ReadTxn& txn, const base::GroupId& group,
                                   const base::PeerId& peer);

// The entries of papers that may be looked at: they parse, belong to the group, and are not ahead
// of `now`; nullopt: by whose clock they are judged is not known yet, and none is ahead.
std::vector<PreparedEntry> ReadPapers(const Papers& papers, std::optional<base::WallTime> now);
// Is there anything in them that `txn` does not know?
bool PapersAreNews(base::ReadTxn& txn, const base::GroupId& group,
                   const std::vector<PreparedEntry>& entries);
// Is `peer` a member if they say the truth?
bool PapersLeadTo(base::ReadTxn& txn, const base::GroupId& group,
                  const std::vector<PreparedEntry>& entries, const base::PeerId& peer);
// Takes what they say of members for true at once, as far as it goes back to the founder; nothing
// else of them is kept.
void LearnPapers(GroupWriter& writer, const std::vector<PreparedEntry>& entries);

}  // namespace waypost::syncgroup
