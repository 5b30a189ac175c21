#include "http/message/router.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "http/message/errors.h"
#include "http/message/text.h"

// A tree of path segments. Segments are decoded one by one, so that an escaped slash never
// separates. A literal goes before a parameter; a path that fits with another method answers 405.

namespace waypost::http {
namespace {

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
  struct Route {
    std::string pattern;
    Handler handler;
  };
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

void Router::Add(std::string method, std::string_view pattern, Handler handler) {
  if (root_ == nullptr) root_ = std::make_shared<Node>();
  CHECK(!pattern.empty() && pattern[0] == '/');
  Node* node = root_.get();
  std::optional<std::string_view> rest = pattern.substr(1);
  while (rest) {
    const std::string_view segment = TakeSegment(rest);
    if (segment.size() > 2 && segment.front() == '{' && segment.back() == '}') {
      std::string_view name = segment.substr(1, segment.size() - 2);
      const bool takes_rest = name.size() > 3 && name.substr(name.size() - 3) == "...";
      if (takes_rest) name.remove_suffix(3);
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
  const bool added =
      node->methods
          .emplace(std::move(method), Node::Route{std::string(pattern), std::move(handler)})
          .second;
  CHECK(added);
}

std::vector<std::string> Router::Routes() const {
  std::vector<std::string> routes;
  std::vector<const Node*> nodes;
  if (root_ != nullptr) nodes.push_back(root_.get());
  while (!nodes.empty()) {
    const Node* node = nodes.back();
    nodes.pop_back();
    for (const auto& method : node->methods) {
      routes.push_back(absl::StrCat(method.first, " ", method.second.pattern));
    }
    for (const auto& literal : node->literals) nodes.push_back(literal.second.get());
    if (node->parameter != nullptr) nodes.push_back(node->parameter.get());
    if (node->rest != nullptr) nodes.push_back(node->rest.get());
  }
  return routes;
}

Response Router::Route(Request& request) const {
  Params params;
  const Node* fits = nullptr;
  const Node* found = root_ == nullptr
                          ? nullptr
                          : RouterMatch::Start(*root_, request.path, request.method, params, fits);
  if (found != nullptr) {
    request.params.clear();
    for (auto& param : params)
      request.params.emplace(std::string(param.first), std::move(param.second));
    return found->Find(request.method)->handler(request);
  }
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
  const Node* found = root_ == nullptr
                          ? nullptr
                          : RouterMatch::Start(*root_, request.path, request.method, params, fits);
  if (found != nullptr) return found->Find(request.method)->pattern;
  if (fits != nullptr) return fits->methods.begin()->second.pattern;
  return "none";
}

}  // namespace waypost::http
