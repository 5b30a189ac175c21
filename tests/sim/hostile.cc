#include "tests/sim/hostile.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "syncgroup/protocol/messages.h"
#include "syncgroup/protocol/wire_codec.h"
#include "tests/sim/hostile_band.h"

// Who a hostile member is: its temper, its places in groups, and which question goes where. What it
// does is drawn from its own generator, so that a world without it stays as it was.

namespace waypost::sim {

using base::Millis;

Hostile::Hostile(Network& network, HostileBand& band, PeerNumber number,
                 const base::Identity& identity, uint64_t seed)
    : network_(network),
      band_(band),
      number_(number),
      identity_(identity),
      random_(seed),
      member_(identity, clock_) {
  base::MutexLock lock(mutex_);
  temper_.blobs = static_cast<Blobs>(Below(6));
  temper_.late = Chance(0.4) ? 0.6 : 0;
}

base::BlobId Hostile::SomeBlob() { return *base::BlobId::FromBytes(random_.Bytes(32)); }
std::string Hostile::NewKey() { return absl::StrCat("hostile-", random_.Next()); }

Millis Hostile::Pause() {
  base::MutexLock lock(mutex_);
  return Millis(static_cast<int64_t>(Below(band_.repeats() ? 800 : 6000)));
}

void Hostile::Write(Group& group, Writing& writing, std::vector<syncgroup::Op> ops) {
  writing.entries.push_back(member_.Next(group.place.group, writing.numbering, std::move(ops)));
}

void Hostile::Enter(const HostilePlace& place) {
  base::MutexLock lock(mutex_);
  Group& group = groups_.emplace_back();
  group.place = place;
  Writing& first = group.writings.emplace_back();
  first.numbering.incarnation = *base::Incarnation::FromBytes(random_.Bytes(16));
  Write(group, first,
        {syncgroup::ProfileOp{.name = "hostile", .addresses = {Network::AddressOf(number_)}}});
  group.papers.push_back(first.entries.back());
}

void Hostile::Invite(const Hostile& puppet, const HostilePlace& place) {
  syncgroup::SealedEntry admission;
  {
    base::MutexLock lock(mutex_);
    for (Group& group : groups_) {
      if (group.place.group != place.group) continue;
      Write(group, group.writings.front(),
            {syncgroup::AdmitOp{.peer = puppet.id(),
                                .incarnation = base::NewIncarnation(),
                                .role = syncgroup::Role::kServer,
                                .authority = place.authority,
                                .invites = place.invites,
                                .as_inviter = true}});
      admission = group.writings.front().entries.back();
    }
  }
  band_.Note("puppet invited");
}

http::Response Hostile::Answer(http::Request& request) {
  const base::PeerId caller = request.peer.value_or(base::PeerId());
  if (request.path.starts_with("/peer/v1/blobs/")) return OneBlob(request);
  std::string message;
  const auto read = [&](std::string_view piece) {
    message += piece;
    return absl::OkStatus();
  };
  if (request.body != nullptr && !request.body->Read(read).ok()) return {.status = 400};
  if (request.path == "/peer/v1/blobs:batch") return ManyBlobs(caller, message);
  if (request.path == "/peer/v1/sync") return Sync(caller, message);
  if (request.path == "/peer/v1/poke") return {.status = 204};
  if (request.path == "/peer/v1/held") {
    // Everything.
    const auto asked = syncgroup::DecodeHeldRequest(message);
    if (!asked.ok()) return {.status = 400};
    return {.body = syncgroup::EncodeHeldReply({.held = asked->blobs})};
  }
  if (request.path != "/peer/v1/hello") return {.status = 500};
  syncgroup::HelloReply reply;
  reply.name = "hostile";
  reply.addresses = {Network::AddressOf(number_)};
  base::MutexLock lock(mutex_);
  for (const Group& group : groups_) reply.papers.push_back({group.place.group, group.papers});
  const auto encoded = syncgroup::EncodeHelloReply(reply);
  if (!encoded.ok()) return {.status = 500};
  return {.body = *encoded};
}

}  // namespace waypost::sim
