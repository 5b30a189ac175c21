#include "syncgroup/sync/told_no.h"

#include <algorithm>
#include <utility>

// What must hold: said_, by_age_ and of_peer_ name the same pairs of peer and blob, and none of
// their maps and sets is empty inside.

namespace waypost::syncgroup {

void ToldNo::Note(const base::PeerId& peer, const base::BlobId& blob,
                  const std::vector<base::GroupId>& groups, base::SteadyTime now) {
  if (groups.empty()) return;
  Forget(peer, blob);
  while (!by_age_.empty() && by_age_.begin()->second.at + kKept <= now) {
    const Place oldest = by_age_.begin()->second;
    Forget(oldest.peer, oldest.blob);
  }
  if (const auto own = of_peer_.find(peer);
      own != of_peer_.end() && own->second.size() >= of_peer_max_) {
    Forget(peer, base::BlobId(by_age_.at(*own->second.begin()).blob));
  }
  if (by_age_.size() >= all_max_) {
    const Place oldest = by_age_.begin()->second;
    Forget(oldest.peer, oldest.blob);
  }
  const uint64_t number = next_number_++;
  said_[blob][peer] = {.groups = groups, .number = number};
  by_age_[number] = {.at = now, .peer = peer, .blob = blob};
  of_peer_[peer].insert(number);
}

std::vector<base::PeerId> ToldNo::Take(const base::BlobId& blob,
                                       const std::vector<base::GroupId>& groups,
                                       base::SteadyTime now) {
  std::vector<base::PeerId> peers;
  const auto found = said_.find(blob);
  if (found == said_.end()) return peers;
  std::vector<base::PeerId> heard;
  for (const auto& [peer, said] : found->second) {
    const bool under_one =
        std::any_of(said.groups.begin(), said.groups.end(), [&](const base::GroupId& group) {
          return std::find(groups.begin(), groups.end(), group) != groups.end();
        });
    if (!under_one) continue;
    heard.push_back(peer);
    if (by_age_.at(said.number).at + kKept > now) peers.push_back(peer);
  }
  for (const base::PeerId& peer : heard) Forget(peer, blob);
  return peers;
}

void ToldNo::Forget(const base::PeerId& peer, const base::BlobId& blob) {
  const auto of_blob = said_.find(blob);
  if (of_blob == said_.end()) return;
  const auto said = of_blob->second.find(peer);
  if (said == of_blob->second.end()) return;
  const uint64_t number = said->second.number;
  of_blob->second.erase(said);
  if (of_blob->second.empty()) said_.erase(of_blob);
  const auto own = of_peer_.find(peer);
  own->second.erase(number);
  if (own->second.empty()) of_peer_.erase(own);
  by_age_.erase(number);
}

}  // namespace waypost::syncgroup
