#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "base/clock.h"
#include "base/ids.h"
#include "syncgroup/protocol/peer_client.h"
#include "syncgroup/protocol/wire_codec.h"

namespace waypost::fetcher {

struct BlobRequest {
  syncgroup::Endpoint from;
  base::BlobId blob;
  std::vector<base::GroupId> groups;  // under which it is wanted, at most 8
  uint64_t offset = 0;                // bytes already here: over 0 asks for a range
  // Less than 1 KiB/s averaged over this long is a stall.
  base::Millis stall_timeout{30000};
};

// Where the bytes of an answer go. Called on the thread that called Get.
class BlobSink {
 public:
  virtual ~BlobSink() = default;
  // The head of a 200 or 206: the whole blob's size and where the body begins (0, when the callee
  // ignored the range). An error ends the transfer and comes back as BlobReply::sink_error.
  virtual absl::Status OnStart(uint64_t total_bytes, uint64_t offset,
                               const std::vector<base::GroupId>& granted) = 0;
  virtual absl::Status OnData(std::string_view data) = 0;
};

// How one peer answered.
struct BlobReply {
  enum class Kind {
    kComplete,     // exactly as many bytes as its own Content-Length, all given to the sink
    kMiss,         // 404: `miss` says where else
    kUnreachable,  // no address answered, reset, timeout, stalled, a malformed answer
    kBusy,         // 5xx or 429; `retry_after` if it gave one
    kWrongLength,  // more or fewer bytes than its own Content-Length says of the blob
    kSinkError,    // our side: `sink_error`
    kCancelled,    // `stop` was requested
  };
  Kind kind = Kind::kUnreachable;
  syncgroup::Elsewhere miss;
  std::optional<base::Millis> retry_after;
  absl::Status sink_error;
  std::string message;  // for people, at most 200 bytes
  uint64_t body_bytes = 0;
};

struct BatchCall {
  syncgroup::Endpoint from;
  std::vector<base::BlobId> blobs;    // at most syncgroup::kBatchBlobsMax
  std::vector<base::GroupId> groups;  // each wanted under all of them; at most 8
  uint64_t blob_bytes_max = 0;        // of one blob: what is larger is left out
  base::Millis stall_timeout{30000};
};

// What the peer says of one blob of a batch.
struct BatchItem {
  enum class Kind {
    kBlob,     // `bytes`, all of it, not verified, under `granted`
    kMiss,     // `miss`
    kLeftOut,  // to be asked for by itself; `size_bytes` where it said so
  };
  Kind kind = Kind::kLeftOut;
  std::string_view bytes;
  std::vector<base::GroupId> granted;
  syncgroup::Elsewhere miss;
  std::optional<uint64_t> size_bytes;
};

// Where the items of an answer go, in the order of the request. Called on the thread that called
// GetBatch. Throws nothing: memory that runs out is an error of this side.
class BatchSink {
 public:
  virtual ~BatchSink() = default;
  // So many bytes of the answer came, of whatever they are; called before the items that they make
  // whole. An error ends the answer as one of OnItem does.
  virtual absl::Status OnBytes(std::size_t bytes) = 0;
  // `number`: of the blob in the request. An error ends the answer and comes back as
  // BlobReply::sink_error.
  virtual absl::Status OnItem(std::size_t number, const BatchItem& item) = 0;
};

// How the fetcher gets blobs from other peers. Implemented in http/. Thread-safe.
class BlobClient {
 public:
  virtual ~BlobClient() = default;
  // Is there a connection on which the peer can be asked although no address of it is known?
  virtual bool ReachableWithoutAddress(const base::PeerId&) const { return false; }
  // Blocks until the answer is complete, fails, stalls or `stop` is requested.
  virtual BlobReply Get(const BlobRequest& request, BlobSink& sink, std::stop_token stop) = 0;
  // As Get, for many. kComplete: each blob has had its item; else those before what went wrong.
  // Never kMiss or kWrongLength.
  virtual BlobReply GetBatch(const BatchCall& request, BatchSink& sink, std::stop_token stop) = 0;
};

}  // namespace waypost::fetcher
