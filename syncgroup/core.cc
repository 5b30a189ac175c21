#include "syncgroup/core.h"

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "syncgroup/wire_codec.h"

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

void Core::SetListener(std::function<void(const GroupStore::LocalChange&)> to) {
  base::MutexLock lock(listener_mutex);
  listener = std::move(to);
}

void Core::SetMemberLeftListener(std::function<void(const base::PeerId&)> to) {
  base::MutexLock lock(listener_mutex);
  member_left = std::move(to);
}

void Core::Announce(const Effects& effects) const {
  for (const Effects::Profile& profile : effects.profiles) {
    if (profile.peer != self()) peers.SetProfile(profile.peer, profile.name, profile.addresses);
  }
  for (const Effects::Event& event : effects.events) events.Publish(event.kind, event.fields);
  std::function<void(const GroupStore::LocalChange&)> tell;
  std::function<void(const base::PeerId&)> tell_left;
  {
    base::MutexLock lock(listener_mutex);
    tell = listener;
    tell_left = member_left;
  }
  if (tell_left) {
    for (const base::PeerId& peer : effects.left) tell_left(peer);
  }
  if (!tell) return;
  for (const auto& [group, change] : effects.changes) tell(change);
}

absl::Status NoSuchGroup(const base::GroupId& group) {
  return absl::NotFoundError(absl::StrCat("no group ", group.ToHex(), " here"));
}

}  // namespace waypost::syncgroup
