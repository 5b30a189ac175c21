#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "base/byte_source.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/payer.h"

namespace waypost::http {

// A request body. One reader, once.
class BodySource {
 public:
  virtual ~BodySource() = default;
  // Content-Length; nullopt: it comes in chunks, and its end says how long it was. Whoever reads
  // such a one bounds it.
  virtual std::optional<uint64_t> length() const = 0;
  // Calls `take` with consecutive pieces until all bytes are there. kFailedPrecondition: the sender
  // ended early; kInvalidArgument: its chunks are malformed; kDeadlineExceeded: too slow;
  // kUnavailable: too slow for others who wait; else what `take` returned.
  virtual absl::Status Read(absl::FunctionRef<absl::Status(std::string_view)> take) = 0;
};

struct Caller;  // http/app/caller.h

// A request after the engine has parsed and bounded it. Plain data: handlers never see a socket.
struct Request {
  std::string method;  // upper case
  std::string path;    // as sent, not decoded, without the query
  // Decoded name and value; a plus is a plus.
  std::vector<std::pair<std::string, std::string>> query;
  // Names in lower case; values as sent.
  std::vector<std::pair<std::string, std::string>> headers;
  BodySource* body = nullptr;  // null: neither Content-Length nor chunks
  std::string remote_address;  // without the port
  // Of a peer listener: who is calling. One place in the engine decides it.
  std::optional<base::PeerId> peer;
  // ... who shares no group with this peer, as far as was known a moment ago.
  bool by_stranger = false;
  base::Payer payer = base::kNobody;  // of a peer listener, too: whose share it takes
  // It came through a socket that only the user of this process and root can open.
  bool by_owner = false;
  // Of an app listener: whose token it shows, noted by the guard; null where none is asked for.
  std::shared_ptr<const Caller> caller;
  // What the router took from the path, decoded: {"id": "...", "g": "..."}.
  std::map<std::string, std::string> params;
  std::string id;  // that its answer shows too; empty where the listener gives none
  base::SteadyTime arrived;

  std::optional<std::string_view> Header(std::string_view lower_case_name) const;
  std::optional<std::string_view> Query(std::string_view name) const;
  std::vector<std::string_view> QueryAll(std::string_view name) const;
};

struct Response;
class TurnedConnection;

// An answer that comes later or in pieces, without a thread. The engine calls Start once, then Step
// whenever `wake` was called or the deadline passed, never two at a time; it destroys it when the
// client is gone or the answer is complete.
class Subscription {
 public:
  struct Result {
    // Ends the subscription with an ordinary answer. Only before the first bytes.
    std::unique_ptr<Response> answer;
    std::string bytes;  // more of a stream
    bool end = false;   // of the stream
    base::SteadyTime next_deadline = base::SteadyTime::max();
  };
  virtual ~Subscription() = default;
  // `wake` may be called from any thread, also inside Start, until the Subscription is destroyed.
  virtual void Start(std::function<void()> wake) = 0;
  virtual Result Step(base::SteadyTime now) = 0;
  // Of a stream: "application/x-ndjson", "text/event-stream".
  virtual std::string content_type() const { return "application/json"; }
  // Further ones of a stream's head.
  virtual std::vector<std::pair<std::string, std::string>> headers() const { return {}; }
};

// Bytes [offset, offset + length) of a source.
struct SourcePart {
  std::shared_ptr<base::ByteSource> source;
  uint64_t offset = 0;
  uint64_t length = 0;
};

struct Response {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  // Nothing, bytes, a part of a source, or later.
  std::variant<std::monostate, std::string, SourcePart, std::shared_ptr<Subscription>> body;
  // Set: once the answer is sent, no more requests are taken on this connection; it is handed over
  // to send some. Called on the engine's loop, so it must not wait; never called when the
  // connection ends before.
  std::function<void(std::unique_ptr<TurnedConnection>)> turn;

  void Set(std::string name, std::string value) {
    headers.emplace_back(std::move(name), std::move(value));
  }
};

using Handler = std::function<Response(Request&)>;

}  // namespace waypost::http
