#include "fetcher/attempt.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "base/fault_point.h"
#include "base/status.h"
#include "fetcher/ranking.h"
#include "fetcher/store_sink.h"
#include "signpost/due.h"

namespace waypost::fetcher {
namespace {

// Of the groups under which the blob is wanted, one request names at most so many.
constexpr std::size_t kGroupsMax = 8;
constexpr std::size_t kMessageBytesMax = 200;

// Everything that the attempt knows at its start, from one look at the index.
struct Known {
  signpost::Signpost signpost;
  std::vector<base::PeerId> members;  // of the groups under which it is wanted, servers first
  absl::flat_hash_map<base::PeerId, std::vector<base::GroupId>> groups_of;  // ... which of them
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
    while (asked_.size() < kAskedMax && !Ended()) {
      const auto next = NextPeer();
      if (!next) break;
      if (options_.take_slot && !options_.take_slot(*next)) {
        full_.push_back(*next);
        continue;
      }
      asked_.push_back(*next);
      Ask(*next);
    }
    if (!Ended() && !full_.empty()) {
      result_.report.local = LocalEnd::kNoSlot;
      result_.report.no_slot_at = full_.front();
    }
    if (stop_.stop_requested() && !result_.staged && result_.report.local == LocalEnd::kNone) {
      result_.report.local = LocalEnd::kCancelled;
    }
    return std::move(result_);
  }

 private:
  bool LoadStart() {
    const absl::Status read = parts_.index.Read([&](base::ReadTxn& txn) {
      const syncgroup::BlobRecord record = parts_.ledger.Load(txn, blob_);
      result_.start = Judge(record);
      if (result_.start != AttemptResult::Start::kGo) return absl::OkStatus();
      start_.signpost = *record.signpost;
      LoadMembers(txn, record);
      return absl::OkStatus();
    });
    if (!read.ok()) {
      result_.report.local = LocalEnd::kDisk;
      result_.report.local_message = read.ToString();
      return false;
    }
    result_.evidence_at_start = start_.signpost.evidence;
    return result_.start == AttemptResult::Start::kGo;
  }

  AttemptResult::Start Judge(const syncgroup::BlobRecord& record) const {
    using Start = AttemptResult::Start;
    if (!record.signpost) return Start::kNotWanted;
    const signpost::Signpost& signpost = *record.signpost;
    if (signpost.stopped != base::kNever || signpost.wanted_since == base::kNever) {
      return Start::kNotWanted;
    }
    if (signpost::DueKeyOf(blob_, signpost).due <= parts_.clock.WallNow()) return Start::kGo;
    // Its peer returned after it failed last.
    const bool freed =
        options_.free_since != base::kNever && signpost.last_error.at <= options_.free_since;
    return freed ? Start::kGo : Start::kNotDue;
  }

  void LoadMembers(base::ReadTxn& txn, const syncgroup::BlobRecord& record) {
    std::vector<base::GroupId> groups;
    for (const auto& item : start_.signpost.groups) {
      if (parts_.ledger.WantedIn(txn, item.first, record)) groups.push_back(item.first);
    }
    // Merely asked for: under any group that mentions it.
    if (groups.empty() && !record.row) {
      for (const auto& item : start_.signpost.groups) groups.push_back(item.first);
    }
    if (groups.empty()) {
      // Nobody here may have it: the rows do not agree, and are put right.
      if (record.row) result_.start = AttemptResult::Start::kNotWanted;
      return;
    }
    std::vector<base::PeerId> others;
    for (const base::GroupId& group : groups) {
      for (const syncgroup::Member& member : parts_.groups.MembersOf(txn, group)) {
        if (member.peer == parts_.ledger.options().self) continue;
        auto& shared = start_.groups_of[member.peer];
        if (shared.empty()) {
          (member.role == syncgroup::Role::kServer ? start_.members : others)
              .push_back(member.peer);
        }
        if (shared.size() < kGroupsMax) shared.push_back(group);
      }
    }
    start_.members.insert(start_.members.end(), others.begin(), others.end());
    start_.members = TurnMembers(std::move(start_.members), start_.signpost.failures);
  }

