#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/index.h"
#include "base/notifier.h"
#include "base/random.h"
#include "signpost/health.h"

namespace waypost::signpost {

// What is known of every peer: addresses, health, traffic. In memory, kept in table `peers` (key:
// 32 bytes of peer), which is written when a state changes, else at most every 30 s, and by one
// write at a time. Thread-safe.
class PeerBook {
 public:
  struct KnownPeer {
    base::PeerId peer;
    std::string name;
    std::vector<std::string> addresses;  // as its own profile says, "host:port"
    std::string last_good_address;
    PeerHealth health;
    base::WallTime last_seen;  // any request either way
    uint64_t bytes_in = 0, bytes_out = 0;
  };

  PeerBook(base::Index& index, const base::Clock& clock, base::Random& random);
  // Reads the table, before threads start; cool-downs further ahead than their longest possible are
  // clamped. A damaged row is skipped.
  absl::Status Load();
  // Writes what is not yet written; blocks.
  absl::Status Flush();

  std::optional<KnownPeer> Find(const base::PeerId& peer) const;
  PeerHealth Health(const base::PeerId& peer) const;
  bool Cooling(const base::PeerId& peer) const;
  std::vector<KnownPeer> All() const;

  void SetProfile(const base::PeerId& peer, std::string name, std::vector<std::string> addresses);
  void NoteGoodAddress(const base::PeerId& peer, const std::string& address);
  void NoteTraffic(const base::PeerId& peer, uint64_t bytes_in, uint64_t bytes_out);
  // A request from the peer arrived. True if it is cooling and no hello to it was scheduled within
  // 5 s: the caller then sends one.
  bool NoteInbound(const base::PeerId& peer);

  // Those below: see signpost/health.h for what they do to a peer's health.
  // It answered one of our own requests. Ends a cool-down that is no matter of its blobs; if there
  // was one the peer has returned.
  void RecordSuccess(const base::PeerId& peer);
  // It sent a blob that was asked for.
  void RecordBlob(const base::PeerId& peer);
  // All its addresses failed, or it answered 5xx or 429. No new cool-down begins if its `returns`
  // moved since the request started, or while one lasts.
  void RecordFailure(const base::PeerId& peer, uint64_t returns_at_start, LastError error,
                     std::optional<base::Millis> retry_after = std::nullopt);
  // As RecordFailure, where it was asked for blobs.
  void RecordBlobFailure(const base::PeerId& peer, uint64_t returns_at_start, LastError error,
                         std::optional<base::Millis> retry_after = std::nullopt);
  // What it sent was too slow.
  void RecordSlow(const base::PeerId& peer);
  // It sent wrong bytes of this blob.
  void RecordWrongBytes(const base::PeerId& peer, const base::BlobId& blob, LastError error);
  // Nothing is held against the bytes of any peer any more.
  void ForgiveWrongBytes();

  // Called without a lock held after a cool-down began, changed or ended (a return), or others
  // are to be asked first from now on: the fetcher moves the peer's run. Calls for one peer may
  // overtake each other: Health() has the latest. Set before threads start.
  void SetListener(std::function<void(const base::PeerId&, const PeerHealth&)> listener);
  // Anything that people look at changed (online, offline, errors).
  base::Notifier& changed() { return changed_; }

 private:
  struct Impl;
  // Shared with writes on their way through the index.
  std::shared_ptr<Impl> impl_;
  base::Notifier changed_;
};

}  // namespace waypost::signpost
