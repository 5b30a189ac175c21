#include "fetcher/work/batch_answer.h"

#include <utility>

#include "base/status.h"

// What a peer sends in answer to a batch, item by item. Each that comes is given to its attempt and
// written down without waiting; files wait for one another, to be made durable together. Where
// memory runs out an item goes back as it came, and its peer is not blamed.

namespace waypost::fetcher {
namespace {

// Files that are open and wait.
constexpr std::size_t kTogetherMax = 64;

}  // namespace

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
    files.reserve(all.size());
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

}  // namespace waypost::fetcher
