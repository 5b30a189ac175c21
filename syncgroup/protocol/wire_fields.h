#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "syncgroup/protocol/log.pb.h"
#include "syncgroup/protocol/log_entry.h"
#include "syncgroup/protocol/log_messages.h"
#include "syncgroup/protocol/recovery.h"
#include "syncgroup/protocol/wire.pb.h"
#include "syncgroup/protocol/wire_codec.h"
#include "syncgroup/protocol/wire_shape.h"

// What wire_codec.cc and entry_codec.cc share, and nobody else includes: fields that stand in
// several messages, how often each part of a message may be repeated, and the only ways from bytes
// to generated code and back. Pure; kInvalidArgument names what is wrong.
namespace waypost::syncgroup::fields {

inline absl::Status Bad(const char* message, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat(message, ": ", what));
}

template <class Id>
absl::Status ReadId(const std::string& bytes, const char* what, Id& out) {
  const auto id = Id::FromBytes(bytes);
  if (!id) return Bad(what, absl::StrCat("has ", bytes.size(), " bytes, not ", Id::kBytes));
  out = *id;
  return absl::OkStatus();
}

template <class Id>
std::string IdBytes(const Id& id) {
  return std::string(id.bytes());
}

inline absl::Status ReadRole(uint32_t number, Role& out) {
  if (number < 1 || number > 3) return Bad("role", absl::StrCat("unknown number ", number));
  out = static_cast<Role>(number);
  return absl::OkStatus();
}
inline absl::Status ReadOptionalRole(uint32_t number, std::optional<Role>& out) {
  if (number == 0) return absl::OkStatus();
  Role role{};
  RETURN_IF_ERROR(ReadRole(number, role));
  out = role;
  return absl::OkStatus();
}
inline absl::Status ReadAuthority(uint32_t number, Authority& out) {
  if (number < 1 || number > 3) return Bad("authority", absl::StrCat("unknown number ", number));
  out = static_cast<Authority>(number);
  return absl::OkStatus();
}

inline absl::Status ReadTime(int64_t ms, const char* what, base::WallTime& out) {
  // Up to the year 9999, so that sums of times never overflow.
  if (ms < 0 || ms > int64_t{253402300799999}) return Bad(what, "is out of range");
  out = base::FromMs(ms);
  return absl::OkStatus();
}

template <class Repeated>
absl::Status ReadAddresses(const Repeated& from, std::vector<std::string>& out) {
  if (static_cast<std::size_t>(from.size()) > kAddressesMax) {
    return Bad("addresses", absl::StrCat(from.size(), " of them, at most ", kAddressesMax));
  }
  for (const std::string& address : from) {
    if (address.empty()) return Bad("addresses", "one is empty");
    RETURN_IF_ERROR(CheckText(address, kAddressBytesMax, "an address"));
    out.push_back(address);
  }
  return absl::OkStatus();
}

// A message names a group once, and not too many: each costs its reader some work.
template <class Repeated>
absl::Status CheckGroups(const Repeated& groups, std::size_t max) {
  if (static_cast<std::size_t>(groups.size()) > max) {
    return Bad("groups", absl::StrCat(groups.size(), " of them, at most ", max));
  }
  std::set<std::string_view> seen;
  for (const auto& one : groups) {
    if (!seen.insert(one.group()).second) return Bad("groups", "one is named twice");
  }
  return absl::OkStatus();
}

// ---- what of a message may be repeated, and how often ----

// As many as fit into the bytes.
inline constexpr std::size_t kUncounted = SIZE_MAX;
// The least that an item can have: ids have their exact sizes, with tag and length two bytes more.
inline constexpr std::size_t kIdMin = 32, kGroupMin = 34, kNumberingMin = 52, kKnownMin = 86;
// A signature alone; entries have more than a hundred bytes besides.
inline constexpr std::size_t kSealedMin = 64;

