#include "syncgroup/sync/peer_service.h"

#include <utility>
#include <vector>

#include "base/status.h"

// The callee's side of what peers say. Every request notes that the caller lives, which may make
// the syncer greet it, but is no proof that it can be reached. Nothing here waits for the network.

namespace waypost::syncgroup {
namespace {

// To whoever says too much of what came wrong.
constexpr base::Millis kLookedAtAgain{3600 * 1000};

}  // namespace

void PeerService::Arrived(const base::PeerId& caller) {
  // A request is no proof that the peer can be reached; an answer to our hello is.
  if (parts_.peers.NoteInbound(caller)) parts_.syncer.ScheduleHello(caller);
}

bool PeerService::SharesGroup(const base::PeerId& caller) const {
  return parts_.replication.SharesGroup(caller);
}

void PeerService::ToldNo(const base::PeerId& caller, const std::vector<base::BlobId>& blobs,
                         const std::vector<base::GroupId>& groups) {
  if (blobs.empty()) return;
  parts_.syncer.NoteToldNo(caller, blobs, groups);
  for (const auto& [blob, granted] : parts_.replication.GrantedNow(caller, blobs, groups)) {
    parts_.syncer.OnGranted(blob, granted);
  }
}

absl::StatusOr<HelloReply> PeerService::Hello(const base::PeerId& caller,
                                              const HelloRequest& request) {
  Arrived(caller);
  ASSIGN_OR_RETURN(HelloReply reply, parts_.replication.ServeHello(caller, request));
  // Whoever says hello has just come, or has changed: it may have news.
  std::vector<base::GroupId> shared;
  for (const Papers& papers : reply.papers) shared.push_back(papers.group);
  if (!shared.empty()) parts_.syncer.OnPoke(caller, shared);
  return reply;
}

absl::StatusOr<SyncReply> PeerService::Sync(const base::PeerId& caller,
                                            const SyncRequest& request) {
  Arrived(caller);
  ASSIGN_OR_RETURN(Replication::Served served, parts_.replication.ServePage(caller, request));
  if (!served.doubted.empty()) parts_.syncer.OnPoke(caller, served.doubted);
  return std::move(served.reply);
}

absl::Status PeerService::Poke(const base::PeerId& caller, const PokeRequest& request) {
  Arrived(caller);
  if (!parts_.replication.SharesGroup(caller)) {
    return absl::PermissionDeniedError("no group is shared");
  }
  RETURN_IF_ERROR(parts_.replication.NoteHaves(caller, request.haves));
  if (!request.groups.empty()) parts_.syncer.OnPoke(caller, request.groups);
  return absl::OkStatus();
}

absl::StatusOr<JoinReply> PeerService::Join(const base::PeerId& caller,
                                            const JoinRequest& request) {
  Arrived(caller);
  return parts_.invites.AcceptJoin(caller, request);
}

absl::Status PeerService::Wrong(const base::PeerId& caller, const WrongRequest& request) {
  if (!parts_.replication.SharesGroup(caller, request.group)) {
    return absl::PermissionDeniedError("no member of the group");
  }
  if (!parts_.look_at || !parts_.look_at(caller, request.blob)) {
    return base::WithRetryAfter(absl::ResourceExhaustedError(
                                    "it is not looked at now: others wait, or it was within a day"),
                                kLookedAtAgain);
  }
  return absl::OkStatus();
}

absl::StatusOr<HeldReply> PeerService::Held(const base::PeerId& caller,
                                            const HeldRequest& request) {
  Arrived(caller);
  return parts_.replication.ServeHeld(caller, request);
}

}  // namespace waypost::syncgroup
