#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "http/message/message.h"
#include "http/tls/tls.h"
#include "http/tls/turned.h"

namespace waypost::http {

struct EngineOptions {
  std::string listener;  // "app" or "peer": in metrics, logs and thread names
  std::string address;   // "127.0.0.1:7440", port 0: any free one; or the path of a Unix socket
  // What operators call these options: errors say where to change what stood in the way. Empty:
  // nobody can change it.
  struct Names {
    std::string address = "address";
    std::string max_connections;
    std::string max_per_address;
    std::string max_waiting;
    // ": see NAME", or that it may be tried again.
    static std::string See(const std::string& name);
  };
  Names names;
  uint32_t max_connections = 1024;
  uint32_t max_per_address = 256;
  uint32_t max_waiting = 512;  // subscriptions
  uint32_t workers = 0;        // 0: 2 x cores, at least 8
  // Threads beside the workers for requests that `changes` says wait for the disk until what they
  // change is durable: however slow it is, they hold no worker of those that read. 0: none.
  uint32_t writers = 0;
  std::function<bool(std::string_view method, std::string_view path)> changes;
  base::Millis head_timeout{10000};
  base::Millis idle_timeout{60000};
  uint64_t min_rate_bytes_per_s = 1024;
  // Over which the rate of a reader is averaged: of one elsewhere, who may be paused by what it
  // does with the bytes, and of one on this machine, who is.
  base::Millis reader_window{5000};
  base::Millis local_reader_window{5000};
  std::size_t head_bytes_max = 16 * 1024;
  std::size_t head_lines_max = 64;
  std::size_t target_bytes_max = 4096;
  // Of a Unix socket: who is neither of this process's user nor root is not served, and requests
  // are marked as the owner's.
  bool owner_only = false;
  bool chunked_bodies = false;  // requests may have them
  // Each request gets an id; answers have it, and the time: Waypost-Request-Id, Date.
  bool request_ids = false;
  std::shared_ptr<const TlsAcceptor> tls;  // none: plain HTTP
  // Handshakes that are going on, in all and of one address; a new one ends the oldest.
  uint32_t max_handshakes = 128;
  uint32_t max_handshakes_per_address = 128;
  base::Millis handshake_timeout{5000};
  // Paths whose handlers only look at memory: answered on the loop, however busy the workers are.
  std::vector<std::string> express;
  // Fills Request::peer with who is calling. Needs `tls`, except in tests.
  bool peers = false;
  bool plain_peers_for_tests = false;
  // Who answers for this caller, who shares a group with this peer: the member that brought it in,
  // or itself; what a member may have of the listener all those have together for whom the same one
  // answers. nullopt: it is a stranger, and strangers have a share of connections, workers and
  // waits of their own: see engine_shares.h. From memory: it is asked on the loop. Null: nobody is
  // a stranger, and each pays for itself.
  std::function<std::optional<base::Payer>(const base::PeerId&)> payer_of;
  uint32_t stranger_connections_percent = 67;  // of max_connections
  // Of one payer, from wherever it comes, beside those that were dialled from here. Only where
  // there are `peers`.
  uint32_t max_connections_per_payer = 64;
  // Memory for answers over kRoomlessBytes that are not sent yet, in all and of one payer; see
  // http/message/answer_room.h. Only where there are `peers`.
  uint64_t answer_bytes = uint64_t{128} << 20;
  uint64_t answer_bytes_per_payer = uint64_t{16} << 20;
  // TurnedLinesOf somebody has changed. Called on the loop: must not wait.
  std::function<void()> turned_changed;
  base::Metrics* metrics = nullptr;
};

// One listener: sockets, limits, workers. Everything about how sockets are handled is behind this
// header. Thread-safe.
// Lifecycle: construct -> Start -> Shutdown (idempotent, joins).
class Engine {
 public:
  // `handler` is called on workers, many at a time; it must not wait. `route_of` names the route of
  // a request for metrics and logs (bounded in number), also for those that were refused.
  Engine(EngineOptions options, Handler handler,
         std::function<std::string(const Request&)> route_of);
  ~Engine();
  // Binds and begins to answer. kUnavailable names the address and what to change.
  absl::Status Start();
  // The address really bound, "127.0.0.1:40123". After Start.
  std::string bound_address() const;
  // Answers requests on a connection that was used to send some; the limits are those of accepted
  // ones. kUnavailable once it stops. After Start.
  absl::Status Serve(std::unique_ptr<TurnedConnection> connection);
  TurnedLines TurnedLinesOf(const base::PeerId& peer) const;
  // Closes every connection on which such a peer is the other side, whatever is going on there.
  // What it was allowed before it may ask for again. `whom` is asked on the loop's thread.
  void CutPeers(std::function<bool(const base::PeerId&)> whom);
  // New requests get 503 with Connection: close.
  void RefuseNew();
  // Running requests have `drain` to end; then they are cut and counted.
  void Shutdown(base::Millis drain);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace waypost::http
