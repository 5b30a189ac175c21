#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "base/ids.h"
#include "fetcher/attempt/blob_client.h"
#include "http/client/response_reader.h"
#include "signpost/peer_book.h"
#include "syncgroup/protocol/peer_client.h"
#include "tests/sim/network.h"

namespace waypost::sim {

// How a peer of the world calls others: what http::PeerHttpClient is over sockets, with the same
// messages, statuses and errors. Thread-safe.
class Client final : public syncgroup::PeerClient, public fetcher::BlobClient {
 public:
  Client(Network& network, PeerNumber number, const base::PeerId& self, signpost::PeerBook& peers)
      : network_(network), number_(number), self_(self), peers_(peers) {}

  bool ReachableWithoutAddress(const base::PeerId&) const override { return false; }
  absl::StatusOr<syncgroup::HelloReply> Hello(const syncgroup::Endpoint& to,
                                              const syncgroup::HelloRequest& request,
                                              std::stop_token stop) override;
  absl::StatusOr<syncgroup::SyncReply> Sync(const syncgroup::Endpoint& to,
                                            const syncgroup::SyncRequest& request,
                                            std::stop_token stop) override;
  absl::Status Poke(const syncgroup::Endpoint& to, const syncgroup::PokeRequest& request,
                    std::stop_token stop) override;
  absl::StatusOr<syncgroup::JoinReply> Join(const syncgroup::Endpoint& to,
                                            const syncgroup::JoinRequest& request,
                                            std::stop_token stop) override;
  absl::StatusOr<syncgroup::HeldReply> Held(const syncgroup::Endpoint& to,
                                            const syncgroup::HeldRequest& request,
                                            std::stop_token stop) override;
  fetcher::BlobReply Get(const fetcher::BlobRequest& request, fetcher::BlobSink& sink,
                         std::stop_token stop) override;
  fetcher::BlobReply GetBatch(const fetcher::BatchCall& request, fetcher::BatchSink& sink,
                              std::stop_token stop) override;

 private:
  // What came back, as the reader of answers has it.
  struct Reply {
    Network::Call call;
    Network::Answer answer;
    http::ResponseHead head;
    std::string body;  // unless it is a blob's
  };
  absl::StatusOr<Reply> Ask(const syncgroup::Endpoint& to, http::Request request,
                            const std::string& body, base::Millis timeout, std::stop_token stop);
  absl::StatusOr<std::string> Post(const syncgroup::Endpoint& to, const std::string& path,
                                   const absl::StatusOr<std::string>& body, std::stop_token stop);
  // Reads the blob's part in pieces that travel. False when the connection broke or stalled.
  bool ReadBody(const Reply& reply, base::Millis stall_timeout, std::stop_token stop,
                const std::function<absl::Status(std::string_view)>& take, absl::Status& taken);
  fetcher::BlobReply GetFrom(const fetcher::BlobRequest& request, uint64_t offset,
                             fetcher::BlobSink& sink, std::stop_token stop, bool& range_refused);

  Network& network_;
  const PeerNumber number_;
  const base::PeerId self_;
  signpost::PeerBook& peers_;
};

}  // namespace waypost::sim