  bool Ended() const {
    return result_.staged || result_.report.local != LocalEnd::kNone || stop_.stop_requested();
  }

  // The best peer not yet asked that does not cool and may have a free slot.
  std::optional<base::PeerId> NextPeer() {
    const base::WallTime now = parts_.clock.WallNow();
    const auto in = [](const std::vector<base::PeerId>& peers, const base::PeerId& peer) {
      return std::find(peers.begin(), peers.end(), peer) != peers.end();
    };
    const RankView view{
        .prefer = options_.prefer,
        .may_ask =
            [&](const base::PeerId& peer) {
              return start_.groups_of.contains(peer) && !in(asked_, peer) && !in(full_, peer);
            },
        .cooling =
            [&](const base::PeerId& peer) { return parts_.peers.Health(peer).Cooling(now); }};
    for (const base::PeerId& peer : Rank(locations_, start_.members, view)) {
      if (!NoteCoolDown(peer)) return peer;
    }
    return std::nullopt;
  }

  // True if the peer cools now; it is then one of those that could not be heard.
  bool NoteCoolDown(const base::PeerId& peer) {
    const signpost::PeerHealth health = parts_.peers.Health(peer);
    if (!health.Cooling(parts_.clock.WallNow())) return false;
    result_.silent.try_emplace(peer, health.returns);
    AttemptReport& report = result_.report;
    if (!report.first_cool_down_end || health.cool_down_end < *report.first_cool_down_end) {
      report.first_cool_down_end = health.cool_down_end;
      report.first_to_end = peer;
    }
    return true;
  }

  void Ask(const base::PeerId& peer) {
    const auto entry = parts_.peers.Find(peer);
    returns_at_start_ = entry ? entry->health.returns : 0;
    const std::vector<std::string> addresses =
        entry ? entry->addresses : std::vector<std::string>();
    if (addresses.empty() && !parts_.client.HasLine(peer)) {
      FailPeer(peer, Answer::kUnreachable, "no address of it is known", {});
      return;
    }
    if (AskOnce(peer, addresses, parts_.blobs.PartialBytes(blob_))) return;
    // A resumed file did not match, or no longer fits: nobody's fault, once more from zero.
    parts_.blobs.DropPartial(blob_);
    AskOnce(peer, addresses, 0);
  }

  // False: the partial file was at fault; nothing was recorded.
  bool AskOnce(const base::PeerId& peer, const std::vector<std::string>& addresses,
               uint64_t offset) {
    const BlobRequest request{.from = {.peer = peer, .addresses = addresses},
                              .blob = blob_,
                              .groups = start_.groups_of.at(peer),
                              .offset = offset,
                              .stall_timeout = options_.stall_timeout};
    StoreSink sink(parts_, request, options_, progress_, stop_);
    const BlobReply reply = parts_.client.Get(request, sink, stop_);
    progress_.transferring = false;
    result_.body_bytes += reply.body_bytes;
    switch (reply.kind) {
      case BlobReply::Kind::kComplete:
        return Complete(peer, sink);
      case BlobReply::Kind::kMiss:
        Miss(peer, request.groups, reply);
        return true;
      case BlobReply::Kind::kUnreachable:
        FailPeer(peer, Answer::kUnreachable, reply.message, reply.retry_after);
        return true;
      case BlobReply::Kind::kBusy:
        FailPeer(peer, Answer::kBusy, reply.message, reply.retry_after);
        return true;
      case BlobReply::Kind::kWrongLength:
        WrongBytes(peer, sink, reply.message);
        return true;
      case BlobReply::Kind::kSinkError:
        return SinkError(peer, sink, reply.sink_error);
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
      Note(peer, Answer::kSent, "");
      result_.staged = *std::move(staged);
      result_.source = peer;
      result_.granted = sink.granted();
      result_.size_bytes = sink.total_bytes();
      return true;
    }
    if (base::IsDigestMismatch(staged.status())) {
      if (sink.resumed()) return false;
      WrongBytes(peer, sink, base::Std(staged.status().message()));
      return true;
    }
    LocalError(staged.status());
    return true;
  }

