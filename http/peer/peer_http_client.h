#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/payer.h"
#include "base/time.h"
#include "fetcher/attempt/blob_client.h"
#include "http/client/dial_rules.h"
#include "http/tls/tls_peer.h"
#include "http/tls/turned.h"
#include "signpost/peer_book.h"
#include "syncgroup/protocol/peer_client.h"

namespace waypost::http {

struct PeerHttpClientOptions {
  base::PeerId self;
  base::Millis connect_timeout{3000};  // live
  base::Millis call_timeout{30000};    // of one hello, sync, poke, join, held
  DialRules dial = DialRules::Anywhere();
  // Whose share a member takes, see Syncer::PayerOf; nullopt or null: its own.
  std::function<std::optional<base::Payer>(const base::PeerId&)> payer_of = nullptr;
  // Null only in tests: plain HTTP, and the callee believes who we say we are.
  std::shared_ptr<const PeerTls> tls;
  bool plain_for_tests = false;
};

// How this peer calls others: PeerClient and BlobClient over HTTP, connections kept alive a peer.
// Thread-safe.
class PeerHttpClient final : public syncgroup::PeerClient, public fetcher::BlobClient {
 public:
  // `peers` outlives it.
  PeerHttpClient(PeerHttpClientOptions options, signpost::PeerBook& peers);
  ~PeerHttpClient() override;
  void SetConnectTimeout(base::Millis timeout);
  base::Millis connect_timeout() const;
  // Closes the connections to it that are kept.
  void Forget(const base::PeerId& peer);

  // ---- turned connections ----
  // Dials the peer and has the connection turned: from now on it sends requests on it, to be
  // answered by Engine::Serve. kResourceExhausted: it has enough of them.
  absl::StatusOr<std::unique_ptr<TurnedConnection>> Turn(const syncgroup::Endpoint& to,
                                                         const std::stop_token& stop);
  // The callee's side: is there room for another one of this peer, and here it is.
  bool WantsTurned(const base::PeerId& peer) const;
  void TakeTurned(const base::PeerId& peer, std::unique_ptr<TurnedConnection> connection);

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
  absl::Status Wrong(const syncgroup::Endpoint& to, const syncgroup::WrongRequest& request,
                     std::stop_token stop) override;
  absl::StatusOr<syncgroup::HeldReply> Held(const syncgroup::Endpoint& to,
                                            const syncgroup::HeldRequest& request,
                                            std::stop_token stop) override;
  bool ReachableWithoutAddress(const base::PeerId& peer) const override;
  fetcher::BlobReply Get(const fetcher::BlobRequest& request, fetcher::BlobSink& sink,
                         std::stop_token stop) override;
  fetcher::BlobReply GetBatch(const fetcher::BatchCall& request, fetcher::BatchSink& sink,
                              std::stop_token stop) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace waypost::http
