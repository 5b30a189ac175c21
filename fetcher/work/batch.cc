#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <utility>

#include "base/log.h"
#include "base/status.h"
#include "fetcher/policy/slow_window.h"
#include "fetcher/work/fetcher_impl.h"
#include "syncgroup/protocol/messages.h"

// What a worker does with the blobs that it took: one, or many small ones of one peer, which travel
// in one request. Each is an attempt of its own, which costs what it would cost alone; what they
// share is the slot, the request and, as they are written down without waiting for one another, the
// commit.

namespace waypost::fetcher {
namespace {

using base::Index;

// When so much came, what is left goes back, so that somebody else may have the slot.
constexpr uint64_t kTurnBytes = 2 * syncgroup::kBatchBytesMax;
// Files that are open and wait.
constexpr std::size_t kTogetherMax = 64;

}  // namespace

struct Fetcher::Impl::Batch {
  // Operations under way in the index.
  class Outstanding {
   public:
    void Begin() {
      base::MutexLock lock(mutex_);
      ++count_;
    }
    void End() {
      base::MutexLock lock(mutex_);
      if (--count_ == 0)
        none_.NotifyAll();  // under the lock: the waiter ends as soon as it is free
    }
    void WaitForAll() {
      base::MutexLock lock(mutex_);
      while (count_ > 0) none_.Wait(mutex_);
    }

   private:
    base::Mutex mutex_;
    base::CondVar none_;
    std::size_t count_ GUARDED_BY(mutex_) = 0;
  };

  struct Item {
    Taken& taken;
    Attempt attempt;
    bool open = true;       // somebody else may be asked yet
    bool put_back = false;  // another attempt will get it
    bool landed = false;
    absl::Status recorded = absl::OkStatus();
    Written written = {};
    std::optional<Failure> failure = {};
  };

  // Asks one peer for some of the items.
  class Answer final : public BatchSink {
   public:
    Answer(Batch& batch, const base::PeerId& peer, uint64_t returns, std::vector<Item*> items)
        : batch_(batch), peer_(peer), returns_(returns), items_(std::move(items)) {}
    absl::Status OnItem(std::size_t number, const BatchItem& item) override;
    // What came and still waits, whatever ended the answer.
    absl::Status FinishFiles();
    std::size_t heard() const { return heard_; }        // items that came
    std::size_t answered() const { return answered_; }  // of them those that need not come again

   private:
    absl::Status Finished(Item& item);
    static absl::Status OurFault(const Item& item);

    Batch& batch_;
    const base::PeerId peer_;
    const uint64_t returns_;
    const std::vector<Item*> items_;
    std::vector<Item*> waiting_;
    std::vector<blobstore::ArrivedBlob> files_;  // of them
    std::size_t heard_ = 0;
    std::size_t answered_ = 0;
    SlowWindow slow_{batch_.impl.parts.clock.SteadyNow()};
  };

  Batch(Impl& fetcher, Slot& batch_slot) : impl(fetcher), slot(batch_slot) {}

  void Load(std::vector<Taken>& all);
  void Ask();
  bool AskFirst();
  void AskSome(const base::PeerId& peer, const std::vector<Item*>& items);
  void RunFirst();
  // Goes back into the queue as it came, with the next Land.
  void PutBack(Item& item);
  // Other workers may have them. What was put back lands before this one waits for a large blob or
  // its commit; the rest at the end.
  enum class Which { kPutBack, kAll };
  void Land(Which which);
  void Submit(Item& item, Index::Lane lane, std::function<void(base::WriteTxn&)> write);
  void SubmitSuccess(Item& item);
  void Conclude();

