#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "syncgroup/protocol/entry.h"
#include "syncgroup/protocol/types.h"

// What peers say to each other, as domain types; wire_codec.h turns them into bytes and
// bounds them. Who is calling is never in a message: the listener knows.
namespace waypost::syncgroup {

inline constexpr uint32_t kProtocolVersion = 1;
// Of a reply, with all that goes into it.
inline constexpr std::size_t kSyncPageBytesMax = std::size_t{4} << 20;
inline constexpr std::size_t kSyncGroupsMax = 1000;  // of one message
inline constexpr std::size_t kHavesMax = 1000;
inline constexpr std::size_t kPapersMax = 16;

// A member's place in a group as it can show it: its newest profile entry and the entries that
// admitted it. The callee may use addresses and membership at once.
struct Papers {
  base::GroupId group;
  std::vector<SealedEntry> entries;
};
struct HelloRequest {
  uint32_t version = kProtocolVersion;
  std::string name;
  std::vector<std::string> addresses;
  std::vector<Papers> papers;
};
struct HelloReply {
  uint32_t version = kProtocolVersion;
  std::string name;
  std::vector<std::string> addresses;
  std::vector<Papers> papers;  // of the groups that both share
};

// How far an origin's numbering is known.
struct Known {
  uint64_t generation = 0;
  base::EntryHash hash;  // of that entry
  // The least generation known to have two different entries; from there on nothing of this
  // numbering counts. 0: none.
  uint64_t forked = 0;
  friend bool operator==(const Known&, const Known&) = default;
};
// One numbering: an origin under one incarnation.
using OriginKey = std::pair<base::PeerId, base::Incarnation>;
using Knowledge = std::map<OriginKey, Known>;

// Two different entries of one origin under one number. Travels on.
struct ForkProof {
  SealedEntry first;
  SealedEntry second;
};

// Asks for the entries of a numbering from a generation on, whatever cursor and knowledge say: how
// the place is found where two copies of a numbering part.
struct Probe {
  OriginKey numbering;
  uint64_t from = 1;
  friend bool operator==(const Probe&, const Probe&) = default;
};
inline constexpr std::size_t kProbesMax = 16;
inline constexpr std::size_t kProbeBytesMax = std::size_t{256} << 10;  // of entries, a probe
inline constexpr std::size_t kForksMax = 64;                           // in one answer, a group

// How far another peer's log was pulled: its local sequence under one incarnation of that log.
struct LogCursor {
  base::Incarnation log;  // zero: nothing pulled yet
  uint64_t sequence = 0;
  friend bool operator==(const LogCursor&, const LogCursor&) = default;
};

// A part of all numberings, where one request has no room for what is known of them.
struct NumberingRange {
  OriginKey first;               // of those in it
  std::optional<OriginKey> end;  // the first after it; nullopt: it is the last
  bool Has(const OriginKey& numbering) const {
    return first <= numbering && (!end || numbering < *end);
  }
  friend bool operator==(const NumberingRange&, const NumberingRange&) = default;
};

struct SyncGroupRequest {
  base::GroupId group;
  LogCursor cursor;     // of the callee's log
  Knowledge knowledge;  // of the caller; of a range: of what is in it, or a part
  std::vector<Probe> probes;
  // Only entries of these numberings, and only up to there: every range is served from the cursor
  // at which the first was begun to where that one ended, and then the cursor is kept. Older peers
  // know neither, answer about everything, and say so by not being `ranged`.
  std::optional<NumberingRange> range;
  std::optional<LogCursor> until;
  // Only entries that decide about members: the caller has no room for others. Older peers send
  // all.
  bool deciding = false;
};
struct SyncRequest {
  // All that both share, each once, those with the most to say first.
  std::vector<SyncGroupRequest> groups;
};
struct SyncGroupReply {
  base::GroupId group;
  bool member = false;  // false: the callee does not see the caller as a member, or is none
  // In the callee's local order, without those the caller knows. For one who was removed: what says
  // so.
  std::vector<SealedEntry> entries;
  LogCursor cursor;  // send this next time
  bool more = false;
  Knowledge of_caller;  // what the callee knows of the caller's own numberings
  // Entries of the caller's own, under its signature: the newest of each numbering that it does not
  // say it knows as its newest. Only this makes the caller believe that it wrote more than it
  // knows.
  std::vector<SealedEntry> claimed;
  std::vector<ForkProof> forks;     // that the caller does not know
  std::vector<SealedEntry> probed;  // what the probes asked for, in order
  // How many of the probes that is, from the first: for the others there was no room. nullopt: all.
  std::optional<uint32_t> probes_answered;
  bool ranged = false;  // as SyncGroupRequest::range asked
};
struct SyncReply {
  std::vector<SyncGroupReply> groups;  // each once; for some there may have been no room
  bool more = false;
  base::WallTime now;  // by the callee's clock; kNever: it does not say
};

// "Something new here": starts a round at once. `haves`: blobs whose bytes arrived at the caller
// after a group had mentioned them.
struct PokeRequest {
  std::vector<base::GroupId> groups;
  std::vector<base::BlobId> haves;
};

struct JoinRequest {
  base::GroupId group;
  std::string invite_id;
  std::string proof;  // room for the proof of the secret
  base::Incarnation incarnation;
  std::optional<Role> role;  // what the joiner takes, of what the invite gives
  std::string name;
  std::vector<std::string> addresses;
  base::WallTime now;  // by the joiner's clock; kNever: it does not say
};
struct JoinReply {
  GroupInfo group;  // name, description, is_public, created; the joiner's role and authority
  // Of the inviter and of servers, so that the joiner knows whom to ask.
  std::vector<Papers> papers;
  std::vector<Member> members;
};

// "What you sent of this blob was not it": the callee looks at what it has.
struct WrongRequest {
  base::GroupId group;  // under which it was asked for
  base::BlobId blob;
};

// Which of these blobs does the callee hold for the group? At most kHavesMax.
struct HeldRequest {
  base::GroupId group;
  std::vector<base::BlobId> blobs;
};
struct HeldReply {
  std::vector<base::BlobId> held;
};

// Groups under which a request for blobs wants them: one names so many at most.
inline constexpr std::size_t kReadGroupsMax = 8;

// Many small blobs in one answer: blobs:batch. Every blob is wanted under each of the groups.
inline constexpr std::size_t kBatchBlobsMax = 1000;
// Of one answer. What does not fit any more is left out.
inline constexpr uint64_t kBatchBytesMax = uint64_t{8} << 20;
// Of one blob in a batch, whatever the caller would take.
inline constexpr uint64_t kBatchBlobBytesMax = uint64_t{1} << 20;
struct BatchRequest {
  std::vector<base::GroupId> groups;  // 1 to kReadGroupsMax
  std::vector<base::BlobId> blobs;    // 1 to kBatchBlobsMax
  uint64_t blob_bytes_max = 0;        // the caller takes larger ones by themselves
};

}  // namespace waypost::syncgroup
