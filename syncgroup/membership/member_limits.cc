#include "syncgroup/membership/member_limits.h"

#include <algorithm>
#include <limits>
#include <map>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"

// What one member may bring about, as numbers that only grow with its age. Arithmetic saturates: no
// age and no limit makes it wrap around.

namespace waypost::syncgroup {
namespace {

constexpr uint64_t kNumberingsOfOne = 64;
// Of what a member may bring, what one that was invited keeps to itself.
constexpr uint64_t kInvitedShare = 64;

uint64_t SecondsSince(base::WallTime then, base::WallTime now) {
  if (now <= then) return 0;
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::seconds>(now - then).count());
}

// `at_once`, and `each` more for each of `units`, up to `most`.
uint64_t Grown(uint64_t at_once, uint64_t each, uint64_t units, uint64_t most) {
  const uint64_t more = most > at_once ? most - at_once : 0;
  if (each != 0 && units >= more / each) return std::max(most, std::min(most, at_once));
  return std::min(most, at_once + each * units);
}

}  // namespace

MemberUse& MemberUse::operator+=(const MemberUse& more) {
  numberings += more.numberings;
  entries += more.entries;
  log_bytes += more.log_bytes;
  operations += more.operations;
  membership += more.membership;
  removals += more.removals;
  return *this;
}

MemberUse UseOf(const Entry& entry, uint64_t sealed_bytes) {
  MemberUse use{.numberings = entry.place.generation == 1 ? 1u : 0u,
                .entries = 1,
                .log_bytes = sealed_bytes,
                .operations = entry.ops.size()};
  std::map<base::PeerId, uint64_t> admitted, removed;
  for (const Op& op : entry.ops) {
    if (const auto* admit = std::get_if<AdmitOp>(&op)) ++admitted[admit->peer];
    if (const auto* remove = std::get_if<RemoveOp>(&op)) ++removed[remove->peer];
    if (std::holds_alternative<SettingsOp>(op)) ++use.membership;
  }
  for (const auto& item : admitted) use.membership += 1 + (item.second - 1) / kNumberingsOfOne;
  for (const auto& [peer, named] : removed) {
    // Who leaves needs to do it once.
    use.removals += peer == entry.place.origin ? named : 1 + (named - 1) / kNumberingsOfOne;
  }
  return use;
}

MemberUse UseOf(const LogEntry& entry, uint64_t sealed_bytes, bool begins) {
  MemberUse use{.numberings = begins ? 1u : 0u,
                .entries = 1,
                .log_bytes = sealed_bytes,
                .operations = entry.ops.size()};
  const auto once = [](const std::vector<LogHead>& pins) {
    return 1 + pins.size() / kNumberingsOfOne;
  };
  for (const LogOp& op : entry.ops) {
    if (const auto* admit = std::get_if<AdmitAct>(&op)) use.membership += once(admit->pins);
    if (const auto* remove = std::get_if<RemoveAct>(&op)) use.removals += once(remove->pins);
    if (const auto* leave = std::get_if<LeaveAct>(&op)) use.removals += once(leave->pins);
    if (std::holds_alternative<SettingsOp>(op)) ++use.membership;
  }
  return use;
}

std::optional<std::string> BeyondLimits(const MemberLimits& limits, const MemberUse& use,
                                        const MemberUse& more, base::WallTime admitted,
                                        base::WallTime now) {
  constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
  const uint64_t days = SecondsSince(admitted, now) / (24 * 3600);
  const uint64_t membership = Grown(limits.membership, limits.membership_per_day, days, kMost);
  const struct {
    uint64_t more, used, allowed;
    const char* what;
    const char* settings;
  } rows[] = {
      {more.operations, use.operations, OperationsAllowed(limits, admitted, now), "operations",
       "limits.mentions, limits.mention_burst and limits.mention_rate"},
      {more.entries, use.entries, limits.entries, "entries", "limits.entries"},
      {more.log_bytes, use.log_bytes, limits.log_bytes, "bytes of log", "limits.log_bytes"},
      {more.membership, use.membership, membership, "admissions and settings",
       "limits.membership and limits.membership_rate"},
      {more.removals, use.removals, membership, "removals",
       "limits.membership and limits.membership_rate"},
      {more.numberings, use.numberings, Grown(limits.numberings, 1, days, kMost), "numberings",
       "limits.numberings"},
  };
  for (const auto& row : rows) {
    if (row.more == 0 || row.used <= row.allowed) continue;
    return absl::StrCat("has come to ", row.used, " ", row.what, ", and ", row.allowed,
                        " are taken of it by now; see ", row.settings);
  }
  return std::nullopt;
}

MemberLimits OwnShareOfInvited(const MemberLimits& limits) {
  const auto share = [](uint64_t limit) { return (limit + kInvitedShare - 1) / kInvitedShare; };
  return {.total = share(limits.total),
          .burst = share(limits.burst),
          .per_second = share(limits.per_second),
          .bytes = share(limits.bytes),
          .entries = share(limits.entries),
          .log_bytes = share(limits.log_bytes),
          .membership = share(limits.membership),
          .membership_per_day = share(limits.membership_per_day),
          .numberings = share(limits.numberings)};
}

base::WallTime AgeBegins(base::WallTime admitted, base::WallTime first_seen,
                         base::WallTime own_admission) {
  const bool unknown = first_seen == base::WallTime();
  return unknown || admitted <= own_admission ? admitted : std::max(admitted, first_seen);
}

uint64_t BytesAllowed(const MemberLimits& limits, uint64_t fetched_bytes) {
  return limits.bytes - std::min(limits.bytes, fetched_bytes);
}

uint64_t OperationsAllowed(const MemberLimits& limits, base::WallTime admitted,
                           base::WallTime now) {
  return Grown(std::min(limits.total, limits.burst), limits.per_second, SecondsSince(admitted, now),
               limits.total);
}

}  // namespace waypost::syncgroup
