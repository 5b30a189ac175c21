#include "http/message/router.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "base/utf8.h"
#include "http/message/errors.h"
#include "http/message/text.h"

// A tree of path segments. Segments are decoded one by one, so that an escaped slash never
// separates. A literal goes before a parameter; a path that fits with another method answers 405.

namespace waypost::http {
namespace {

using base::Abs;

// What comes more than once, or goes on, ends in this.
constexpr std::string_view kMore = "...";

// The text up to the next slash; `rest` goes behind that slash, or is nullopt at the end.
std::string_view TakeSegment(std::optional<std::string_view>& rest) {
  const std::size_t slash = rest->find('/');
  const std::string_view segment = rest->substr(0, slash);
  if (slash == std::string_view::npos) {
    rest.reset();
  } else {
    rest = rest->substr(slash + 1);
  }
  return segment;
}

}  // namespace

struct Router::Node {
  std::map<std::string, std::unique_ptr<Node>, std::less<>> literals;
  std::unique_ptr<Node> parameter;
  std::string parameter_name;
  std::unique_ptr<Node> rest;  // "{key...}": has methods only
  std::string rest_name;
  std::map<std::string, Route, std::less<>> methods;

  const Route* Find(std::string_view method) const {
    auto found = methods.find(method);
    if (found == methods.end() && method == "HEAD") found = methods.find("GET");
    return found == methods.end() ? nullptr : &found->second;
  }
};

namespace {

using Params = std::vector<std::pair<std::string_view, std::string>>;

}  // namespace

// Looks for a node with the method; remembers the first whose path fits, for 405. Recursion is as
// deep as the longest pattern.
struct RouterMatch {
  template <class Node>
  static const Node* Find(const Node& node, std::optional<std::string_view> rest,
                          std::string_view method, Params& params, const Node*& fits) {
    if (!rest) {
      if (node.methods.empty()) return nullptr;
      if (node.Find(method) != nullptr) return &node;
      if (fits == nullptr) fits = &node;
      return nullptr;
    }
    const std::string_view all = *rest;
    const auto segment = PercentDecode(TakeSegment(rest));
    if (segment && !segment->empty()) {
      const auto literal = node.literals.find(*segment);
      if (literal != node.literals.end()) {
        if (const Node* found = Find(*literal->second, rest, method, params, fits)) return found;
      }
      if (node.parameter != nullptr) {
        params.emplace_back(node.parameter_name, *segment);
        if (const Node* found = Find(*node.parameter, rest, method, params, fits)) return found;
        params.pop_back();
      }
    }
    if (node.rest != nullptr) {
      if (auto text = PercentDecode(all)) {
        params.emplace_back(node.rest_name, std::move(*text));
        if (const Node* found = Find(*node.rest, std::nullopt, method, params, fits)) return found;
        params.pop_back();
      }
    }
    return nullptr;
  }

