#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "http/peer/batch_frames.h"
#include "syncgroup/protocol/messages.h"
#include "syncgroup/protocol/wire_codec.h"
#include "tests/sim/hostile.h"
#include "tests/sim/hostile_band.h"
#include "tests/sim/paced_source.h"

// What a hostile member answers to those that ask it for blobs, one or many at a time. What drips
// is never so slow that a client would call it a stall.

namespace waypost::sim {
namespace {

using base::Millis;
using Blobs = Hostile::Blobs;

constexpr std::size_t kFalseHolders = 60;
constexpr std::size_t kBatchDripBytes = std::size_t{2} << 10;  // a second
constexpr uint64_t kLargeBytes = uint64_t{8} << 20;

std::string BigEndian(uint64_t number) {
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8) bytes += static_cast<char>(number >> shift);
  return bytes;
}

}  // namespace

Hostile::Blobs Hostile::Mood() {
  return temper_.blobs == Blobs::kAny ? static_cast<Blobs>(Below(5)) : temper_.blobs;
}

// Of holders that hold nothing, and of some that there are not.
std::string Hostile::MissOf() {
  syncgroup::Elsewhere miss;
  const auto add = [&](const base::PeerId& peer) {
    miss.locations[peer] = {
        .when_seen = clock_.WallNow(), .is_server = true, .denied = base::kNever};
  };
  for (const base::PeerId& peer : band_.Everybody()) add(peer);
  while (miss.locations.size() < kFalseHolders) {
    add(*base::PeerId::FromBytes(random_.Bytes(32)));
  }
  if (Chance(0.3)) miss.size_hint_bytes = random_.Next() >> 20;
  band_.Note("false holders told");
  return syncgroup::EncodeElsewhere(miss);
}

http::Response Hostile::OneBlob(const http::Request& request) {
  base::MutexLock lock(mutex_);
  http::Response response;
  std::string groups;
  for (const auto& [name, value] : request.query) {
    if (name == "group") absl::StrAppend(&groups, groups.empty() ? "" : ",", value);
  }
  response.headers.emplace_back("waypost-groups", groups);
  PacedSource::Pace pace;
  const auto blob = base::BlobId::FromHex(request.path.substr(request.path.rfind('/') + 1));
  uint64_t size = kLargeBytes;
  switch (Mood()) {
    case Blobs::kMisses:
      return {.status = 404, .body = MissOf()};
    case Blobs::kDrips:
      // Faster than what a client calls a stall.
      pace = {.piece_bytes = 8192 + Below(60'000), .each = Millis(1000)};
      band_.Note("blob that drips");
      break;
    case Blobs::kStalls:
      pace = {.piece_bytes = 1, .each = Millis(10'000)};
      band_.Note("blob that stalls");
      break;
    case Blobs::kBreaks:
      pace.breaks_at = std::size_t{64} << 10;
      band_.Note("blob that breaks off");
      break;
    default:
      size = 1 + Below(200'000);
      if (blob) {
        band_.NoteWrong(request.peer.value_or(base::PeerId()), id(), {*blob});
      }
  }
  response.body = http::SourcePart{std::make_shared<PacedSource>("", size, pace), 0, size};
  return response;
}

http::Response Hostile::ManyBlobs(const base::PeerId& caller, const std::string& message) {
  const auto asked = syncgroup::DecodeBatchRequest(message);
  if (!asked.ok()) return {.status = 400};
  base::MutexLock lock(mutex_);
  const Blobs mood = Mood();
  const auto grants = static_cast<uint8_t>((1u << asked->groups.size()) - 1);
  std::string frames, miss;
  for (std::size_t i = 0; i < asked->blobs.size(); ++i) {
    if (mood == Blobs::kMisses) {
      if (i % 16 == 0) miss = MissOf();
      http::AppendFrame(frames, {http::FrameKind::kMiss, 0, miss});
    } else if (mood == Blobs::kDrips && Chance(0.3)) {
      http::AppendFrame(frames, {http::FrameKind::kLeftOut, 0, BigEndian(kLargeBytes)});
    } else {
      const std::string wrong(2000 + Below(8000), 'w');
      http::AppendFrame(frames, {http::FrameKind::kBlob, grants, wrong});
    }
  }
  PacedSource::Pace pace;
  if (mood == Blobs::kDrips) pace = {.piece_bytes = kBatchDripBytes, .each = Millis(1000)};
  if (mood == Blobs::kStalls) pace = {.piece_bytes = 1, .each = Millis(10'000)};
  if (mood == Blobs::kBreaks) pace.breaks_at = 1;
  if (mood == Blobs::kWrong) band_.NoteWrong(caller, id(), asked->blobs);
  band_.Note(mood == Blobs::kDrips    ? "batch that drips"
             : mood == Blobs::kStalls ? "batch that stalls"
             : mood == Blobs::kBreaks ? "batch that breaks off"
             : mood == Blobs::kMisses ? "batch of misses"
                                      : "batch of wrong bytes");
  const uint64_t size = frames.size();
  return {.body = http::SourcePart{std::make_shared<PacedSource>(std::move(frames), size, pace), 0,
                                   size}};
}

}  // namespace waypost::sim
