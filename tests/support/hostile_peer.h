#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/index.h"
#include "base/mutex.h"
#include "base/random.h"
#include "http/client/exchange.h"
#include "http/engine/engine.h"
#include "http/message/message.h"
#include "http/peer/peer_http_client.h"
#include "http/tls/tls_peer.h"
#include "signpost/peer_book.h"
#include "syncgroup/protocol/invite.h"
#include "syncgroup/protocol/messages.h"
#include "tests/support/hostile_member.h"

namespace waypost::support {

// A peer that keeps to no rule, over real connections: TLS with a real key, a listener of its own,
// and a free choice of every byte that it says. Which of its doors to take, from the easiest:
//   Join, Say           as a member that keeps to the rules, and signed entries of any content;
//   OnSync, Give        what it answers when it is asked for entries, and for a blob;
//   OnRequest           any answer to any request, also one that drips (a ByteSource that sleeps);
//   client              messages that the codecs take: sync, poke, hello, join, held, blobs;
//   Dial, Post          a connection on which the key is proved: any bytes, at any pace;
//   member              entries, numberings and forks under its key.
// What a test lacks goes here, with a default that changes nothing for the others. Of any thread,
// but for `member` and `numbering`, which are of one at a time; an Exchange is of one thread.
class HostilePeer {
 public:
  // `folder` is made; the clock outlives it. Listens at once, on loopback.
  HostilePeer(const base::Clock& clock, const std::string& folder);
  ~HostilePeer();
  void StopListening() { engine_->Shutdown(base::Millis(0)); }
  const base::PeerId& peer() const { return identity->peer_id(); }
  std::string address() const { return engine_->bound_address(); }

  // ---- it calls ----
  // Joins by the rules, under `numbering`.
  absl::Status Join(const syncgroup::Invite& invite);
  // As documented: what docs/security.md says is enough to write a joiner.
  std::string Proof(const syncgroup::Invite& invite, const syncgroup::JoinRequest& request) const;
  // A connection after the handshake; nothing was said on it.
  absl::StatusOr<std::unique_ptr<http::Exchange>> Dial(const syncgroup::Endpoint& to) const;
  // A request with this body, and its answer's status; the answer's body is read and forgotten. The
  // connection stays good for another one.
  static absl::StatusOr<int> Post(http::Exchange& on, const std::string& target,
                                  std::string_view body);

  // ---- it writes ----
  // The next entry of its own.
  syncgroup::SealedEntry Say(const base::GroupId& group, std::vector<syncgroup::Op> ops) {
    return member.Next(group, numbering, std::move(ops));
  }

  // ---- it answers; what is set here is called on workers, several at a time ----
  // Of every request; nullopt: as usual. The body is read already.
  using Answerer = std::function<std::optional<http::Response>(const http::Request& request,
                                                               const std::string& body)>;
  void OnRequest(Answerer answer);
  // What each sync is answered with from now on.
  using SyncAnswerer = std::function<syncgroup::SyncReply(const syncgroup::SyncRequest&)>;
  void OnSync(SyncAnswerer answer);
  // It has this blob from now on.
  void Give(const std::string& content);

  const std::unique_ptr<base::Identity> identity;
  std::unique_ptr<http::PeerHttpClient> client;
  HostileMember member;
  HostileMember::Numbering numbering = HostileMember::NewNumbering();
  std::atomic<int> syncs{0}, blobs_asked{0};

 private:
  http::Response Answer(http::Request& request);
  http::Response AnswerSync(const std::string& body);
  void AnswerBlobs(const http::Request& request, const std::string& body, http::Response& response);

  const base::Clock& clock_;
  base::SystemRandom random_;
  std::unique_ptr<base::Index> index_;
  std::unique_ptr<signpost::PeerBook> peers_;
  std::shared_ptr<const http::PeerTls> tls_;
  std::unique_ptr<http::Engine> engine_;
  base::Mutex mutex_;
  Answerer on_request_ GUARDED_BY(mutex_);
  SyncAnswerer on_sync_ GUARDED_BY(mutex_);
  std::map<std::string, std::string> blobs_ GUARDED_BY(mutex_);  // by id
};

}  // namespace waypost::support
