#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "base/payer.h"
#include "syncgroup/group/core.h"
#include "syncgroup/group/work.h"
#include "syncgroup/protocol/messages.h"

namespace waypost::syncgroup {

// What still goes into one hello: papers of at most so many groups, and no more bytes than a callee
// takes; those of one group always do.
class HelloRoom {
 public:
  static constexpr std::size_t kGroupsMax = 16;
  static constexpr std::size_t kBytesMax = std::size_t{768} << 10;
  // False: not these, nor any after them.
  bool Take(const Papers& papers);

 private:
  std::size_t groups_ = 0, bytes_ = 0;
};

// Of one member in one group no more numberings are compared with it at a time.
inline constexpr std::size_t kProbesKept = 256;

// The replication of the groups' logs: what the syncer asks and brings (as caller), what
// PeerService answers (as callee). Thread-safe. Borrows what the groups share; they outlive it.
class Replication {
 public:
  Replication(const Core& core, GroupWork& work);
  ~Replication();

  // ---- whom to contact ----
  struct Contact {
    base::PeerId peer;
    std::vector<base::GroupId> groups;  // that both share, in id order
    std::vector<std::string> addresses;
    bool server = false;   // of one of them
    base::PeerId sponsor;  // by whose invite it is in all of them; zero: an admin answers for it
    // Whose share it takes of what members share.
    base::Payer payer() const { return base::PayerOf(peer, sponsor); }
  };
  // Every other member of the groups here.
  absl::StatusOr<std::vector<Contact>> Contacts() const;
  bool SharesGroup(const base::PeerId& peer) const;
  // ... and this one?
  bool SharesGroup(const base::PeerId& peer, const base::GroupId& group) const;

  // ---- hello ----
  // With papers for the groups given, in their order, as many as a HelloRoom takes: the caller says
  // hello again for the others. More groups than that, which a caller shows, are not looked at.
  static constexpr std::size_t kHelloGroups = HelloRoom::kGroupsMax;
  absl::StatusOr<HelloRequest> HelloFor(const std::vector<base::GroupId>& groups) const;
  // The groups for which the callee knew us as a member.
  absl::StatusOr<std::vector<base::GroupId>> ApplyHello(const base::PeerId& callee,
                                                        const HelloReply& reply);
  absl::StatusOr<HelloReply> ServeHello(const base::PeerId& caller, const HelloRequest& request);

  // ---- sync, as caller ----
  // What one round with one peer has come to.
  struct Round {
    std::map<base::GroupId, LogCursor> cursors;  // further than those kept, where entries must be
                                                 // asked for again
    // Of groups whose knowledge is too much for one request: which part is asked about.
    struct Ranges {
      OriginKey first;                 // of the range of now
      bool begun = false;              // `end` is fixed until the range was served
      std::optional<OriginKey> end;    // nullopt: it is the last
      LogCursor begin;                 // at which each range begins
      std::optional<LogCursor> until;  // where the shortest one ended so far
    };
    std::map<base::GroupId, Ranges> ranges;
    std::set<base::GroupId> goes_on;     // by the last page, whatever it said of more
    std::set<base::GroupId> held_back;   // their cursors are not kept any more in this round
    std::set<base::GroupId> not_member;  // the callee does not know us there
    std::set<base::GroupId> answered;
    uint64_t entries = 0;  // applied
    bool no_room = false;  // on the disk: only who is a member is asked about, and no cursor kept
    bool clock_ahead = false;
    std::optional<base::Millis> clock_offset;  // the callee's clock less ours, as it said
    std::string problem;  // gap, fork, an entry that does not parse; for people
    bool again = false;   // there is something to ask at once
  };
  absl::StatusOr<SyncRequest> RequestFor(const base::PeerId& peer,
                                         const std::vector<base::GroupId>& groups, Round& round);
  // Applies one page. The round goes on while reply.more or round.again.
  absl::Status ApplyPage(const base::PeerId& peer, SyncReply reply, Round& round);
  // How many numberings are compared with members, or were. In memory, of one member in one group
  // kProbesKept at most.
  std::size_t compared() const;

  // ---- sync, as callee ----
  struct Served {
    SyncReply reply;
    // Of which the caller says that we wrote more than we know. A round with it shows whether that
    // is so; until then it alone is given nothing of that numbering.
    std::vector<base::GroupId> doubted;
  };
  absl::StatusOr<Served> ServePage(const base::PeerId& caller, const SyncRequest& request);
  // `caller` has these blobs since now.
  absl::Status NoteHaves(const base::PeerId& caller, const std::vector<base::BlobId>& blobs);
  // Those of the blobs that this peer may serve to `caller` now, and under which groups. An error
  // answers none.
  std::vector<std::pair<base::BlobId, std::vector<base::GroupId>>> GrantedNow(
      const base::PeerId& caller, const std::vector<base::BlobId>& blobs,
      const std::vector<base::GroupId>& groups) const;
  absl::StatusOr<HeldReply> ServeHeld(const base::PeerId& caller, const HeldRequest& request);

  // ---- for a held report ----
  // Blobs that the group mentions, after `after` in id order, at most `limit`; `held_here` beside
  // them.
  struct MentionPage {
    std::vector<base::BlobId> blobs;
    std::vector<bool> held_here;
    std::optional<base::BlobId> next;  // ask after it; nullopt: that was all
  };
  absl::StatusOr<MentionPage> Mentions(const base::GroupId& group,
                                       const std::optional<base::BlobId>& after,
                                       std::size_t limit) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace waypost::syncgroup
