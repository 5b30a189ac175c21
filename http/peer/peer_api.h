#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "base/index.h"
#include "blobstore/blob_store.h"
#include "http/message/message.h"
#include "http/tls/turned.h"
#include "signpost/peer_book.h"
#include "syncgroup/group/access.h"
#include "syncgroup/sync/peer_service.h"

namespace waypost::http {

// Of misses for blobs that no group mentions which the caller asked under as a member: it can only
// have guessed them.
struct GuessLimits {
  std::size_t per_minute = 100;  // a peer; beyond it 429
  // Such a miss takes so long, whatever was found: rows that are here take longer to find than
  // none. What is to be looked up takes a tenth.
  std::chrono::microseconds takes{300};
};

// Who uses the connections that peers turn here; without it they are refused.
struct TurnedSink {
  std::function<bool(const base::PeerId&)> wants;
  std::function<void(const base::PeerId&, std::unique_ptr<TurnedConnection>)> take;
};

// What peers ask of this one over HTTP; formats are in docs/security.md. Request::peer says who is
// calling; without it: 401. Who guesses gets 429: five refused joins a minute and address, and
// GuessLimits.
class PeerApi {
 public:
  // All but the last two outlive it.
  struct Parts {
    base::Index& index;
    blobstore::BlobStore& blobs;
    const syncgroup::Access& access;
    syncgroup::PeerService& service;
    signpost::PeerBook& peers;
    GuessLimits limits = {};
    TurnedSink turned = {};
  };
  explicit PeerApi(Parts parts);
  ~PeerApi();
  Response Handle(Request& request);
  std::string RouteName(const Request& request) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace waypost::http
