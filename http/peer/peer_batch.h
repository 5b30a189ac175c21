#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "blobstore/blob_store.h"
#include "http/message/message.h"
#include "signpost/peer_book.h"
#include "syncgroup/group/access.h"
#include "syncgroup/protocol/messages.h"

namespace waypost::http {

// Memory for answers that are under way, so that no member who asks and does not read fills it:
// `total_bytes` in all, `peer_bytes` for one peer. Thread-safe.
class AnswerRoom {
 public:
  AnswerRoom(uint64_t total_bytes, uint64_t peer_bytes)
      : total_bytes_(total_bytes), peer_bytes_(peer_bytes) {}

  // Gives the bytes back when it goes; keeps what it refers to.
  class Lease {
   public:
    uint64_t bytes() const { return bytes_; }
    ~Lease();
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;

   private:
    friend class AnswerRoom;
    struct Use;
    Lease(std::shared_ptr<Use> use, const base::PeerId& peer, uint64_t bytes)
        : use_(std::move(use)), peer_(peer), bytes_(bytes) {}
    const std::shared_ptr<Use> use_;
    const base::PeerId peer_;
    const uint64_t bytes_;
  };
  // At most `wanted_bytes`, as much as there is room for, also none.
  std::shared_ptr<Lease> Take(const base::PeerId& peer, uint64_t wanted_bytes);

 private:
  const uint64_t total_bytes_;
  const uint64_t peer_bytes_;
  const std::shared_ptr<Lease::Use> use_ = NewUse();
  static std::shared_ptr<Lease::Use> NewUse();
};

// POST /peer/v1/blobs:batch: many small blobs in one answer, each granted, missed or left out by
// itself, as GET /peer/v1/blobs/{id} would. Thread-safe.
class PeerBatch {
 public:
  // All outlive it.
  struct Parts {
    blobstore::BlobStore& blobs;
    syncgroup::Access& access;
    signpost::PeerBook& peers;
  };
  explicit PeerBatch(Parts parts);
  Response Answer(const base::PeerId& caller, const syncgroup::BatchRequest& request);

 private:
  struct Item;
  static Item ItemOf(const syncgroup::Access::Verdict& verdict,
                     const std::vector<base::GroupId>& groups);

  const Parts parts_;
  AnswerRoom room_;
};

// 429, for who guesses too often.
Response GuessedTooOften(base::Millis retry_after);

// What the caller of a miss may learn, as the message that says so.
std::string ElsewhereBytes(const syncgroup::Access::Verdict& verdict);

}  // namespace waypost::http
