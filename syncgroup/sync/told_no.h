#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"

namespace waypost::syncgroup {

// Who asked for which blob and was told that it is not here, so that it hears when it is: otherwise
// it would wait for somebody else, or for its next try, although the blob is here. Remembered for
// an hour; of one peer kOfPeerMax blobs, kAllMax in all: beyond that the oldest goes, and costs
// whoever is forgotten nothing but time. Pure; the syncer's mutex guards it.
class ToldNo {
 public:
  static constexpr base::Millis kKept{3600 * 1000};
  static constexpr std::size_t kOfPeerMax = 10'000;
  static constexpr std::size_t kAllMax = 100'000;

  explicit ToldNo(std::size_t of_peer_max = kOfPeerMax, std::size_t all_max = kAllMax)
      : of_peer_max_(of_peer_max), all_max_(all_max) {}

  // `groups`: under which the peer asked and may know of the blob; none: nothing is remembered.
  void Note(const base::PeerId& peer, const base::BlobId& blob,
            const std::vector<base::GroupId>& groups, base::SteadyTime now);
  // This peer may serve the blob to `groups` from now on: those who asked under one of them, who
  // are forgotten with that.
  std::vector<base::PeerId> Take(const base::BlobId& blob, const std::vector<base::GroupId>& groups,
                                 base::SteadyTime now);
  std::size_t size() const { return by_age_.size(); }

 private:
  struct Said {
    std::vector<base::GroupId> groups;
    uint64_t number = 0;  // in by_age_
  };
  struct Place {
    base::SteadyTime at;
    base::PeerId peer;
    base::BlobId blob;
  };
  void Forget(const base::PeerId& peer, const base::BlobId& blob);

  const std::size_t of_peer_max_, all_max_;
  std::map<base::BlobId, std::map<base::PeerId, Said>> said_;
  // The same, the oldest first; of one peer by number only.
  uint64_t next_number_ = 0;
  std::map<uint64_t, Place> by_age_;
  std::map<base::PeerId, std::set<uint64_t>> of_peer_;
};

}  // namespace waypost::syncgroup