  void Miss(const base::PeerId& peer, const std::vector<base::GroupId>& groups,
            const BlobReply& reply) {
    parts_.peers.RecordSuccess(peer);
    const bool greeted = !parts_.greeted ||
                         std::any_of(groups.begin(), groups.end(), [&](const base::GroupId& group) {
                           return parts_.greeted(peer, group);
                         });
    if (greeted) {
      Note(peer, Answer::kNotHere, "it does not have the blob");
    } else {
      Note(peer, Answer::kNotGreeted, "it does not know this peer as a member yet");
    }
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

  void FailPeer(const base::PeerId& peer, Answer answer, std::string_view message,
                std::optional<base::Millis> retry_after) {
    Note(peer, answer, message);
    result_.silent[peer] = returns_at_start_;
    parts_.peers.RecordFailure(peer, returns_at_start_,
                               ErrorAt(peer,
                                       answer == Answer::kBusy ? signpost::ErrorClass::kBusy
                                                               : signpost::ErrorClass::kUnreachable,
                                       message),
                               retry_after);
    NoteCoolDown(peer);
  }

  void WrongBytes(const base::PeerId& peer, StoreSink& sink, std::string_view message) {
    sink.Discard();
    Note(peer, Answer::kWrongBytes, message);
    parts_.peers.RecordWrongBytes(peer, ErrorAt(peer, signpost::ErrorClass::kWrongBytes, message));
    locations_.erase(peer);
  }

  // Our own side ended the transfer. False: because of the partial file.
  bool SinkError(const base::PeerId& peer, StoreSink& sink, const absl::Status& error) {
    const std::string_view message = base::Std(error.message());
    switch (sink.fault()) {
      case StoreSink::Fault::kPartial:
        return false;
      case StoreSink::Fault::kYielded:
        result_.report.local = LocalEnd::kYielded;
        return true;
      case StoreSink::Fault::kStopped:
        result_.report.local = LocalEnd::kCancelled;
        return true;
      case StoreSink::Fault::kNotGranted:
        FailPeer(peer, Answer::kUnreachable, message, {});
        return true;
      case StoreSink::Fault::kTooLong:
        WrongBytes(peer, sink, message);
        return true;
      case StoreSink::Fault::kNoRoom:
        Note(peer, Answer::kNoRoom, message);
        return true;
      case StoreSink::Fault::kTooLarge:
        Note(peer, Answer::kTooLarge, message);
        return true;
      case StoreSink::Fault::kNone:
      case StoreSink::Fault::kStore:
        LocalError(error);
        return true;
    }
    return true;
  }

  void LocalError(const absl::Status& error) {
    result_.report.local = base::IsNoSpace(error) ? LocalEnd::kNoSpace : LocalEnd::kDisk;
    result_.report.local_message = std::string(base::Std(error.message()));
  }

  void Note(const base::PeerId& peer, Answer answer, std::string_view message) {
    result_.report.asked.push_back(
        {peer, answer, std::string(message.substr(0, kMessageBytesMax))});
  }
  signpost::LastError ErrorAt(const base::PeerId& peer, signpost::ErrorClass error,
                              std::string_view message) const {
    return {.error = error,
            .peer = peer,
            .at = parts_.clock.WallNow(),
            .message = std::string(message.substr(0, kMessageBytesMax))};
  }

  const AttemptParts& parts_;
  const base::BlobId blob_;
  const AttemptOptions& options_;
  AttemptProgress& progress_;
  const std::stop_token stop_;
  Known start_;
  AttemptResult result_;
  signpost::Locations locations_;
  std::vector<base::PeerId> asked_;
  std::vector<base::PeerId> full_;  // have no slot free
  uint64_t returns_at_start_ = 0;   // of the peer being asked
};

}  // namespace

AttemptResult RunAttempt(const AttemptParts& parts, const base::BlobId& blob,
                         const AttemptOptions& options, AttemptProgress& progress,
                         std::stop_token stop) {
  return Attempt(parts, blob, options, progress, std::move(stop)).Run();
}

}  // namespace waypost::fetcher
