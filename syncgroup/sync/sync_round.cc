#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"
#include "base/utf8.h"
#include "syncgroup/sync/schedule.h"
#include "syncgroup/sync/syncer_impl.h"

// One round with one peer: hello when there is something to show, then pages until nothing is left.
// And one poke. A round ends in bounded time, whatever the peer says, and what its calls came to is
// told to the peer book.

namespace waypost::syncgroup {
namespace {

// A peer that always says "more" must not keep a worker: so many pages in a row without an entry
// that is taken (one looks over 50,000 rows of a log) end a round with an error, and after so long
// it is another peer's turn.
constexpr int kBarrenPagesMax = 1000;
constexpr base::Millis kRoundMax{60 * 1000};
// How soon a round is tried again with a peer for which no address is known.
constexpr base::Millis kNoAddressPause{30 * 1000};

bool CountsAgainstPeer(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsResourceExhausted(status);
}

}  // namespace

Endpoint Syncer::Impl::EndpointOf(const base::PeerId& peer,
                                  std::vector<std::string> addresses) const {
  const auto entry = peers.Find(peer);
  if (entry && !entry->addresses.empty()) addresses = entry->addresses;
  return {.peer = peer, .addresses = std::move(addresses)};
}

bool Syncer::Impl::Cooling(const base::PeerId& peer) const {
  // One that sent wrong bytes, or none, is not asked for blobs; its log entries are judged by
  // themselves.
  return peers.Health(peer).CoolsForCalls(clock.WallNow());
}

void Syncer::Impl::NoteCall(const base::PeerId& peer, uint64_t returns_at_start,
                            const absl::Status& status) {
  if (stop.stop_requested()) return;
  if (!CountsAgainstPeer(status)) {
    // It answered, if only to refuse.
    if (!absl::IsInvalidArgument(status) && !absl::IsCancelled(status)) peers.RecordSuccess(peer);
    return;
  }
  signpost::LastError error{.error = absl::IsResourceExhausted(status)
                                         ? signpost::ErrorClass::kBusy
                                         : signpost::ErrorClass::kUnreachable,
                            .peer = peer,
                            .at = clock.WallNow(),
                            .message = base::ShortMessage(base::Std(status.message()))};
  peers.RecordFailure(peer, returns_at_start, std::move(error), base::RetryAfterOf(status));
}

void Syncer::Impl::RunRound(const base::PeerId& peer) {
  RoundTask task{.peer = peer};
  std::vector<std::string> addresses;
  {
    base::MutexLock lock(mutex);
    const auto it = contacts.find(peer);
    if (it == contacts.end()) return;
    SyncPeer& known = it->second;
    task.hello = std::exchange(known.hello, false);  // what changes from here on asks for another
    task.all_groups = task.hello || known.due <= clock.SteadyNow();
    task.groups = known.groups;
    if (!task.all_groups) {
      // It may have left one of them since.
      std::erase_if(task.groups,
                    [&](const base::GroupId& group) { return !known.poked.contains(group); });
    }
    known.poked.clear();
    addresses = known.addresses;
  }
  const base::SteadyTime round_started = clock.SteadyNow();
  RoundEnd end;
  end.status = base::WithinMemory([&] {
    end = DoRound(task, EndpointOf(peer, std::move(addresses)));
    return end.status;
  });
  if (end.status.ok()) {
    rounds_ok.Add();
  } else {
    rounds_error.Add();
    base::LogDebug("sync with peer ", peer.ToHex(), ": ", end.status.ToString());
  }
  entries.Add(static_cast<double>(end.round.entries));
  NoteEnd(task, end, round_started);
  changed.Notify();
}

Syncer::Impl::RoundEnd Syncer::Impl::DoRound(const RoundTask& task, const Endpoint& endpoint) {
  RoundEnd end;
  if (endpoint.addresses.empty() && !client.ReachableWithoutAddress(endpoint.peer)) {
    end.status = absl::NotFoundError("no address of the peer is known");
    return end;
  }
  if (task.hello) {
    end.status = SayHello(task, task.groups, endpoint, end);
    if (!end.status.ok()) return end;
  }
  end.status = Pull(task, task.groups, endpoint, end);
  if (!end.status.ok() || end.said_hello || end.round.not_member.empty()) return end;
  // It does not know us there, yet: our papers may tell it.
  const std::vector<base::GroupId> unknown(end.round.not_member.begin(),
                                           end.round.not_member.end());
  end.status = SayHello(task, unknown, endpoint, end);
  if (!end.status.ok()) return end;
  end.round.not_member.clear();
  end.status = Pull(task, unknown, endpoint, end);
  return end;
}

absl::Status Syncer::Impl::SayHello(const RoundTask& task,
                                    const std::vector<base::GroupId>& to_greet,
                                    const Endpoint& endpoint, RoundEnd& end) {
  for (auto next = to_greet.begin(); next != to_greet.end();) {
    ASSIGN_OR_RETURN(const HelloRequest request, replication.HelloFor({next, to_greet.end()}));
    next += static_cast<std::ptrdiff_t>(request.papers.size());
    const uint64_t returns = peers.Health(task.peer).returns;
    const auto reply = client.Hello(endpoint, request, stop.get_token());
    NoteCall(task.peer, returns, reply.status());
    if (!reply.ok()) return reply.status();
    ASSIGN_OR_RETURN(const auto greeted, replication.ApplyHello(task.peer, *reply));
    end.greeted.insert(greeted.begin(), greeted.end());
  }
  end.said_hello = true;
  return absl::OkStatus();
}

namespace {

// Of these nothing is kept in this round but who is a member.
void NoteNoRoom(const std::vector<base::GroupId>& groups, const absl::Status& room,
                Replication::Round& round) {
  round.held_back.insert(groups.begin(), groups.end());
  round.problem = absl::StrCat("waiting for room: ", std::string(room.message()));
}

}  // namespace

absl::Status Syncer::Impl::Pull(const RoundTask& task, const std::vector<base::GroupId>& of,
                                const Endpoint& endpoint, RoundEnd& end) {
  std::vector<base::GroupId> left = of;
  const base::SteadyTime until = clock.SteadyNow() + kRoundMax;
  int barren = 0;
  if (const absl::Status room = core.blobs.CheckSpace(kSyncPageBytesMax); !room.ok()) {
    end.round.no_room = true;
    NoteNoRoom(left, room, end.round);
  }
  while (!left.empty()) {
    if (stop.stop_requested()) return absl::CancelledError("the service is stopping");
    if (barren == kBarrenPagesMax) {
      return absl::InternalError("the peer's log does not end, and nothing in it is news");
    }
    if (clock.SteadyNow() > until) {
      // It goes on with the next round, from the cursors; until then nothing is complete.
      end.round.held_back.insert(left.begin(), left.end());
      return absl::OkStatus();
    }
    if (const absl::Status room = core.blobs.CheckSpace(kSyncPageBytesMax); !room.ok()) {
      // Nothing is asked for that there is no room to keep; shown until there is. But who was
      // removed is heard of, whoever filled the disk.
      NoteNoRoom(left, room, end.round);
      if (!end.round.no_room) return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(const SyncRequest request, replication.RequestFor(task.peer, left, end.round));
    if (request.groups.empty()) return absl::OkStatus();
    const uint64_t returns = peers.Health(task.peer).returns;
    auto reply = client.Sync(endpoint, request, stop.get_token());
    NoteCall(task.peer, returns, reply.status());
    if (!reply.ok()) return reply.status();
    end.round.clock_offset.reset();
    if (reply->now != base::kNever) end.round.clock_offset = reply->now - clock.WallNow();
    // One request may not have had room for all groups; those that were asked go on while there is
    // more.
    std::set<base::GroupId> done;  // of those that were asked and found room in the answer
    for (const SyncGroupReply& answer : reply->groups) {
      if (!answer.more) done.insert(answer.group);
    }
    const uint64_t taken = end.round.entries;
    RETURN_IF_ERROR(replication.ApplyPage(task.peer, *std::move(reply), end.round));
    barren = end.round.entries > taken ? 0 : barren + 1;
    if (end.round.again) continue;
    std::erase_if(left, [&](const base::GroupId& group) {
      return done.contains(group) && !end.round.goes_on.contains(group);
    });
  }
  return absl::OkStatus();
}

void Syncer::Impl::NoteEnd(const RoundTask& task, const RoundEnd& end,
                           base::SteadyTime round_started) {
  const base::SteadyTime now = clock.SteadyNow();
  const double dice = random.Unit();
  base::MutexLock lock(mutex);
  const auto it = contacts.find(task.peer);
  if (it == contacts.end()) return;
  SyncPeer& peer = it->second;
  peer.running = false;
  if (task.all_groups) {
    peer.forced = false;
    peer.waits_for_cool_down = false;
  }
  if (task.hello && !end.said_hello) peer.hello = true;  // still to be said
  // An answered sync says as much as an answered hello: the peer knows us as a member there.
  for (const base::GroupId& group : end.round.not_member) peer.greeted.erase(group);
  peer.greeted.insert(end.greeted.begin(), end.greeted.end());
  peer.greeted.insert(end.round.answered.begin(), end.round.answered.end());
  if (end.status.ok()) peer.clock_offset = end.round.clock_offset;
  for (const base::GroupId& group : task.groups) {
    MemberStatus& status = peer.status[group];
    status.peer = task.peer;
    status.last_round = now;
    const bool known = !end.round.not_member.contains(group);
    status.last_round_ok = end.status.ok() && known;
    status.clock_ahead = end.round.clock_ahead && end.round.held_back.contains(group);
    status.last_error = !end.status.ok() ? std::string(end.status.message())
                        : !known         ? "the peer does not know this one as a member"
                                         : end.round.problem;
    if (!status.last_round_ok) continue;
    status.last_sync = clock.WallNow();
    status.held_back = end.round.held_back.contains(group);
    if (end.round.answered.contains(group) && !status.held_back) {
      status.caught_up_since = round_started;
    }
  }
  if (task.all_groups) {
    const bool news = end.round.entries > 0;
    peer.pause = NextPause(peer.pause, interval, end.status.ok() && news);
    if (absl::IsNotFound(end.status)) peer.pause = std::max(peer.pause, kNoAddressPause);
    peer.due = now + WithJitter(peer.pause, dice);
  }
  if (peer.again) {
    peer.due = now;
    peer.pause = interval;
  }
  peer.again = false;
  // What it could not be told while it was away.
  if (end.status.ok() && !peer.haves.empty()) peer.poke_due = std::min(peer.poke_due, now);
  wake_scheduler.NotifyAll();
}

void Syncer::Impl::RunPoke(const base::PeerId& to) {
  PokeRequest request;
  std::vector<std::string> addresses;
  {
    base::MutexLock lock(mutex);
    const auto it = contacts.find(to);
    if (it == contacts.end()) return;
    SyncPeer& peer = it->second;
    while (!peer.poke_groups.empty() && request.groups.size() < kSyncGroupsMax) {
      request.groups.push_back(*peer.poke_groups.begin());
      peer.poke_groups.erase(peer.poke_groups.begin());
    }
    const std::size_t some = std::min(peer.haves.size(), kHavesMax);
    request.haves.assign(peer.haves.begin(),
                         peer.haves.begin() + static_cast<std::ptrdiff_t>(some));
    peer.haves.erase(peer.haves.begin(), peer.haves.begin() + static_cast<std::ptrdiff_t>(some));
    const bool all = peer.haves.empty() && peer.poke_groups.empty();
    peer.poke_due = all ? base::SteadyTime::max() : clock.SteadyNow();
    addresses = peer.addresses;
  }
  const Endpoint endpoint = EndpointOf(to, std::move(addresses));
  // Who is away hears of entries with its own next round, and of blobs when it is back.
  bool heard = false;
  if ((!endpoint.addresses.empty() || client.ReachableWithoutAddress(to)) && !Cooling(to)) {
    const uint64_t returns = peers.Health(to).returns;
    const absl::Status poked = client.Poke(endpoint, request, stop.get_token());
    heard = !CountsAgainstPeer(poked);
    NoteCall(to, returns, poked);
  }
  base::MutexLock lock(mutex);
  const auto it = contacts.find(to);
  if (it != contacts.end()) {
    it->second.poking = false;
    if (!heard) KeepHaves(it->second, request.haves);
  }
  wake_scheduler.NotifyAll();
}

}  // namespace waypost::syncgroup
