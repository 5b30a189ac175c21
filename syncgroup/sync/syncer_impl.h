#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/thread.h"
#include "signpost/peer_book.h"
#include "syncgroup/sync/clocks.h"
#include "syncgroup/sync/replication.h"
#include "syncgroup/sync/syncer.h"
#include "syncgroup/sync/task_line.h"
#include "syncgroup/sync/told_no.h"

namespace waypost::syncgroup {

// What the syncer knows of one member of its groups. Guarded by the syncer's mutex.
struct SyncPeer {
  std::vector<base::GroupId> groups;
  std::vector<std::string> addresses;  // of its profile
  bool server = false;
  base::PeerId sponsor;  // see Replication::Contact
  // rounds
  base::SteadyTime due;           // of the next one for all groups
  std::set<base::GroupId> poked;  // a round for these is due at once
  base::Millis pause{0};
  bool running = false;
  bool again = false;   // asked for while one was running
  bool forced = false;  // also while it cools
  bool waits_for_cool_down = false;
  bool hello = true;
  std::set<base::GroupId> greeted;
  // pokes
  base::SteadyTime poke_due = base::SteadyTime::max();
  bool poking = false;
  std::set<base::GroupId> poke_groups;
  std::vector<base::BlobId> haves;

  std::optional<base::Millis> clock_offset;  // its clock less ours, as it said last
  std::map<base::GroupId, Syncer::MemberStatus> status;
};

struct Syncer::Impl : std::enable_shared_from_this<Syncer::Impl> {
  Impl(SyncerOptions options, const Parts& parts);

  // ---- syncer.cc: what is due, and who does it ----
  void ScheduleLoop();
  void WorkerLoop();
  void RefreshContacts();
  // Makes what is due into tasks; when to look again.
  base::SteadyTime PlanTasks(base::SteadyTime now) EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void AddTask(TaskLine::Task task, bool first) EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void GrowWorkers() EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void OnLocalChange(const LocalChange& change);
  void MakeDue(SyncPeer& peer) EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void AddHaves(SyncPeer& peer, const std::vector<base::BlobId>& blobs)
      EXCLUSIVE_LOCKS_REQUIRED(mutex);
  // Those that it did not hear of: for the next poke, at the latest after a round that succeeds.
  void KeepHaves(SyncPeer& peer, const std::vector<base::BlobId>& blobs)
      EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void Chores();
  ClockReport Clocks() const;
  void NoteClocks();

  // ---- sync_round.cc: one round, one poke ----
  struct RoundTask {
    base::PeerId peer;
    std::vector<base::GroupId> groups;
    bool all_groups = false;  // that both share; else those that the peer poked for
    bool hello = false;
  };
  struct RoundEnd {
    absl::Status status;
    Replication::Round round;
    std::set<base::GroupId> greeted;
    bool said_hello = false;
  };
  void RunRound(const base::PeerId& peer);
  RoundEnd DoRound(const RoundTask& task, const Endpoint& endpoint);
  absl::Status SayHello(const RoundTask& task, const std::vector<base::GroupId>& groups,
                        const Endpoint& endpoint, RoundEnd& end);
  absl::Status Pull(const RoundTask& task, const std::vector<base::GroupId>& groups,
                    const Endpoint& endpoint, RoundEnd& end);
  void NoteEnd(const RoundTask& task, const RoundEnd& end, base::SteadyTime started);
  void RunPoke(const base::PeerId& peer);
  // What a call came to, for the peer's health.
  void NoteCall(const base::PeerId& peer, uint64_t returns_at_start, const absl::Status& status);
  Endpoint EndpointOf(const base::PeerId& peer, std::vector<std::string> addresses) const;
  bool Cooling(const base::PeerId& peer) const;

  // ---- sync_jobs.cc: what a worker does for others ----
  // `done` runs once: on the worker, or at Shutdown. kAtOnce: before rounds that wait; kLong: it
  // walks a whole group and calls many, all such jobs with a share as one member has it, and with
  // slow peers in half of the workers.
  enum class Job { kAtOnce, kLong };
  template <class Result>
  void StartJob(Job job, std::function<absl::StatusOr<Result>()> run,
                std::function<void(absl::StatusOr<Result>)> done);
  absl::StatusOr<GroupInfo> RunJoin(const Invite& invite, std::optional<Role> role);
  absl::StatusOr<HeldReport> RunHeld(const base::GroupId& group, uint32_t servers);

  Core& core;
  GroupWork& work;
  Groups& groups;
  Invites& invites;
  Replication& replication;
  PeerClient& client;
  signpost::PeerBook& peers;
  const base::Clock& clock;
  base::Random& random;
  base::Counter rounds_ok, rounds_error, entries;
  base::Notifier changed;
  std::stop_source stop;

  mutable base::Mutex mutex;
  base::CondVar wake_scheduler;
  base::CondVar wake_workers;
  base::Millis interval GUARDED_BY(mutex);
  uint32_t concurrency GUARDED_BY(mutex);
  bool started GUARDED_BY(mutex) = false;
  bool stopping GUARDED_BY(mutex) = false;
  bool contacts_stale GUARDED_BY(mutex) = true;
  base::SteadyTime contacts_due GUARDED_BY(mutex);
  base::SteadyTime chores_due GUARDED_BY(mutex);
  base::SteadyTime profile_due GUARDED_BY(mutex);
  ClockReport clocks_told;  // by the chores alone
  bool chores_running GUARDED_BY(mutex) = false;
  base::SteadyTime start_time GUARDED_BY(mutex);
  std::map<base::PeerId, SyncPeer> contacts GUARDED_BY(mutex);
  std::map<base::GroupId, base::SteadyTime> members_changed GUARDED_BY(mutex);
  std::set<base::PeerId> poked_by GUARDED_BY(mutex);  // not yet known as contacts
  ToldNo told_no GUARDED_BY(mutex);
  std::size_t wrong_waiting GUARDED_BY(mutex) = 0;  // to be told to their holders
  TaskLine tasks GUARDED_BY(mutex);
  // Callers' callbacks that must run, whatever happens.
  uint64_t next_job GUARDED_BY(mutex) = 0;
  std::map<uint64_t, std::function<void(absl::Status)>> abandoned GUARDED_BY(mutex);
  // Who asked how much of a group so many servers hold, while that job has not begun: one answer
  // for all of them.
  using HeldAskers = std::vector<std::function<void(absl::StatusOr<HeldReport>)>>;
  std::map<std::pair<base::GroupId, uint32_t>, std::shared_ptr<HeldAskers>> held_waiting
      GUARDED_BY(mutex);

  base::Notifier::Registration health_changed;
  base::Thread scheduler;
  std::vector<base::Thread> workers GUARDED_BY(mutex);
};

}  // namespace waypost::syncgroup
