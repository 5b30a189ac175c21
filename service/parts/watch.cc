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
    base::LogInfo("peer ", peer.thing, NameOf(peer.thing), " is ", peer.state);
  }
  for (const CalmNews::Item& group : group_news_.Take(now)) {
    const auto id = base::GroupId::FromHex(group.thing);
    base::LogInfo("group ", group.thing, " (", id ? names_[*id] : "", ") is ", group.state);
  }
  const fetcher::Fetcher::Totals totals = parts_.fetcher.totals();
  if (const auto minute = fetched_.Take({totals.blobs, totals.bytes, totals.failures}, now)) {
    base::LogInfo("fetching: in the last minute ", minute->blobs, " blobs, ",
                  base::HumanSize(minute->bytes), ", ", minute->failures, " attempts failed");
  }
  if (const uint64_t more = member_lines_.TakeLeftOut(now); more != 0) {
    base::LogInfo(more, " more changes of members, which are not named here");
  }
}

bool Watch::LookAtEvents(base::SteadyTime now) {
  const base::EventLog::Page page = parts_.events.Read(events_seen_, kEventsAtOnce);
  for (const base::Event& event : page.events) {
    events_seen_ = event.number;
    if (event.kind == "peer.online") peer_news_.Note(FieldOf(event, "peer"), "online");
    if (event.kind == "peer.offline") peer_news_.Note(FieldOf(event, "peer"), "offline");
    if (event.kind.starts_with("member.")) TellMember(event, now);
  }
  return !page.events.empty();
}

void Watch::TellMember(const base::Event& event, base::SteadyTime now) {
  const std::string peer = FieldOf(event, "peer"), by = FieldOf(event, "by");
  const std::string who = absl::StrCat("peer ", peer, NameOf(peer));
  const std::string group = absl::StrCat("group ", FieldOf(event, "group"));
  const std::string author = by.empty() ? "" : absl::StrCat(" by peer ", by, NameOf(by));
  if (event.kind == "member.removed" && peer == parts_.self.ToHex()) {
    base::LogWarning("this peer was removed from ", group, author,
                     "; what it holds of it stays, and nothing new comes: waypost group leave");
    return;
  }
  if (!member_lines_.Take(now)) return;
  const std::string more =
      event.count > 1 ? absl::StrCat(", and ", event.count - 1, " others") : "";
  if (event.kind == "member.joined") {
    base::LogInfo(who, " is a member of ", group, " as ", FieldOf(event, "role"), ", ",
                  FieldOf(event, "authority"), more);
  } else if (event.kind == "member.changed") {
    base::LogInfo(who, " in ", group, " is ", FieldOf(event, "role"), ", ",
                  FieldOf(event, "authority"), " now", more);
  } else if (event.kind == "member.left") {
    base::LogInfo(who, " has left ", group, more);
  } else if (event.kind == "member.removed") {
    base::LogInfo(who, " was removed from ", group, author, more);
  }
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
    now[info.id] = report->complete;
    group_news_.Note(id, report->complete ? "complete" : "not complete");
    if (!report->complete || complete_[info.id]) continue;
    parts_.events.Publish("group.complete", {{"group", id}, {"name", info.name}});
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
