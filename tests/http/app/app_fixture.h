#pragma once

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "base/sha256.h"
#include "tests/http/node.h"

// What tests of the app API share: calls to a node, and what is in its answers.
namespace waypost::http {

class AppApiTest : public testing::Test {
 protected:
  static std::string IdOf(const std::string& content) { return base::Sha256::Of(content).ToHex(); }
  static std::string FileOf(const Node& node, const std::string& id) {
    return absl::StrCat(node.folder.path(), "/blobs/", id.substr(0, 2), "/", id.substr(2, 2), "/",
                        id);
  }
  std::string NewGroup(Node& node, const std::string& name, const std::string& role = "normal") {
    return node.Call("POST", "/v1/groups",
                     "{\"name\":\"" + name + "\",\"role\":\"" + role + "\"}")["id"];
  }
  // The whole answer of one call.
  AppClient::Reply Send(Node& node, AppClient::Call call) {
    AppClient client = node.Client();
    auto reply = client.Send(call);
    EXPECT_TRUE(reply.ok()) << reply.status();
    return reply.ok() ? *reply : AppClient::Reply();
  }
  std::string CodeOf(const AppClient::Reply& reply) {
    const Json json = Json::parse(reply.body, nullptr, false);
    return json.is_object() && json.contains("error") ? json["error"]["code"].get<std::string>()
                                                      : "";
  }
};

}  // namespace waypost::http
