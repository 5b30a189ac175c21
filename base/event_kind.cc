#include "base/event_kind.h"

// The words for what happens, as whoever watches reads them and asks for them: docs/openapi.yaml
// lists them.

namespace waypost::base {

const char* EventKindName(EventKind kind) {
  switch (kind) {
    case EventKind::kBlobStored:
      return "blob.stored";
    case EventKind::kBlobWanted:
      return "blob.wanted";
    case EventKind::kFetchFailed:
      return "fetch.failed";
    case EventKind::kFetcherPaused:
      return "fetcher.paused";
    case EventKind::kGroupComplete:
      return "group.complete";
    case EventKind::kModeChanged:
      return "mode.changed";
    case EventKind::kMemberChanged:
      return "member.changed";
    case EventKind::kMemberJoined:
      return "member.joined";
    case EventKind::kMemberLeft:
      return "member.left";
    case EventKind::kMemberRemoved:
      return "member.removed";
    case EventKind::kPeerOffline:
      return "peer.offline";
    case EventKind::kPeerOnline:
      return "peer.online";
    case EventKind::kRefDeleted:
      return "ref.deleted";
    case EventKind::kRefSet:
      return "ref.set";
    case EventKind::kScanDone:
      return "scan.done";
  }
  return "unknown";
}

std::optional<EventKind> EventKindNamed(std::string_view name) {
  for (const EventKind kind : kEventKinds) {
    if (name == EventKindName(kind)) return kind;
  }
  return std::nullopt;
}

}  // namespace waypost::base
