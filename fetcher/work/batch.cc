#include "fetcher/work/batch.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "base/log.h"
#include "base/status.h"
#include "base/utf8.h"
#include "fetcher/policy/slow_window.h"
#include "fetcher/work/row_state.h"
#include "syncgroup/protocol/messages.h"

// Load all in one view, ask the peer that most would go to, write down what came without waiting,
// give the slot back, write down what did not come, wait for the commits, land. An item that goes
// back is as it came, or keeps what was heard of it; whatever happens, each lands once, also where
// memory runs out. What a batch takes of its slot is bounded in bytes and in time, over all that
// it asks.

namespace waypost::fetcher {
namespace {

using base::Index;

// When so much came, what is left goes back, so that somebody else may have the slot.
constexpr uint64_t kTurnBytes = 2 * syncgroup::kBatchBytesMax;
// So many times the stall timeout it asks on, whatever comes: an answer that is not a miss takes
// long only where the peer is slow, and the others wait for nothing of it.
constexpr int kTurnStalls = 4;
// Files that are open and wait.
constexpr std::size_t kTogetherMax = 64;

}  // namespace

// Takes the answer of one peer that was asked for some of the items.
class Batch::Answer final : public BatchSink {
 public:
  Answer(Batch& batch, const base::PeerId& peer, uint64_t returns, std::vector<Item*> items)
      : batch_(batch), peer_(peer), returns_(returns), items_(std::move(items)) {}
  absl::Status OnBytes(std::size_t bytes) override;
  absl::Status OnItem(std::size_t number, const BatchItem& item) override;
  // What came and still waits, whatever ended the answer.
  absl::Status FinishFiles();
  std::size_t heard() const { return heard_; }        // items that came
  std::size_t answered() const { return answered_; }  // of them those that need not come again
  // It sent so much that is wrong that nothing else in its answer is looked at.
  bool suspect() const { return suspect_; }

 private:
  absl::Status Hear(Item& item, const BatchItem& heard);
  absl::Status WithinMemory(Item& item, absl::FunctionRef<absl::Status()> hear);
  absl::Status Finished(Item& item);
  absl::Status Fault(const Item& item);

