#include "fetcher/attempt.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/fault_point.h"
#include "base/status.h"
#include "fetcher/ranking.h"

namespace waypost::fetcher {
namespace {

constexpr std::size_t kGroupsMax = 8;

// Takes the bytes of one answer into the blob store.
class StoreSink final : public BlobSink {
 public:
  StoreSink(const AttemptParts& parts, const base::BlobId& blob, const AttemptOptions& options,
            AttemptProgress& progress, std::stop_token stop)
      : parts_(parts),
        blob_(blob),
        options_(options),
        progress_(progress),
        stop_(std::move(stop)) {}

  absl::Status OnStart(uint64_t total_bytes, uint64_t offset,
                       const std::vector<base::GroupId>& granted) override {
    granted_ = granted;
    total_ = total_bytes;
    writer_.reset();
    ASSIGN_OR_RETURN(writer_, parts_.blobs.StartFetch(blob_, total_bytes));
    if (writer_->offset() != offset) {
      // The callee ignored the range, or the partial file was of no use: this answer from its
      // start.
      writer_->Discard();
      writer_.reset();
      if (offset != 0) return absl::AbortedError("the partial file no longer fits");
      ASSIGN_OR_RETURN(writer_, parts_.blobs.StartFetch(blob_, total_bytes));
    }
    resumed_ = offset > 0;
    progress_.total_bytes = total_bytes;
    progress_.received_bytes = offset;
    progress_.transferring = true;
    window_began_ = parts_.clock.SteadyNow();
    return absl::OkStatus();
  }

  absl::Status OnData(std::string_view data) override {
    if (!parts_.rate.Take(data.size(), stop_)) return absl::CancelledError("stopped");
    RETURN_IF_ERROR(writer_->Append(data));
    progress_.received_bytes += data.size();
    window_bytes_ += data.size();
    const base::SteadyTime now = parts_.clock.SteadyNow();
    if (now - window_began_ < kSlowWindow) return absl::OkStatus();
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now - window_began_);
    const bool slow = window_bytes_ <
                      kSlowBytesPerS * static_cast<uint64_t>(std::max<int64_t>(seconds.count(), 1));
    window_began_ = now;
    window_bytes_ = 0;
    if (slow && options_.should_yield && options_.should_yield()) {
      yielded_ = true;
      return absl::CancelledError("too slow");
    }
    return absl::OkStatus();
  }

  // Verifies and makes durable.
  absl::StatusOr<blobstore::StagedBlob> Finish() {
    if (writer_ == nullptr) return absl::InternalError("no body came");
    auto staged = writer_->Finish(blob_);
    writer_.reset();
    return staged;
  }

  bool resumed() const { return resumed_; }
  bool yielded() const { return yielded_; }
  uint64_t total() const { return total_; }
  const std::vector<base::GroupId>& granted() const { return granted_; }

 private:
  const AttemptParts& parts_;
  const base::BlobId& blob_;
  const AttemptOptions& options_;
  AttemptProgress& progress_;
  const std::stop_token stop_;
  std::unique_ptr<blobstore::BlobWriter> writer_;
  std::vector<base::GroupId> granted_;
  uint64_t total_ = 0;
  bool resumed_ = false;
  bool yielded_ = false;
  base::SteadyTime window_began_{};
  uint64_t window_bytes_ = 0;
};

// Everything that the attempt knows at its start, from one look at the index.
struct Start {
  signpost::Signpost signpost;
  std::vector<base::GroupId> groups;  // under which it is wanted
  std::vector<base::PeerId> members;
};

class Attempt {
 public:
  Attempt(const AttemptParts& parts, const base::BlobId& blob, const AttemptOptions& options,
          AttemptProgress& progress, std::stop_token stop)
      : parts_(parts),
        blob_(blob),
        options_(options),
        progress_(progress),
        stop_(std::move(stop)) {}

  AttemptResult Run() {
    if (!LoadStart()) return std::move(result_);
    locations_ = start_.signpost.locations;
    while (skip_.size() < kAskedMax && !Ended()) {
      const auto next = NextPeer();
      if (!next) break;
      skip_.push_back(*next);
      Ask(*next);
    }
    NoteEvidence();
    return std::move(result_);
  }

