#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "signpost/signpost.h"

// The pure rules of a peer's health: what an answer, a failure or wrong bytes make of it.
namespace waypost::signpost {

// What is held against a peer's blobs: so much for each failure to send them, and one less for each
// that it sent. Whoever was away has failed once when it is back, however often it was tried: twice
// is a matter of its blobs. No more than what makes it cool for the longest.
inline constexpr uint32_t kBlobFailure = 2;
inline constexpr uint32_t kBlobDebtToWithhold = 2 * kBlobFailure;
inline constexpr uint32_t kBlobDebtMax = 9 * kBlobFailure;
// A transfer that was too slow has others asked first for so long.
inline constexpr base::Millis kSlowRemembered{10 * 60 * 1000};

// How a peer has been doing, seen from here.
struct PeerHealth {
  uint32_t consecutive_failures = 0;
  base::WallTime cool_down_end;  // kNever: not cooling
  base::WallTime last_success;   // it answered one of our own requests
  LastError last_error;
  bool suspect = false;  // it sent wrong bytes of several blobs
  // Blobs of which it sent wrong bytes lately, and since when; not remembered over a restart.
  std::vector<base::BlobId> wrong;
  base::WallTime wrong_since;
  uint64_t returns = 0;  // times it answered after a cool-down, since this start
  // Of its blobs alone: what it says otherwise changes nothing here. Grows with each failure to
  // send what it was asked for, if it had answered something since the last one.
  uint32_t blob_debt = 0;
  base::WallTime blob_failed;  // the last of these; not remembered over a restart
  base::WallTime last_blob;    // that it sent
  base::WallTime slow_until;   // till then a transfer that was too slow is held against it

  bool Cooling(base::WallTime now) const { return cool_down_end > now; }
  // It answers, and blobs do not come.
  bool Withholds() const { return blob_debt >= kBlobDebtToWithhold; }
  // What it cools for is a matter of its blobs: it is called for everything else.
  bool CoolsForCalls(base::WallTime now) const { return Cooling(now) && !suspect && !Withholds(); }
  // Blobs have come from it, whenever that was: more than its name says for it.
  bool Proven() const { return last_blob != base::kNever; }
  // Others are asked for a blob before it.
  bool Poor(base::WallTime now) const { return Withholds() || slow_until > now; }

  friend bool operator==(const PeerHealth&, const PeerHealth&) = default;
};

inline constexpr base::Millis kCoolDownMin{1000};
inline constexpr base::Millis kCoolDownSpan{9000};  // above the minimum
inline constexpr uint32_t kCoolDownDoublings = 8;
// 10 s doubled 8 times: over 42 minutes.
inline constexpr base::Millis kCoolDownMax =
    (kCoolDownMin + kCoolDownSpan) * (1 << kCoolDownDoublings);
inline constexpr base::Millis kRetryAfterMax{5 * 60 * 1000};
inline constexpr base::Millis kWrongBytesCoolDown{60 * 60 * 1000};
// One rotten blob is no reason to leave a peer alone, which may be the only one that has the
// others: so many different ones within a day are.
inline constexpr std::size_t kWrongBlobsForCoolDown = 3;
inline constexpr base::Millis kWrongBlobsRemembered{24 * 3600 * 1000};

// The cool-down after `failures` consecutive failures (1 or more): uniform in [1 s, 10 s) x
// 2^min(failures - 1, 8), or `retry_after` if that is longer, up to 5 minutes for it. `unit_random`
// in [0, 1). Pure.
base::Millis CoolDown(uint32_t failures, std::optional<base::Millis> retry_after,
                      double unit_random);

// It answered one of our own requests. Ends a cool-down, which is a return; also the first answer
// after failures whose cool-down had run out. Only the cool-down for wrong bytes runs its hour:
// that a peer answers says nothing of its bytes. An answer after that clears `suspect`. Nor does it
// end the cool-down of one that withholds blobs: only a blob does.
PeerHealth AfterSuccess(PeerHealth health, base::WallTime now);

// It sent a blob: less is held against its blobs, and it is an answer.
PeerHealth AfterBlob(PeerHealth health, base::WallTime now);

// A request that began when `returns` was `returns_at_start` failed. Counts, and begins a
// cool-down, unless the peer returned meanwhile or cools already: requests that fail together are
// one failure. A Retry-After beyond the end of the cool-down that lasts prolongs it.
PeerHealth AfterFailure(PeerHealth health, base::WallTime now, uint64_t returns_at_start,
                        LastError error, std::optional<base::Millis> retry_after,
                        double unit_random);

// ... to send blobs: it could not be reached, stalled, or broke off. Counts among the failures of
// its blobs if it has answered something since the last of those; the more, the longer it cools.
PeerHealth AfterBlobFailure(PeerHealth health, base::WallTime now, uint64_t returns_at_start,
                            LastError error, std::optional<base::Millis> retry_after,
                            double unit_random);

// What it sent for a minute was too slow. It goes on serving, after others that have the blob.
PeerHealth AfterSlow(PeerHealth health, base::WallTime now);

// It sent wrong bytes of `blob`, which costs it the place as a location of that blob, whoever keeps
// that. Begins a cool-down of an hour with the third different blob.
PeerHealth AfterWrongBytes(PeerHealth health, base::WallTime now, const base::BlobId& blob,
                           LastError error);

// An operator says that it may be asked again: nothing is held against its bytes any more. Ends a
// cool-down for them, which is a return.
PeerHealth AfterForgiving(PeerHealth health);

// A health from the table: its cool-down ends no later than the longest that may begin now,
// whatever the wall clock did; `returns` starts again.
PeerHealth AfterLoad(PeerHealth health, base::WallTime now);

}  // namespace waypost::signpost
