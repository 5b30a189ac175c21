#pragma once

#include <memory>
#include <string>

#include "base/index.h"
#include "blobstore/blob_store.h"
#include "http/message.h"
#include "signpost/peer_book.h"
#include "syncgroup/group_store.h"
#include "syncgroup/peer_service.h"

namespace waypost::http {

// The peer API of API.md. Request::peer says who is calling; without it: 401.
class PeerApi {
 public:
  PeerApi(base::Index& index, blobstore::BlobStore& blobs, syncgroup::GroupStore& groups,
          syncgroup::PeerService& service, signpost::PeerBook& peers);
  ~PeerApi();
  Response Handle(Request& request);
  std::string RouteName(const Request& request) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace waypost::http
