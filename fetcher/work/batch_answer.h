#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "fetcher/work/batch.h"

namespace waypost::fetcher {

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

}  // namespace waypost::fetcher
