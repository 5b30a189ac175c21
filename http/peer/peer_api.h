#pragma once

#include <functional>
#include <memory>
#include <string>

#include "blobstore/blob_store.h"
#include "http/message/message.h"
#include "http/tls/turned.h"
#include "signpost/peer_book.h"
#include "syncgroup/group/access.h"
#include "syncgroup/sync/peer_service.h"

namespace waypost::http {

// Who uses the connections that peers turn here; without it they are refused.
struct TurnedSink {
  std::function<bool(const base::PeerId&)> wants;
  std::function<void(const base::PeerId&, std::unique_ptr<TurnedConnection>)> take;
};

// What peers ask of this one over HTTP; formats are in docs/security.md. Request::peer says who is
// calling; without it: 401. Who guesses gets 429: five refused joins a minute and address, and what
// syncgroup::Access says of blobs.
class PeerApi {
 public:
  // All but the last outlive it.
  struct Parts {
    blobstore::BlobStore& blobs;
    syncgroup::Access& access;
    syncgroup::PeerService& service;
    signpost::PeerBook& peers;
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
