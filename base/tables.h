#pragma once

#include <cstddef>

namespace waypost::base {

// Every table of the one LMDB environment. The names are stored bytes: they never change. The key
// and value of each is described, built and parsed by the room named here.
enum class Table : unsigned {
  kBlobs,      // blobstore: blob -> BlobRow
  kInline,     // blobstore: sequence -> raw bytes, no envelope
  kSignposts,  // signpost: blob -> Signpost
  kDue,        // signpost: first peer, lane, due_ms, blob -> wanted_since
  kPeers,      // signpost: peer -> PeerRow
  kGroups,     // syncgroup: group -> GroupRow
  kMembers,    // syncgroup: group, peer -> MemberRow
  kRefs,       // syncgroup: group, key -> RefRow
  kLog,        // syncgroup: group, local sequence -> entry
  kKnowledge,  // syncgroup: group, origin, incarnation -> generation, hash
  kCursors,    // syncgroup: group, peer -> cursor
  kCounts,     // syncgroup: group or zero -> Counts; group, member -> bytes
  kInvites,    // syncgroup: invite -> InviteRow
  kMeta,       // name -> bytes
  kSettings,   // name -> text
  kBadRows,    // base: table, key -> the row as found
  // The checksum of a row is over its table's number: new ones go to the end.
  kTokens,  // http/app: name of a token -> what it may, its hash
  kAudit,   // http/app: time, number -> what was done here
  kLost,    // blobstore: blob -> the BlobRow that it had when its bytes were found missing
};
inline constexpr std::size_t kTableCount = 19;
const char* TableName(Table table);

}  // namespace waypost::base
