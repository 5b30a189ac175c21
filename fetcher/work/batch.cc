#include "fetcher/work/batch.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "base/status.h"
#include "fetcher/work/batch_answer.h"
#include "syncgroup/protocol/messages.h"

// Load all in one view, ask the peer that most would go to, write down what came without waiting,
// give the slot back, write down what did not come, wait for the commits, land (batch_landing.cc).
// What a batch takes of its slot is bounded in bytes and in time, over all that it asks.

namespace waypost::fetcher {
namespace {

// When so much came, what is left goes back, so that somebody else may have the slot.
constexpr uint64_t kTurnBytes = 2 * syncgroup::kBatchBytesMax;
// So many times the stall timeout it asks on, whatever comes: an answer that is not a miss takes
// long only where the peer is slow, and the others wait for nothing of it.
constexpr int kTurnStalls = 4;

}  // namespace

Batch::Batch(const Parts& parts, std::vector<Taken>& all)
    : parts_(parts),
      options_(parts.board.options()),
      began_(parts.attempt.clock.SteadyNow()),
      all_(all),
      slow_(began_),
      slow_of_peer_(began_),
      slot_{.at = all.front().picked.at, .since = began_, .large = all.front().picked.alone},
      alone_(all.size() == 1) {}

void Batch::Run() {
  const absl::Status asked = base::WithinMemory([&] {
    Load();
    Ask();
    return absl::OkStatus();
  });
  if (!asked.ok()) GiveUp();
  if (memory_ran_out_) SayNoMemory();
  parts_.board.FreeSlot(slot_);
  Insist([&] { Land(Which::kPutBack); });
  Insist([&] { Conclude(); });
  Insist([&] {
    Land(Which::kAll);
    LandUnmade();
  });
  outstanding_.WaitForAll();
  if (memory_ran_out_) parts_.board.RestForMemory();
}

void Batch::Excuse(base::SteadyTime::duration time) {
  slow_.Excuse(time);
  slow_of_peer_.Excuse(time);
  excused_ += time;
}

// Told of all that comes and of our own time that it took, whomever is asked: a peer keeps the slot
// from others neither by many short answers nor by one long one.
bool Batch::TurnIsOver(uint64_t bytes) {
  received_bytes_ += bytes;
  const base::SteadyTime now = parts_.attempt.clock.SteadyNow();
  slow_.Slow(bytes, now);
  // Also for who comes to wait elsewhere after the minute.
  if (slow_.was_slow() && parts_.board.ShouldYield(slot_)) turn_is_over_ = true;
  if (slow_of_peer_.Slow(bytes, now) && !slot_.at.IsZero()) {
    parts_.attempt.peers.RecordSlow(slot_.at);
    if (HasOtherHolder()) turn_is_over_ = true;
  }
  return turn_is_over_;
}

bool Batch::HasOtherHolder() {
  const absl::Status read = parts_.attempt.index.Read([&](base::ReadTxn& txn) {
    for (Item& item : items_) {
      if (item.open) item.attempt.LookAgain(txn);
    }
  });
  return read.ok() && std::any_of(items_.begin(), items_.end(), [&](const Item& item) {
           return item.open && !item.attempt.Ended() && item.attempt.AnotherHolder(slot_.at);
         });
}

bool Batch::TimeIsOver() const {
  const auto taken = parts_.attempt.clock.SteadyNow() - began_ - excused_;
  return taken >= kTurnStalls * options_.stall_timeout;
}

// `excused`: time since the last piece that was not the peer's fault.
bool Batch::ShouldYield(const Taken& taken, uint64_t bytes, base::SteadyTime::duration excused) {
  Excuse(excused);
  // What of an answer is here is taken, and was counted when it came.
  if (in_answer_) return false;
  if (!alone_ && TimeIsOver()) GoOnWith(taken);
  return TurnIsOver(bytes);
}

AttemptOptions Batch::OptionsFor(Taken& taken) {
  const RunQueue::Picked& picked = taken.picked;
  return {
      .stall_timeout = options_.stall_timeout,
      .prefer = picked.at,
      .free_since = picked.free_since,
      .for_app = parts_.board.Waited(picked.key.blob),
      .should_yield =
          [this, &taken](uint64_t bytes, base::SteadyTime::duration excused) {
            return ShouldYield(taken, bytes, excused);
          },
      .has_free_slot = [this](const base::PeerId& peer) { return parts_.board.HasFreeSlot(peer); },
      .small_bytes = options_.batch_blob_bytes,
      .may_be_large =
          [this, &taken] {
            taken.alone = true;
            if (!parts_.board.Enlarge(slot_)) return false;
            GoOnWith(taken);
            return true;
          }};
}

void Batch::Load() {
  for (Taken& taken : all_) {
    items_.push_back({.taken = taken,
                      .attempt = Attempt(parts_.attempt, taken.picked.key.blob, OptionsFor(taken),
                                         taken.flight->progress, taken.flight->stop.get_token())});
  }
  const absl::Status read = parts_.attempt.index.Read([&](base::ReadTxn& txn) {
    MembersOfGroups members(parts_.attempt.groups, parts_.attempt.ledger.options().self);
    for (Item& item : items_) {
      // The others come with another batch.
      if (members.full()) {
        PutBack(item);
      } else {
        item.attempt.Load(txn, members);
      }
    }
  });
  if (read.ok()) return;
  for (Item& item : items_) {
    if (item.open) item.attempt.LoadFailed(read);
  }
}

void Batch::AskSome(const base::PeerId& peer, const std::vector<Item*>& some) {
  if (some.size() == 1) {
    some.front()->attempt.Ask(peer);
    if (some.front()->attempt.result().staged) SubmitSuccess(*some.front());
    return;
  }
  const auto entry = parts_.attempt.peers.Find(peer);
  const uint64_t returns = entry ? entry->health.returns : 0;
  BatchCall request{
      .from = {.peer = peer, .addresses = entry ? entry->addresses : std::vector<std::string>()},
      .groups = some.front()->attempt.GroupsAt(peer),
      .blob_bytes_max = options_.batch_blob_bytes,
      .stall_timeout = options_.stall_timeout};
  for (const Item* item : some) request.blobs.push_back(item->attempt.blob());
  Answer answer(*this, peer, returns, some);
  BlobReply reply;
  reply.message = "no address of it is known";
  if (!request.from.addresses.empty() || parts_.attempt.client.ReachableWithoutAddress(peer)) {
    in_answer_ = true;
    reply = parts_.attempt.client.GetBatch(request, answer, parts_.board.stop_token());
  }
  const bool finished = answer.FinishFiles().ok();
  in_answer_ = false;
  memory_ran_out_ |= base::IsNoMemory(reply.sink_error);
  // Whatever else it might have sent, the others are asked for it.
  if (answer.suspect()) return;
  const bool disk_failed = !finished;
  if (reply.kind == BlobReply::Kind::kComplete && !disk_failed) {
    if (answer.answered() > 0) return;
    // It has no room for answers of this kind.
    for (Item* item : some) {
      item->taken.alone = true;
      PutBack(*item);
    }
    return;
  }
  if (turn_is_over_ && reply.kind == BlobReply::Kind::kSinkError && !disk_failed) {
    // It came to nothing within a whole turn: by itself it may take longer.
    if (answer.heard() == 0) some.front()->taken.alone = true;
    return;
  }
  const bool peer_failed =
      reply.kind == BlobReply::Kind::kUnreachable || reply.kind == BlobReply::Kind::kBusy;
  if (peer_failed && !disk_failed) {
    // It cools now, which the others see: they are parked or go elsewhere without having asked.
    if (answer.heard() < some.size()) {
      some[answer.heard()]->attempt.HearFailure(peer, returns, reply);
    } else {
      // It said something of each, which stands, and failed after that.
      RecordUnheard(parts_.attempt, peer, returns, reply);
    }
    return;
  }
  for (Item& item : items_) {
    if (item.open && !item.attempt.Ended()) PutBack(item);
  }
}

// Asks the peer that most of the items would go to next. False: nobody is left to be asked.
bool Batch::AskFirst() {
  std::map<base::PeerId, std::vector<Item*>> of_peer;
  for (Item& item : items_) {
    if (!item.open) continue;
    if (const auto peer = item.attempt.Next()) of_peer[*peer].push_back(&item);
  }
  const auto most = std::max_element(
      of_peer.begin(), of_peer.end(),
      [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); });
  if (most == of_peer.end()) return false;
  const auto& [peer, waiting] = *most;
  if (!parts_.board.MoveSlot(slot_, peer, waiting.front()->attempt.SponsorOf(peer))) {
    for (Item* item : waiting) item->attempt.SkipFull(peer);
    return true;
  }
  slow_of_peer_ = SlowWindow(parts_.attempt.clock.SteadyNow());
  // One request names the groups once.
  std::vector<Item*> some;
  uint64_t bytes = 0;
  for (Item* item : waiting) {
    if (item->attempt.GroupsAt(peer) != waiting.front()->attempt.GroupsAt(peer)) continue;
    bytes += item->attempt.size_hint().value_or(0);
    if (!some.empty() && bytes > syncgroup::kBatchBytesMax) break;
    some.push_back(item);
    if (some.size() == syncgroup::kBatchBlobsMax) break;
  }
  for (const Item* item : some) {
    parts_.board.NoteSource(*item->taken.flight, peer);
    parts_.board.Announce(item->attempt.blob());
  }
  AskSome(peer, some);
  return true;
}

