#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "syncgroup/protocol/messages.h"
#include "syncgroup/protocol/wire_codec.h"
#include "tests/sim/hostile.h"
#include "tests/sim/hostile_band.h"
#include "tests/support/memory_body.h"

// What a hostile member calls others with: messages that parse, as far as the protocol lets them
// go, and some that do not.

namespace waypost::sim {
namespace {

using base::Millis;

constexpr int kKnowledge = 300;

}  // namespace

void Hostile::Call(PeerNumber victim, const base::PeerId& id) {
  Message message;
  {
    base::MutexLock lock(mutex_);
    message = SomeMessage(id);
  }
  Send(victim, id, message);
}

void Hostile::Repeat(PeerNumber victim, const base::PeerId& id) {
  Message message;
  {
    base::MutexLock lock(mutex_);
    if (Chance(0.5)) {
      message = HelloMessage(/*fresh=*/false);
    } else {
      syncgroup::PokeRequest request;
      for (const Group& group : groups_) request.groups.push_back(group.place.group);
      message = {"/peer/v1/poke", syncgroup::EncodePokeRequest(request)};
    }
  }
  Send(victim, id, message);
}

void Hostile::Send(PeerNumber victim, const base::PeerId& id, const Message& message) {
  support::MemoryBody source(message.body);
  const Network::Call call{.from = number_,
                           .caller = this->id(),
                           .address = Network::AddressOf(victim),
                           .expected = id,
                           .deadline = base::SteadyNow() + Millis(30'000)};
  http::Request request{.method = "GET", .path = message.path};
  if (!message.body.empty()) {
    request.method = "POST";
    request.body = &source;
  }
  const auto answer = network_.Send(call, std::move(request), {});
  const std::string came_to = answer.ok() ? absl::StrCat(answer->response.status) : "no answer";
  band_.Note(absl::StrCat("call ", message.path.substr(0, message.path.find('/', 9)), ": ", came_to)
                 .c_str());
}

Hostile::Message Hostile::SomeMessage(const base::PeerId& to) {
  switch (Below(6)) {
    case 0:
      return SyncMessage(to);
    case 1:
    case 2:
      return PokeMessage();
    case 3:
      return HelloMessage(/*fresh=*/true);
    case 4:
      return Guess();
    default:
      return {"/peer/v1/sync", random_.Bytes(1 + Below(2000))};
  }
}

Hostile::Message Hostile::SyncMessage(const base::PeerId& to) {
  syncgroup::SyncRequest request;
  for (const Group& of : groups_) {
    syncgroup::SyncGroupRequest& group = request.groups.emplace_back();
    group.group = of.place.group;
    for (int i = 0; i < kKnowledge; ++i) {
      group.knowledge[{to, base::NewIncarnation()}] = {.generation = 1 + Below(1'000'000),
                                                       .hash = {}};
    }
    const auto everybody = band_.Everybody();
    for (std::size_t i = 0; i < syncgroup::kProbesMax; ++i) {
      const Writing& writing = of.writings[Below(of.writings.size())];
      group.probes.push_back({.numbering = {Chance(0.5) ? id() : everybody[Below(everybody.size())],
                                            writing.numbering.incarnation},
                              .from = 1});
    }
  }
  return {"/peer/v1/sync", syncgroup::EncodeSyncRequest(request).value_or("")};
}

// It has all that there is, and much besides.
Hostile::Message Hostile::PokeMessage() {
  syncgroup::PokeRequest request;
  for (const Group& group : groups_) request.groups.push_back(group.place.group);
  request.haves = band_.Blobs();
  if (request.haves.size() > syncgroup::kHavesMax) request.haves.resize(syncgroup::kHavesMax);
  const std::size_t count = Chance(0.2) ? syncgroup::kHavesMax : 50;
  while (request.haves.size() < count) request.haves.push_back(SomeBlob());
  return {"/peer/v1/poke", syncgroup::EncodePokeRequest(request)};
}

// Papers of which nothing is kept: acts that count for nothing, of groups that are not there, and
// those that were shown before.
Hostile::Message Hostile::HelloMessage(bool fresh) {
  syncgroup::HelloRequest request;
  request.name = "hostile";
  request.addresses = {Network::AddressOf(number_)};
  for (Group& group : groups_) {
    if (fresh && group.papers.size() < syncgroup::kPapersMax - 2) {
      auto numbering = support::HostileMember::NewNumbering();
      group.papers.push_back(
          member_.Next(group.place.group, numbering,
                       {syncgroup::AdmitOp{.peer = *base::PeerId::FromBytes(random_.Bytes(32)),
                                           .incarnation = numbering.incarnation,
                                           .authority = syncgroup::Authority::kAdmin}}));
    }
    request.papers.push_back({group.place.group, group.papers});
  }
  while (fresh && request.papers.size() < syncgroup::kPapersMax) {
    const auto group = *base::GroupId::FromBytes(random_.Bytes(32));
    auto numbering = support::HostileMember::NewNumbering();
    request.papers.push_back({group, {member_.Next(group, numbering, {})}});
  }
  return {"/peer/v1/hello", syncgroup::EncodeHelloRequest(request).value_or("")};
}

// Blobs and invites that may be there, and blobs that are said to have come wrong.
Hostile::Message Hostile::Guess() {
  const auto blobs = band_.Blobs();
  const base::BlobId blob = blobs.empty() || Chance(0.3) ? SomeBlob() : blobs[Below(blobs.size())];
  const base::GroupId& group = groups_[Below(groups_.size())].place.group;
  switch (Below(4)) {
    case 0: {
      syncgroup::HeldRequest request{.group = group, .blobs = blobs};
      while (request.blobs.size() < 200) request.blobs.push_back(SomeBlob());
      request.blobs.resize(200);
      return {"/peer/v1/held", syncgroup::EncodeHeldRequest(request)};
    }
    case 1: {
      syncgroup::BatchRequest request{.groups = {group}, .blobs = {blob}, .blob_bytes_max = 1000};
      while (request.blobs.size() < 40) request.blobs.push_back(SomeBlob());
      return {"/peer/v1/blobs:batch", syncgroup::EncodeBatchRequest(request)};
    }
    case 2:
      return {"/peer/v1/wrong", syncgroup::EncodeWrongRequest({.group = group, .blob = blob})};
    default:
      return {"/peer/v1/join",
              syncgroup::EncodeJoinRequest({.group = group,
                                            .invite_id = random_.Bytes(16),
                                            .proof = random_.Bytes(32),
                                            .incarnation = base::NewIncarnation(),
                                            .role = syncgroup::Role::kServer,
                                            .name = "hostile",
                                            .addresses = {Network::AddressOf(number_)},
                                            .now = clock_.WallNow()})};
  }
}

}  // namespace waypost::sim
