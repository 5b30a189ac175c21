#include "syncgroup/group/core.h"

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "syncgroup/protocol/wire_codec.h"

// An index transaction with effects: what others must hear is gathered while the operation runs,
// anew in each run, and told after the commit on the thread that made it, without a lock. Listeners
// are copied under their mutex and called outside it.

namespace waypost::syncgroup {

absl::Status Core::Update(base::Index::Lane lane, const Operation& operation) const {
  Effects effects;
  RETURN_IF_ERROR(index.Update(lane, [&](base::WriteTxn& txn) {
    effects = Effects();
    const base::SteadyTime at = clock.SteadyNow();
    const absl::Status status = operation(txn, effects);
    for (auto& item : effects.changes) {
      item.second.at = at;
      // What counts as a change of members for the syncer asks for a scan too: "complete" wants
      // both.
      if (item.second.members) ledger.AnnounceMembership(txn, item.first);
    }
    return status;
  }));
  Announce(effects);
  return absl::OkStatus();
}

MemberLimits Core::limits() const {
  base::MutexLock lock(limits_mutex);
  return member_limits;
}

void Core::SetLimits(const MemberLimits& to) {
  base::MutexLock lock(limits_mutex);
  member_limits = to;
}

void Core::SetListener(std::function<void(const LocalChange&)> to) {
  base::MutexLock lock(listener_mutex);
  listener = std::move(to);
}

void Core::SetAccessListener(AccessListener to) {
  base::MutexLock lock(listener_mutex);
  access = std::move(to);
}

void Core::Announce(const Effects& effects) const {
  for (const Effects::Profile& profile : effects.profiles) {
    if (profile.peer != self()) peers.SetProfile(profile.peer, profile.name, profile.addresses);
  }
  for (const auto& [group, news] : effects.servers) servers.Learn(group, news);
  for (const auto& [group, latest] : effects.stamps) {
    if (latest == base::kNever) {
      stamps.Forget(group);
    } else {
      stamps.Learn(group, latest);
    }
  }
  for (const Effects::Event& event : effects.events) events.Publish(event.kind, event.fields);
  std::function<void(const LocalChange&)> tell;
  AccessListener less;
  {
    base::MutexLock lock(listener_mutex);
    tell = listener;
    less = access;
  }
  if (less.member_left) {
    for (const base::PeerId& peer : effects.left) less.member_left(peer);
  }
  if (less.made_private) {
    for (const auto& members : effects.made_private) less.made_private(members);
  }
  if (!tell) return;
  for (const auto& [group, change] : effects.changes) tell(change);
}

absl::Status NoSuchGroup(const base::GroupId& group) {
  return absl::NotFoundError(absl::StrCat("no group ", group.ToHex(), " here"));
}

}  // namespace waypost::syncgroup