inline constexpr RepeatedField kProfileShape[] = {
    {wire::Profile::kAddressesFieldNumber, kAddressesMax}};
// Once: Protobuf merges what comes again, and so would add the addresses up.
inline constexpr RepeatedField kOpShape[] = {{wire::Op::kProfileFieldNumber, 1, 0, kProfileShape}};
inline constexpr RepeatedField kEntryShape[] = {
    {wire::Entry::kOpsFieldNumber, kOpsPerEntryMax, 0, kOpShape}};
inline constexpr RepeatedField kLogAdmitShape[] = {
    {wire::LogAdmit::kNamesFieldNumber, kNamesPerActMax},
    {wire::LogAdmit::kPinsFieldNumber, kPinsPerActMax}};
inline constexpr RepeatedField kLogRemoveShape[] = {
    {wire::LogRemove::kNamesFieldNumber, kNamesPerActMax},
    {wire::LogRemove::kPinsFieldNumber, kPinsPerActMax}};
inline constexpr RepeatedField kLogLeaveShape[] = {
    {wire::LogLeave::kPinsFieldNumber, kPinsPerActMax}};
// Each once: Protobuf merges what comes again, and so would add its lists up.
inline constexpr RepeatedField kLogOpShape[] = {
    {wire::LogOp::kProfileFieldNumber, 1, 0, kProfileShape},
    {wire::LogOp::kAdmitFieldNumber, 1, 0, kLogAdmitShape},
    {wire::LogOp::kRemoveFieldNumber, 1, 0, kLogRemoveShape},
    {wire::LogOp::kLeaveFieldNumber, 1, 0, kLogLeaveShape}};
inline constexpr RepeatedField kLogEntryShape[] = {
    {wire::LogEntry::kOpsFieldNumber, kOpsPerEntryMax, 0, kLogOpShape}};
inline constexpr RepeatedField kRecoverySayingShape[] = {
    {wire::RecoverySaying::kAdmitFieldNumber, 1, 0, kLogAdmitShape},
    {wire::RecoverySaying::kRemoveFieldNumber, 1, 0, kLogRemoveShape}};
inline constexpr RepeatedField kRecoveryPaperShape[] = {
    {wire::RecoveryPaper::kSignaturesFieldNumber, kRecoveryKeysMax, kSealedMin}};
// A head has two ids and a number; the smallest of the messages around one is as large.
inline constexpr std::size_t kHeadMin = 2 * kGroupMin + 2;
inline constexpr RepeatedField kLogAskShape[] = {
    {wire::LogAsk::kWantsFieldNumber, kLogWantsMax, kHeadMin},
    {wire::LogAsk::kProbesFieldNumber, kLogProbesMax, kHeadMin},
    {wire::LogAsk::kActsFieldNumber, kLogActsMax, kIdMin}};
inline constexpr RepeatedField kLogAsksShape[] = {
    {wire::LogAsks::kGroupsFieldNumber, kUncounted, kGroupMin, kLogAskShape}};
inline constexpr RepeatedField kLogProbedShape[] = {
    {wire::LogProbed::kHeadsFieldNumber, kProbedAtOnce, kHeadMin}};
inline constexpr RepeatedField kLogAnswerShape[] = {
    {wire::LogAnswer::kHeadsFieldNumber, kLogHeadsMax, kHeadMin},
    {wire::LogAnswer::kEntriesFieldNumber, kUncounted, kSealedMin},
    {wire::LogAnswer::kPartedFieldNumber, kLogWantsMax, kHeadMin},
    {wire::LogAnswer::kGoneFieldNumber, kLogWantsMax, kHeadMin},
    {wire::LogAnswer::kProbedFieldNumber, kLogProbesMax, 0, kLogProbedShape},
    {wire::LogAnswer::kActsFieldNumber, kLogActsMax, kHeadMin},
    {wire::LogAnswer::kRecoveryFieldNumber, kRecoveryPapersMax, 0, kRecoveryPaperShape}};
