#include "http/message/answer_room.h"

#include <algorithm>
#include <map>

#include "base/mutex.h"

// Bytes counted in all and for each payer, and for strangers by network and together. What is
// counted outlives the room, because an answer may be sent when whoever made it is gone.

namespace waypost::http {

struct AnswerRoom::Use {
  base::Mutex mutex;
  uint64_t total GUARDED_BY(mutex) = 0;
  uint64_t of_strangers GUARDED_BY(mutex) = 0;
  std::map<base::Payer, uint64_t> of_payer GUARDED_BY(mutex);
};

AnswerRoom::AnswerRoom(uint64_t total_bytes, uint64_t payer_bytes)
    : total_bytes_(total_bytes), payer_bytes_(payer_bytes), use_(std::make_shared<Use>()) {}

std::shared_ptr<AnswerRoom::Lease> AnswerRoom::Take(Whose whose, uint64_t wanted_bytes) {
  auto lease = std::make_shared<Lease>(use_, whose);
  base::MutexLock lock(use_->mutex);
  const uint64_t free = total_bytes_ - use_->total;
  // What one that has so much may have more, of `most` at most.
  const auto more = [&](uint64_t has, uint64_t most) {
    return std::min(most - std::min(most, has), (free - std::min(free, has)) / 2);
  };
  const auto found = use_->of_payer.find(whose.payer);
  const uint64_t has = found == use_->of_payer.end() ? 0 : found->second;
  const uint64_t most = !whose.stranger ? payer_bytes_ : payer_bytes_ / 2;
  uint64_t bytes = std::min(wanted_bytes, more(has, most));
  if (whose.stranger) bytes = std::min(bytes, more(use_->of_strangers, payer_bytes_));
  if (bytes == 0) return lease;
  use_->of_payer[whose.payer] += bytes;
  use_->of_strangers += whose.stranger ? bytes : 0;
  use_->total += bytes;
  lease->bytes_ = bytes;
  return lease;
}

std::shared_ptr<AnswerRoom::Lease> AnswerRoom::TakeAll(Whose whose, uint64_t bytes) {
  auto lease = Take(whose, bytes);
  return lease->bytes() == bytes ? lease : nullptr;
}

AnswerRoom::Lease::~Lease() {
  if (bytes_ == 0) return;
  base::MutexLock lock(use_->mutex);
  use_->total -= bytes_;
  use_->of_strangers -= whose_.stranger ? bytes_ : 0;
  const auto found = use_->of_payer.find(whose_.payer);
  found->second -= bytes_;
  if (found->second == 0) use_->of_payer.erase(found);
}

}  // namespace waypost::http
