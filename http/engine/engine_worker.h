#pragma once

#include <memory>
#include <optional>
#include <string>

#include "http/engine/engine_connection.h"
#include "http/engine/engine_head.h"
#include "http/engine/engine_pool.h"

namespace waypost::http {

// One request's way through handler and answer. One thread each.
class RequestRunner {
 public:
  // `turn_bytes`: what it sends of one answer before it lets others have a turn.
  RequestRunner(EngineShared& shared, uint64_t turn_bytes)
      : shared_(shared), turn_bytes_(turn_bytes) {}
  // Sets Connection::after.
  void Run(const Job& job);

 private:
  void HandleRequest(Connection& c);
  Response CallHandler(Request& request);
  // Takes over the response: makes it ready to send, or keeps the subscription that brings it.
  void Accept(Connection& c, Response response);
  void Subscribe(Connection& c, std::shared_ptr<Subscription> subscription);
  void Step(Connection& c);
  void Abort(Connection& c);
  // Is there room for it until it is read? Then it is taken.
  bool TakeRoom(Connection& c, const Response& response);
  // Makes a whole answer ready to send.
  void Answer(Connection& c, Response response);
  // True when the stream may go on.
  void AddToStream(Connection& c, const std::string& bytes, bool end);
  void EndSubscription(Connection& c);
  void Send(Connection& c);

  EngineShared& shared_;
  const uint64_t turn_bytes_;
};

}  // namespace waypost::http