  Batch& batch_;
  const base::PeerId peer_;
  const uint64_t returns_;
  const std::vector<Item*> items_;
  struct Waiting {
    Item* item;
    blobstore::ArrivedBlob arrived;
  };
  std::vector<Waiting> waiting_;
  std::size_t heard_ = 0;
  std::size_t answered_ = 0;
  bool suspect_ = false;
};

void Batch::Outstanding::Begin() {
  base::MutexLock lock(mutex_);
  ++count_;
}

void Batch::Outstanding::End() {
  base::MutexLock lock(mutex_);
  if (--count_ == 0) none_.NotifyAll();  // under the lock: the waiter ends as soon as it is free
}

void Batch::Outstanding::WaitForAll() {
  base::MutexLock lock(mutex_);
  while (count_ > 0) none_.Wait(mutex_);
}

Batch::Batch(const Parts& parts, std::vector<Taken>& all)
    : parts_(parts),
      options_(parts.board.options()),
      began_(parts.attempt.clock.SteadyNow()),
      all_(all),
      slow_(began_),
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

// What must be done is tried again, until there is memory or nothing matters any more.
void Batch::Insist(absl::FunctionRef<void()> act) {
  const auto acted = [&] {
    act();
    return absl::OkStatus();
  };
  while (!base::WithinMemory(acted).ok() && !parts_.board.stopped()) {
    parts_.board.RestForMemory();
  }
}

// Memory ran out: nobody is at fault, and all goes back that was not on its way into the index.
void Batch::GiveUp() {
  memory_ran_out_ = true;
  in_answer_ = false;
  for (Item& item : items_) {
    if (item.open) PutBack(item);
  }
}

void Batch::SayNoMemory() const {
  const absl::Status said = base::WithinMemory([&] {
    if (parts_.attempt.lines.May("memory", parts_.attempt.clock.SteadyNow())) {
      base::LogWarning("fetcher: memory ran out; of ", all_.size(),
                       " blobs what was not stored is tried again");
    }
    return absl::OkStatus();
  });
  static_cast<void>(said);  // without memory for a line there is none
}

// What there was no memory to make an item of.
void Batch::LandUnmade() {
  std::vector<Board::Landing> landings;
  for (std::size_t i = items_.size(); i < all_.size(); ++i) {
    all_[i].result.report.local = LocalEnd::kCancelled;
    landings.push_back({.taken = all_[i], .due = all_[i].picked.key});
  }
  parts_.board.Land(landings);
}

void Batch::Excuse(base::SteadyTime::duration time) {
  slow_.Excuse(time);
  excused_ += time;
}

// Told of all that comes and of our own time that it took, whomever is asked: a peer keeps the slot
// from others neither by many short answers nor by one long one.
bool Batch::TurnIsOver(uint64_t bytes) {
  received_bytes_ += bytes;
  const base::SteadyTime now = parts_.attempt.clock.SteadyNow();
  if (slow_.Slow(bytes, now) && parts_.board.ShouldYield(slot_)) turn_is_over_ = true;
  return turn_is_over_;
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
  return {.stall_timeout = options_.stall_timeout,
          .prefer = picked.at,
          .free_since = picked.free_since,
          .for_app = parts_.board.Waited(picked.key.blob),
          .should_yield =
              [this, &taken](uint64_t bytes, base::SteadyTime::duration excused) {
                return ShouldYield(taken, bytes, excused);
              },
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

void Batch::PutBack(Item& item) {
  item.open = false;
  item.put_back = true;
  item.taken.result.report.local = LocalEnd::kCancelled;
}

// Somebody else could be asked, later. What was heard is written down, and it goes on with the next
// peer; but once only: then it has been tried, or it would come back for ever without a wait.
void Batch::SendBack(Item& item, const base::PeerId& next) {
  const RunQueue::Picked& picked = item.taken.picked;
  if (item.attempt.result().report.asked.empty()) {
    PutBack(item);
  } else if (picked.at == picked.key.first_peer) {
    item.attempt.Yield(next);
  }
}

void Batch::SendBackBut(const Taken* one) {
  for (Item& item : items_) {
    if (&item.taken == one || !item.open) continue;
    if (const auto next = item.attempt.Next()) SendBack(item, *next);
  }
}

void Batch::Land(Which which, const Taken* but) {
  std::vector<Board::Landing> landings;
  const auto lands = [&](const Item& item) {
    return !item.landed && &item.taken != but && (which == Which::kAll || item.put_back);
  };
  for (const Item& item : items_) {
    if (lands(item)) landings.push_back({.taken = item.taken, .due = {}});
  }
  if (landings.empty()) return;
  // Read while the flights stand: what is told of a row from now on is newer.
  std::vector<RowState> rows;
  const absl::Status read = parts_.attempt.index.Read([&](base::ReadTxn& txn) {
    for (const Board::Landing& landing : landings) {
      rows.push_back(ReadRowState(txn, landing.taken.picked.key.blob));
    }
  });
  if (!read.ok()) base::LogWarning("fetcher: ", landings.size(), " blobs: ", read.ToString());
  for (std::size_t i = 0; i < landings.size(); ++i) {
    const Taken& taken = landings[i].taken;
    const base::BlobId& blob = taken.picked.key.blob;
    landings[i].due = read.ok() ? rows[i].due : taken.picked.key;
    const bool wanted = !read.ok() || rows[i].wanted;
    if (!wanted && !taken.result.staged) parts_.attempt.blobs.DropPartial(blob);
  }
  parts_.board.Land(landings);
  for (Item& item : items_) item.landed |= lands(item);
}

template <class Write>
void Batch::Submit(Item& item, Index::Lane lane, Write write) {
  outstanding_.Begin();
  const absl::Status submitted = base::WithinMemory([&] {
    parts_.attempt.index.Submit(
        lane,
        [write](base::WriteTxn& txn) {
          write(txn);
          return absl::OkStatus();
        },
        [this, &item](absl::Status status) {
          item.recorded = std::move(status);
          outstanding_.End();
        });
    return absl::OkStatus();
  });
  if (submitted.ok()) return;
  item.recorded = submitted;
  outstanding_.End();
}

void Batch::SubmitSuccess(Item& item) {
  item.open = false;
  item.taken.result = item.attempt.Finish();
  const base::WallTime now = parts_.attempt.clock.WallNow();
  Submit(item, Index::Lane::kForeground, [this, &item, now](base::WriteTxn& txn) {
    item.written = parts_.recorder.WriteSuccess(txn, item.attempt.blob(), item.taken.result, now);
  });
}

absl::Status Batch::Answer::OnBytes(std::size_t bytes) {
  return base::WithinMemory([&] {
    if (batch_.TimeIsOver()) batch_.turn_is_over_ = true;
    return batch_.TurnIsOver(bytes) ? absl::CancelledError("too slow") : absl::OkStatus();
  });
}

// The client has a net of its own, and what it caught there would be the peer's fault.
absl::Status Batch::Answer::OnItem(std::size_t number, const BatchItem& heard) {
  Item& item = *items_.at(number);
  heard_ = number + 1;
  return WithinMemory(item, [&] { return Hear(item, heard); });
}

// Where memory runs out the item goes back as it came, and nobody is blamed.
absl::Status Batch::Answer::WithinMemory(Item& item, absl::FunctionRef<absl::Status()> hear) {
  absl::Status heard = base::WithinMemory([&] { return hear(); });
  if (base::IsNoMemory(heard)) {
    batch_.memory_ran_out_ = true;
    if (item.open) batch_.PutBack(item);
  }
  return heard;
}

absl::Status Batch::Answer::Hear(Item& item, const BatchItem& heard) {
  if (heard.kind != BatchItem::Kind::kLeftOut) ++answered_;
  switch (heard.kind) {
    case BatchItem::Kind::kMiss:
      item.attempt.HearMiss(peer_, returns_, heard.miss);
      return absl::OkStatus();
    case BatchItem::Kind::kLeftOut:
      // The answer was full: it is asked for again. Else the blob is large, or something is the
      // matter with it.
      if (heard.size_bytes && *heard.size_bytes <= batch_.options_.batch_blob_bytes)
        return absl::OkStatus();
      item.taken.alone = true;
      batch_.PutBack(item);
      ++answered_;
      return absl::OkStatus();
    case BatchItem::Kind::kBlob:
      break;
  }
  auto arrived = item.attempt.HearBlob(peer_, returns_, heard);
  if (!arrived) return Fault(item);
  if (heard.bytes.size() <= batch_.parts_.attempt.blobs.inline_max_bytes()) {
    item.attempt.HearFinished(peer_, arrived->writer->Finish(arrived->expected));
    return Finished(item);
  }
  // Files wait for one another, to be made durable together.
  waiting_.push_back({&item, *std::move(arrived)});
  return waiting_.size() < kTogetherMax ? absl::OkStatus() : FinishFiles();
}

absl::Status Batch::Answer::FinishFiles() {
  const base::Clock& clock = batch_.parts_.attempt.clock;
  const base::SteadyTime before = clock.SteadyNow();
  std::vector<Waiting> all = std::exchange(waiting_, {});
  std::vector<absl::StatusOr<blobstore::StagedBlob>> staged;
  absl::Status first = base::WithinMemory([&] {
    std::vector<blobstore::ArrivedBlob> files;
    for (Waiting& one : all) files.push_back(std::move(one.arrived));
    staged = batch_.parts_.attempt.blobs.FinishTogether(std::move(files));
    return absl::OkStatus();
  });
  batch_.Excuse(clock.SteadyNow() - before);
  if (!first.ok()) {
    batch_.memory_ran_out_ = true;
    for (const Waiting& one : all) batch_.PutBack(*one.item);
    return first;
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    Item& item = *all[i].item;
    first.Update(WithinMemory(item, [&] {
      item.attempt.HearFinished(peer_, std::move(staged[i]));
      return Finished(item);
    }));
  }
  return first;
}

absl::Status Batch::Answer::Finished(Item& item) {
  if (!item.attempt.result().staged) return Fault(item);
  batch_.SubmitSuccess(item);
  return absl::OkStatus();
}

absl::Status Batch::Answer::Fault(const Item& item) {
  const AttemptReport& report = item.attempt.result().report;
  if (batch_.parts_.attempt.peers.Health(peer_).suspect &&
      batch_.parts_.attempt.peers.Cooling(peer_)) {
    suspect_ = true;
    return absl::CancelledError("it sends wrong bytes");
  }
  // Our own disk: it would not take the next one either.
  if (report.local != LocalEnd::kNoSpace && report.local != LocalEnd::kDisk) {
    return absl::OkStatus();
  }
  return absl::UnavailableError(report.local_message);
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

// Nobody brought it. Where memory runs out, it is still open and is concluded again.
void Batch::ConcludeOne(Item& item) {
  if (!std::exchange(item.finished, true)) item.taken.result = item.attempt.Finish();
  const AttemptResult& result = item.taken.result;
  if (result.start == AttemptResult::Start::kGo) {
    item.failure = parts_.recorder.BeginFailure(item.attempt.blob(), result);
  }
  item.open = false;
  if (result.start == AttemptResult::Start::kNotWanted) {
    const base::WallTime now = parts_.attempt.clock.WallNow();
    Submit(item, Index::Lane::kBulk, [this, &item, now](base::WriteTxn& txn) {
      parts_.recorder.WriteRepair(txn, item.attempt.blob(), now);
    });
  } else if (item.failure && item.failure->to_write) {
    Submit(item, Index::Lane::kForeground, [this, &item](base::WriteTxn& txn) {
      parts_.recorder.WriteFailure(txn, item.attempt.blob(), item.taken.result, *item.failure);
    });
  }
}

// What nobody brought is written down too, and then everything that was written is told.
void Batch::Conclude(const Taken* but) {
  for (Item& item : items_) {
    if (item.open && &item.taken != but) ConcludeOne(item);
  }
  outstanding_.WaitForAll();
  for (Item& item : items_) {
    if (item.noted || &item.taken == but) continue;
    item.noted = true;
    memory_ran_out_ |= base::IsNoMemory(item.recorded);
    const base::BlobId& blob = item.attempt.blob();
    const AttemptResult& result = item.taken.result;
    parts_.recorder.NoteReceived(result.body_bytes);
    if (result.staged) {
      parts_.recorder.NoteSuccess(blob, result, began_, item.recorded, item.written);
    } else if (item.failure) {
      item.taken.consequences = item.failure->consequences;
      parts_.recorder.NoteFailure(blob, result, item.recorded, item.failure->consequences);
    } else if (!item.recorded.ok()) {
      base::LogWarning("fetcher: blob ", blob.ToHex(), ": ", item.recorded.ToString());
    }
  }
}

}  // namespace waypost::fetcher