  Impl& impl;
  Slot& slot;
  base::Millis stall_timeout{};
  uint64_t blob_bytes_max = 0;
  uint64_t received_bytes = 0;
  base::SteadyTime began{};
  std::deque<Item> items;
  Outstanding outstanding;
};

void Fetcher::Impl::Batch::Load(std::vector<Taken>& all) {
  began = impl.parts.clock.SteadyNow();
  {
    base::MutexLock lock(impl.mutex);
    stall_timeout = impl.options.stall_timeout;
    blob_bytes_max = impl.options.batch_blob_bytes;
  }
  for (Taken& taken : all) {
    items.push_back({.taken = taken,
                     .attempt = Attempt(impl.attempt_parts, taken.picked.key.blob,
                                        impl.OptionsFor(taken.picked, slot), taken.flight->progress,
                                        taken.flight->stop.get_token())});
  }
  const absl::Status read = impl.parts.index.Read([&](base::ReadTxn& txn) {
    MembersOfGroups members;
    for (Item& item : items) item.attempt.Load(txn, members);
    return absl::OkStatus();
  });
  if (read.ok()) return;
  for (Item& item : items) item.attempt.LoadFailed(read);
}

void Fetcher::Impl::Batch::PutBack(Item& item) {
  item.open = false;
  item.put_back = true;
  item.taken.result.report.local = LocalEnd::kCancelled;
}

void Fetcher::Impl::Batch::Land(Which which) {
  std::vector<Taken*> some;
  for (Item& item : items) {
    if (item.landed || (which == Which::kPutBack && !item.put_back)) continue;
    item.landed = true;
    some.push_back(&item.taken);
  }
  impl.Land(some);
}

void Fetcher::Impl::Batch::Submit(Item& item, Index::Lane lane,
                                  std::function<void(base::WriteTxn&)> write) {
  outstanding.Begin();
  impl.parts.index.Submit(
      lane,
      [write = std::move(write)](base::WriteTxn& txn) {
        write(txn);
        return absl::OkStatus();
      },
      [this, &item](absl::Status status) {
        item.recorded = std::move(status);
        outstanding.End();
      });
}

void Fetcher::Impl::Batch::SubmitSuccess(Item& item) {
  item.open = false;
  item.taken.result = item.attempt.Finish();
  const base::WallTime now = impl.parts.clock.WallNow();
  Submit(item, Index::Lane::kForeground, [this, &item, now](base::WriteTxn& txn) {
    impl.WriteSuccess(txn, item.attempt.blob(), item.taken.result, now, item.written);
  });
}

absl::Status Fetcher::Impl::Batch::Answer::OnItem(std::size_t number, const BatchItem& heard) {
  Item& item = *items_.at(number);
  heard_ = number + 1;
  if (slow_.Slow(heard.bytes.size(), batch_.impl.parts.clock.SteadyNow()) &&
      batch_.impl.ShouldYield(batch_.slot)) {
    return absl::CancelledError("too slow");
  }
  if (heard.kind != BatchItem::Kind::kLeftOut) ++answered_;
  switch (heard.kind) {
    case BatchItem::Kind::kMiss:
      item.attempt.HearMiss(peer_, returns_, heard.miss);
      return absl::OkStatus();
    case BatchItem::Kind::kLeftOut:
      // The answer was full: it is asked for again. Else the blob is large, or something is the
      // matter with it.
      if (heard.size_bytes && *heard.size_bytes <= batch_.blob_bytes_max) return absl::OkStatus();
      item.taken.alone = true;
      batch_.PutBack(item);
      ++answered_;
      return absl::OkStatus();
    case BatchItem::Kind::kBlob:
      break;
  }
  auto arrived = item.attempt.HearBlob(peer_, returns_, heard);
  if (!arrived) return OurFault(item);
  if (heard.bytes.size() <= batch_.impl.parts.blobs.inline_max_bytes()) {
    item.attempt.HearFinished(peer_, arrived->writer->Finish(arrived->expected));
    return Finished(item);
  }
  // Files wait for one another, to be made durable together.
  waiting_.push_back(&item);
  files_.push_back(*std::move(arrived));
  return files_.size() < kTogetherMax ? absl::OkStatus() : FinishFiles();
}

absl::Status Fetcher::Impl::Batch::Answer::FinishFiles() {
  auto staged = batch_.impl.parts.blobs.FinishTogether(std::exchange(files_, {}));
  absl::Status first;
  const std::vector<Item*> finished = std::exchange(waiting_, {});
  for (std::size_t i = 0; i < finished.size(); ++i) {
    finished[i]->attempt.HearFinished(peer_, std::move(staged[i]));
    first.Update(Finished(*finished[i]));
  }
  return first;
}

absl::Status Fetcher::Impl::Batch::Answer::Finished(Item& item) {
  if (!item.attempt.result().staged) return OurFault(item);
  batch_.SubmitSuccess(item);
  return absl::OkStatus();
}

// Our own disk: it would not take the next one either.
absl::Status Fetcher::Impl::Batch::Answer::OurFault(const Item& item) {
  const AttemptReport& report = item.attempt.result().report;
  if (report.local != LocalEnd::kNoSpace && report.local != LocalEnd::kDisk) {
    return absl::OkStatus();
  }
  return absl::UnavailableError(report.local_message);
}

void Fetcher::Impl::Batch::AskSome(const base::PeerId& peer, const std::vector<Item*>& some) {
  if (some.size() == 1) {
    some.front()->attempt.Ask(peer);
    if (some.front()->attempt.result().staged) SubmitSuccess(*some.front());
    return;
  }
  const auto entry = impl.parts.peers.Find(peer);
  const uint64_t returns = entry ? entry->health.returns : 0;
  BatchRequest request{
      .from = {.peer = peer, .addresses = entry ? entry->addresses : std::vector<std::string>()},
      .groups = some.front()->attempt.GroupsAt(peer),
      .blob_bytes_max = blob_bytes_max,
      .stall_timeout = stall_timeout};
  for (const Item* item : some) request.blobs.push_back(item->attempt.blob());
  Answer answer(*this, peer, returns, some);
  BlobReply reply;
  reply.message = "no address of it is known";
  if (!request.from.addresses.empty() || impl.parts.client.ReachableWithoutAddress(peer)) {
    reply = impl.parts.client.GetBatch(request, answer, impl.shutdown.get_token());
  }
  received_bytes += reply.body_bytes;
  const bool disk_failed = !answer.FinishFiles().ok();
  if (reply.kind == BlobReply::Kind::kComplete && !disk_failed) {
    if (answer.answered() > 0) return;
    // It has no room for answers of this kind.
    for (Item* item : some) {
      item->taken.alone = true;
      PutBack(*item);
    }
    return;
  }
  const bool peer_failed =
      reply.kind == BlobReply::Kind::kUnreachable || reply.kind == BlobReply::Kind::kBusy;
  if (peer_failed && !disk_failed && answer.heard() < some.size()) {
    // It cools now, which the others see: they are parked or go elsewhere without having asked.
    some[answer.heard()]->attempt.HearFailure(peer, returns, reply);
    return;
  }
  for (Item& item : items) {
    if (item.open && !item.attempt.Ended()) PutBack(item);
  }
}

// Asks the peer that most of the items would go to next. False: nobody is left to be asked.
bool Fetcher::Impl::Batch::AskFirst() {
  std::map<base::PeerId, std::vector<Item*>> of_peer;
  for (Item& item : items) {
    if (!item.open) continue;
    if (const auto peer = item.attempt.Next()) of_peer[*peer].push_back(&item);
  }
  const auto most = std::max_element(
      of_peer.begin(), of_peer.end(),
      [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); });
  if (most == of_peer.end()) return false;
  const auto& [peer, waiting] = *most;
  if (!impl.TakeSlot(slot, peer)) {
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
  {
    base::MutexLock lock(impl.mutex);
    for (Item* item : some) item->taken.flight->source = peer;
  }
  for (const Item* item : some) impl.Announce(item->attempt.blob());
  AskSome(peer, some);
  return true;
}

// A large blob is a matter of its own: what was taken with it goes back.
void Fetcher::Impl::Batch::RunFirst() {
  for (Item& item : items) {
    if (&item != &items.front()) PutBack(item);
  }
  Land(Which::kPutBack);
  while (items.front().open && AskFirst()) {
  }
}

void Fetcher::Impl::Batch::Ask() {
  for (Item& item : items) {
    const bool starts = item.attempt.result().start == AttemptResult::Start::kGo;
    item.taken.alone = starts && item.attempt.size_hint().value_or(0) > blob_bytes_max;
  }
  if (items.front().taken.alone) return RunFirst();
  for (Item& item : items) {
    if (item.taken.alone) PutBack(item);
  }
  while (received_bytes < kTurnBytes && AskFirst()) {
  }
  if (received_bytes < kTurnBytes) return;
  for (Item& item : items) {
    if (item.open && item.attempt.Next()) PutBack(item);
  }
}

// What nobody brought is written down too, and then everything that was written is told.
void Fetcher::Impl::Batch::Conclude() {
  for (Item& item : items) {
    if (!item.open) continue;
    item.taken.result = item.attempt.Finish();
    const AttemptResult& result = item.taken.result;
    if (result.start == AttemptResult::Start::kNotWanted) {
      const base::WallTime now = impl.parts.clock.WallNow();
      Submit(item, Index::Lane::kBulk, [this, &item, now](base::WriteTxn& txn) {
        impl.WriteRepair(txn, item.attempt.blob(), now);
      });
    } else if (result.start == AttemptResult::Start::kGo) {
      item.failure = impl.BeginFailure(result);
      if (!item.failure->to_write) continue;
      Submit(item, Index::Lane::kForeground, [this, &item](base::WriteTxn& txn) {
        impl.WriteFailure(txn, item.attempt.blob(), item.taken.result, *item.failure);
      });
    }
  }
  outstanding.WaitForAll();
  for (Item& item : items) {
    const base::BlobId& blob = item.attempt.blob();
    const AttemptResult& result = item.taken.result;
    impl.bytes_total.Add(static_cast<double>(result.body_bytes));
    if (result.staged) {
      impl.NoteSuccess(blob, result, began, item.recorded, item.written);
    } else if (item.failure) {
      item.taken.verdict = item.failure->verdict;
      impl.NoteFailure(blob, result, item.recorded, item.failure->verdict);
    } else if (!item.recorded.ok()) {
      base::LogWarning("fetcher: blob ", blob.ToHex(), ": ", item.recorded.ToString());
    }
  }
}

void Fetcher::Impl::RunBatch(std::vector<Taken>& all, Slot& slot) {
  Batch batch(*this, slot);
  batch.Load(all);
  batch.Ask();
  FreeSlot(slot);
  batch.Land(Batch::Which::kPutBack);
  batch.Conclude();
  batch.Land(Batch::Which::kAll);
}

}  // namespace waypost::fetcher
