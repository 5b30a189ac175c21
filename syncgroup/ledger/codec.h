#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "syncgroup/ledger/rows.h"

// The bytes of syncgroup's rows. Decoders answer nullopt for what does not parse.
namespace waypost::syncgroup {

std::string EncodeGroupRow(const GroupRow& row);
std::optional<GroupRow> DecodeGroupRow(std::string_view payload);
// A member row does not say whose it is: the key does.
std::string EncodeMember(const Member& member);
std::optional<Member> DecodeMember(const base::PeerId& peer, std::string_view payload);
// The role in a member's row, without decoding the rest.
std::optional<Role> DecodeRoleOfMember(std::string_view payload);
std::string EncodeCut(const OriginCut& cut);
std::optional<OriginCut> DecodeCut(std::string_view payload);
std::string EncodeProfiles(const ProfilesRow& row);
std::optional<ProfilesRow> DecodeProfiles(std::string_view payload);
std::string EncodeRefRow(const RefRow& row);
std::string EncodeLogRow(const LogRow& row);
std::string EncodeKnowledge(const KnowledgeRow& row);
std::optional<KnowledgeRow> DecodeKnowledge(std::string_view payload);
std::string EncodeCursor(const LogCursor& cursor);
std::optional<LogCursor> DecodeCursor(std::string_view payload);
std::string EncodeCharge(uint64_t fetched_bytes);
std::optional<uint64_t> DecodeCharge(std::string_view payload);
std::string EncodeCounts(const Counts& counts);
std::optional<Counts> DecodeCounts(std::string_view payload);
std::string EncodeInviteRow(const InviteRow& row);

}  // namespace waypost::syncgroup
