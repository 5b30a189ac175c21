#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/clock.h"
#include "base/events.h"
#include "base/ids.h"
#include "base/index.h"
#include "base/mutex.h"
#include "blobstore/blob_store.h"
#include "signpost/peer_book.h"
#include "syncgroup/group/changes.h"
#include "syncgroup/group/group_options.h"
#include "syncgroup/group/latest_stamps.h"
#include "syncgroup/group/second_copy.h"
#include "syncgroup/group/server_counts.h"
#include "syncgroup/ledger/ledger.h"
#include "syncgroup/protocol/hybrid_clock.h"

// What Groups, Refs, Invites and Access stand on together, and replication above them: what is
// below, and the one way to change groups in the index and to tell others of it. Not for other
// rooms.
namespace waypost::syncgroup {

// One transaction of a page or of work that goes on in the background.
inline constexpr std::size_t kEntriesPerTxn = 1000;
inline constexpr std::size_t kOpsPerTxn = 1000;

// What must be told when an operation has been committed. An operation may run several times: each
// run begins with an empty one.
struct Effects {
  std::map<base::GroupId, LocalChange> changes;
  struct Profile {
    base::PeerId peer;
    std::string name;
    std::vector<std::string> addresses;
  };
  std::vector<Profile> profiles;
  struct Event {
    base::EventKind kind;
    std::vector<std::pair<std::string, std::string>> fields;
  };
  std::vector<Event> events;
  std::map<base::GroupId, ServerCounts::News> servers;
  std::map<base::GroupId, base::WallTime> stamps;       // kNever: the group goes
  std::vector<base::PeerId> left;                       // a group, and may now read less
  std::vector<std::vector<base::PeerId>> made_private;  // members of groups that were public

  LocalChange& Of(const base::GroupId& group) {
    LocalChange& change = changes[group];
    change.group = group;
    return change;
  }
};

// One a peer, made before the classes that borrow it and gone after them. Thread-safe. It knows no
// rule: who may do what, and what follows from it, is decided by those classes and by GroupWriter.
struct Core {
  const GroupOptions options;
  base::Index& index;
  const Ledger& ledger;
  blobstore::BlobStore& blobs;
  signpost::PeerBook& peers;
  const base::Clock& clock;
  base::EventLog& events;

  const base::PeerId& self() const { return options.identity.peer_id(); }

  // Index::Update with effects, which are announced on this thread after the commit.
  using Operation = std::function<absl::Status(base::WriteTxn&, Effects&)>;
  absl::Status Update(base::Index::Lane lane, const Operation& operation) const;

  // Of other members; may change at any time.
  MemberLimits limits() const;
  void SetLimits(const MemberLimits& to);

  // Who hears of it; one of each, null for nobody.
  void SetListener(std::function<void(const LocalChange&)> to);
  void SetAccessListener(AccessListener to);
  // What Update does after its commit.
  void Announce(const Effects& effects) const;

  mutable ServerCounts servers;
  mutable LatestStamps stamps;
  mutable SecondCopy second_copy{clock};

  // Long work ends between two of its transactions, and goes on where it was after the next start.
  mutable std::atomic<bool> stopping{false};

  mutable base::Mutex limits_mutex;
  MemberLimits member_limits GUARDED_BY(limits_mutex);

  mutable base::Mutex listener_mutex;
  std::function<void(const LocalChange&)> listener GUARDED_BY(listener_mutex);
  AccessListener access GUARDED_BY(listener_mutex);
};

// Not found, in the words of the API.
absl::Status NoSuchGroup(const base::GroupId& group);

}  // namespace waypost::syncgroup