 private:
  bool LoadStart() {
    bool wanted = false;
    const absl::Status read = parts_.index.Read([&](base::ReadTxn& txn) {
      const syncgroup::BlobRecord record = parts_.ledger.Load(txn, blob_);
      if (!record.signpost) return absl::OkStatus();
      start_.signpost = *record.signpost;
      if (start_.signpost.stopped != base::kNever) return absl::OkStatus();
      for (const auto& item : start_.signpost.groups) {
        if (start_.groups.size() < kGroupsMax && parts_.ledger.WantedIn(txn, item.first, record)) {
          start_.groups.push_back(item.first);
        }
      }
      wanted = !start_.groups.empty();
      if (!wanted && start_.signpost.asked_until != base::kNever && !record.row) {
        wanted = true;
        for (const auto& item : start_.signpost.groups) {
          if (start_.groups.size() < kGroupsMax) start_.groups.push_back(item.first);
        }
      }
      start_.members = parts_.groups.Candidates(txn, start_.signpost);
      return absl::OkStatus();
    });
    if (!read.ok()) {
      result_.report.local = LocalEnd::kDisk;
      result_.report.local_message = read.ToString();
      return false;
    }
    result_.still_wanted = wanted;
    result_.evidence_at_start = start_.signpost.evidence;
    return wanted;
  }

  bool Ended() const {
    return result_.staged || result_.report.local != LocalEnd::kNone || stop_.stop_requested();
  }

  // The best peer not yet asked that does not cool.
  std::optional<base::PeerId> NextPeer() {
    const base::WallTime now = parts_.clock.WallNow();
    const auto cooling = [&](const base::PeerId& peer) {
      return parts_.peers.Health(peer).Cooling(now);
    };
    const auto ranked =
        Rank(locations_, start_.members, parts_.ledger.options().self, skip_, cooling);
    for (const base::PeerId& peer : ranked) {
      if (!cooling(peer)) return peer;
      NoteCoolDown(peer);
    }
    return std::nullopt;
  }

  void NoteCoolDown(const base::PeerId& peer) {
    const signpost::PeerHealth health = parts_.peers.Health(peer);
    if (!health.Cooling(parts_.clock.WallNow())) return;
    auto& first = result_.report.first_cool_down_end;
    if (!first || health.cool_down_end < *first) first = health.cool_down_end;
  }

  void Ask(const base::PeerId& peer) {
    const auto entry = parts_.peers.Find(peer);
    if (!entry || entry->addresses.empty()) {
      result_.report.asked.push_back({peer, Answer::kUnreachable, "no address of it is known"});
      returns_[peer] = entry ? entry->health.returns : 0;
      FailPeer(peer, signpost::ErrorClass::kUnreachable, "no address of it is known", {});
      return;
    }
    returns_[peer] = entry->health.returns;
    if (options_.on_source) options_.on_source(peer);
    if (AskOnce(peer, entry->addresses, parts_.blobs.PartialBytes(blob_))) return;
    // A resumed file did not match, or no longer fits: nobody's fault, once more from zero.
    parts_.blobs.DropPartial(blob_);
    AskOnce(peer, entry->addresses, 0);
  }

  // False: the partial file was at fault; nothing was recorded.
  bool AskOnce(const base::PeerId& peer, const std::vector<std::string>& addresses,
               uint64_t offset) {
    StoreSink sink(parts_, blob_, options_, progress_, stop_);
    const BlobRequest request{.from = {.peer = peer, .addresses = addresses},
                              .blob = blob_,
                              .groups = start_.groups,
                              .offset = offset,
                              .stall_timeout = options_.stall_timeout};
    const BlobReply reply = parts_.client.Get(request, sink, stop_);
    progress_.transferring = false;
    result_.body_bytes += reply.body_bytes;
    switch (reply.kind) {
      case BlobReply::Kind::kComplete:
        return Complete(peer, sink);
      case BlobReply::Kind::kMiss:
        Miss(peer, reply);
        return true;
      case BlobReply::Kind::kUnreachable:
        FailPeer(peer, signpost::ErrorClass::kUnreachable, reply.message, reply.retry_after);
        result_.report.asked.push_back({peer, Answer::kUnreachable, reply.message});
        return true;
      case BlobReply::Kind::kBusy:
        FailPeer(peer, signpost::ErrorClass::kBusy, reply.message, reply.retry_after);
        result_.report.asked.push_back({peer, Answer::kBusy, reply.message});
        return true;
      case BlobReply::Kind::kWrongLength:
        WrongBytes(peer, reply.message);
        return true;
      case BlobReply::Kind::kSinkError:
        return SinkError(sink, reply.sink_error, offset);
      case BlobReply::Kind::kCancelled:
        result_.report.local = LocalEnd::kCancelled;
        return true;
    }
    return true;
  }

