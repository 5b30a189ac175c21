#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/client/connection_pool.h"
#include "http/client/exchange.h"
#include "http/peer/peer_http_client.h"

// What peer_http_client.cc (connections, calls with a body each way) and peer_blob_client.cc
// (blobs) share.
namespace waypost::http {

// Of the body of a refusal. A longer one is not read: its status says enough.
inline constexpr std::size_t kRefusalBytesMax = 4096;

struct PeerHttpClient::Impl {
  Impl(PeerHttpClientOptions client_options, signpost::PeerBook& book);

  // A connection to the peer: a kept one, or one dialled now.
  struct Line {
    std::unique_ptr<Exchange> exchange;
    std::string key;
    bool kept = false;
    std::unique_ptr<ConnectionPool::Lease> turned;  // of a connection that the peer dialled
  };
  absl::StatusOr<std::unique_ptr<Exchange>> Dial(const syncgroup::Endpoint& to,
                                                 const Interrupt& interrupt);
  absl::StatusOr<Line> Connect(const syncgroup::Endpoint& to, bool fresh,
                               const Interrupt& interrupt);
  void GiveBack(const syncgroup::Endpoint& to, Line line, uint64_t in_before, uint64_t out_before);

  // Sends and reads the head; a kept connection that turns out to be dead is replaced once.
  struct Started {
    Line line;
    ResponseHead head;
    uint64_t in_before = 0;
    uint64_t out_before = 0;
  };
  absl::StatusOr<Started> Start(
      const syncgroup::Endpoint& to, std::string_view method, const std::string& target,
      const std::vector<std::pair<std::string, std::string>>& more_headers,
      const std::optional<std::string>& body, base::SteadyTime deadline,
      const Interrupt& interrupt);
  // One of the calls with a body each way.
  absl::StatusOr<std::string> Post(const syncgroup::Endpoint& to, const std::string& target,
                                   const absl::StatusOr<std::string>& body,
                                   const std::stop_token& stop);
  absl::StatusOr<std::string> ReadSmall(Started& started, std::size_t bytes_max,
                                        base::SteadyTime deadline, const Interrupt& interrupt);

  // One GET of a blob; `offset` 0: the whole. Nullopt: the peer has no bytes from there on, which
  // nobody says of the whole.
  std::optional<fetcher::BlobReply> GetBlob(const fetcher::BlobRequest& request, uint64_t offset,
                                            fetcher::BlobSink& sink, const Interrupt& interrupt);
  fetcher::BlobReply ReadBlob(const fetcher::BlobRequest& request, uint64_t offset,
                              Started& started, fetcher::BlobSink& sink,
                              const Interrupt& interrupt);

  fetcher::BlobReply GetBatch(const fetcher::BatchCall& request, fetcher::BatchSink& sink,
                              const Interrupt& interrupt);
  fetcher::BlobReply ReadBatch(const fetcher::BatchCall& request, Started& started,
                               fetcher::BatchSink& sink, const Interrupt& interrupt);
  // The answer to a request for blobs that is neither a blob nor blobs.
  struct Refusal {
    fetcher::BlobReply reply;
    std::string body;
    bool read = false;  // to its end, so that the connection can be used again
  };
  Refusal ReadRefusal(Started& started, base::SteadyTime deadline, const Interrupt& interrupt);
  // After an answer: a connection in the middle of a body is not idle and is closed.
  void GiveBackAfter(const syncgroup::Endpoint& from, Started started, bool whole);

  const PeerHttpClientOptions options;
  signpost::PeerBook& peers;
  std::atomic<int64_t> connect_timeout_ms;
  NameLookups names;
  ConnectionPool pool;
};

}  // namespace waypost::http
