// docs/openapi.yaml against the routes and the answers of a running service.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "base/sha256.h"
#include "http/app/caller.h"
#include "tests/http/node.h"

namespace waypost::http {
namespace {

std::vector<std::string> ReadLines() {
  std::ifstream in(std::string(WAYPOST_SOURCE_DIR) + "/docs/openapi.yaml");
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::size_t Indent(const std::string& line) { return line.find_first_not_of(' '); }

// The key of "  key: ..." or "  key:"; empty when the line has none.
std::string KeyOf(const std::string& line) {
  const std::size_t start = Indent(line);
  if (start == std::string::npos || line[start] == '-' || line[start] == '#') return "";
  std::size_t colon = line.find(": ", start);
  if (colon == std::string::npos && line.back() == ':') colon = line.size() - 1;
  return colon == std::string::npos ? "" : line.substr(start, colon - start);
}

// What the document says of an operation.
struct Described {
  std::set<std::string> query;  // names of parameters
  bool open = false;            // needs no token
  std::string rights;           // x-rights
};

// A line of a list of parameters, in one of three forms: a reference to a component, all of it in
// braces, or the name with the place in the next line. Adds the name to `names` if it is one of the
// query.
class ParameterReader {
 public:
  explicit ParameterReader(std::map<std::string, std::string> components)
      : components_(std::move(components)) {}
  void Read(const std::string& line, std::set<std::string>& names) {
    std::smatch match;
    if (std::regex_search(line, match, std::regex("\\$ref: \"#/components/parameters/(\\w+)\""))) {
      const auto found = components_.find(match[1]);
      if (found != components_.end()) names.insert(found->second);
    } else if (std::regex_search(line, match, std::regex("- \\{name: (\\w+), in: query"))) {
      names.insert(match[1]);
    } else if (std::regex_match(line, match, std::regex(" *-? *name: (\\w+)"))) {
      name_ = match[1];
    } else if (std::regex_match(line, std::regex(" *in: query"))) {
      names.insert(name_);
    }
  }

 private:
  const std::map<std::string, std::string> components_;
  std::string name_;
};

// The parameters of a query under components: how they are referred to -> their name.
std::map<std::string, std::string> QueryComponents() {
  std::map<std::string, std::string> components;
  ParameterReader reader({});
  std::string component;
  bool inside = false;
  for (const std::string& line : ReadLines()) {
    if (line.empty()) continue;
    if (Indent(line) <= 2) inside = line == "  parameters:";
    if (!inside) continue;
    if (Indent(line) == 4) component = KeyOf(line);
    std::set<std::string> names;
    reader.Read(line, names);
    for (const std::string& name : names) components[component] = name;
  }
  return components;
}

// By "GET /v1/blobs".
std::map<std::string, Described> DescribedRoutes() {
  std::map<std::string, Described> routes;
  ParameterReader reader(QueryComponents());
  std::string path;
  Described* route = nullptr;
  bool in_paths = false;
  for (const std::string& line : ReadLines()) {
    if (line.empty()) continue;
    if (Indent(line) == 0) in_paths = line == "paths:";
    if (!in_paths) continue;
    const std::string key = KeyOf(line);
    if (Indent(line) == 2) path = key;
    if (Indent(line) <= 4) route = nullptr;
    if (Indent(line) == 4 && key != "parameters") {
      std::string method = key;
      std::transform(method.begin(), method.end(), method.begin(),
                     [](char c) { return std::toupper(c); });
      route = &routes[method + " " + path];
    }
    if (route == nullptr) continue;
    if (line == "      security: []") route->open = true;
    if (key == "x-rights") route->rights = line.substr(line.find(": ") + 2);
    reader.Read(line, route->query);
  }
  return routes;
}

// The properties of a schema under components.
std::set<std::string> PropertiesOf(const std::string& schema) {
  std::set<std::string> properties;
  bool inside = false, in_properties = false, in_schemas = false;
  for (const std::string& line : ReadLines()) {
    if (line.empty()) continue;
    if (Indent(line) == 2) in_schemas = line == "  schemas:";
    if (Indent(line) == 4) inside = in_schemas && KeyOf(line) == schema;
    if (!inside) continue;
    if (Indent(line) == 6) in_properties = KeyOf(line) == "properties";
    if (Indent(line) == 8 && in_properties) properties.insert(KeyOf(line));
  }
  return properties;
}

std::set<std::string> KeysOf(const Json& object) {
  std::set<std::string> keys;
  for (auto item = object.begin(); item != object.end(); ++item) keys.insert(item.key());
  return keys;
}

TEST(OpenApiTest, DescribesEveryRouteAndNoOther) {
  Node node;
  std::map<std::string, Described> described = DescribedRoutes();
  // Served by GET's handler.
  EXPECT_EQ(described.erase("HEAD /v1/blobs/{id}"), 1u);
  EXPECT_GT(described.size(), 35u);
  for (const Route* route : node.app_api->Routes()) {
    std::string name = std::string(route->method) + " " + std::string(route->pattern);
    const std::size_t rest = name.find("...}");
    if (rest != std::string::npos) name.erase(rest, 3);
    const auto found = described.find(name);
    if (found == described.end()) {
      ADD_FAILURE() << "not described: " << name;
      continue;
    }
    EXPECT_EQ(found->second.query, std::set<std::string>(route->query.begin(), route->query.end()))
        << name;
    EXPECT_EQ(found->second.open, route->right == Right::kAnybody) << name;
    EXPECT_EQ(found->second.rights, RightName(route->right)) << name;
    described.erase(found);
  }
  for (const auto& [name, unused] : described) ADD_FAILURE() << "described, and no route: " << name;
}

TEST(OpenApiTest, EveryOperationHasANameOfItsOwn) {
  std::set<std::string> names;
  std::size_t operations = 0;
  bool in_paths = false;
  for (const std::string& line : ReadLines()) {
    if (line.empty()) continue;
    if (Indent(line) == 0) in_paths = line == "paths:";
    if (!in_paths) continue;
    const std::string key = KeyOf(line);
    if (Indent(line) == 4 && key != "parameters") ++operations;
    if (Indent(line) == 6 && key == "operationId") {
      EXPECT_TRUE(names.insert(line).second) << line;
    }
  }
  EXPECT_GT(operations, 40u);
  EXPECT_EQ(names.size(), operations);
}

TEST(OpenApiTest, IsServedAsItIs) {
  Node node;
  AppClient client({.address = node.app->bound_address(), .token = ""});
  const auto served = client.Send({.target = "/v1/openapi.yaml"});
  ASSERT_TRUE(served.ok());
  EXPECT_EQ(served->Header("content-type"), "application/yaml");
  std::string expected;
  for (const std::string& line : ReadLines()) expected += line + "\n";
  EXPECT_TRUE(served->body == expected);
}

TEST(OpenApiTest, AnswersHaveTheDescribedMembers) {
  Node node;
  const Json group = node.Call("POST", "/v1/groups", "{\"name\":\"g\",\"role\":\"server\"}");
  EXPECT_EQ(KeysOf(group), PropertiesOf("Group"));
  const std::string id = group["id"];
  EXPECT_EQ(KeysOf(node.Call("POST", "/v1/blobs?group=" + id, "x")), PropertiesOf("PutBlob"));
  EXPECT_EQ(KeysOf(node.Call("GET", "/v1/groups/" + id + "/members")["items"][0]),
            PropertiesOf("Member"));
  EXPECT_EQ(KeysOf(node.Call("GET", "/v1/groups/" + id + "/refs")["items"][0]),
            PropertiesOf("Ref"));
  EXPECT_EQ(KeysOf(node.Call("GET", "/v1/status")), PropertiesOf("Status"));
  EXPECT_EQ(KeysOf(node.Call("GET", "/v1/scan")), PropertiesOf("Scan"));
  EXPECT_EQ(KeysOf(node.Call("POST", "/v1/tokens", "{\"name\":\"t\",\"rights\":\"read\"}")),
            PropertiesOf("NewToken"));
  EXPECT_EQ(KeysOf(node.Call("GET", "/v1/tokens")["items"][0]), PropertiesOf("Token"));
  EXPECT_EQ(KeysOf(node.Call("GET", "/v1/audit")["items"][0]), PropertiesOf("AuditItem"));
  node.Call("POST", "/v1/links", "{\"blob\":\"" + base::Sha256::Of("x").ToHex() + "\"}");
  EXPECT_EQ(KeysOf(node.Call("GET", "/v1/links")["items"][0]), PropertiesOf("Link"));
  const std::string missing = base::Sha256::Of("missing").ToHex();
  node.Call("PUT", "/v1/groups/" + id + "/refs/k", "{\"blob\":\"" + missing + "\"}");
  EXPECT_EQ(KeysOf(node.Call("GET", "/v1/wanted")["items"][0]), PropertiesOf("Wanted"));
  EXPECT_EQ(KeysOf(node.Call("GET", "/v1/blobs/" + missing + "/signpost")),
            PropertiesOf("Signpost"));
  node.parts->peers->SetProfile(base::PeerId(std::array<uint8_t, 32>{1}), "other", {"127.0.0.1:1"});
  EXPECT_EQ(KeysOf(node.Call("GET", "/v1/peers")["items"][0]), PropertiesOf("Peer"));
}

}  // namespace
}  // namespace waypost::http
