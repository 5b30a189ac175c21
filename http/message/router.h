#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "http/message/message.h"

namespace waypost::http {

// Who may ask; each may also what those before it may, but for peers, who come by another door.
enum class Right {
  kAnybody,  // whoever reaches the listener
  kRead,     // has a token: looks, and gets what is here
  kWrite,    // puts, sets references, asks for what is not here
  kAdmin,    // groups, members, settings, pauses, tokens
  kPeer,     // has proved its key, on the listener for peers
};

// One thing that a listener does. A table of these says all that it does. Texts are literals.
struct Route {
  std::string_view method;
  // "/v1/blobs/{id}", "/v1/groups/{g}/refs/{key...}" (the rest of the path, slashes included),
  // "/v1/groups/{g}/refs:batch".
  std::string_view pattern;
  Right right = Right::kAdmin;
  // The names that may stand in the query; "name..." may come several times.
  std::vector<std::string_view> query;
  Handler handler;
};

// Finds what answers a request by the segments of its path, without regular expressions. Literal
// segments go before parameters. Built once, then read-only.
class Router {
 public:
  // The answer that refuses the request for want of the right, or nothing; it may note in the
  // request who asks.
  using Guard = std::function<std::optional<Response>(Request&, Right)>;

  // Without a guard everybody may do everything.
  explicit Router(Guard guard = nullptr);
  void Add(Route route);
  // Asks the guard, checks the query, runs the handler with Request::params set. 404 when no
  // pattern fits the path, 405 with Allow when one does under another method, 400 for a query
  // parameter that the route does not know or that comes twice; whoever may not read hears none of
  // that. HEAD goes to GET's handler unless it has its own.
  Response Answer(Request& request) const;
  // The pattern that fits, for metrics; "none" otherwise.
  std::string RouteName(const Request& request) const;
  // Everything that was added.
  std::vector<const Route*> Routes() const;

 private:
  struct Node;
  Response NotFound(const Request& request, const Node* fits) const;

  const Guard guard_;
  const std::shared_ptr<Node> root_;
};

// kInvalidArgument naming the first query parameter that is none of these, or comes twice.
absl::Status CheckQuery(const Request& request, const std::vector<std::string_view>& known);

}  // namespace waypost::http
