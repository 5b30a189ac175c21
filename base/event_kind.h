#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

namespace waypost::base {

// Every kind of event that is published, of whatever room.
enum class EventKind {
  kBlobStored,
  kBlobWanted,
  kFetchFailed,
  kFetcherPaused,
  kGroupComplete,
  kModeChanged,
  kMemberChanged,
  kMemberJoined,
  kMemberLeft,
  kMemberRemoved,
  kPeerOffline,
  kPeerOnline,
  kRefDeleted,
  kRefSet,
  kScanDone,
};
const char* EventKindName(EventKind kind);  // "blob.stored", ...
std::optional<EventKind> EventKindNamed(std::string_view name);

// In the order in which they are listed to people.
inline constexpr std::array kEventKinds = {
    EventKind::kBlobStored,    EventKind::kBlobWanted,    EventKind::kFetchFailed,
    EventKind::kFetcherPaused, EventKind::kGroupComplete, EventKind::kModeChanged,
    EventKind::kMemberChanged, EventKind::kMemberJoined,  EventKind::kMemberLeft,
    EventKind::kMemberRemoved, EventKind::kPeerOffline,   EventKind::kPeerOnline,
    EventKind::kRefDeleted,    EventKind::kRefSet,        EventKind::kScanDone,
};
static_assert(static_cast<std::size_t>(kEventKinds.back()) + 1 == kEventKinds.size());

}  // namespace waypost::base
