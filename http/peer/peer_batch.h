#pragma once

#include <cstdint>
#include <vector>

#include "base/payer.h"
#include "blobstore/blob_store.h"
#include "http/message/answer_room.h"
#include "http/message/message.h"
#include "signpost/peer_book.h"
#include "syncgroup/group/access.h"
#include "syncgroup/protocol/messages.h"

namespace waypost::http {

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
  // `whose`: the share of the memory for answers that it takes.
  Response Answer(const base::PeerId& caller, AnswerRoom::Whose whose,
                  const syncgroup::BatchRequest& request);

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
