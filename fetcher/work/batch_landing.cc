#include <utility>
#include <vector>

#include "base/log.h"
#include "base/status.h"
#include "fetcher/work/batch.h"
#include "fetcher/work/row_state.h"

// What becomes of the items of a batch: they are written down, or go back into the queue as they
// came, or with what was heard of them. Each lands once, whatever happens: what must be done is
// tried again where memory runs out.

namespace waypost::fetcher {

using base::Index;

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

void Batch::PutBack(Item& item) {
  item.open = false;
  item.put_back = true;
  item.taken.result.report.local = LocalEnd::kCancelled;
}

// Somebody else could be asked, later. What was heard is written down, and it goes on with the next
// peer; but once only: then it has been tried, or it would come back for ever without a wait.
void Batch::SendBack(Item& item, const base::PeerId& next) {
  const RunQueue::Picked& picked = item.taken.picked;
  const bool too_slow = turn_is_over_ && next != slot_.at;  // whoever has the slot
  if (!too_slow && item.attempt.result().report.asked.empty()) {
    PutBack(item);
  } else if (too_slow || picked.at == picked.key.first_peer) {
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