inline constexpr RepeatedField kLogAnswersShape[] = {
    {wire::LogAnswers::kGroupsFieldNumber, kUncounted, kGroupMin, kLogAnswerShape}};
inline constexpr RepeatedField kGenesisShape[] = {
    {wire::Genesis::kRecoveryKeysFieldNumber, kRecoveryKeysMax, kIdMin}};
inline constexpr RepeatedField kPapersShape[] = {
    {wire::Papers::kEntriesFieldNumber, kPapersMax, kSealedMin}};
inline constexpr RepeatedField kHelloShape[] = {
    {wire::Hello::kAddressesFieldNumber, kAddressesMax, 1},
    {wire::Hello::kPapersFieldNumber, kUncounted, kGroupMin, kPapersShape}};
inline constexpr RepeatedField kSyncGroupRequestShape[] = {
    {wire::SyncGroupRequest::kKnowledgeFieldNumber, kUncounted, kKnownMin},
    {wire::SyncGroupRequest::kProbesFieldNumber, kProbesMax, kNumberingMin}};
inline constexpr RepeatedField kSyncRequestShape[] = {
    {wire::SyncRequest::kGroupsFieldNumber, kUncounted, kGroupMin, kSyncGroupRequestShape}};
inline constexpr RepeatedField kSyncGroupReplyShape[] = {
    {wire::SyncGroupReply::kEntriesFieldNumber, kUncounted, kSealedMin},
    {wire::SyncGroupReply::kOfCallerFieldNumber, kUncounted, kKnownMin},
    {wire::SyncGroupReply::kForksFieldNumber, kForksMax, 2 * kSealedMin},
    {wire::SyncGroupReply::kProbedFieldNumber, kUncounted, kSealedMin},
    {wire::SyncGroupReply::kClaimedFieldNumber, kUncounted, kSealedMin}};
inline constexpr RepeatedField kSyncReplyShape[] = {
    {wire::SyncReply::kGroupsFieldNumber, kUncounted, kGroupMin, kSyncGroupReplyShape}};
inline constexpr RepeatedField kPokeShape[] = {
    {wire::PokeRequest::kGroupsFieldNumber, kSyncGroupsMax, kIdMin},
    {wire::PokeRequest::kHavesFieldNumber, kHavesMax, kIdMin}};
inline constexpr RepeatedField kJoinRequestShape[] = {
    {wire::JoinRequest::kAddressesFieldNumber, kAddressesMax, 1}};
inline constexpr RepeatedField kMemberShape[] = {
    {wire::Member::kAddressesFieldNumber, kAddressesMax, 1}};
inline constexpr RepeatedField kJoinReplyShape[] = {
    {wire::JoinReply::kPapersFieldNumber, kUncounted, kGroupMin, kPapersShape},
    {wire::JoinReply::kMembersFieldNumber, kUncounted, kNumberingMin, kMemberShape}};
inline constexpr RepeatedField kHeldRequestShape[] = {
    {wire::HeldRequest::kBlobsFieldNumber, kHavesMax, kIdMin}};
inline constexpr RepeatedField kHeldReplyShape[] = {
    {wire::HeldReply::kHeldFieldNumber, kHavesMax, kIdMin}};
inline constexpr RepeatedField kBatchRequestShape[] = {
    {wire::BatchRequest::kGroupsFieldNumber, kReadGroupsMax, kIdMin},
    {wire::BatchRequest::kBlobsFieldNumber, kBatchBlobsMax, kIdMin}};
inline constexpr RepeatedField kMissShape[] = {
    {wire::Miss::kLocationsFieldNumber, kMissLocationsMax, kGroupMin}};
inline constexpr RepeatedField kInviteShape[] = {
    {wire::Invite::kAddressesFieldNumber, kAddressesMax, 1}};

