#include "syncgroup/sync/syncer.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"
#include "syncgroup/group/work.h"
#include "syncgroup/sync/schedule.h"
#include "syncgroup/sync/syncer_impl.h"

// What is due, and who does it: one thread plans rounds, pokes and hellos from what it knows of
// each member, workers call. No lock is held across a call. A change or a poke that comes while a
// round runs makes another one follow.

namespace waypost::syncgroup {
namespace {

// Members are looked up again this often, should a change have been missed.
constexpr base::Millis kContactsEvery{60 * 1000};
constexpr base::Millis kProfileEvery{60 * 1000};
// Work that waits for nothing but time: a group that was left.
constexpr base::Millis kChoresEvery{2000};
constexpr std::size_t kChoreSteps = 50;
constexpr std::size_t kHavesWaitingMax = 100 * kHavesMax;

// How many of `more` arrivals may wait beside those that do; the others cost only time.
std::size_t RoomForHaves(std::size_t waiting, std::size_t more) {
  return std::min(more, kHavesWaitingMax - std::min(waiting, kHavesWaitingMax));
}

}  // namespace

Syncer::Impl::Impl(SyncerOptions options, const Parts& parts)
    : core(parts.core),
      work(parts.work),
      groups(parts.groups),
      invites(parts.invites),
      replication(parts.replication),
      client(parts.client),
      peers(parts.peers),
      clock(parts.clock),
      random(parts.random),
      interval(options.interval),
      concurrency(std::max<uint32_t>(options.concurrency, 1)),
      start_time(parts.clock.SteadyNow()) {
  if (options.metrics == nullptr) return;
  const char* rounds = "waypost_sync_rounds_total";
  const char* help = "Sync rounds with other peers, by how they ended.";
  rounds_ok = options.metrics->AddCounter(rounds, help, {{"result", "ok"}});
  rounds_error = options.metrics->AddCounter(rounds, help, {{"result", "error"}});
  entries = options.metrics->AddCounter("waypost_sync_entries_total",
                                        "Log entries applied that came from other peers.");
}

Syncer::Syncer(SyncerOptions options, Parts parts)
    : impl_(std::make_shared<Impl>(options, parts)) {}
Syncer::~Syncer() { Shutdown(); }

void Syncer::Start() {
  {
    base::MutexLock lock(impl_->mutex);
    CHECK(!impl_->started && !impl_->stopping);
    impl_->started = true;
    impl_->start_time = impl_->clock.SteadyNow();
    impl_->GrowWorkers();
  }
  impl_->core.SetListener([weak = std::weak_ptr<Impl>(impl_)](const LocalChange& change) {
    if (const auto impl = weak.lock()) impl->OnLocalChange(change);
  });
  impl_->health_changed = impl_->peers.changed().Register([impl = impl_.get()] {
    base::MutexLock lock(impl->mutex);
    impl->wake_scheduler.NotifyAll();
  });
  impl_->scheduler = base::Thread("syncer", [impl = impl_.get()] { impl->ScheduleLoop(); });
}

void Syncer::Shutdown() {
  std::vector<base::Thread> workers;
  {
    base::MutexLock lock(impl_->mutex);
    if (impl_->stopping) return;
    impl_->stopping = true;
    workers = std::move(impl_->workers);
    impl_->workers.clear();
    impl_->tasks.Clear();
    impl_->wake_scheduler.NotifyAll();
    impl_->wake_workers.NotifyAll();
  }
  impl_->core.SetListener({});
  impl_->health_changed.Reset();
  impl_->stop.request_stop();
  impl_->core.stopping = true;
  impl_->scheduler.Join();
  for (base::Thread& worker : workers) worker.Join();
  std::map<uint64_t, std::function<void(absl::Status)>> abandoned;
  {
    base::MutexLock lock(impl_->mutex);
    abandoned.swap(impl_->abandoned);
  }
  for (auto& [job, tell] : abandoned) tell(absl::UnavailableError("the service is stopping"));
}

base::Millis Syncer::interval() const {
  base::MutexLock lock(impl_->mutex);
  return impl_->interval;
}

uint32_t Syncer::concurrency() const {
  base::MutexLock lock(impl_->mutex);
  return impl_->concurrency;
}

void Syncer::SetOptions(base::Millis interval, uint32_t concurrency) {
  base::MutexLock lock(impl_->mutex);
  impl_->interval = interval;
  impl_->concurrency = std::max<uint32_t>(concurrency, 1);
  if (impl_->started && !impl_->stopping) impl_->GrowWorkers();
  for (auto& [id, peer] : impl_->contacts) impl_->MakeDue(peer);
  impl_->wake_scheduler.NotifyAll();
  impl_->wake_workers.NotifyAll();
}

base::Notifier& Syncer::changed() { return impl_->changed; }

// ---- what others ask for ----

void Syncer::Impl::MakeDue(SyncPeer& peer) {
  peer.pause = interval;
  peer.due = std::min(peer.due, clock.SteadyNow());
  if (peer.running) peer.again = true;
}

void Syncer::OnPoke(const base::PeerId& caller, const std::vector<base::GroupId>& groups) {
  base::MutexLock lock(impl_->mutex);
  const auto it = impl_->contacts.find(caller);
  if (it != impl_->contacts.end()) {
    SyncPeer& peer = it->second;
    for (const base::GroupId& group : groups) {
      if (std::binary_search(peer.groups.begin(), peer.groups.end(), group)) {
        peer.poked.insert(group);
      }
    }
    // Where something is new there is more, soon.
    peer.pause = impl_->interval;
    peer.due = std::min(peer.due, impl_->clock.SteadyNow() + impl_->interval);
  } else if (impl_->poked_by.size() < 1000) {
    // A new member, perhaps, whose papers have just come.
    impl_->poked_by.insert(caller);
    impl_->contacts_stale = true;
  }
  impl_->wake_scheduler.NotifyAll();
}

void Syncer::ScheduleHello(const base::PeerId& peer) {
  base::MutexLock lock(impl_->mutex);
  const auto it = impl_->contacts.find(peer);
  if (it == impl_->contacts.end()) return;
  it->second.hello = true;
  it->second.forced = true;
  impl_->MakeDue(it->second);
  impl_->wake_scheduler.NotifyAll();
}

std::optional<base::Payer> Syncer::PayerOf(const base::PeerId& peer) const {
  base::MutexLock lock(impl_->mutex);
  const auto it = impl_->contacts.find(peer);
  if (it == impl_->contacts.end()) return std::nullopt;
  return base::PayerOf(peer, it->second.sponsor);
}

bool Syncer::KnowsUs(const base::PeerId& peer, const base::GroupId& group) const {
  base::MutexLock lock(impl_->mutex);
  const auto it = impl_->contacts.find(peer);
  return it != impl_->contacts.end() && it->second.greeted.contains(group);
}

std::vector<Syncer::MemberStatus> Syncer::Status(const base::GroupId& group) const {
  std::vector<MemberStatus> all;
  base::MutexLock lock(impl_->mutex);
  for (const auto& [id, peer] : impl_->contacts) {
    if (!std::binary_search(peer.groups.begin(), peer.groups.end(), group)) continue;
    const auto it = peer.status.find(group);
    all.push_back(it == peer.status.end() ? MemberStatus() : it->second);
    all.back().peer = id;
    all.back().clock_ahead |= peer.clock_offset.value_or(base::Millis(0)) > kClockAheadMax;
  }
  return all;
}

base::SteadyTime Syncer::MembersChanged(const base::GroupId& group) const {
  base::MutexLock lock(impl_->mutex);
  const auto it = impl_->members_changed.find(group);
  return it == impl_->members_changed.end() ? impl_->start_time : it->second;
}

ClockReport Syncer::Clocks() const { return impl_->Clocks(); }

std::string Syncer::SecondCopy() const { return impl_->core.second_copy.reason(); }

ClockReport Syncer::Impl::Clocks() const {
  ClockFacts facts{.now = clock.WallNow()};
  for (const auto& [group, latest] : core.stamps.After(facts.now + kClockAheadMax)) {
    facts.stamped.push_back({group, latest});
  }
  base::MutexLock lock(mutex);
  for (const auto& [id, peer] : contacts) {
    const bool waits = std::any_of(peer.status.begin(), peer.status.end(),
                                   [](const auto& item) { return item.second.clock_ahead; });
    facts.contacts.push_back({.offset = peer.clock_offset, .entries_ahead = waits});
  }
  return JudgeClocks(facts);
}

// Once for each change, not for each minute.
void Syncer::Impl::NoteClocks() {
  ClockReport now = Clocks();
  const bool news = now.behind != clocks_told.behind || now.ahead != clocks_told.ahead ||
                    now.reasons.size() != clocks_told.reasons.size();
  if (!news) return;
  for (const std::string& reason : now.reasons) base::LogWarning("clock: ", reason);
  if (now.reasons.empty()) base::LogInfo("clock: it agrees with those of the members again");
  clocks_told = std::move(now);
}

void Syncer::Impl::OnLocalChange(const LocalChange& change) {
  base::MutexLock lock(mutex);
  const base::SteadyTime now = clock.SteadyNow();
  if (change.members) {
    members_changed[change.group] = change.at;
    contacts_stale = true;
  }
  if (change.work || change.members) chores_due = now;
  for (auto& [id, peer] : contacts) {
    if (!std::binary_search(peer.groups.begin(), peer.groups.end(), change.group)) continue;
    if (change.members) {
      peer.hello = true;  // our place in the group may be news to it
      MakeDue(peer);
    }
    if (change.entries) {
      peer.poke_groups.insert(change.group);
      peer.poke_due = now;
      peer.pause = interval;
      peer.due = std::min(peer.due, now + interval);
    }
    if (peer.server) AddHaves(peer, change.haves);
  }
  wake_scheduler.NotifyAll();
}

void Syncer::Impl::AddHaves(SyncPeer& peer, const std::vector<base::BlobId>& blobs) {
  const std::size_t some = RoomForHaves(peer.haves.size(), blobs.size());
  if (some == 0) return;
  peer.haves.insert(peer.haves.end(), blobs.begin(),
                    blobs.begin() + static_cast<std::ptrdiff_t>(some));
  peer.poke_due = std::min(peer.poke_due, clock.SteadyNow() + kHavesGather);
}

void Syncer::Impl::KeepHaves(SyncPeer& peer, const std::vector<base::BlobId>& blobs) {
  const std::size_t some = RoomForHaves(peer.haves.size(), blobs.size());
  if (some == 0) return;
  const bool alone = peer.haves.empty();
  peer.haves.insert(peer.haves.begin(), blobs.begin(),
                    blobs.begin() + static_cast<std::ptrdiff_t>(some));
  // Not at once: it would be called again and again.
  if (alone && peer.poke_groups.empty()) peer.poke_due = base::SteadyTime::max();
}

void Syncer::NoteToldNo(const base::PeerId& caller, const std::vector<base::BlobId>& blobs,
                        const std::vector<base::GroupId>& groups) {
  base::MutexLock lock(impl_->mutex);
  const auto contact = impl_->contacts.find(caller);
  if (contact == impl_->contacts.end()) return;
  std::vector<base::GroupId> shared;
  for (const base::GroupId& group : groups) {
    if (std::binary_search(contact->second.groups.begin(), contact->second.groups.end(), group)) {
      shared.push_back(group);
    }
  }
  const base::SteadyTime now = impl_->clock.SteadyNow();
  for (const base::BlobId& blob : blobs) impl_->told_no.Note(caller, blob, shared, now);
}

void Syncer::OnGranted(const base::BlobId& blob, const std::vector<base::GroupId>& groups) {
  base::MutexLock lock(impl_->mutex);
  bool news = false;
  for (const base::PeerId& peer : impl_->told_no.Take(blob, groups, impl_->clock.SteadyNow())) {
    const auto contact = impl_->contacts.find(peer);
    if (contact == impl_->contacts.end()) continue;  // it left
    // As a member of a group that it left meanwhile it may know nothing.
    const bool may_know = std::any_of(groups.begin(), groups.end(), [&](const auto& group) {
      return std::binary_search(contact->second.groups.begin(), contact->second.groups.end(),
                                group);
    });
    if (!may_know) continue;
    impl_->AddHaves(contact->second, {blob});
    news = true;
  }
  if (news) impl_->wake_scheduler.NotifyAll();
}

// ---- the threads ----

void Syncer::Impl::GrowWorkers() {
  while (workers.size() < concurrency) {
    const std::string name = absl::StrCat("sync-", workers.size());
    const auto run = [this] { WorkerLoop(); };
    // The first one is needed, the others are a matter of speed.
    absl::StatusOr<base::Thread> thread =
        workers.empty() ? base::Thread(name, run) : base::Thread::Start(name, run);
    if (!thread.ok()) {
      base::LogWarning("peers are called by ", workers.size(),
                       " threads: ", thread.status().message());
      return;
    }
    workers.push_back(*std::move(thread));
  }
}

void Syncer::Impl::AddTask(TaskLine::Task task, bool first) {
  tasks.Add(std::move(task), first);
  wake_workers.NotifyOne();
}

void Syncer::Impl::WorkerLoop() {
  while (true) {
    std::optional<TaskLine::Task> task;
    {
      base::MutexLock lock(mutex);
      while (!stopping && !(task = tasks.Take(concurrency, clock.SteadyNow())))
        wake_workers.Wait(mutex);
      if (stopping) return;
    }
    task->run();
    base::MutexLock lock(mutex);
    tasks.Ended(*task, clock.SteadyNow());
    wake_workers.NotifyOne();
    wake_scheduler.NotifyAll();
  }
}

void Syncer::Impl::ScheduleLoop() {
  while (true) {
    bool refresh = false;
    {
      base::MutexLock lock(mutex);
      if (stopping) return;
      const base::SteadyTime now = clock.SteadyNow();
      refresh = contacts_stale || now >= contacts_due;
      if (refresh) {
        contacts_stale = false;
        contacts_due = now + kContactsEvery;
      }
    }
    const absl::Status refreshed = base::WithinMemory([&] {
      if (refresh) RefreshContacts();
      return absl::OkStatus();
    });
    if (!refreshed.ok()) base::LogWarning("syncer: ", refreshed.ToString());
    base::MutexLock lock(mutex);
    const base::SteadyTime next = PlanTasks(clock.SteadyNow());
    if (stopping) return;
    if (contacts_stale) continue;
    clock.WaitUntil(wake_scheduler, mutex, next);
  }
}

void Syncer::Impl::RefreshContacts() {
  auto now_known = replication.Contacts();
  base::MutexLock lock(mutex);
  const base::SteadyTime now = clock.SteadyNow();
  if (!now_known.ok()) {
    base::LogWarning("syncer: members cannot be read: ", now_known.status().ToString());
    return;
  }
  std::set<base::PeerId> seen;
  std::set<base::Payer> payers;
  for (Replication::Contact& contact : *now_known) {
    seen.insert(contact.peer);
    const auto [it, fresh] = contacts.try_emplace(contact.peer);
    SyncPeer& peer = it->second;
    if (fresh) {
      peer.due = now;
      peer.pause = interval;
      // Who cooled down when this peer stopped may be there now, and waits for this peer's return.
      peer.forced = true;
    } else if (peer.groups != contact.groups) {
      peer.hello = true;
      MakeDue(peer);
    }
    peer.groups = std::move(contact.groups);
    peer.addresses = std::move(contact.addresses);
    peer.server = contact.server;
    peer.sponsor = contact.sponsor;
    payers.insert(contact.payer());
    std::erase_if(peer.greeted, [&](const base::GroupId& group) {
      return !std::binary_search(peer.groups.begin(), peer.groups.end(), group);
    });
    if (poked_by.contains(it->first)) MakeDue(peer);
  }
  poked_by.clear();
  // A task that still runs finds its peer gone and notes nothing.
  std::erase_if(contacts, [&](const auto& item) { return !seen.contains(item.first); });
  tasks.ForgetUnless([&](base::Payer payer) { return payers.contains(payer); });
}

base::SteadyTime Syncer::Impl::PlanTasks(base::SteadyTime now) {
  base::SteadyTime next = contacts_due;
  if (!chores_running) {
    if (now >= chores_due) {
      chores_running = true;
      chores_due = now + kChoresEvery;
      AddTask({.run = [this] { Chores(); }, .peer = {}}, /*first=*/true);
    }
    next = std::min(next, chores_due);
  }
  std::vector<std::pair<const base::PeerId*, SyncPeer*>> rounds;
  for (auto& [id, peer] : contacts) {
    if (!peer.poking && (!peer.poke_groups.empty() || !peer.haves.empty())) {
      if (now >= peer.poke_due) {
        peer.poking = true;
        AddTask({.run = [this, to = id] { RunPoke(to); }, .peer = id, .sponsor = peer.sponsor},
                /*first=*/true);
      } else {
        next = std::min(next, peer.poke_due);
      }
    }
    if (peer.running) continue;
    const bool cools = !peer.forced && Cooling(id);
    // A cool-down that ended early: somebody else reached the peer.
    if (peer.waits_for_cool_down && !cools) peer.due = now;
    if (now < peer.due && peer.poked.empty()) {
      next = std::min(next, peer.due);
      continue;
    }
    if (cools) {
      // The wall clock says when it ends, the steady clock is waited on.
      const base::Millis left = peers.Health(id).cool_down_end - clock.WallNow();
      peer.due = now + std::max(left, base::Millis(1));
      peer.waits_for_cool_down = true;
      next = std::min(next, peer.due);
      continue;
    }
    rounds.emplace_back(&id, &peer);
  }
  std::stable_sort(rounds.begin(), rounds.end(), [](const auto& a, const auto& b) {
    return std::pair(!a.second->server, a.second->due) <
           std::pair(!b.second->server, b.second->due);
  });
  for (const auto& [id, peer] : rounds) {
    peer->running = true;
    peer->again = false;
    AddTask({.run = [this, to = *id] { RunRound(to); }, .peer = *id, .sponsor = peer->sponsor},
            /*first=*/false);
  }
  return next;
}

void Syncer::Impl::Chores() {
  bool profile = false;
  {
    base::MutexLock lock(mutex);
    const base::SteadyTime now = clock.SteadyNow();
    profile = now >= profile_due;
    if (profile) profile_due = now + kProfileEvery;
  }
  if (profile) {
    const absl::Status published = groups.PublishProfile();
    if (!published.ok()) base::LogWarning("syncer: profile: ", published.ToString());
    NoteClocks();
  }
  const auto more = work.DoAll(kChoreSteps);
  if (!more.ok()) base::LogWarning("syncer: ", more.status().ToString());
  base::MutexLock lock(mutex);
  chores_running = false;
  if (more.ok() && *more) chores_due = clock.SteadyNow();
  wake_scheduler.NotifyAll();
}

}  // namespace waypost::syncgroup
