#include "fetcher/attempt/attempt.h"

#include <algorithm>
#include <utility>

#include "base/fault_point.h"
#include "base/log.h"
#include "base/status.h"
#include "base/utf8.h"
#include "fetcher/attempt/store_sink.h"
#include "fetcher/policy/ranking.h"
#include "signpost/due.h"
#include "signpost/signpost_table.h"
#include "syncgroup/protocol/messages.h"

// One try for one blob: what the rows say now, whom to ask, and what each answered. Bytes are
// believed when they hash to the id; every peer that was asked has its answer told to the peer book
// once. Nothing is written here: what it came to is a result that somebody else records.

namespace waypost::fetcher {
namespace {

// Peers that could not be heard, of which a return is noticed while the attempt runs; that of
// others the queue hears of.
constexpr std::size_t kSilentMax = 64;
// Holders that misses tell of, kept of one blob: more than are asked, the likeliest first.
constexpr std::size_t kToldMax = 2 * kAskedMax;
// What of a larger one is here is kept when its transfer ends (partial_over_bytes in blobstore/).
constexpr uint64_t kPartialOverBytes = uint64_t{1} << 20;

signpost::LastError ErrorAt(const AttemptParts& parts, const base::PeerId& peer,
                            signpost::ErrorClass error, std::string_view message) {
  return {.error = error,
          .peer = peer,
          .at = parts.clock.WallNow(),
          .message = base::ShortMessage(message)};
}

void RecordUnheard(const AttemptParts& parts, const base::PeerId& peer, uint64_t returns,
                   Answer answer, std::string_view message,
                   std::optional<base::Millis> retry_after) {
  // Whoever says that it is busy holds no slot.
  if (answer == Answer::kBusy) {
    parts.peers.RecordFailure(
        peer, returns, ErrorAt(parts, peer, signpost::ErrorClass::kBusy, message), retry_after);
    return;
  }
  parts.peers.RecordBlobFailure(peer, returns,
                                ErrorAt(parts, peer, signpost::ErrorClass::kUnreachable, message),
                                retry_after);
}

Answer UnheardAs(const BlobReply& reply) {
  return reply.kind == BlobReply::Kind::kBusy ? Answer::kBusy : Answer::kUnreachable;
}

}  // namespace

void RecordUnheard(const AttemptParts& parts, const base::PeerId& peer, uint64_t returns,
                   const BlobReply& reply) {
  RecordUnheard(parts, peer, returns, UnheardAs(reply), reply.message, reply.retry_after);
}

Attempt::Attempt(const AttemptParts& parts, const base::BlobId& blob, AttemptOptions options,
                 AttemptProgress& progress, std::stop_token stop)
    : parts_(parts),
      blob_(blob),
      options_(std::move(options)),
      progress_(progress),
      stop_(std::move(stop)) {}

Attempt::Attempt(Attempt&&) noexcept = default;
Attempt::~Attempt() = default;

void Attempt::Load(base::ReadTxn& txn, MembersOfGroups& members) {
  const syncgroup::BlobRecord record = parts_.ledger.Load(txn, blob_);
  result_.start = Judge(record);
  if (result_.start != AttemptResult::Start::kGo) return;
  start_.signpost = *record.signpost;
  if (!options_.for_app) bytes_max_ = parts_.groups.FetchBytesAllowed(txn, record);
  if (bytes_max_ == 0) {
    result_.report.local = LocalEnd::kOverLimit;
    result_.report.local_message =
        "limits.member_bytes leaves nothing to the member that mentioned it first: raise it, or "
        "GET the blob here";
  }
  LoadMembers(txn, record, members);
  locations_ = start_.signpost.locations;
  result_.evidence_at_start = start_.signpost.evidence;
  result_.partial_bytes_at_start = start_.signpost.partial_bytes;
}

void Attempt::LoadFailed(const absl::Status& status) {
  result_.report.local = LocalEnd::kDisk;
  result_.report.local_message = status.ToString();
}

std::optional<base::PeerId> Attempt::Next() {
  if (result_.start != AttemptResult::Start::kGo) return std::nullopt;
  if (asked_.size() >= kAskedMax || Ended()) return std::nullopt;
  if (next_ && !parts_.peers.Cooling(*next_)) return next_;
  if (nobody_left_) return std::nullopt;
  next_ = BestPeer();
  nobody_left_ = !next_;
  return next_;
}

void Attempt::LookAgain(base::ReadTxn& txn) {
  const auto signpost = signpost::LoadSignpost(txn, blob_);
  if (!signpost) return;
  signpost::MergeLocations(locations_, signpost->locations, parts_.clock.WallNow());
}

std::optional<base::PeerId> Attempt::AnotherHolder(const base::PeerId& peer) const {
  const base::WallTime now = parts_.clock.WallNow();
  const uint64_t total = progress_.total_bytes;  // 0: nothing of it has come
  const bool kept = total == 0 || total > kPartialOverBytes;
  const auto may = [&](const base::PeerId& other, bool proven) {
    if (other == peer || Find(other) == nullptr) return false;
    // Whoever said no is named again too easily to lose anything for it.
    const base::WallTime denied = locations_.at(other).denied;
    if (!kept && denied != base::kNever && denied > now - signpost::kDenialTrust) return false;
    const auto& asked = result_.report.asked;
    const bool answered = std::any_of(asked.begin(), asked.end(), [&](const Asked& one) {
      return one.peer == other && one.answer != Answer::kUnreachable &&
             one.answer != Answer::kBusy && one.answer != Answer::kNotHere;
    });
    const signpost::PeerHealth health = parts_.peers.Health(other);
    return !answered && !health.Cooling(now) && !health.Poor(now) && (!proven || health.Proven()) &&
           (!options_.has_free_slot || options_.has_free_slot(other));
  };
  const auto find = [&](bool proven) {
    return AnotherPeer(locations_, [&](const base::PeerId& other) { return may(other, proven); });
  };
  const auto first = find(/*proven=*/true);
  return first ? first : find(/*proven=*/false);
}

void Attempt::Yield(const base::PeerId& next) {
  result_.report.local = LocalEnd::kYielded;
  result_.report.no_slot_at = next;
}

AttemptResult Attempt::Finish() {
  if (result_.start != AttemptResult::Start::kGo) return std::move(result_);
  if (!Ended() && !full_.empty()) {
    result_.report.local = LocalEnd::kNoSlot;
    const base::WallTime now = parts_.clock.WallNow();
    const auto good = std::find_if(full_.begin(), full_.end(), [&](const base::PeerId& peer) {
      return !parts_.peers.Health(peer).Poor(now);
    });
    // Who sends badly may hold its slots for long.
    if (good != full_.end()) {
      result_.report.no_slot_at = *good;
    } else if (result_.report.asked.empty()) {
      result_.report.no_slot_at = full_.front();
    }
  }
  if (stop_.stop_requested() && !result_.staged && result_.report.local == LocalEnd::kNone) {
    result_.report.local = LocalEnd::kCancelled;
  }
  return std::move(result_);
}

AttemptResult::Start Attempt::Judge(const syncgroup::BlobRecord& record) const {
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

void Attempt::LoadMembers(base::ReadTxn& txn, const syncgroup::BlobRecord& record,
                          MembersOfGroups& members) {
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
  start_.members = members.Of(txn, groups);
}

const MembersOfGroups::Member* Attempt::Find(const base::PeerId& peer) const {
  if (start_.members == nullptr) return nullptr;
  const auto it = start_.members->members.find(peer);
  return it == start_.members->members.end() ? nullptr : &it->second;
}

base::PeerId Attempt::SponsorOf(const base::PeerId& peer) const {
  const auto* const member = Find(peer);
  return member == nullptr ? base::PeerId() : member->sponsor;
}

bool Attempt::Ended() const {
  return result_.staged || result_.report.local != LocalEnd::kNone || stop_.stop_requested();
}

// The best peer not yet asked that does not cool and may have a free slot.
std::optional<base::PeerId> Attempt::BestPeer() {
  if (start_.members == nullptr) return std::nullopt;
  const auto in = [](const std::vector<base::PeerId>& peers, const base::PeerId& peer) {
    return std::find(peers.begin(), peers.end(), peer) != peers.end();
  };
  const std::vector<base::PeerId>& members = start_.members->order;
  const auto poor = [&](const base::PeerId& peer) {
    return parts_.peers.Health(peer).Poor(parts_.clock.WallNow());
  };
  // Where one of the holders kept this blob waiting or is known for that, its name and those that
  // it named cost no more than one such wait.
  const bool careful = !result_.silent.empty() ||
                       std::any_of(locations_.begin(), locations_.end(),
                                   [&](const auto& location) { return poor(location.first); });
  const auto proven = [&](const base::PeerId& peer) { return parts_.peers.Health(peer).Proven(); };
  bool usable = false;
  std::vector<base::PeerId> turned;  // they cool since they were ranked
  const RankView view{.prefer = options_.prefer,
                      .may_ask =
                          [&](const base::PeerId& peer) {
                            return Find(peer) != nullptr && !in(asked_, peer) && !in(full_, peer);
                          },
                      .cooling =
                          [&](const base::PeerId& peer) {
                            if (in(turned, peer) || parts_.peers.Cooling(peer)) return true;
                            usable = true;
                            return false;
                          },
                      .poor = poor,
                      .proven = careful ? PeerTest(proven) : nullptr,
                      .usable_max = 1,
                      .first_member = FirstMember(members.size(), start_.signpost.failures)};
  do {
    usable = false;
    for (const base::PeerId& peer : Rank(locations_, members, view)) {
      if (NoteCoolDown(peer) == Standing::kMayBeAsked) return peer;
      // The only one, as another attempt's failure there was noted between both looks: whom it kept
      // from being looked at goes next.
      if (usable) turned.push_back(peer);
    }
  } while (usable);
  return std::nullopt;
}

// A peer that cools now is one of those that could not be heard.
Attempt::Standing Attempt::NoteCoolDown(const base::PeerId& peer) {
  const signpost::PeerHealth health = parts_.peers.Health(peer);
  if (!health.Cooling(parts_.clock.WallNow())) return Standing::kMayBeAsked;
  if (result_.silent.size() < kSilentMax) result_.silent.try_emplace(peer, health.returns);
  AttemptReport& report = result_.report;
  if (!report.first_cool_down_end || health.cool_down_end < *report.first_cool_down_end) {
    report.first_cool_down_end = health.cool_down_end;
    report.first_to_end = peer;
  }
  return Standing::kCools;
}

void Attempt::Begin(const base::PeerId& peer, uint64_t returns) {
  asked_.push_back(peer);
  next_.reset();
  returns_at_start_ = returns;
}

void Attempt::Ask(const base::PeerId& peer) {
  const auto entry = parts_.peers.Find(peer);
  Begin(peer, entry ? entry->health.returns : 0);
  const std::vector<std::string> addresses = entry ? entry->addresses : std::vector<std::string>();
  if (addresses.empty() && !parts_.client.ReachableWithoutAddress(peer)) {
    FailPeer(peer, Answer::kUnreachable, "no address of it is known", {});
    return;
  }
  const Answered answered = AskOnce(peer, addresses, parts_.blobs.PartialBytes(blob_));
  if (answered == Answered::kForGood) return;
  // A resumed file did not match, or no longer fits: nobody's fault, once more from zero.
  parts_.blobs.DropPartial(blob_);
  AskOnce(peer, addresses, 0);
}

Attempt::Answered Attempt::AskOnce(const base::PeerId& peer,
                                   const std::vector<std::string>& addresses, uint64_t offset) {
  const BlobRequest request{.from = {.peer = peer, .addresses = addresses},
                            .blob = blob_,
                            .groups = GroupsAt(peer),
                            .offset = offset,
                            .stall_timeout = options_.stall_timeout};
  StoreSink sink(parts_, request, options_, bytes_max_, progress_, stop_);
  const BlobReply reply = parts_.client.Get(request, sink, stop_);
  progress_.transferring = false;
  result_.body_bytes += reply.body_bytes;
  switch (reply.kind) {
    case BlobReply::Kind::kComplete:
      return Complete(peer, sink, sink.Finish());
    case BlobReply::Kind::kMiss:
      Miss(peer, request.groups, reply.miss);
      return Answered::kForGood;
    case BlobReply::Kind::kUnreachable:
      FailPeer(peer, Answer::kUnreachable, reply.message, reply.retry_after);
      return Answered::kForGood;
    case BlobReply::Kind::kBusy:
      FailPeer(peer, Answer::kBusy, reply.message, reply.retry_after);
      return Answered::kForGood;
    case BlobReply::Kind::kWrongLength:
      WrongBytes(peer, sink, reply.message);
      return Answered::kForGood;
    case BlobReply::Kind::kSinkError:
      return SinkError(peer, sink, reply.sink_error);
    case BlobReply::Kind::kCancelled:
      result_.report.local = LocalEnd::kCancelled;
      return Answered::kForGood;
  }
  return Answered::kForGood;
}

std::optional<blobstore::ArrivedBlob> Attempt::HearBlob(const base::PeerId& peer, uint64_t returns,
                                                        const BatchItem& item) {
  Begin(peer, returns);
  request_ = BlobRequest{.from = {.peer = peer, .addresses = {}},
                         .blob = blob_,
                         .groups = GroupsAt(peer),
                         .stall_timeout = options_.stall_timeout};
  arriving_ =
      std::make_unique<StoreSink>(parts_, *request_, options_, bytes_max_, progress_, stop_);
  absl::Status taken = arriving_->OnStart(item.bytes.size(), 0, item.granted);
  if (taken.ok()) taken = arriving_->OnData(item.bytes);
  progress_.transferring = false;
  result_.body_bytes += item.bytes.size();
  if (taken.ok()) return blobstore::ArrivedBlob{arriving_->TakeWriter(), blob_};
  SinkError(peer, *arriving_, taken);
  arriving_.reset();
  return std::nullopt;
}

void Attempt::HearFinished(const base::PeerId& peer, absl::StatusOr<blobstore::StagedBlob> staged) {
  const auto sink = std::move(arriving_);
  Complete(peer, *sink, std::move(staged));
}

void Attempt::HearMiss(const base::PeerId& peer, uint64_t returns,
                       const syncgroup::Elsewhere& miss) {
  Begin(peer, returns);
  Miss(peer, GroupsAt(peer), miss);
}

void Attempt::HearFailure(const base::PeerId& peer, uint64_t returns, const BlobReply& reply) {
  Begin(peer, returns);
  FailPeer(peer, UnheardAs(reply), reply.message, reply.retry_after);
}

Attempt::Answered Attempt::Complete(const base::PeerId& peer, StoreSink& sink,
                                    absl::StatusOr<blobstore::StagedBlob> staged) {
  if (staged.ok()) {
    base::FaultPoint("fetch.verified");
    parts_.peers.RecordBlob(peer);
    result_.first_try = result_.report.asked.empty();
    Note(peer, Answer::kSent, "");
    result_.staged = *std::move(staged);
    result_.source = peer;
    result_.granted = sink.granted();
    result_.size_bytes = sink.total_bytes();
    return Answered::kForGood;
  }
  if (base::IsDigestMismatch(staged.status())) {
    if (sink.resumed()) return Answered::kPartialAtFault;
    WrongBytes(peer, sink, base::Std(staged.status().message()));
    return Answered::kForGood;
  }
  LocalError(staged.status());
  return Answered::kForGood;
}

void Attempt::Miss(const base::PeerId& peer, const std::vector<base::GroupId>& groups,
                   const syncgroup::Elsewhere& miss) {
  parts_.peers.RecordSuccess(peer);
  const bool knows_us = !parts_.knows_us ||
                        std::any_of(groups.begin(), groups.end(), [&](const base::GroupId& group) {
                          return parts_.knows_us(peer, group);
                        });
  if (knows_us) {
    Note(peer, Answer::kNotHere, "it does not have the blob");
  } else {
    Note(peer, Answer::kNotGreeted, "it does not know this peer as a member yet");
  }
  const base::WallTime now = parts_.clock.WallNow();
  // Its word is good for members alone: who is none is not asked, and whoever is named first would
  // have the blob wait for it. Who of them is a server, the group says.
  signpost::Locations told = miss.locations;
  std::erase_if(told, [&](const auto& item) { return Find(item.first) == nullptr; });
  for (auto& [other, location] : told) location.is_server = Find(other)->is_server;
  for (signpost::Locations* known : {&result_.learned, &locations_}) {
    signpost::MergeLocations(*known, told, now);
    signpost::TrimLocations(*known, kToldMax);
  }
  if (knows_us && locations_.contains(peer)) locations_[peer].denied = now;
  if (miss.size_hint_bytes && !result_.size_bytes) {
    result_.size_bytes = miss.size_hint_bytes;
  }
}

void Attempt::FailPeer(const base::PeerId& peer, Answer answer, std::string_view message,
                       std::optional<base::Millis> retry_after) {
  Note(peer, answer, message);
  result_.silent[peer] = returns_at_start_;
  RecordUnheard(parts_, peer, returns_at_start_, answer, message, retry_after);
  NoteCoolDown(peer);
}

void Attempt::WrongBytes(const base::PeerId& peer, StoreSink& sink, std::string_view message) {
  sink.Discard();
  Note(peer, Answer::kWrongBytes, message);
  // An answer may bring a thousand of them.
  if (parts_.lines.May(peer.ToHex(), parts_.clock.SteadyNow())) {
    base::LogWarning("blob ", blob_.ToHex(), ": peer ", peer.ToHex(),
                     " sent wrong bytes: ", base::Abs(message));
  }
  parts_.peers.RecordWrongBytes(peer, blob_,
                                ErrorAt(parts_, peer, signpost::ErrorClass::kWrongBytes, message));
  const auto* const member = Find(peer);
  if (parts_.came_wrong && member != nullptr) parts_.came_wrong(peer, blob_, member->groups);
  locations_.erase(peer);
}

// Our own side ended the transfer.
Attempt::Answered Attempt::SinkError(const base::PeerId& peer, StoreSink& sink,
                                     const absl::Status& error) {
  const std::string_view message = base::Std(error.message());
  switch (sink.fault()) {
    case StoreSink::Fault::kPartial:
      return Answered::kPartialAtFault;
    case StoreSink::Fault::kYielded:
      result_.report.local = LocalEnd::kYielded;
      // What was too slow goes on at somebody else who has it. What is too large has not begun.
      if (const auto other = AnotherHolder(peer); other && sink.total_bytes() > 0) {
        result_.report.no_slot_at = *other;
      }
      return Answered::kForGood;
    case StoreSink::Fault::kStopped:
      result_.report.local = LocalEnd::kCancelled;
      return Answered::kForGood;
    case StoreSink::Fault::kNotGranted:
      FailPeer(peer, Answer::kUnreachable, message, {});
      return Answered::kForGood;
    case StoreSink::Fault::kTooLong:
      WrongBytes(peer, sink, message);
      return Answered::kForGood;
    case StoreSink::Fault::kNoRoom:
      Note(peer, Answer::kNoRoom, message);
      return Answered::kForGood;
    case StoreSink::Fault::kTooLarge:
      // Where nothing more of it may come, what lies here takes the room of others. How large it is
      // only its sender says, who may lie: that alone is no reason to drop anything.
      if (bytes_max_ <= parts_.blobs.PartialBytes(blob_)) parts_.blobs.DropPartial(blob_);
      Note(peer, Answer::kTooLarge, message);
      return Answered::kForGood;
    case StoreSink::Fault::kNone:
    case StoreSink::Fault::kStore:
      LocalError(error);
      return Answered::kForGood;
  }
  return Answered::kForGood;
}

void Attempt::LocalError(const absl::Status& error) {
  if (base::IsNoSpace(error) && !base::IsFileTooLarge(error)) {
    result_.report.local = LocalEnd::kNoSpace;
  } else {
    const bool others = parts_.blobs.CheckDisk().ok();
    result_.report.local = others ? LocalEnd::kThisBlob : LocalEnd::kDisk;
  }
  result_.report.local_message = std::string(base::Std(error.message()));
}

void Attempt::Note(const base::PeerId& peer, Answer answer, std::string_view message) {
  result_.report.asked.push_back(
      {peer, answer, base::ShortMessage(message), parts_.clock.WallNow()});
}

}  // namespace waypost::fetcher
