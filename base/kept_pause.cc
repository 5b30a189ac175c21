#include "base/kept_pause.h"

#include <cstdint>
#include <limits>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/key_codec.h"
#include "base/status.h"

// The row is the end of the pause in ms of Unix time, in digits. One that cannot be read, or whose
// time is over, is as good as none: work that stands still for ever by mistake is worse.

namespace waypost::base {
namespace {

constexpr int64_t kWithoutEnd = std::numeric_limits<int64_t>::max();

}  // namespace

absl::StatusOr<KeptPause::Pause> KeptPause::Begin(std::optional<Millis> how_long) {
  Pause pause;
  if (how_long) pause.until = clock_.WallNow() + *how_long;
  const int64_t stored = pause.until ? ToMs(*pause.until) : kWithoutEnd;
  RETURN_IF_ERROR(index_.Update(Index::Lane::kForeground, [&](WriteTxn& txn) {
    txn.Put(Table::kMeta, key_, absl::StrCat(stored));
    return absl::OkStatus();
  }));
  return pause;
}

absl::Status KeptPause::End() {
  return index_.Update(Index::Lane::kForeground, [&](WriteTxn& txn) {
    txn.Delete(Table::kMeta, key_);
    return absl::OkStatus();
  });
}

absl::StatusOr<std::optional<KeptPause::Pause>> KeptPause::Load() const {
  int64_t until_ms = 0;
  RETURN_IF_ERROR(index_.Read([&](ReadTxn& txn) {
    const auto stored = txn.Get(Table::kMeta, key_);
    if (!stored || !absl::SimpleAtoi(Abs(*stored), &until_ms)) until_ms = 0;
  }));
  if (until_ms == kWithoutEnd) return Pause{};
  if (FromMs(until_ms) <= clock_.WallNow()) return std::nullopt;
  return Pause{FromMs(until_ms)};
}

}  // namespace waypost::base
