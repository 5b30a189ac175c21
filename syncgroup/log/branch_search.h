#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "base/ids.h"
#include "syncgroup/protocol/log_entry.h"
#include "syncgroup/protocol/log_messages.h"

namespace waypost::syncgroup {

// Looks for the last entry before a head of somebody else that is here too: the point where the
// branch of that head leaves what is known. Of generations in even distances the other side says
// what stands there; each answer makes what is left 17 times shorter, so that of 2^62 entries the
// point is found in 16 rounds. A plain value, and pure.
class BranchSearch {
 public:
  // `shared`: an entry before the head of which it is known that it is here.
  explicit BranchSearch(const LogHead& head, std::optional<LogHead> shared = std::nullopt);

  const LogHead& head() const { return head_; }
  bool done() const { return SharedUpTo() + 1 >= differs_; }
  // The last that is here; nullopt: none is. Meaningful when done.
  const std::optional<LogHead>& shared() const { return shared_; }

  // What to ask for: at most kProbedAtOnce, ascending; none when done.
  std::vector<uint64_t> Next() const;
  // What the other side says stands there, in the order of Next(), or of as many of them as it
  // answered; `is_here`: whether that entry of the head's numbering is known. An answer that says
  // nothing of what was asked ends the search where it stands: false.
  bool Learn(const std::vector<LogHead>& answer, absl::FunctionRef<bool(const LogHead&)> is_here);

 private:
  uint64_t SharedUpTo() const { return shared_ ? shared_->generation : 0; }

  LogHead head_;
  std::optional<LogHead> shared_;  // here
  uint64_t differs_ = 0;           // not here
};

}  // namespace waypost::syncgroup
