#pragma once

#include <functional>
#include <utility>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "syncgroup/group/invites.h"
#include "syncgroup/protocol/messages.h"
#include "syncgroup/sync/replication.h"
#include "syncgroup/sync/syncer.h"

namespace waypost::syncgroup {

// The callee's side of what peers say to each other: the peer API decodes, calls this, encodes.
// `caller` is who the listener says is calling. Never waits for the network. Thread-safe.
class PeerService {
 public:
  struct Parts {
    Invites& invites;
    Replication& replication;
    Syncer& syncer;
    signpost::PeerBook& peers;
    // Has the bytes of a blob looked at; false: not now. Null: nothing is looked at.
    std::function<bool(const base::PeerId& by, const base::BlobId& blob)> look_at;
  };
  explicit PeerService(Parts parts) : parts_(std::move(parts)) {}
  absl::StatusOr<HelloReply> Hello(const base::PeerId& caller, const HelloRequest& request);
  absl::StatusOr<SyncReply> Sync(const base::PeerId& caller, const SyncRequest& request);
  absl::Status Poke(const base::PeerId& caller, const PokeRequest& request);
  absl::StatusOr<JoinReply> Join(const base::PeerId& caller, const JoinRequest& request);
  // Of a blob that the caller may read. kPermissionDenied: it is no member of the group;
  // kResourceExhausted: enough is looked at, or it was within a day.
  absl::Status Wrong(const base::PeerId& caller, const WrongRequest& request);
  absl::StatusOr<HeldReply> Held(const base::PeerId& caller, const HeldRequest& request);

  // Are both members of one group, as far as is known here?
  bool SharesGroup(const base::PeerId& caller) const;

  // `caller` was told that these blobs are not here, which groups mention that it may know. It
  // hears when they are; at once, if they came while it was told.
  void ToldNo(const base::PeerId& caller, const std::vector<base::BlobId>& blobs,
              const std::vector<base::GroupId>& groups);

  // Every request from a peer passes here first: those above call it, a request for a blob has only
  // it. A peer that is cooling down and shows signs of life is sent a hello.
  void Arrived(const base::PeerId& caller);

 private:
  const Parts parts_;
};

}  // namespace waypost::syncgroup
