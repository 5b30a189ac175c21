#include "service/parts/watch.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"
#include "base/units.h"

// What happened becomes lines that people read: events as they were published, and what nobody
// publishes because it follows from many things, such as a group that is complete. How often what
// is told is decided in news.h.

namespace waypost::service {
namespace {

constexpr base::Millis kLookEvery{1'000};
constexpr base::Millis kLookAtDiskEvery{5'000};
constexpr std::size_t kEventsAtOnce = 1'000;
constexpr std::size_t kGroupsLookedAt = 1'000;

std::string FieldOf(const base::Event& event, std::string_view name) {
  for (const auto& [field, value] : event.fields) {
    if (field == name) return value;
  }
  return "";
}

std::string GroupOf(const base::Event& event) {
  return absl::StrCat("group ", FieldOf(event, "group"));
}

// What a member may do and does: "server, writer".
std::string RightsOf(const base::Event& event) {
  return absl::StrCat(FieldOf(event, "role"), ", ", FieldOf(event, "authority"));
}

}  // namespace

void Watch::Start() {
  events_seen_ = parts_.events.last_number();
  const auto changed = [this] {
    base::MutexLock lock(mutex_);
    changed_ = true;
  };
  registrations_.push_back(parts_.fetcher.changed().Register(changed));
  registrations_.push_back(parts_.scanner.changed().Register(changed));
  registrations_.push_back(parts_.syncer.changed().Register(changed));
  thread_ = base::Thread("watch", [this] { Loop(); });
}

void Watch::Shutdown() {
  {
    base::MutexLock lock(mutex_);
    if (std::exchange(stopping_, true)) return;
    wake_.NotifyAll();
  }
  registrations_.clear();
  thread_.Join();
}

void Watch::Loop() {
  base::SteadyTime next = parts_.clock.SteadyNow();
  while (true) {
    bool changed = false;
    {
      base::MutexLock lock(mutex_);
      while (!stopping_ && parts_.clock.SteadyNow() < next) {
        parts_.clock.WaitUntil(wake_, mutex_, next);
      }
      if (stopping_) return;
      changed = std::exchange(changed_, false);
    }
    const base::SteadyTime began = parts_.clock.SteadyNow();
    const absl::Status looked = base::WithinMemory([&] {
      Look(began, changed);
      return absl::OkStatus();
    });
    if (!looked.ok()) base::LogWarning("what happened is not told: ", looked.message());
    // Many groups cost time: a twentieth of it at most.
    const base::SteadyTime ended = parts_.clock.SteadyNow();
    next = ended + std::max<base::SteadyTime::duration>(kLookEvery, 20 * (ended - began));
  }
}

void Watch::Look(base::SteadyTime now, bool changed) {
  if (now >= next_disk_) {
    parts_.look_at_disk();
    next_disk_ = now + kLookAtDiskEvery;
  }
  parts_.note_mode();
  if (LookAtEvents(now) || changed) {
    LookAtGroups();
    LookAtPauses();
  }
  for (const CalmNews::Item& peer : peer_news_.Take(now)) {
    if (!peer_lines_.Take(now)) continue;
    base::LogInfo("peer ", peer.thing, NameOf(peer.thing), " is ", NewsStateName(peer.state));
  }
  for (const CalmNews::Item& group : group_news_.Take(now)) {
    const auto id = base::GroupId::FromHex(group.thing);
    base::LogInfo("group ", group.thing, " (", id ? names_[*id] : "", ") is ",
                  NewsStateName(group.state));
  }
  const fetcher::Fetcher::Totals totals = parts_.fetcher.totals();
  if (const auto minute = fetched_.Take({totals.blobs, totals.bytes, totals.failures}, now)) {
    base::LogInfo("fetching: in the last minute ", minute->blobs, " blobs, ",
                  base::HumanSize(minute->bytes), ", ", minute->failures, " attempts failed");
  }
  if (const uint64_t more = peer_lines_.TakeLeftOut(now); more != 0) {
    base::LogInfo(more, " more peers came or went, which are not named here");
  }
  if (const uint64_t more = member_lines_.TakeLeftOut(now); more != 0) {
    base::LogInfo(more, " more changes of members, which are not named here");
  }
}

bool Watch::LookAtEvents(base::SteadyTime now) {
  const base::EventLog::Page page = parts_.events.Read(events_seen_, kEventsAtOnce);
  for (const base::Event& event : page.events) {
    events_seen_ = event.number;
    switch (event.kind) {
      case base::EventKind::kPeerOnline:
        peer_news_.Note(FieldOf(event, "peer"), NewsState::kOnline);
        break;
      case base::EventKind::kPeerOffline:
        peer_news_.Note(FieldOf(event, "peer"), NewsState::kOffline);
        break;
      case base::EventKind::kMemberJoined:
        TellMember(event, now,
                   absl::StrCat(" is a member of ", GroupOf(event), " as ", RightsOf(event)));
        break;
      case base::EventKind::kMemberChanged:
        TellMember(event, now,
                   absl::StrCat(" in ", GroupOf(event), " is ", RightsOf(event), " now"));
        break;
      case base::EventKind::kMemberLeft:
        TellMember(event, now, absl::StrCat(" has left ", GroupOf(event)));
        break;
      case base::EventKind::kMemberRemoved:
        TellRemoved(event, now);
        break;
      case base::EventKind::kBlobStored:
      case base::EventKind::kBlobWanted:
      case base::EventKind::kFetchFailed:
      case base::EventKind::kFetcherPaused:
      case base::EventKind::kGroupComplete:
      case base::EventKind::kModeChanged:
      case base::EventKind::kRefDeleted:
      case base::EventKind::kRefSet:
      case base::EventKind::kScanDone:
        break;  // counted, told by whoever published it, or no news for people
    }
  }
  return !page.events.empty();
}

void Watch::TellRemoved(const base::Event& event, base::SteadyTime now) {
  const std::string by = FieldOf(event, "by");
  const std::string author = by.empty() ? "" : absl::StrCat(" by peer ", by, NameOf(by));
  if (FieldOf(event, "peer") == parts_.self.ToHex()) {
    base::LogWarning("this peer was removed from ", GroupOf(event), author,
                     "; what it holds of it stays, and nothing new comes: waypost group leave");
    return;
  }
  TellMember(event, now, absl::StrCat(" was removed from ", GroupOf(event), author));
}

void Watch::TellMember(const base::Event& event, base::SteadyTime now, const std::string& what) {
  if (!member_lines_.Take(now)) return;
  const std::string peer = FieldOf(event, "peer");
  const std::string more =
      event.count > 1 ? absl::StrCat(", and ", event.count - 1, " others") : "";
  base::LogInfo("peer ", peer, NameOf(peer), what, more);
}

void Watch::LookAtGroups() {
  const auto groups = parts_.groups.List(base::GroupId(), kGroupsLookedAt);
  if (!groups.ok()) return;
  std::map<base::GroupId, bool> now;
  names_.clear();
  for (const syncgroup::GroupInfo& info : *groups) {
    names_[info.id] = info.name;
    if (info.role != syncgroup::Role::kServer) continue;
    const auto report = parts_.completeness.Report(info.id);
    if (!report.ok()) continue;
    const std::string id = info.id.ToHex();
    now[info.id] = report->complete();
    group_news_.Note(id, report->complete() ? NewsState::kComplete : NewsState::kNotComplete);
    if (!report->complete() || complete_[info.id]) continue;
    parts_.events.Publish(base::EventKind::kGroupComplete, {{"group", id}, {"name", info.name}});
  }
  complete_ = std::move(now);
}

void Watch::LookAtPauses() {
  const bool fetching = parts_.fetcher.Paused().by_operator();
  if (fetching != std::exchange(fetching_paused_, fetching)) {
    base::LogInfo(fetching ? "fetching is paused by an operator" : "fetching goes on");
  }
  const bool scanning = parts_.scanner.Status().paused;
  if (scanning != std::exchange(scanning_paused_, scanning)) {
    base::LogInfo(scanning ? "scanning is paused by an operator" : "scanning goes on");
  }
}

std::string Watch::NameOf(const std::string& peer) const {
  const auto id = base::PeerId::FromHex(peer);
  const auto known = id ? parts_.peers.Find(*id) : std::nullopt;
  return known && !known->name.empty() ? absl::StrCat(" (", known->name, ")") : "";
}

}  // namespace waypost::service
