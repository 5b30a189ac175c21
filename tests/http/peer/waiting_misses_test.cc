#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/sha256.h"
#include "syncgroup/protocol/wire_codec.h"
#include "tests/http/engine/raw_client.h"
#include "tests/http/node.h"

// Misses are answered after a time that tells nothing. Nobody else waits for that.
namespace waypost::http {
namespace {

std::string Hex64(int number) {
  std::string hex = std::to_string(number + 1);
  return std::string(64 - hex.size(), '0') + hex;
}

TEST(WaitingMisses, BatchesOfGuessesDelayNobodyElse) {
  Node node;
  const Json group = node.Call("POST", "/v1/groups", R"({"name":"g","public":true})");
  const auto id = *base::GroupId::FromHex(group["id"].get<std::string>());
  syncgroup::BatchRequest request{.groups = {id}};
  for (int i = 0; i < 1000; ++i) request.blobs.push_back(base::Sha256::Of(std::to_string(i)));
  const std::string body = syncgroup::EncodeBatchRequest(request);
  std::vector<std::unique_ptr<RawClient>> guessers;
  for (int i = 0; i < 64; ++i) {
    guessers.push_back(std::make_unique<RawClient>(node.peer->bound_address()));
    guessers.back()->Send(
        "POST /peer/v1/blobs:batch HTTP/1.1\r\nHost: x\r\nWaypost-Peer: " + Hex64(i) +
        "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  }
  RawClient honest(node.peer->bound_address());
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(honest
                .Get("/peer/v1/blobs/" + Hex64(7) + "?group=" + id.ToHex(),
                     "Waypost-Peer: " + Hex64(1000) + "\r\n")
                .status,
            404);
  const auto took = std::chrono::steady_clock::now() - began;
  RecordProperty(
      "honest_ms",
      static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(took).count()));
  EXPECT_LT(took, std::chrono::seconds(3)) << "64 times 300 ms on four workers";
  for (const auto& guesser : guessers) EXPECT_EQ(guesser->ReadAnswer().status, 200);
}

}  // namespace
}  // namespace waypost::http
