#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/payer.h"
#include "http/peer/batch_frames.h"
#include "http/peer/peer_api.h"
#include "syncgroup/protocol/wire_codec.h"
#include "tests/http/node.h"
#include "tests/support/memory_body.h"
#include "tests/syncgroup/neighbours.h"
#include "tests/syncgroup/test_node.h"

namespace waypost::http {

// One peer, and whoever calls it.
class AccessWorld {
 public:
  explicit AccessWorld(syncgroup::GuessLimits limits = {.per_minute = 1000000000})
      : here(syncgroup::PeerNumber(1), dir_.path(), clock),
        access({.core = *here.parts.group_core,
                .guesses = limits,
                .told_no =
                    [this](const base::PeerId& caller, const std::vector<base::BlobId>& blobs,
                           const std::vector<base::GroupId>& groups) {
                      here.parts.peer_service->ToldNo(caller, blobs, groups);
                    }}),
        api({.blobs = *here.blobs,
             .access = access,
             .service = *here.parts.peer_service,
             .peers = *here.peers}) {}

  base::GroupId Create(const std::string& name, bool is_public = false) {
    return others_.Create(name, is_public);
  }
  void Admit(uint64_t number, const base::GroupId& group, syncgroup::Authority authority) {
    others_.Admit(number, group, authority);
  }
  void Remove(uint64_t number, const base::GroupId& group) { others_.Remove(number, group); }
  void Mention(uint64_t number, const base::GroupId& group, const std::string& content) {
    others_.Mention(number, group, content);
  }

  // `number` 0: nobody.
  Response Call(uint64_t number, const std::string& method, const std::string& path,
                const std::vector<base::GroupId>& groups = {}, const std::string& body = "") {
    Request request{.method = method, .path = path, .remote_address = "127.0.0.1"};
    for (const auto& group : groups) request.query.emplace_back("group", group.ToHex());
    support::MemoryBody source(body);
    if (method == "POST") request.body = &source;
    if (number != 0) {
      // As the engine has it of one that an admin admitted.
      request.peer = syncgroup::PeerNumber(number);
      request.payer = base::PayerOf(request.peer->bytes());
    }
    Response response = api.Handle(request);
    // As the loop of the listener does.
    while (auto* later = std::get_if<std::shared_ptr<Subscription>>(&response.body)) {
      auto step = (*later)->Step(base::SteadyNow());
      if (step.answer == nullptr) {
        base::WaitUntil(step.next_deadline);
      } else {
        response = Response(std::move(*step.answer));
      }
    }
    return response;
  }
  Response Read(uint64_t number, const base::BlobId& blob,
                const std::vector<base::GroupId>& groups) {
    return Call(number, "GET", "/peer/v1/blobs/" + blob.ToHex(), groups);
  }

  // Many in one request: the frame of each blob.
  struct Answer {
    FrameKind kind;
    uint8_t grants;
    std::string body;
  };
  std::vector<Answer> ReadMany(uint64_t number, const std::vector<base::BlobId>& blobs,
                               const std::vector<base::GroupId>& groups,
                               uint64_t blob_bytes_max = syncgroup::kBatchBlobBytesMax) {
    const std::string body = syncgroup::EncodeBatchRequest(
        {.groups = groups, .blobs = blobs, .blob_bytes_max = blob_bytes_max});
    const Response response = Call(number, "POST", "/peer/v1/blobs:batch", {}, body);
    const auto* bytes = std::get_if<SourcePart>(&response.body);
    CHECK(response.status == 200 && bytes != nullptr);
    CHECK(bytes->offset == 0 && bytes->length == bytes->source->size_bytes());
    std::vector<Answer> answers;
    FrameReader frames(blobs.size(), syncgroup::kBatchBlobBytesMax);
    const absl::Status read = frames.Feed(bytes->source->in_memory(), [&](const Frame& frame) {
      answers.push_back({frame.kind, frame.grants, std::string(frame.body)});
      return absl::OkStatus();
    });
    CHECK(read.ok() && frames.done());
    return answers;
  }

 public:
  base::SystemClock clock;  // outlives all that reads it when it ends

 private:
  syncgroup::TempDir dir_;

 public:
  syncgroup::TestNode here;

 private:
  syncgroup::Neighbours others_{here};

 public:
  syncgroup::Access access;
  PeerApi api;
};

inline std::string BodyOf(const Response& response) {
  const auto* bytes = std::get_if<std::string>(&response.body);
  return bytes == nullptr ? "" : *bytes;
}

}  // namespace waypost::http