// A blob that may take long is a matter of its own: nothing that was taken with it waits for it.
void Batch::GoOnWith(const Taken& one) {
  if (std::exchange(alone_, true)) return;
  const base::SteadyTime before = parts_.attempt.clock.SteadyNow();
  // Within the client's net, which would let what memory ran out for wait for the large one.
  Insist([&] { SendBackBut(&one); });
  Insist([&] { Conclude(&one); });
  Insist([&] { Land(Which::kAll, &one); });
  Excuse(parts_.attempt.clock.SteadyNow() - before);
}

void Batch::Ask() {
  for (Item& item : items_) {
    const bool starts = item.attempt.result().start == AttemptResult::Start::kGo;
    item.taken.alone = starts && item.attempt.size_hint().value_or(0) > options_.batch_blob_bytes;
  }
  if (items_.front().taken.alone && parts_.board.Enlarge(slot_)) {
    GoOnWith(items_.front().taken);
  } else {
    for (Item& item : items_) {
      if (item.taken.alone) PutBack(item);
    }
  }
  const auto goes_on = [&] {
    if (!alone_ && (received_bytes_ >= kTurnBytes || TimeIsOver())) return false;
    return !TurnIsOver(0);
  };
  while (goes_on() && AskFirst()) {
  }
  SendBackBut(nullptr);
}

}  // namespace waypost::fetcher
