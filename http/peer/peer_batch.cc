#include "http/peer/peer_batch.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/key_codec.h"
#include "base/status.h"
#include "http/message/errors.h"
#include "http/message/later_answer.h"
#include "http/peer/batch_frames.h"
#include "syncgroup/protocol/wire_codec.h"

// Many small blobs in one answer. Each is judged as it would be alone, in one view of the index,
// before a byte is read; then the answer is built as far as there is room for it. What memory
// answers that nobody reads may take is bounded for a peer and in all, and given back when the
// engine has sent them.

namespace waypost::http {
namespace {

// Four answers of the largest size to one payer, each of whose peers has `fetcher.per_peer` (3)
// under way, and sixteen in all.
constexpr uint64_t kPayerBytesMax = 4 * syncgroup::kBatchBytesMax;
constexpr uint64_t kTotalBytesMax = 16 * syncgroup::kBatchBytesMax;

// An answer in memory. Goes when the engine has sent it.
class AnswerReader final : public base::ByteSource {
 public:
  AnswerReader(std::string bytes, std::shared_ptr<AnswerRoom::Lease> lease)
      : bytes_(std::move(bytes)), lease_(std::move(lease)) {}
  uint64_t size_bytes() const override { return bytes_.size(); }
  absl::StatusOr<std::size_t> ReadAt(uint64_t offset, std::span<char> buffer) const override {
    if (offset >= bytes_.size()) return 0;
    return bytes_.copy(buffer.data(), buffer.size(), static_cast<std::size_t>(offset));
  }
  int fd() const override { return -1; }
  std::string_view in_memory() const override { return bytes_; }

 private:
  const std::string bytes_;
  const std::shared_ptr<AnswerRoom::Lease> lease_;
};

// Reads the whole blob to the end of `out`; false, and nothing changed, where that fails.
bool AppendBlob(blobstore::BlobStore& blobs, const base::BlobId& blob, uint64_t size_bytes,
                uint8_t grants, std::string& out) {
  const auto reader = blobs.Open(blob);
  if (!reader.ok() || (*reader)->size_bytes() != size_bytes) return false;
  if ((*reader)->fd() < 0) {
    AppendFrame(out, {FrameKind::kBlob, grants, (*reader)->in_memory()});
    return true;
  }
  std::string bytes(static_cast<std::size_t>(size_bytes), '\0');
  const auto count = (*reader)->ReadAt(0, {bytes.data(), bytes.size()});
  if (!count.ok() || *count != bytes.size()) return false;
  AppendFrame(out, {FrameKind::kBlob, grants, bytes});
  return true;
}

}  // namespace

std::string ElsewhereBytes(const syncgroup::Access::Verdict& verdict) {
  return syncgroup::EncodeElsewhere({.locations = verdict.elsewhere.locations,
                                     .size_hint_bytes = verdict.elsewhere.size_hint_bytes});
}

Response GuessedTooOften(base::Millis retry_after) {
  return ErrorResponse(base::WithRetryAfter(
      absl::ResourceExhaustedError("too many blobs asked for that none of the groups named here "
                                   "mentions; wait, and name a group that does"),
      retry_after));
}

struct PeerBatch::Item {
  uint8_t grants = 0;     // a bit for each group of the request; 0: a miss
  bool left_out = false;  // asked for by itself it is refused, and says so
  uint64_t size_bytes = 0;
  std::string miss;
};

PeerBatch::PeerBatch(Parts parts) : parts_(parts), room_(kTotalBytesMax, kPayerBytesMax) {}

PeerBatch::Item PeerBatch::ItemOf(const syncgroup::Access::Verdict& verdict,
                                  const std::vector<base::GroupId>& groups) {
  using Kind = syncgroup::Access::Verdict::Kind;
  Item item{.left_out = verdict.kind == Kind::kRefused, .size_bytes = verdict.size_bytes};
  if (verdict.kind == Kind::kElsewhere) item.miss = ElsewhereBytes(verdict);
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const bool grants = std::find(verdict.granted.begin(), verdict.granted.end(), groups[i]) !=
                        verdict.granted.end();
    if (grants) item.grants = static_cast<uint8_t>(item.grants | 1u << i);
  }
  return item;
}

Response PeerBatch::Answer(const base::PeerId& caller, AnswerRoom::Whose whose,
                           const syncgroup::BatchRequest& request) {
  const base::SteadyTime asked = base::SteadyNow();
  const auto judged = parts_.access.Judge(caller, request.blobs, request.groups);
  if (!judged.ok()) return ErrorResponse(judged.status());
  const base::SteadyTime then = asked + judged->answer_after;
  using Kind = syncgroup::Access::Verdict::Kind;
  const bool refused = std::all_of(judged->verdicts.begin(), judged->verdicts.end(),
                                   [](const auto& each) { return each.kind == Kind::kRefused; });
  if (refused) return AnswerAt(then, GuessedTooOften(judged->verdicts.front().retry_after));
  std::vector<Item> items;
  items.reserve(judged->verdicts.size());
  for (const auto& verdict : judged->verdicts) items.push_back(ItemOf(verdict, request.groups));
  // Sizes first: what fits is known before a byte is read.
  const uint64_t blob_max = std::min(request.blob_bytes_max, syncgroup::kBatchBlobBytesMax);
  uint64_t wanted = 0;
  for (const Item& item : items) {
    if (item.size_bytes <= blob_max) wanted += item.size_bytes;
    wanted += item.miss.size();
  }
  const auto lease = room_.Take(whose, std::min(wanted, syncgroup::kBatchBytesMax));
  std::string out;
  out.reserve(static_cast<std::size_t>(lease->bytes()) + items.size() * (kFrameHeadBytes + 8));
  uint64_t room = lease->bytes();
  for (std::size_t i = 0; i < items.size(); ++i) {
    const Item& item = items[i];
    const bool granted = item.grants != 0;
    const uint64_t bytes = granted ? item.size_bytes : item.miss.size();
    const bool fits = !item.left_out && bytes <= room && (!granted || bytes <= blob_max);
    if (fits && granted && AppendBlob(parts_.blobs, request.blobs[i], bytes, item.grants, out)) {
      room -= bytes;
    } else if (fits && !granted) {
      AppendFrame(out, {FrameKind::kMiss, 0, item.miss});
      room -= bytes;
    } else {
      std::string size;
      if (granted) base::AppendU64(size, item.size_bytes);
      AppendFrame(out, {FrameKind::kLeftOut, 0, size});
    }
  }
  parts_.peers.NoteTraffic(caller, 0, out.size());
  Response response;
  response.Set("Content-Type", "application/octet-stream");
  const uint64_t length = out.size();
  response.body = SourcePart{std::make_shared<AnswerReader>(std::move(out), lease), 0, length};
  return AnswerAt(then, std::move(response));
}

}  // namespace waypost::http
