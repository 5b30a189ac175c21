#include "fetcher/work/fetcher.h"

#include <utility>

#include "base/log.h"
#include "base/log_bound.h"
#include "base/status.h"
#include "fetcher/attempt/attempt.h"
#include "fetcher/attempt/rate_limiter.h"
#include "fetcher/work/audience.h"
#include "fetcher/work/board.h"
#include "fetcher/work/controls.h"
#include "fetcher/work/recorder.h"
#include "fetcher/work/starter.h"
#include "fetcher/work/workers.h"

// Composition and order. The board comes first and ends last; the threads start when an operator's
// pause of an earlier run is known, and end after the board was told to stop.

namespace waypost::fetcher {

struct Fetcher::Inside {
  Inside(const FetcherOptions& options, Parts given)
      : parts(std::move(given)),
        board(options, {.clock = parts.clock, .peers = parts.peers, .blobs = parts.blobs}),
        rate(parts.clock),
        attempt{.index = parts.index,
                .blobs = parts.blobs,
                .ledger = parts.ledger,
                .groups = parts.groups,
                .peers = parts.peers,
                .client = parts.client,
                .clock = parts.clock,
                .rate = rate,
                .lines = lines,
                .knows_us = parts.knows_us,
                .came_wrong = parts.came_wrong},
        view({.index = parts.index, .ledger = parts.ledger, .clock = parts.clock, .board = board}),
        audience({.index = parts.index,
                  .ledger = parts.ledger,
                  .clock = parts.clock,
                  .board = board,
                  .view = view}),
        controls({.index = parts.index,
                  .ledger = parts.ledger,
                  .peers = parts.peers,
                  .clock = parts.clock,
                  .board = board}),
        recorder({.blobs = parts.blobs,
                  .ledger = parts.ledger,
                  .peers = parts.peers,
                  .clock = parts.clock,
                  .random = parts.random,
                  .events = parts.events,
                  .metrics = parts.metrics,
                  .board = board}),
        workers({.attempt = attempt, .recorder = recorder, .board = board}),
        starter({.index = parts.index,
                 .blobs = parts.blobs,
                 .ledger = parts.ledger,
                 .groups = parts.groups,
                 .peers = parts.peers,
                 .clock = parts.clock,
                 .board = board}) {
    rate.SetRate(options.rate_limit_bytes_per_s);
  }

  const Parts parts;
  Board board;
  RateLimiter rate;
  base::LogBound lines;
  const AttemptParts attempt;
  const WorkView view;
  Audience audience;
  Controls controls;
  Recorder recorder;
  Workers workers;
  Starter starter;
};

Fetcher::Fetcher(const FetcherOptions& options, Parts parts)
    : inside_(std::make_unique<Inside>(options, std::move(parts))) {}

Fetcher::~Fetcher() { Shutdown(); }

void Fetcher::Start() {
  // Before anybody may look: an operator's pause holds from the first moment.
  const absl::Status paused = inside_->controls.LoadPause();
  if (!paused.ok()) base::LogWarning("fetcher: cannot read its pause: ", paused.ToString());
  inside_->workers.Start();
  inside_->starter.Start();
}

void Fetcher::Shutdown() {
  inside_->board.Stop();
  inside_->starter.Join();
  inside_->workers.Join();
}

FetcherOptions Fetcher::options() const { return inside_->board.options(); }

void Fetcher::SetOptions(const FetcherOptions& options) {
  inside_->rate.SetRate(options.rate_limit_bytes_per_s);
  inside_->board.SetOptions(options);
  inside_->workers.Adjust();
}

void Fetcher::OnBlobChange(const syncgroup::BlobChange& change) {
  inside_->board.OnBlobChange(change);
  if (change.wanted && !change.due_before) {
    inside_->parts.events.Publish(base::EventKind::kBlobWanted, {{"blob", change.blob.ToHex()}});
  }
}

void Fetcher::OnMembershipChange(const base::GroupId&) {
  if (inside_->parts.request_scan) inside_->parts.request_scan();
}

void Fetcher::OnPeerHealth(const base::PeerId& peer, const signpost::PeerHealth&) {
  inside_->board.OnPeerHealth(peer);
}

absl::StatusOr<std::unique_ptr<Interest>> Fetcher::Ask(const base::BlobId& blob) {
  return inside_->audience.Ask(blob);
}

absl::StatusOr<uint64_t> Fetcher::Retry(const base::BlobId& blob) {
  return inside_->controls.Retry(blob);
}
absl::StatusOr<uint64_t> Fetcher::RetryAll() { return inside_->controls.RetryAll(); }
absl::Status Fetcher::Stop(const base::BlobId& blob) { return inside_->controls.Stop(blob); }
absl::Status Fetcher::Pause(std::optional<base::Millis> how_long) {
  return inside_->controls.Pause(how_long);
}
absl::Status Fetcher::Resume() { return inside_->controls.Resume(); }

const WorkView& Fetcher::work() const { return inside_->view; }

base::Notifier& Fetcher::changed() { return inside_->board.changed(); }

Fetcher::Totals Fetcher::totals() const {
  return {.blobs = inside_->recorder.blobs_fetched(),
          .bytes = inside_->recorder.bytes_received(),
          .failures = inside_->recorder.attempts_failed()};
}

}  // namespace waypost::fetcher
