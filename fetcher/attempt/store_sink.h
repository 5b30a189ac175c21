#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>
#include <vector>

#include "absl/status/statusor.h"
#include "fetcher/attempt/attempt.h"

namespace waypost::fetcher {

// Takes the bytes of one answer into the blob store. Of one AskOnce; one thread. Destroyed without
// Finish or Discard it leaves a partial file that may be continued.
class StoreSink final : public BlobSink {
 public:
  // Why the transfer was ended from our side.
  enum class Fault {
    kNone,
    kStopped,     // `stop` was requested
    kYielded,     // too slow, and somebody else waits for the slot; or too large for it
    kPartial,     // what was here does not fit this answer: once more from zero
    kNotGranted,  // it sends the blob under none of the groups it was asked for
    kNoRoom,      // this blob does not fit, others would
    kTooLarge,    // over store.max_blob, or over what may be fetched for who mentioned it
    kTooLong,     // more bytes than announced
    kStore,       // the store failed: status says how
  };
  // `bytes_max`: a larger blob is refused when it is announced.
  StoreSink(const AttemptParts& parts, const BlobRequest& request, const AttemptOptions& options,
            uint64_t bytes_max, AttemptProgress& progress, std::stop_token stop);

  absl::Status OnStart(uint64_t total_bytes, uint64_t offset,
                       const std::vector<base::GroupId>& granted) override;
  absl::Status OnData(std::string_view data) override;

  // Verifies and makes durable.
  absl::StatusOr<blobstore::StagedBlob> Finish();
  // For who does that with those of others.
  std::unique_ptr<blobstore::BlobWriter> TakeWriter() { return std::move(writer_); }
  // Nothing of it is worth keeping, a partial file included.
  void Discard();

  Fault fault() const { return fault_; }
  bool resumed() const { return resumed_; }
  uint64_t total_bytes() const { return total_; }
  // Of the groups it was asked for.
  const std::vector<base::GroupId>& granted() const { return granted_; }

 private:
  absl::Status Fail(Fault fault, absl::Status status);
  absl::Status StartWriter();
  absl::Status GoOn(uint64_t bytes, base::SteadyTime before);

  const AttemptParts& parts_;
  const BlobRequest& request_;
  const AttemptOptions& options_;
  const uint64_t bytes_max_;
  AttemptProgress& progress_;
  const std::stop_token stop_;
  std::unique_ptr<blobstore::BlobWriter> writer_;
  std::vector<base::GroupId> granted_;
  uint64_t total_ = 0;
  bool resumed_ = false;
  Fault fault_ = Fault::kNone;
};

}  // namespace waypost::fetcher
