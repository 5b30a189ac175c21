#include <algorithm>
#include <string>

#include "base/status.h"
#include "syncgroup/membership/membership.h"
#include "tests/fuzz/fuzz_target.h"

// Six bytes an operation of a small world: the fold must be the same in every order, and nothing
// may count that does not go back to the founder.
namespace waypost::fuzz {
namespace {

using syncgroup::AdmitOp;
using syncgroup::Authority;
using syncgroup::Membership;
using syncgroup::ProfileOp;
using syncgroup::RemoveOp;
using syncgroup::Role;
using syncgroup::SettingsOp;
using syncgroup::StampedOp;

constexpr std::size_t kOpBytes = 6;
constexpr std::size_t kOpsMax = 48;

base::PeerId PeerOf(unsigned n) {
  return *base::PeerId::FromBytes(std::string(32, static_cast<char>('a' + n % 5)));
}
base::Incarnation IncarnationOf(unsigned n) {
  return *base::Incarnation::FromBytes(std::string(16, static_cast<char>('0' + n % 3)));
}

StampedOp OpOf(std::string_view bytes) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  StampedOp op;
  op.stamp.time = base::FromMs(at(0) % 32);
  op.stamp.place = {PeerOf(at(1)), IncarnationOf(at(1) >> 4), 1u + at(2) % 16u};
  op.stamp.position = at(2) >> 4;
  const base::PeerId peer = PeerOf(at(4));
  const base::Incarnation incarnation = IncarnationOf(at(4) >> 4);
  const uint64_t generation = at(5) % 16;
  switch (at(3) % 8) {
    case 0:
    case 1:
      op.op = RemoveOp{peer, incarnation, generation};
      break;
    case 2:
      op.op = ProfileOp{"n", {}, static_cast<Role>(1 + at(5) % 3)};
      break;
    case 3:
      op.op = SettingsOp{"n", {}, at(5) % 2 == 0};
      break;
    default:
      op.op = AdmitOp{.peer = peer,
                      .incarnation = incarnation,
                      .role = Role::kNormal,
                      .authority = static_cast<Authority>(1 + (at(3) >> 3) % 3),
                      .generation = generation,
                      .invites = (at(3) & 0x40) != 0,
                      .as_inviter = (at(3) & 0x80) != 0};
  }
  return op;
}

void RunMembership(std::string_view input) {
  std::vector<StampedOp> ops;
  for (; input.size() >= kOpBytes && ops.size() < kOpsMax; input.remove_prefix(kOpBytes)) {
    StampedOp op = OpOf(input);
    // Two under one stamp are a fork, which others find before the fold sees them.
    const bool taken = std::any_of(ops.begin(), ops.end(), [&](const StampedOp& other) {
      return other.stamp.place == op.stamp.place &&
             (other.stamp.position == op.stamp.position || other.stamp.time != op.stamp.time);
    });
    if (!taken) ops.push_back(std::move(op));
  }
  const syncgroup::Founder founder{PeerOf(0), IncarnationOf(0), base::FromMs(0)};
  const Membership folded = FoldMembership(founder, ops, {});
  std::vector<StampedOp> backwards(ops.rbegin(), ops.rend());
  const Membership again = FoldMembership(founder, backwards, {});
  CHECK(folded.members == again.members && folded.cuts == again.cuts && folded.name == again.name);
  // Every admission rests on an earlier one that made its author an admin, or an inviter.
  for (std::size_t i = 0; i < folded.admissions.size(); ++i) {
    const Membership::Admitted& admitted = folded.admissions[i];
    if (i == 0) {
      CHECK(admitted.peer == founder.peer);
      continue;
    }
    CHECK(std::any_of(
        folded.admissions.begin(), folded.admissions.begin() + static_cast<std::ptrdiff_t>(i),
        [&](const Membership::Admitted& before) {
          return before.peer == admitted.stamp.place.origin &&
                 (before.authority == Authority::kAdmin || (admitted.as_inviter && before.invites));
        }));
  }
  for (const auto& [peer, member] : folded.members) CHECK(folded.cuts.contains(peer));
}

std::vector<std::string> MembershipSeeds() {
  const auto op = [](int time, int by, int generation, int kind, int peer, int up_to) {
    std::string bytes;
    for (const int value : {time, by, generation, kind, peer, up_to}) {
      bytes.push_back(static_cast<char>(value));
    }
    return bytes;
  };
  // The founder admits 1 and 2, who then remove and lower each other.
  const std::string two = op(1, 0, 0, 4, 1, 0) + op(2, 0, 1, 4, 2, 0);
  return {two + op(5, 1, 0, 0, 2, 0) + op(6, 2, 0, 0, 1, 0),
          two + op(5, 1, 0, 12, 2, 0) + op(6, 2, 0, 20, 1, 0),
          two + op(5, 0, 2, 0, 1, 3) + op(4, 1, 3, 4, 3, 0) + op(5, 3, 0, 0, 0, 0),
          two + op(5, 0, 2, 1, 1, 3) + op(7, 0, 3, 4, 17, 0) + op(9, 17, 0, 3, 0, 1),
          // 1 may invite and does, chains and all; then it is lowered.
          op(1, 0, 0, 0x54, 1, 0) + op(2, 1, 0, 0xd4, 2, 0) + op(3, 2, 0, 0x9c, 3, 0) +
              op(9, 0, 1, 0x14, 1, 1) + op(4, 1, 1, 0x94, 4, 0),
          two + op(3, 1, 0, 2, 0, 1) + op(4, 1, 1, 3, 0, 0)};
}

}  // namespace

const Target kMembership = {"membership", RunMembership, MembershipSeeds};

}  // namespace waypost::fuzz
