#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "signpost/rules.h"
#include "syncgroup/protocol/entry.h"
#include "syncgroup/protocol/genesis.h"
#include "syncgroup/protocol/invite.h"
#include "syncgroup/protocol/messages.h"

// Protobuf bodies of the peer API. Decoders bound the size before parsing, check every field, and
// answer kInvalidArgument with what is wrong. Unknown fields are ignored. Encoders of what others
// have a hand in answer kResourceExhausted where it is more than its reader takes.
namespace waypost::syncgroup {

inline constexpr std::size_t kRequestBytesMax = std::size_t{1} << 20;
// What is read of a reply: those of this peer keep to kSyncPageBytesMax, with what stands around
// it. Each signature in it costs whoever reads it 50 us.
inline constexpr std::size_t kReplyBytesMax = kSyncPageBytesMax + (std::size_t{1} << 20);
inline constexpr std::size_t kMissBytesMax = std::size_t{64} << 10;
inline constexpr std::size_t kMissLocationsMax = 64;
inline constexpr std::size_t kEntryBytesMax = std::size_t{1} << 20;
inline constexpr std::size_t kSignatureBytesMax = 64;
inline constexpr std::size_t kInviteFieldBytesMax = 64;
inline constexpr std::size_t kInviteTextBytesMax = 8192;
inline constexpr std::string_view kInvitePrefix = "waypost1.";
// Generations and local sequences stay below, so that one more never overflows.
inline constexpr uint64_t kGenerationMax = uint64_t{1} << 62;

absl::StatusOr<std::string> EncodeHelloRequest(const HelloRequest& message);
absl::StatusOr<HelloRequest> DecodeHelloRequest(std::string_view bytes);
absl::StatusOr<std::string> EncodeHelloReply(const HelloReply& message);
absl::StatusOr<HelloReply> DecodeHelloReply(std::string_view bytes);
absl::StatusOr<std::string> EncodeSyncRequest(const SyncRequest& message);
absl::StatusOr<SyncRequest> DecodeSyncRequest(std::string_view bytes);
absl::StatusOr<std::string> EncodeSyncReply(const SyncReply& message);
absl::StatusOr<SyncReply> DecodeSyncReply(std::string_view bytes);
std::string EncodePokeRequest(const PokeRequest& message);
absl::StatusOr<PokeRequest> DecodePokeRequest(std::string_view bytes);
std::string EncodeJoinRequest(const JoinRequest& message);
absl::StatusOr<JoinRequest> DecodeJoinRequest(std::string_view bytes);
absl::StatusOr<std::string> EncodeJoinReply(const JoinReply& message);
absl::StatusOr<JoinReply> DecodeJoinReply(std::string_view bytes);
std::string EncodeWrongRequest(const WrongRequest& message);
absl::StatusOr<WrongRequest> DecodeWrongRequest(std::string_view bytes);
std::string EncodeHeldRequest(const HeldRequest& message);
absl::StatusOr<HeldRequest> DecodeHeldRequest(std::string_view bytes);
std::string EncodeHeldReply(const HeldReply& message);
absl::StatusOr<HeldReply> DecodeHeldReply(std::string_view bytes);
std::string EncodeBatchRequest(const BatchRequest& message);
absl::StatusOr<BatchRequest> DecodeBatchRequest(std::string_view bytes);

// The body of a 404 of the peer API: where else the blob may be.
struct Elsewhere {
  signpost::Locations locations;
  std::optional<uint64_t> size_hint_bytes;
};
std::string EncodeElsewhere(const Elsewhere& miss);
absl::StatusOr<Elsewhere> DecodeElsewhere(std::string_view bytes);

// How a group begins: the bytes that its founder signs.
std::string EncodeGenesis(const Genesis& genesis);
absl::StatusOr<Genesis> DecodeGenesis(std::string_view bytes);

// Log entries: the bytes that are hashed and signed.
std::string EncodeEntry(const Entry& entry);
absl::StatusOr<Entry> DecodeEntry(std::string_view bytes);
// A sealed entry by itself, as `members` keeps those shown in papers.
std::string EncodeSealedEntry(const SealedEntry& entry);
absl::StatusOr<SealedEntry> DecodeSealedEntry(std::string_view bytes);
// One operation by itself, as `members` keeps those that decide membership.
std::string EncodeOp(const Op& op);
absl::StatusOr<Op> DecodeOp(std::string_view bytes);
// The place of an entry without decoding the rest, for those who skip what they know; nullopt when
// the bytes are no entry.
std::optional<EntryPlace> PeekPlace(std::string_view entry_bytes);
base::EntryHash HashEntry(std::string_view entry_bytes);

}  // namespace waypost::syncgroup