inline WireShape ShapeOf(const wire::Entry&) { return kEntryShape; }
inline WireShape ShapeOf(const wire::LogEntry&) { return kLogEntryShape; }
inline WireShape ShapeOf(const wire::LogAsks&) { return kLogAsksShape; }
inline WireShape ShapeOf(const wire::LogAnswers&) { return kLogAnswersShape; }
inline WireShape ShapeOf(const wire::RecoverySaying&) { return kRecoverySayingShape; }
inline WireShape ShapeOf(const wire::RecoveryPaper&) { return kRecoveryPaperShape; }
inline WireShape ShapeOf(const wire::Op&) { return kOpShape; }
inline WireShape ShapeOf(const wire::SealedEntry&) { return {}; }
inline WireShape ShapeOf(const wire::Genesis&) { return kGenesisShape; }
inline WireShape ShapeOf(const wire::Hello&) { return kHelloShape; }
inline WireShape ShapeOf(const wire::SyncRequest&) { return kSyncRequestShape; }
inline WireShape ShapeOf(const wire::SyncReply&) { return kSyncReplyShape; }
inline WireShape ShapeOf(const wire::PokeRequest&) { return kPokeShape; }
inline WireShape ShapeOf(const wire::JoinRequest&) { return kJoinRequestShape; }
inline WireShape ShapeOf(const wire::JoinReply&) { return kJoinReplyShape; }
inline WireShape ShapeOf(const wire::HeldRequest&) { return kHeldRequestShape; }
inline WireShape ShapeOf(const wire::HeldReply&) { return kHeldReplyShape; }
inline WireShape ShapeOf(const wire::WrongRequest&) { return {}; }
inline WireShape ShapeOf(const wire::BatchRequest&) { return kBatchRequestShape; }
inline WireShape ShapeOf(const wire::Miss&) { return kMissShape; }
inline WireShape ShapeOf(const wire::Invite&) { return kInviteShape; }

// A message without a ShapeOf does not compile here.
template <class Message>
absl::Status Parse(std::string_view bytes, std::size_t bytes_max, const char* what, Message& out) {
  if (bytes.size() > bytes_max) {
    return Bad(what, absl::StrCat(bytes.size(), " bytes, at most ", bytes_max, " are allowed"));
  }
  if (const absl::Status shape = CheckShape(bytes, ShapeOf(out)); !shape.ok()) {
    return Bad(what, std::string(shape.message()));
  }
  if (!out.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Bad(what, "the bytes do not parse");
  }
  return absl::OkStatus();
}

// What cannot be large: an entry of this peer, an operation or entry that a decoder below has
// bounded, ids that are counted where they are named.
template <class Message>
std::string Serialize(const Message& message) {
  std::string bytes;
  CHECK(message.SerializeToString(&bytes));
  return bytes;
}

// What others have a hand in. Beyond what its reader takes it is no message: kResourceExhausted.
template <class Message>
absl::StatusOr<std::string> SerializeUpTo(const Message& message, std::size_t bytes_max,
                                          const char* what) {
  const std::size_t size = message.ByteSizeLong();
  std::string bytes;
  if (size > bytes_max || !message.SerializeToString(&bytes)) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a ", what, " of ", size, " bytes; at most ", bytes_max, " are sent"));
  }
  return bytes;
}

inline void WriteSealed(const SealedEntry& from, wire::SealedEntry* to) {
  to->set_entry(from.bytes);
  to->set_signature(from.signature);
}
inline absl::Status ReadSealed(const wire::SealedEntry& from, SealedEntry& out) {
  if (from.entry().empty()) return Bad("entry", "is empty");
  if (from.entry().size() > kEntryBytesMax) return Bad("entry", "is too large");
  if (from.signature().size() > kSignatureBytesMax) return Bad("signature", "is too long");
  out.bytes = from.entry();
  out.signature = from.signature();
  return absl::OkStatus();
}

}  // namespace waypost::syncgroup::fields
