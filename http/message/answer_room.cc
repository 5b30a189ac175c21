#include "http/message/answer_room.h"

#include <algorithm>
#include <map>

#include "base/mutex.h"

// Bytes counted in all and for each payer. What is counted outlives the room, because an answer may
// be sent when whoever made it is gone.

namespace waypost::http {

struct AnswerRoom::Use {
  base::Mutex mutex;
  uint64_t total GUARDED_BY(mutex) = 0;
  std::map<Payer, uint64_t> of_payer GUARDED_BY(mutex);
};

AnswerRoom::AnswerRoom(uint64_t total_bytes, uint64_t payer_bytes)
    : total_bytes_(total_bytes), payer_bytes_(payer_bytes), use_(std::make_shared<Use>()) {}

std::shared_ptr<AnswerRoom::Lease> AnswerRoom::Take(Payer payer, uint64_t wanted_bytes) {
  auto lease = std::make_shared<Lease>(use_, payer);
  base::MutexLock lock(use_->mutex);
  const auto found = use_->of_payer.find(payer);
  const uint64_t has = found == use_->of_payer.end() ? 0 : found->second;
  const uint64_t free = total_bytes_ - use_->total;
  const uint64_t bytes = std::min(
      {wanted_bytes, payer_bytes_ - std::min(payer_bytes_, has), (free - std::min(free, has)) / 2});
  if (bytes == 0) return lease;
  use_->of_payer[payer] += bytes;
  use_->total += bytes;
  lease->bytes_ = bytes;
  return lease;
}

std::shared_ptr<AnswerRoom::Lease> AnswerRoom::TakeAll(Payer payer, uint64_t bytes) {
  auto lease = Take(payer, bytes);
  return lease->bytes() == bytes ? lease : nullptr;
}

AnswerRoom::Lease::~Lease() {
  if (bytes_ == 0) return;
  base::MutexLock lock(use_->mutex);
  use_->total -= bytes_;
  const auto found = use_->of_payer.find(payer_);
  found->second -= bytes_;
  if (found->second == 0) use_->of_payer.erase(found);
}

}  // namespace waypost::http
