#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "syncgroup/protocol/entry.h"
#include "syncgroup/protocol/messages.h"

// The keys of syncgroup's tables, built and parsed here alone. Stored bytes: the layouts never
// change.
//
//   groups     group                        -> GroupRow
//   members    group, 'm', peer             -> Member, as folded now
//              group, 'c', origin           -> OriginCut: which entries of an origin count
//              group, 'o', stamp            -> a membership operation: what is folded
//              group, 'f', numbering        -> ProfilesRow: which profiles are kept of it
//              group, 'p', place            -> an entry shown in papers, not yet in the log
//   refs       group, key                   -> RefRow
//   log        group, sequence              -> LogRow
//              group, 8 x 0xff, place       -> sequence of the entry at that place
//   knowledge  group, origin, incarnation   -> KnowledgeRow
//   cursors    group, peer                  -> LogCursor
//   counts     group, or 32 zero bytes      -> Counts
//              group, first bytes of member -> bytes ever fetched because of it
//   invites    invite id                    -> InviteRow
//
// A numbering is origin and incarnation, a place is those and a generation; numbers have 8 bytes,
// big-endian.
namespace waypost::syncgroup {

std::string GroupKey(const base::GroupId& group);

std::string MemberKey(const base::GroupId& group, const base::PeerId& peer);
std::string MemberPrefix(const base::GroupId& group);
std::optional<base::PeerId> MemberOfKey(std::string_view key);

std::string CutKey(const base::GroupId& group, const base::PeerId& origin);
std::string CutPrefix(const base::GroupId& group);
std::optional<base::PeerId> OriginOfCutKey(std::string_view key);

std::string MembershipOpKey(const base::GroupId& group, const Stamp& stamp);
std::string MembershipOpPrefix(const base::GroupId& group);
std::optional<Stamp> StampOfMembershipOpKey(std::string_view key);

// Which profiles are kept of one numbering, and of all of one origin.
std::string ProfilesKey(const base::GroupId& group, const OriginKey& numbering);
std::string ProfilesPrefix(const base::GroupId& group, const base::PeerId& origin);
std::optional<OriginKey> NumberingOfProfilesKey(std::string_view key);
std::string PaperKey(const base::GroupId& group, const EntryPlace& place);
// All that was shown, and of one origin.
std::string PaperPrefix(const base::GroupId& group);
std::string PaperPrefix(const base::GroupId& group, const base::PeerId& origin);

std::string RefRowKey(const base::GroupId& group, std::string_view key);
std::string_view KeyOfRefRow(std::string_view row_key);

std::string LogKey(const base::GroupId& group, uint64_t sequence);
// The sequence of a log row; nullopt for a row of the index of places.
std::optional<uint64_t> SequenceOfLogKey(std::string_view key);
std::string PlaceKey(const base::GroupId& group, const EntryPlace& place);

std::string KnowledgeKey(const base::GroupId& group, const OriginKey& numbering);
// All that one origin is known by.
std::string KnowledgePrefix(const base::GroupId& group, const base::PeerId& origin);
std::optional<OriginKey> NumberingOfKey(std::string_view key);

std::string CursorKey(const base::GroupId& group, const base::PeerId& peer);

// In `counts`, of what is charged to a member; see signpost::GroupMention::first_by.
std::string ChargeKey(const base::GroupId& group, uint64_t first_by);
uint64_t FirstBy(const base::PeerId& member);

// The group that a key of any table here but `invites` begins with.
std::optional<base::GroupId> GroupOfKey(std::string_view key);

}  // namespace waypost::syncgroup
