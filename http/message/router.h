#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/message/message.h"

namespace waypost::http {

// Finds the handler of a request by the segments of its path, without regular expressions.
// Patterns:
// "/v1/blobs/{id}", "/v1/groups/{g}/refs/{key...}" (the rest of the path, slashes included),
// "/v1/groups/{g}/refs:batch". Literal segments go before parameters. Built once, then read-only.
class Router {
 public:
  void Add(std::string method, std::string_view pattern, Handler handler);
  // Runs the handler with Request::params set. 404 when no pattern fits the path, 405 with Allow
  // when one does under another method. HEAD goes to GET's handler unless it has its own.
  Response Route(Request& request) const;
  // The pattern that fits, for metrics; "none" otherwise.
  std::string RouteName(const Request& request) const;
  // Every "METHOD pattern" that was added.
  std::vector<std::string> Routes() const;

 private:
  struct Node;
  std::shared_ptr<Node> root_;
};

}  // namespace waypost::http
