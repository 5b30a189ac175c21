#include "fetcher/attempt/store_sink.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

// The bytes of one answer on their way into the store. It refuses before the first byte what was
// not granted, what is too large, and what does not fit; time that our own disk or rate limit took
// is not counted as the peer's slowness.

namespace waypost::fetcher {
namespace {

// Where there is room for so much, a lack of space is the fault of the one large blob.
constexpr uint64_t kRoomForOthers = uint64_t{1} << 20;

}  // namespace

StoreSink::StoreSink(const AttemptParts& parts, const BlobRequest& request,
                     const AttemptOptions& options, uint64_t bytes_max, AttemptProgress& progress,
                     std::stop_token stop)
    : parts_(parts),
      request_(request),
      options_(options),
      bytes_max_(bytes_max),
      progress_(progress),
      stop_(std::move(stop)) {}

absl::Status StoreSink::Fail(Fault fault, absl::Status status) {
  fault_ = fault;
  return status;
}

absl::Status StoreSink::StartWriter() {
  writer_.reset();
  auto writer = parts_.blobs.StartFetch(request_.blob, total_);
  if (writer.ok()) {
    writer_ = *std::move(writer);
    return absl::OkStatus();
  }
  if (absl::IsOutOfRange(writer.status())) return Fail(Fault::kTooLarge, writer.status());
  const bool others_fit =
      base::IsNoSpace(writer.status()) && parts_.blobs.CheckSpace(kRoomForOthers).ok();
  return Fail(others_fit ? Fault::kNoRoom : Fault::kStore, writer.status());
}

absl::Status StoreSink::OnStart(uint64_t total_bytes, uint64_t offset,
                                const std::vector<base::GroupId>& granted) {
  granted_.clear();
  for (const base::GroupId& group : granted) {
    const bool asked =
        std::find(request_.groups.begin(), request_.groups.end(), group) != request_.groups.end();
    if (asked) granted_.push_back(group);
  }
  if (granted_.empty()) {
    return Fail(
        Fault::kNotGranted,
        absl::PermissionDeniedError("it sent the blob but granted no group that was asked for"));
  }
  if (total_bytes > bytes_max_) {
    return Fail(Fault::kTooLarge,
                absl::OutOfRangeError(absl::StrCat(
                    "the blob has ", total_bytes, " bytes; limits.member_bytes leaves ", bytes_max_,
                    " to the member that mentioned it first: raise it, or GET the blob here")));
  }
  // Before any room is taken for it.
  if (total_bytes > options_.small_bytes && options_.may_be_large && !options_.may_be_large()) {
    return Fail(Fault::kYielded, absl::CancelledError("large, and the slot is for small ones"));
  }
  total_ = total_bytes;
  const base::SteadyTime before = parts_.clock.SteadyNow();
  RETURN_IF_ERROR(StartWriter());
  if (writer_->offset() != offset) {
    // The callee ignored the range, or what was here is of another size: this answer from its
    // start.
    Discard();
    if (offset != 0) {
      return Fail(Fault::kPartial, absl::AbortedError("the partial file no longer fits"));
    }
    RETURN_IF_ERROR(StartWriter());
  }
  resumed_ = offset > 0;
  progress_.total_bytes = total_bytes;
  progress_.received_bytes = offset;
  progress_.transferring = true;
  // What is here was read and hashed again.
  return GoOn(0, before);
}

absl::Status StoreSink::OnData(std::string_view data) {
  const base::SteadyTime before = parts_.clock.SteadyNow();
  if (!parts_.rate.Take(data.size(), stop_)) {
    return Fail(Fault::kStopped, absl::CancelledError("stopped"));
  }
  const absl::Status written = writer_->Append(data);
  if (!written.ok()) {
    return Fail(absl::IsOutOfRange(written) ? Fault::kTooLong : Fault::kStore, written);
  }
  progress_.received_bytes += data.size();
  return GoOn(data.size(), before);
}

// Our own limit and disk, which were at work since `before`, are not the peer's fault.
absl::Status StoreSink::GoOn(uint64_t bytes, base::SteadyTime before) {
  if (options_.should_yield && options_.should_yield(bytes, parts_.clock.SteadyNow() - before)) {
    return Fail(Fault::kYielded, absl::CancelledError("too slow"));
  }
  return absl::OkStatus();
}

absl::StatusOr<blobstore::StagedBlob> StoreSink::Finish() {
  if (writer_ == nullptr) return absl::InternalError("no body came");
  auto staged = writer_->Finish(request_.blob);
  writer_.reset();
  return staged;
}

void StoreSink::Discard() {
  if (writer_) writer_->Discard();
  writer_.reset();
}

}  // namespace waypost::fetcher
