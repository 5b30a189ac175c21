#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/index.h"
#include "http/app/app_limits.h"

namespace waypost::http {

// What was done to this peer through its app API, and with which token: administration, pauses,
// settings, tokens; not puts, gets and references. Table `audit`, time and number -> the act.
// Thread-safe.
class AuditLog {
 public:
  static constexpr std::size_t kWhatBytesMax = 400;

  struct Act {
    base::WallTime time;
    std::string token;  // by name; empty: on this machine, without one
    std::string act;    // "group.create"
    std::optional<base::GroupId> group;
    std::string what;  // a few words, cut to kWhatBytesMax
  };

  // Both outlive it.
  AuditLog(base::Index& index, const base::Clock& clock) : index_(index), clock_(clock) {}

  // From the next act on; those of the tokens are not looked at.
  void SetLimits(const AppLimits& limits) {
    rows_max_ = limits.audit_rows;
    kept_ms_ = limits.audit_age.count();
  }

  // Durable when it returns; what cannot be written is logged, since the act is done. `time` is
  // filled in.
  void Note(Act act);

  // A row with its place in the order.
  struct Item {
    std::string position;
    Act act;
  };
  // From the position `from` on, in order of time, at most `limit`; with a group only of it.
  static std::vector<Item> Read(base::ReadTxn& txn, std::string_view from,
                                const std::optional<base::GroupId>& group, std::size_t limit);
  // What a position begins with: all of an earlier time are before it.
  static std::string PositionAt(base::WallTime time);

 private:
  void DropOldest(base::WriteTxn& txn, base::WallTime now) const;

  base::Index& index_;
  const base::Clock& clock_;
  std::atomic<uint64_t> rows_max_{AppLimits().audit_rows};
  std::atomic<int64_t> kept_ms_{AppLimits().audit_age.count()};
};

}  // namespace waypost::http