  template <class Node>
  static const Node* Start(const Node& root, const std::string& path, std::string_view method,
                           Params& params, const Node*& fits) {
    if (path.empty() || path[0] != '/') return nullptr;
    return Find(root, std::optional<std::string_view>(std::string_view(path).substr(1)), method,
                params, fits);
  }
};

Router::Router(Guard guard) : guard_(std::move(guard)), root_(std::make_shared<Node>()) {}

void Router::Add(Route route) {
  CHECK(!route.pattern.empty() && route.pattern[0] == '/');
  Node* node = root_.get();
  std::optional<std::string_view> rest = route.pattern.substr(1);
  while (rest) {
    const std::string_view segment = TakeSegment(rest);
    if (segment.size() > 2 && segment.front() == '{' && segment.back() == '}') {
      std::string_view name = segment.substr(1, segment.size() - 2);
      const bool takes_rest = name.ends_with(kMore);
      if (takes_rest) name.remove_suffix(kMore.size());
      auto& child = takes_rest ? node->rest : node->parameter;
      auto& child_name = takes_rest ? node->rest_name : node->parameter_name;
      if (child == nullptr) {
        child = std::make_unique<Node>();
        child_name = std::string(name);
      }
      CHECK(child_name == name);
      CHECK(!takes_rest || !rest);
      node = child.get();
    } else {
      auto& child = node->literals[std::string(segment)];
      if (child == nullptr) child = std::make_unique<Node>();
      node = child.get();
    }
  }
  std::string method(route.method);
  const bool added = node->methods.emplace(std::move(method), std::move(route)).second;
  CHECK(added);
}

std::vector<const Route*> Router::Routes() const {
  std::vector<const Route*> routes;
  std::vector<const Node*> nodes = {root_.get()};
  while (!nodes.empty()) {
    const Node* node = nodes.back();
    nodes.pop_back();
    for (const auto& method : node->methods) routes.push_back(&method.second);
    for (const auto& literal : node->literals) nodes.push_back(literal.second.get());
    if (node->parameter != nullptr) nodes.push_back(node->parameter.get());
    if (node->rest != nullptr) nodes.push_back(node->rest.get());
  }
  return routes;
}

Response Router::Answer(Request& request) const {
  Params params;
  const Node* fits = nullptr;
  const Node* found = RouterMatch::Start(*root_, request.path, request.method, params, fits);
  const Route* route = found == nullptr ? nullptr : found->Find(request.method);
  if (guard_) {
    auto refused = guard_(request, route == nullptr ? Right::kRead : route->right);
    if (refused) return *std::move(refused);
  }
  if (route == nullptr) return NotFound(request, fits);
  const absl::Status query = CheckQuery(request, route->query);
  if (!query.ok()) return ErrorResponse(query);
  request.params.clear();
  for (auto& param : params) {
    request.params.emplace(std::string(param.first), std::move(param.second));
  }
  return route->handler(request);
}

Response Router::NotFound(const Request& request, const Node* fits) const {
  if (fits == nullptr) {
    if (!PercentDecode(request.path)) {
      return ErrorResponse(
          absl::InvalidArgumentError("the path has a malformed escape or a control character: "
                                     "write each special byte as %XX"));
    }
    return ErrorResponse(absl::NotFoundError("no such path; docs/openapi.yaml lists all"));
  }
  std::string allow;
  for (const auto& method : fits->methods) {
    absl::StrAppend(&allow, allow.empty() ? "" : ", ", method.first);
    if (method.first == "GET" && fits->methods.count("HEAD") == 0)
      absl::StrAppend(&allow, ", HEAD");
  }
  Response response =
      ErrorResponse(405, "method_not_allowed", absl::StrCat("this path takes ", allow));
  response.Set("Allow", allow);
  return response;
}

std::string Router::RouteName(const Request& request) const {
  Params params;
  const Node* fits = nullptr;
  const Node* found = RouterMatch::Start(*root_, request.path, request.method, params, fits);
  if (found != nullptr) return std::string(found->Find(request.method)->pattern);
  if (fits != nullptr) return std::string(fits->methods.begin()->second.pattern);
  return "none";
}

absl::Status CheckQuery(const Request& request, const std::vector<std::string_view>& known) {
  std::set<std::string_view> seen;
  for (const auto& parameter : request.query) {
    const std::string& name = parameter.first;
    const auto found = std::find_if(known.begin(), known.end(), [&](std::string_view each) {
      return (each.ends_with(kMore) ? each.substr(0, each.size() - kMore.size()) : each) == name;
    });
    if (found == known.end()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "unknown query parameter \"", base::CutText(name, 100), "\"; known are: ",
          known.empty() ? "none" : absl::StrJoin(known, ", ", [](std::string* out, auto each) {
            absl::StrAppend(out, Abs(each));
          })));
    }
    if (!seen.insert(name).second && !found->ends_with(kMore)) {
      return absl::InvalidArgumentError(
          absl::StrCat("the query parameter \"", name, "\" comes twice"));
    }
  }
  return absl::OkStatus();
}

}  // namespace waypost::http
