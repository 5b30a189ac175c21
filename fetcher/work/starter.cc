#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/numbers.h"
#include "base/key_codec.h"
#include "base/log.h"
#include "base/status.h"
#include "fetcher/policy/ranking.h"
#include "fetcher/work/fetcher_impl.h"
#include "signpost/signpost_table.h"

// The starter: fills the queue from the table, routes around peers that cool, ends pauses. Reads
// happen without the mutex; the queue is told before and after, so that no row committed in between
// is missed. Whatever it does is a hint: an attempt looks at the rows itself.

namespace waypost::fetcher {
namespace {

// How often the starter looks without being called.
constexpr base::Millis kStarterIdle{1000};
constexpr base::Millis kLoadAgain{200};
// Rows of one transaction that looks for other ways.
constexpr std::size_t kRoutePage = 1000;
// After all rows of peers that cool were looked at, the next look waits so many times as long as
// that took.
constexpr int kWalkRest = 4;
// The oldest want is looked for among so many rows, this often: a figure for people, not worth a
// full walk.
constexpr std::size_t kOldestRows = 10000;
constexpr base::Millis kOldestEvery{5000};
// The wall clock may be set back while we run.
constexpr base::Millis kClampEvery{60 * 1000};
constexpr std::size_t kClampPage = 1000;
// A pause of our own is looked at after 2 s, then twice as long each time, at most a minute.
constexpr base::Millis kPauseCheck{2000};
constexpr uint32_t kPauseDoublings = 5;

}  // namespace

absl::Status Fetcher::Impl::LoadPause() {
  std::optional<int64_t> until;
  RETURN_IF_ERROR(parts.index.Read([&](base::ReadTxn& txn) {
    if (const auto stored = txn.Get(base::Table::kMeta, kPauseKey)) {
      int64_t ms = 0;
      if (absl::SimpleAtoi(base::Abs(*stored), &ms)) until = ms;
    }
    return absl::OkStatus();
  }));
  if (!until || (*until != kPauseForEver && base::FromMs(*until) <= parts.clock.WallNow())) {
    return absl::OkStatus();
  }
  base::MutexLock lock(mutex);
  pause = {.paused = true, .reason = "operator", .detail = "paused by an operator"};
  if (*until != kPauseForEver) pause.until = base::FromMs(*until);
  return absl::OkStatus();
}

absl::Status Fetcher::Impl::LoadRuns() {
  struct Found {
    signpost::DueKey first;
    uint64_t rows = 0;
  };
  std::map<RunQueue::RunId, Found> runs;
  std::string from;
  bool more = true;
  // Pages, so that no view of the index is held for long. A million rows take a fifth of a second.
  constexpr std::size_t kPage = 100000;
  while (more) {
    RETURN_IF_ERROR(parts.index.Read([&](base::ReadTxn& txn) {
      base::Cursor cursor(txn, base::Table::kDue);
      std::size_t seen = 0;
      for (cursor.Seek(from); cursor.valid(); cursor.Next()) {
        if (seen++ == kPage) {
          from = std::string(cursor.key());
          return absl::OkStatus();
        }
        const auto key = signpost::DecodeDueKey(cursor.key());
        if (!key) continue;
        Found& found = runs[{key->first_peer, key->lane}];
        if (found.rows++ == 0) found.first = *key;
      }
      more = false;
      return absl::OkStatus();
    }));
  }
  base::MutexLock lock(mutex);
  for (const auto& [id, found] : runs) queue.AddStoredRun(id, found.first, found.rows);
  const base::WallTime now = parts.clock.WallNow();
  for (const signpost::PeerBook::Entry& entry : parts.peers.All()) {
    if (entry.health.cool_down_end != base::kNever) {
      queue.SetCoolDown(entry.peer, entry.health.cool_down_end, now);
    }
  }
  loaded = true;
  work.NotifyAll();  // also for what became due before this start's end, and is in the queue
  return absl::OkStatus();
}

void Fetcher::Impl::FillUp() {
  while (true) {
    std::optional<RunQueue::Refill> refill;
    {
      base::MutexLock lock(mutex);
      if (stopping) return;
      refill = queue.BeginRefill();
    }
    if (!refill) return;
    std::vector<signpost::DueKey> rows;
    std::optional<signpost::DueKey> next;
    const absl::Status read = parts.index.Read([&](base::ReadTxn& txn) {
      rows.clear();
      base::Cursor cursor(txn, base::Table::kDue);
      for (cursor.Seek(refill->from); cursor.valid(); cursor.Next()) {
        auto key = signpost::DecodeDueKey(cursor.key());
        if (!key) continue;
        if (RunQueue::RunId{key->first_peer, key->lane} != refill->run) break;
        if (rows.size() == RunQueue::kRefillRows) {
          next = key;
          break;
        }
        rows.push_back(*key);
      }
      return absl::OkStatus();
    });
    base::MutexLock lock(mutex);
    if (!read.ok()) {
      // What was not read stays in the table; tried again with the next round.
      queue.EndRefill(refill->run, {}, signpost::DecodeDueKey(refill->from));
      base::LogWarning("fetcher: cannot read the queue: ", read.ToString());
      return;
    }
    queue.EndRefill(refill->run, rows, next);
    work.NotifyAll();
  }
}

// ---- around peers that cool ----

// Who may be asked for the blob at once: as an attempt would find it.
std::optional<base::PeerId> Fetcher::Impl::AnotherPeerFor(base::ReadTxn& txn,
                                                          const base::BlobId& blob,
                                                          base::WallTime now) const {
  const auto signpost = signpost::LoadSignpost(txn, blob);
  if (!signpost) return std::nullopt;
  return AnotherPeer(signpost->locations, [&](const base::PeerId& peer) {
    if (peer == parts.ledger.options().self || parts.peers.Health(peer).Cooling(now)) return false;
    return std::any_of(signpost->groups.begin(), signpost->groups.end(), [&](const auto& item) {
      return parts.groups.IsMember(txn, item.first, peer);
    });
  });
}

// Of peers that are back, one that collects the blob: it may have got it while it could not be
// asked.
std::optional<base::PeerId> Fetcher::Impl::ServerFor(base::ReadTxn& txn, const base::BlobId& blob,
                                                     const std::vector<base::PeerId>& back,
                                                     base::WallTime now) const {
  if (back.empty()) return std::nullopt;
  const auto signpost = signpost::LoadSignpost(txn, blob);
  if (!signpost) return std::nullopt;
  const auto collects = [&](const base::PeerId& peer) {
    if (parts.peers.Health(peer).Cooling(now)) return false;
    return std::any_of(signpost->groups.begin(), signpost->groups.end(), [&](const auto& item) {
      const auto member = parts.groups.FindMember(txn, item.first, peer);
      return item.second.wanted && member && member->role == syncgroup::Role::kServer;
    });
  };
  const auto found = std::find_if(back.begin(), back.end(), collects);
  if (found == back.end()) return std::nullopt;
  return *found;
}

void Fetcher::Impl::LookAround() {
  while (true) {
    RunQueue::Look look;
    const base::WallTime now = parts.clock.WallNow();
    {
      base::MutexLock lock(mutex);
      if (stopping) return;
      queue.NoteEnds(now);
      look = queue.TakeLook(kRoutePage, now);
    }
    if (look.at_home.empty() && look.away.empty()) return;
    std::vector<std::pair<base::BlobId, base::PeerId>> routes;
    const absl::Status read = parts.index.Read([&](base::ReadTxn& txn) {
      routes.clear();
      for (const base::BlobId& blob : look.at_home) {
        if (const auto peer = AnotherPeerFor(txn, blob, now)) routes.emplace_back(blob, *peer);
      }
      for (const base::BlobId& blob : look.away) {
        const auto signpost = signpost::LoadSignpost(txn, blob);
        if (!signpost) continue;
        // Nobody else was known when it was sent there: whoever is back may have it.
        const auto back =
            std::find_if(look.usable.begin(), look.usable.end(), [&](const base::PeerId& peer) {
              return std::any_of(
                  signpost->groups.begin(), signpost->groups.end(),
                  [&](const auto& item) { return parts.groups.IsMember(txn, item.first, peer); });
            });
        if (back != look.usable.end()) routes.emplace_back(blob, *back);
      }
      return absl::OkStatus();
    });
    if (!read.ok()) return;
    base::MutexLock lock(mutex);
    for (const auto& [blob, peer] : routes) queue.Redirect(blob, peer);
    work.NotifyAll();
  }
}

// The rows beyond the window too: what another peer has must not wait until one that is away comes
// back.
void Fetcher::Impl::WalkAround() {
  while (true) {
    std::optional<RunQueue::Walk> walk;
    const base::WallTime now = parts.clock.WallNow();
    const base::SteadyTime steady = parts.clock.SteadyNow();
    {
      base::MutexLock lock(mutex);
      if (stopping) return;
      walk = queue.BeginWalk(now, steady >= next_walk);
    }
    if (!walk) {
      if (walk_began != base::SteadyTime()) {
        next_walk = steady + kWalkRest * (steady - walk_began);
        walk_began = {};
      }
      return;
    }
    if (walk_began == base::SteadyTime()) walk_began = steady;
    std::vector<RunQueue::Route> routes;
    std::optional<signpost::DueKey> next;
    const absl::Status read = parts.index.Read([&](base::ReadTxn& txn) {
      routes.clear();
      base::Cursor cursor(txn, base::Table::kDue);
      std::size_t seen = 0;
      for (cursor.Seek(walk->from); cursor.valid(); cursor.Next()) {
        const auto key = signpost::DecodeDueKey(cursor.key());
        if (!key) continue;
        if (key->first_peer != walk->peer) break;
        if (seen++ == kRoutePage) {
          next = key;
          break;
        }
        auto to = AnotherPeerFor(txn, key->blob, now);
        if (!to) to = ServerFor(txn, key->blob, walk->usable, now);
        if (to) routes.push_back({*key, *to});
      }
      return absl::OkStatus();
    });
    base::MutexLock lock(mutex);
    if (!read.ok()) {
      queue.EndWalk(walk->peer, {}, signpost::DecodeDueKey(walk->from));
      return;
    }
    queue.EndWalk(walk->peer, routes, next);
    work.NotifyAll();
  }
}

// ---- what time brings ----

// Times further ahead than the longest wait: the wall clock was set back, or retry_max lowered.
void Fetcher::Impl::ClampFarRows() {
  if (parts.clock.SteadyNow() < next_clamp) return;
  next_clamp = parts.clock.SteadyNow() + kClampEvery;
  const base::WallTime now = parts.clock.WallNow();
  base::WallTime latest;
  std::vector<RunQueue::RunId> runs;
  {
    base::MutexLock lock(mutex);
    latest = now + options.retry_max;
    runs = queue.Runs();
  }
  for (const RunQueue::RunId& run : runs) {
    std::string from = signpost::EncodeDueKey(
        {.first_peer = run.first, .lane = run.second, .due = latest + base::Millis(1)});
    bool more = true;
    while (more) {
      std::vector<base::BlobId> far;
      const absl::Status read = parts.index.Read([&](base::ReadTxn& txn) {
        far.clear();
        more = false;
        base::Cursor cursor(txn, base::Table::kDue);
        for (cursor.Seek(from); cursor.valid(); cursor.Next()) {
          const auto key = signpost::DecodeDueKey(cursor.key());
          if (!key) continue;
          if (RunQueue::RunId{key->first_peer, key->lane} != run) break;
          if (far.size() == kClampPage) {
            from = std::string(cursor.key());
            more = true;
            break;
          }
          far.push_back(key->blob);
        }
        return absl::OkStatus();
      });
      if (!read.ok() || far.empty()) break;
      const absl::Status clamped =
          parts.index.Update(base::Index::Lane::kBulk, [&](base::WriteTxn& txn) {
            for (const base::BlobId& blob : far) {
              parts.ledger.Change(txn, blob, [&](syncgroup::BlobRecord& record) {
                if (!record.signpost) return;
                signpost::Signpost& signpost = *record.signpost;
                signpost.next_attempt = std::min(signpost.next_attempt, latest);
                if (signpost.wanted_since != base::kNever) {
                  signpost.wanted_since = std::min(signpost.wanted_since, now);
                }
              });
            }
            return absl::OkStatus();
          });
      if (!clamped.ok()) return;
    }
  }
}

// What was begun of a blob that nobody wants any more is of no use.
void Fetcher::Impl::DropPartials() {
  while (true) {
    base::BlobId blob;
    {
      base::MutexLock lock(mutex);
      if (left.empty() || stopping) return;
      blob = left.front();
      left.pop_front();
      if (flights.contains(blob)) continue;
    }
    if (parts.blobs.PartialBytes(blob) == 0) continue;
    RowState row;
    if (ReadRow(blob, row).ok() && !row.wanted) parts.blobs.DropPartial(blob);
  }
}

void Fetcher::Impl::PauseFor(const std::string& reason, const std::string& detail) {
  bool log = false;
  {
    base::MutexLock lock(mutex);
    if (pause.paused || stopping) return;
    pause = {.paused = true, .reason = reason, .detail = detail};
    log = base::IsPowerOfTwo(++pauses_in_a_row);
    const uint32_t doublings = std::min(pauses_in_a_row - 1, kPauseDoublings);
    next_pause_check = parts.clock.SteadyNow() + kPauseCheck * (1 << doublings);
  }
  if (log) {
    base::LogWarning("fetcher: paused (", reason, "): ", detail, ". It goes on by itself.");
    parts.events.Publish("fetcher.paused", {{"reason", reason}, {"detail", detail}});
  }
  changed.Notify();
}

void Fetcher::Impl::CheckPause() {
  const base::SteadyTime steady = parts.clock.SteadyNow();
  {
    base::MutexLock lock(mutex);
    if (!pause.paused) return;
    if (pause.reason == "operator") {
      if (!pause.until || *pause.until > parts.clock.WallNow()) return;
      pause = {};
      work.NotifyAll();
    } else if (steady < next_pause_check) {
      return;
    } else {
      next_pause_check = steady + kPauseCheck;
    }
  }
  // Room for one page more is no reason to begin: a margin of 1 MiB.
  const absl::Status space = parts.blobs.CheckSpace(uint64_t{1} << 20);
  {
    base::MutexLock lock(mutex);
    if (pause.paused && pause.reason != "operator") {
      if (!space.ok()) {
        pause.detail = std::string(base::Std(space.message()));
        return;
      }
      if (pauses_in_a_row == 1)
        base::LogInfo("fetcher: goes on after a pause (", pause.reason, ")");
      pause = {};
      work.NotifyAll();
    }
  }
  changed.Notify();
}

void Fetcher::Impl::FindOldest() {
  if (parts.clock.SteadyNow() < next_oldest) return;
  next_oldest = parts.clock.SteadyNow() + kOldestEvery;
  std::optional<base::WallTime> oldest;
  const absl::Status read = parts.index.Read([&](base::ReadTxn& txn) {
    oldest.reset();
    base::Cursor cursor(txn, base::Table::kDue);
    std::size_t seen = 0;
    for (cursor.Seek(""); cursor.valid() && seen < kOldestRows; cursor.Next(), ++seen) {
      const auto payload = cursor.payload();
      const auto since = payload ? signpost::DecodeWantedSince(*payload) : std::nullopt;
      if (since && (!oldest || *since < *oldest)) oldest = since;
    }
    return absl::OkStatus();
  });
  if (!read.ok()) return;
  base::MutexLock lock(mutex);
  oldest_wanted = oldest;
}

void Fetcher::Impl::StarterLoop() {
  while (true) {
    bool ready = false;
    {
      base::MutexLock lock(mutex);
      if (stopping) return;
      ready = loaded;
    }
    if (!ready) {
      const absl::Status status = LoadRuns();
      if (!status.ok() && base::IsPowerOfTwo(++load_failures)) {
        base::LogWarning("fetcher: cannot read its queue: ", status.ToString());
      }
    }
    ClampFarRows();
    FillUp();
    LookAround();
    WalkAround();
    DropPartials();
    CheckPause();
    FindOldest();
    base::MutexLock lock(mutex);
    if (stopping) return;
    if (queue.TakeChore() || !left.empty()) continue;
    parts.clock.WaitUntil(chore, mutex,
                          parts.clock.SteadyNow() + (loaded ? kStarterIdle : kLoadAgain));
  }
}

}  // namespace waypost::fetcher
