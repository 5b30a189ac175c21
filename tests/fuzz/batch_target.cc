#include <algorithm>
#include <optional>
#include <tuple>

#include "base/status.h"
#include "http/peer/batch_frames.h"
#include "syncgroup/protocol/wire_codec.h"
#include "tests/fuzz/fuzz_target.h"

// Frames of a batch: however the bytes are cut into pieces, the same frames come out, and written
// again they are the bytes that they were.

namespace waypost::fuzz {
namespace {

constexpr std::size_t kFrames = 5;
constexpr uint64_t kBlobBytes = 300;

using Kept = std::tuple<http::FrameKind, uint8_t, std::string>;

// What the bytes say, cut into pieces of `step`; nullopt: refused.
std::optional<std::vector<Kept>> Read(std::string_view bytes, std::size_t step, bool& done) {
  http::FrameReader reader(kFrames, kBlobBytes);
  std::vector<Kept> frames;
  while (!bytes.empty()) {
    // Of its own allocation, so that a read past the end is seen.
    const std::string piece(bytes.substr(0, step));
    bytes.remove_prefix(piece.size());
    const absl::Status fed = reader.Feed(piece, [&](const http::Frame& frame) {
      frames.emplace_back(frame.kind, frame.grants, frame.body);
      return absl::OkStatus();
    });
    if (!fed.ok()) return std::nullopt;
  }
  done = reader.done();
  return frames;
}

void RunBatch(std::string_view input) {
  if (input.empty()) return;
  const std::size_t step = static_cast<unsigned char>(input[0]) + std::size_t{1};
  const std::string_view bytes = input.substr(1);
  bool done = false, done_in_pieces = false;
  const auto whole = Read(bytes, bytes.size() + 1, done);
  CHECK(Read(bytes, step, done_in_pieces) == whole && done == done_in_pieces);
  if (!whole) return;
  CHECK(whole->size() <= kFrames);
  std::string again;
  for (const auto& [kind, grants, body] : *whole) {
    CHECK(kind != http::FrameKind::kBlob || body.size() <= kBlobBytes);
    CHECK(body.size() <= std::max<std::size_t>(kBlobBytes, syncgroup::kMissBytesMax));
    http::AppendFrame(again, {kind, grants, body});
  }
  // What was taken is what is written for it, to the byte.
  CHECK(bytes.substr(0, again.size()) == again);
  CHECK(!done || (whole->size() == kFrames && again.size() == bytes.size()));
}

std::vector<std::string> BatchSeeds() {
  std::string answer = "\x07";
  http::AppendFrame(answer, {http::FrameKind::kBlob, 1, "a small blob"});
  http::AppendFrame(answer, {http::FrameKind::kMiss, 0,
                             syncgroup::EncodeElsewhere({.locations = {}, .size_hint_bytes = 9})});
  http::AppendFrame(answer, {http::FrameKind::kLeftOut, 0, "\1\2\3\4\5\6\7\x08"});
  http::AppendFrame(answer, {http::FrameKind::kLeftOut, 0, ""});
  http::AppendFrame(answer, {http::FrameKind::kBlob, 0xff, std::string(kBlobBytes, 'b')});
  return {answer, answer.substr(0, answer.size() / 2), answer + "more"};
}

}  // namespace

const Target kBatch = {"batch", RunBatch, BatchSeeds};

}  // namespace waypost::fuzz
