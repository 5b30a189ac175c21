#include "tests/support/hostile_peer.h"

#include <filesystem>
#include <stop_token>
#include <utility>

#include "base/sha256.h"
#include "base/status.h"
#include "http/client/interrupt.h"
#include "http/client/socket.h"
#include "http/peer/batch_frames.h"
#include "syncgroup/protocol/wire_codec.h"

// A hostile peer on real sockets. It stands on the product's own engine, TLS and codecs, so that
// what it says arrives as it would from a peer that was written to attack; what it is asked it
// answers without a rule of its own. It holds no lock while it makes an answer that a test gave.

namespace waypost::support {
namespace {

constexpr base::Millis kCallAtMost{30'000};

}  // namespace

HostilePeer::HostilePeer(const base::Clock& clock, const std::string& folder)
    : identity(base::Identity::Generate()), member(*identity, clock), clock_(clock) {
  std::filesystem::create_directories(folder);
  index_ = *base::Index::Open({.dir = folder});
  peers_ = std::make_unique<signpost::PeerBook>(*index_, clock_, random_);
  tls_ = *http::PeerTls::Create(*identity);
  engine_ = std::make_unique<http::Engine>(
      http::EngineOptions{
          .listener = "peer", .address = "127.0.0.1:0", .workers = 4, .tls = tls_, .peers = true},
      [this](http::Request& request) { return Answer(request); },
      [](const http::Request&) { return std::string("any"); });
  CHECK(engine_->Start().ok());
  client = std::make_unique<http::PeerHttpClient>(
      http::PeerHttpClientOptions{.self = identity->peer_id(), .tls = tls_}, *peers_);
}

HostilePeer::~HostilePeer() {
  engine_->Shutdown(base::Millis(100));
  index_->Shutdown();
}

absl::Status HostilePeer::Join(const syncgroup::Invite& invite) {
  syncgroup::JoinRequest request{.group = invite.group,
                                 .invite_id = invite.id,
                                 .incarnation = numbering.incarnation,
                                 .role = syncgroup::Role::kServer,
                                 .name = "liar",
                                 .addresses = {address()}};
  request.proof = Proof(invite, request);
  return client->Join({.peer = invite.inviter, .addresses = invite.addresses}, request, {})
      .status();
}

std::string HostilePeer::Proof(const syncgroup::Invite& invite,
                               const syncgroup::JoinRequest& request) const {
  const auto hash = base::Hash256(std::string("waypost-invite-1\0", 17) + invite.secret);
  std::string text("waypost-join-1\0", 15);
  for (const auto bytes : {request.group.bytes(), invite.inviter.bytes(), peer().bytes()}) {
    text.append(bytes);
  }
  text.append(request.incarnation.bytes()).append(request.invite_id);
  return base::Mac256({reinterpret_cast<const char*>(hash.data()), hash.size()}, text);
}

absl::StatusOr<std::unique_ptr<http::Exchange>> HostilePeer::Dial(
    const syncgroup::Endpoint& to) const {
  const http::Interrupt never{std::stop_token()};
  ASSIGN_OR_RETURN(http::Socket socket, http::Socket::Connect(to.addresses, {}, never));
  RETURN_IF_ERROR(socket.StartPeerTls(*tls_, to.peer, base::SteadyNow() + kCallAtMost, never));
  return std::make_unique<http::Exchange>(std::move(socket));
}

absl::StatusOr<int> HostilePeer::Post(http::Exchange& on, const std::string& target,
                                      std::string_view body) {
  const http::Interrupt never{std::stop_token()};
  const base::SteadyTime deadline = base::SteadyNow() + kCallAtMost;
  std::string request =
      http::FormatRequest("POST", target, on.address(),
                          {{"Content-Type", "application/x-protobuf"}}, uint64_t{body.size()});
  request.append(body);
  RETURN_IF_ERROR(on.Send(request, deadline, never));
  ASSIGN_OR_RETURN(const http::ResponseHead head,
                   on.ReadHead(/*head_request=*/false, {}, deadline, never));
  RETURN_IF_ERROR(
      on.ReadBody(head, {}, deadline, never, [](std::string_view) { return absl::OkStatus(); }));
  return head.status;
}

void HostilePeer::OnRequest(Answerer answer) {
  base::MutexLock lock(mutex_);
  on_request_ = std::move(answer);
}

void HostilePeer::OnSync(SyncAnswerer answer) {
  base::MutexLock lock(mutex_);
  on_sync_ = std::move(answer);
}

void HostilePeer::Give(const std::string& content) {
  base::MutexLock lock(mutex_);
  blobs_[base::Sha256::Of(content).ToHex()] = content;
}

http::Response HostilePeer::Answer(http::Request& request) {
  std::string body;
  if (request.body != nullptr) {
    static_cast<void>(request.body->Read([&](std::string_view piece) {
      body.append(piece);
      return absl::OkStatus();
    }));
  }
  if (request.path.ends_with("/sync")) ++syncs;
  Answerer any;
  {
    base::MutexLock lock(mutex_);
    any = on_request_;
  }
  if (any) {
    if (auto answer = any(request, body)) return *std::move(answer);
  }
  http::Response response;
  if (request.path.ends_with("/hello")) {
    const auto asked = syncgroup::DecodeHelloRequest(body);
    syncgroup::HelloReply reply{.name = "liar"};
    if (asked.ok()) reply.papers = asked->papers;
    response.body = *syncgroup::EncodeHelloReply(reply);
  } else if (request.path.ends_with("/sync")) {
    return AnswerSync(body);
  } else if (request.path.ends_with("/poke")) {
    response.status = 204;
  } else {
    ++blobs_asked;
    AnswerBlobs(request, body, response);
  }
  return response;
}

http::Response HostilePeer::AnswerSync(const std::string& body) {
  const auto asked = syncgroup::DecodeSyncRequest(body);
  SyncAnswerer answer;
  {
    base::MutexLock lock(mutex_);
    answer = on_sync_;
  }
  http::Response response;
  response.body =
      *syncgroup::EncodeSyncReply(asked.ok() && answer ? answer(*asked) : syncgroup::SyncReply());
  return response;
}

void HostilePeer::AnswerBlobs(const http::Request& request, const std::string& body,
                              http::Response& response) {
  base::MutexLock lock(mutex_);
  const auto blob = blobs_.find(request.path.substr(request.path.rfind('/') + 1));
  const auto group = request.Query("group");
  if (const auto batch = syncgroup::DecodeBatchRequest(body); batch.ok()) {
    // One by one.
    std::string frames;
    for (std::size_t i = 0; i < batch->blobs.size(); ++i) {
      http::AppendFrame(frames, {.kind = http::FrameKind::kLeftOut});
    }
    response.body = frames;
  } else if (blob != blobs_.end() && group) {
    response.Set("Waypost-Groups", std::string(*group));
    response.body = blob->second;
  } else {
    response.status = 404;
    response.body = syncgroup::EncodeElsewhere({});
  }
}

}  // namespace waypost::support
