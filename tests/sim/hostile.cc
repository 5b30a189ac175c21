#include "tests/sim/hostile.h"

#include <algorithm>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/sim_scheduler.h"
#include "syncgroup/protocol/messages.h"
#include "syncgroup/protocol/wire_codec.h"
#include "tests/support/memory_body.h"

// A member that lies in every way that a run can afford. What it does is drawn from its own
// generator, so that a seed without it stays as it was.

namespace waypost::sim {
namespace {

using base::Millis;

// Blobs that it announces, in all: each of them is asked for by every server, again and again.
constexpr int kMentionsMax = 30;
constexpr uint64_t kDripBytes = uint64_t{8} << 20;
// 64 KiB a second and less, for whoever reads pieces of that size.
constexpr Millis kDripEvery{1000};

class Drip final : public base::ByteSource {
 public:
  uint64_t size_bytes() const override { return kDripBytes; }
  absl::StatusOr<std::size_t> ReadAt(uint64_t, std::span<char> buffer) const override {
    base::SimScheduler::Active()->Sleep(kDripEvery);
    std::fill(buffer.begin(), buffer.end(), 'd');
    return buffer.size();
  }
  int fd() const override { return -1; }
  std::string_view in_memory() const override { return {}; }
};

http::Response Encoded(const absl::StatusOr<std::string>& message) {
  if (!message.ok()) return {.status = 500};
  return {.body = *message};
}

}  // namespace

Hostile::Hostile(Network& network, PeerNumber number, const base::Identity& identity, uint64_t seed)
    : network_(network), number_(number), random_(seed), member_(identity, clock_) {}

void Hostile::Enter(const std::vector<base::GroupId>& groups) {
  {
    base::MutexLock lock(mutex_);
    for (const base::GroupId& group : groups) {
      writings_.push_back(
          {.group = group, .numbering = support::HostileMember::NewNumbering(), .last = {}});
    }
  }
  network_.Attach(number_, id(), [this](http::Request& request) { return Answer(request); });
}

void Hostile::Leave() { network_.Detach(number_); }

base::BlobId Hostile::SomeBlob() { return *base::BlobId::FromBytes(random_.Bytes(32)); }
std::string Hostile::NewKey() { return absl::StrCat("hostile-", random_.Next()); }

http::Response Hostile::Answer(http::Request& request) {
  if (request.path.starts_with("/peer/v1/blobs/")) {
    return {.body = http::SourcePart{std::make_shared<Drip>(), 0, kDripBytes}};
  }
  std::string message;
  const auto read = [&](std::string_view piece) {
    message += piece;
    return absl::OkStatus();
  };
  if (request.body != nullptr && !request.body->Read(read).ok()) return {.status = 400};
  if (request.path == "/peer/v1/hello") {
    syncgroup::HelloReply reply;
    reply.name = "hostile";
    reply.addresses = {Network::AddressOf(number_)};
    return Encoded(syncgroup::EncodeHelloReply(reply));
  }
  if (request.path == "/peer/v1/sync") {
    const auto asked = syncgroup::DecodeSyncRequest(message);
    if (!asked.ok()) return {.status = 400};
    return Encoded(
        syncgroup::EncodeSyncReply(Entries(request.peer.value_or(base::PeerId()), *asked)));
  }
  if (request.path == "/peer/v1/poke") return {.status = 204};
  return {.status = 500};
}

syncgroup::SyncReply Hostile::Entries(const base::PeerId& caller,
                                      const syncgroup::SyncRequest& asked) {
  base::MutexLock lock(mutex_);
  syncgroup::SyncReply reply;
  for (const syncgroup::SyncGroupRequest& group : asked.groups) {
    for (Writing& writing : writings_) {
      if (writing.group == group.group) Fill(writing, caller, reply.groups.emplace_back());
    }
  }
  return reply;
}

void Hostile::Fill(Writing& writing, const base::PeerId& caller, syncgroup::SyncGroupReply& reply) {
  const base::GroupId& group = writing.group;
  reply.group = group;
  reply.member = true;
  reply.cursor = {.log = base::NewIncarnation(), .sequence = random_.Next() >> 1};
  reply.more = Below(4) == 0;
  // It forgets, it denies, and it knows more than there is.
  const std::string hash = random_.Bytes(32);
  reply.of_caller[{caller, base::NewIncarnation()}] = {.generation = 1'000'000,
                                                       .hash = *base::EntryHash::FromBytes(hash)};
  std::vector<syncgroup::Op> deletes;
  for (uint64_t i = 20 + Below(30); i > 0; --i) {
    deletes.emplace_back(syncgroup::DeleteRefOp{NewKey()});
  }
  writing.last = member_.Next(group, writing.numbering, std::move(deletes));
  reply.entries.push_back(writing.last);
  if (writing.mentioned < kMentionsMax) {
    ++writing.mentioned;
    writing.last = member_.Next(group, writing.numbering,
                                {syncgroup::PutRefOp{NewKey(), SomeBlob(), kDripBytes}});
    reply.entries.push_back(writing.last);
  }
  if (Below(3) == 0) {
    reply.forks.push_back(
        member_.ForkOf(group, writing.numbering, writing.last, {syncgroup::DeleteRefOp{NewKey()}}));
  }
  for (uint64_t i = Below(12); i > 0; --i) {
    auto numbering = support::HostileMember::NewNumbering();
    reply.entries.push_back(member_.Next(group, numbering, {}));
  }
  // Claims that the caller did not sign.
  reply.claimed.push_back(writing.last);
  if (Below(4) == 0) {  // from now on under a new name, as a device that was wiped
    writing.numbering = support::HostileMember::NewNumbering();
  }
}

void Hostile::Call(PeerNumber victim, const base::PeerId& id) {
  std::string path, body;
  {
    base::MutexLock lock(mutex_);
    switch (Below(4)) {
      case 0: {
        path = "/peer/v1/sync";
        syncgroup::SyncRequest request;
        for (const Writing& writing : writings_) {
          syncgroup::SyncGroupRequest& group = request.groups.emplace_back();
          group.group = writing.group;
          for (int i = 0; i < 500; ++i) {
            group.knowledge[{id, base::NewIncarnation()}] = {.generation = 1 + Below(1'000'000),
                                                             .hash = {}};
          }
          for (std::size_t i = 0; i < syncgroup::kProbesMax; ++i) {
            group.probes.push_back(
                {.numbering = {this->id(), writing.numbering.incarnation}, .from = 1});
          }
        }
        body = syncgroup::EncodeSyncRequest(request).value_or("");
        break;
      }
      case 1: {
        path = "/peer/v1/poke";
        syncgroup::PokeRequest request;
        for (const Writing& writing : writings_) request.groups.push_back(writing.group);
        for (std::size_t i = 0; i < syncgroup::kHavesMax; ++i) request.haves.push_back(SomeBlob());
        body = syncgroup::EncodePokeRequest(request);
        break;
      }
      case 2: {
        path = "/peer/v1/hello";
        syncgroup::HelloRequest request;
        request.name = "hostile";
        request.addresses = {Network::AddressOf(number_)};
        for (std::size_t i = 0; i < syncgroup::kPapersMax; ++i) {
          const auto group = *base::GroupId::FromBytes(random_.Bytes(32));
          auto numbering = support::HostileMember::NewNumbering();
          request.papers.push_back({group, {member_.Next(group, numbering, {})}});
        }
        body = syncgroup::EncodeHelloRequest(request).value_or("");
        break;
      }
      default:
        path = "/peer/v1/sync";
        body = random_.Bytes(1 + Below(2000));
    }
  }
  support::MemoryBody source(body);
  const Network::Call call{.from = number_,
                           .caller = this->id(),
                           .address = Network::AddressOf(victim),
                           .expected = id,
                           .deadline = base::SteadyNow() + Millis(30'000)};
  (void)network_.Send(call, {.method = "POST", .path = path, .body = &source}, {});
}

}  // namespace waypost::sim