  bool Complete(const base::PeerId& peer, StoreSink& sink) {
    auto staged = sink.Finish();
    if (staged.ok()) {
      base::FaultPoint("fetch.verified");
      parts_.peers.RecordSuccess(peer);
      result_.first_try = result_.report.asked.empty();
      result_.report.asked.push_back({peer, Answer::kSent, ""});
      result_.staged = *std::move(staged);
      result_.source = peer;
      result_.granted = sink.granted();
      result_.size_bytes = sink.total();
      return true;
    }
    if (base::IsDigestMismatch(staged.status())) {
      if (sink.resumed()) return false;
      WrongBytes(peer, std::string(base::Std(staged.status().message())));
      return true;
    }
    LocalError(staged.status());
    return true;
  }

  void Miss(const base::PeerId& peer, const BlobReply& reply) {
    parts_.peers.RecordSuccess(peer);
    const bool greeted = std::any_of(
        start_.groups.begin(), start_.groups.end(),
        [&](const base::GroupId& group) { return !parts_.greeted || parts_.greeted(peer, group); });
    result_.report.asked.push_back(
        {peer, greeted ? Answer::kNotHere : Answer::kNotGreeted,
         greeted ? "it does not have the blob" : "it does not know this peer as a member yet"});
    const base::WallTime now = parts_.clock.WallNow();
    signpost::Locations told = reply.miss.locations;
    told.erase(parts_.ledger.options().self);
    signpost::MergeLocations(result_.learned, told, now);
    signpost::MergeLocations(locations_, told, now);
    if (greeted && locations_.contains(peer)) locations_[peer].denied = now;
    if (reply.miss.size_hint_bytes && !result_.size_bytes) {
      result_.size_bytes = reply.miss.size_hint_bytes;
    }
  }

  void FailPeer(const base::PeerId& peer, signpost::ErrorClass error, const std::string& message,
                std::optional<base::Millis> retry_after) {
    parts_.peers.RecordFailure(peer, returns_[peer],
                               {.error = error,
                                .peer = peer,
                                .at = parts_.clock.WallNow(),
                                .message = message.substr(0, 200)},
                               retry_after);
    NoteCoolDown(peer);
  }

  void WrongBytes(const base::PeerId& peer, const std::string& message) {
    parts_.peers.RecordWrongBytes(peer, {.error = signpost::ErrorClass::kWrongBytes,
                                         .peer = peer,
                                         .at = parts_.clock.WallNow(),
                                         .message = message.substr(0, 200)});
    result_.report.asked.push_back({peer, Answer::kWrongBytes, message});
    locations_.erase(peer);
    parts_.blobs.DropPartial(blob_);
  }

  // Our own side ended the transfer. False: because of the partial file.
  bool SinkError(const StoreSink& sink, const absl::Status& error, uint64_t offset) {
    if (sink.yielded()) {
      result_.report.local = LocalEnd::kYielded;
    } else if (absl::IsCancelled(error)) {
      result_.report.local = LocalEnd::kCancelled;
    } else if (absl::IsAborted(error)) {
      if (offset > 0) return false;
      LocalError(error);
    } else {
      LocalError(error);
    }
    return true;
  }

  void LocalError(const absl::Status& error) {
    result_.report.local = base::IsNoSpace(error)      ? LocalEnd::kNoSpace
                           : absl::IsOutOfRange(error) ? LocalEnd::kTooLarge
                                                       : LocalEnd::kDisk;
    result_.report.local_message = std::string(base::Std(error.message()));
  }

  void NoteEvidence() {
    if (stop_.stop_requested() && !result_.staged && result_.report.local == LocalEnd::kNone) {
      result_.report.local = LocalEnd::kCancelled;
    }
    for (const auto& [peer, returns] : returns_) {
      if (parts_.peers.Health(peer).returns != returns && !(result_.source == peer)) {
        result_.report.evidence_moved = result_.report.evidence_moved || !Answered(peer);
      }
    }
  }

  // A peer that answered ours returned by that very answer: no news.
  bool Answered(const base::PeerId& peer) const {
    return std::any_of(
        result_.report.asked.begin(), result_.report.asked.end(), [&](const Asked& asked) {
          return asked.peer == peer &&
                 (asked.answer == Answer::kNotHere || asked.answer == Answer::kNotGreeted);
        });
  }

  const AttemptParts& parts_;
  const base::BlobId blob_;
  const AttemptOptions& options_;
  AttemptProgress& progress_;
  const std::stop_token stop_;
  Start start_;
  AttemptResult result_;
  signpost::Locations locations_;
  std::vector<base::PeerId> skip_;
  std::map<base::PeerId, uint64_t> returns_;
};

}  // namespace

AttemptResult RunAttempt(const AttemptParts& parts, const base::BlobId& blob,
                         const AttemptOptions& options, AttemptProgress& progress,
                         std::stop_token stop) {
  return Attempt(parts, blob, options, progress, std::move(stop)).Run();
}

}  // namespace waypost::fetcher
