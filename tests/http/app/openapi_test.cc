// docs/openapi.yaml against the routes and the answers of a running service.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "base/sha256.h"
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

// "GET /v1/blobs" for each operation.
std::set<std::string> DescribedRoutes() {
  std::set<std::string> routes;
  std::string path;
  bool in_paths = false;
  for (const std::string& line : ReadLines()) {
    if (line.empty()) continue;
    if (Indent(line) == 0) in_paths = line == "paths:";
    if (!in_paths) continue;
    const std::string key = KeyOf(line);
    if (Indent(line) == 2) path = key;
    if (Indent(line) == 4 && key != "parameters") {
      std::string method = key;
      std::transform(method.begin(), method.end(), method.begin(),
                     [](char c) { return std::toupper(c); });
      routes.insert(method + " " + path);
    }
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
  std::set<std::string> real;
  for (std::string route : node.app_api->Routes()) {
    const std::size_t rest = route.find("...}");
    if (rest != std::string::npos) route.erase(rest, 3);
    real.insert(route);
  }
  std::set<std::string> described = DescribedRoutes();
  // Served by GET's handler.
  EXPECT_EQ(described.erase("HEAD /v1/blobs/{id}"), 1u);
  EXPECT_GT(real.size(), 35u);
  EXPECT_EQ(described, real);
}

TEST(OpenApiTest, AnswersHaveTheDescribedMembers) {
  Node node;
  const Json group = node.Call("POST", "/v1/groups", "{\"name\":\"g\",\"role\":\"server\"}");
  EXPECT_EQ(KeysOf(group), PropertiesOf("Group"));
  const std::string id = group["id"];
  EXPECT_EQ(KeysOf(node.Call("POST", "/v1/blobs?group=" + id, "x")), PropertiesOf("Blob"));
  EXPECT_EQ(KeysOf(node.Call("GET", "/v1/groups/" + id + "/members")["items"][0]),
            PropertiesOf("Member"));
  EXPECT_EQ(KeysOf(node.Call("GET", "/v1/groups/" + id + "/refs")["items"][0]),
            PropertiesOf("Ref"));
  EXPECT_EQ(KeysOf(node.Call("GET", "/v1/status")), PropertiesOf("Status"));
  EXPECT_EQ(KeysOf(node.Call("GET", "/v1/scan")), PropertiesOf("Scan"));
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
