#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "fetcher/blob_client.h"

namespace waypost::fetcher {

// Peers that answer as a test tells them to; records who was asked for what. Thread-safe.
class FakeBlobClient final : public BlobClient {
 public:
  using Behaviour = std::function<BlobReply(const BlobRequest&, BlobSink&, std::stop_token)>;

  void Set(const base::PeerId& peer, Behaviour behaviour) {
    base::MutexLock lock(mutex_);
    behaviours_[peer] = std::move(behaviour);
  }

  BlobReply Get(const BlobRequest& request, BlobSink& sink, std::stop_token stop) override {
    Behaviour behaviour;
    {
      base::MutexLock lock(mutex_);
      calls_.push_back(request);
      const auto it = behaviours_.find(request.from.peer);
      if (it != behaviours_.end()) behaviour = it->second;
    }
    if (!behaviour) return {.kind = BlobReply::Kind::kUnreachable, .message = "nobody there"};
    return behaviour(request, sink, std::move(stop));
  }

  std::vector<BlobRequest> calls() const {
    base::MutexLock lock(mutex_);
    return calls_;
  }

  // ---- ready-made behaviours ----
  // Sends `content` from the offset asked for, `piece` bytes at a time.
  static Behaviour Sends(std::string content, std::size_t piece = 64 * 1024) {
    return [content, piece](const BlobRequest& request, BlobSink& sink, std::stop_token stop) {
      const uint64_t offset = std::min<uint64_t>(request.offset, content.size());
      return SendFrom(content, offset, piece, request, sink, stop);
    };
  }
  static BlobReply SendFrom(const std::string& content, uint64_t offset, std::size_t piece,
                            const BlobRequest& request, BlobSink& sink,
                            const std::stop_token& stop) {
    BlobReply reply{.kind = BlobReply::Kind::kComplete};
    reply.sink_error = sink.OnStart(content.size(), offset, request.groups);
    for (std::size_t at = offset; reply.sink_error.ok() && at < content.size(); at += piece) {
      if (stop.stop_requested()) return {.kind = BlobReply::Kind::kCancelled};
      const std::string_view data = std::string_view(content).substr(at, piece);
      reply.sink_error = sink.OnData(data);
      reply.body_bytes += data.size();
    }
    if (!reply.sink_error.ok()) reply.kind = BlobReply::Kind::kSinkError;
    return reply;
  }
  static Behaviour Misses(signpost::Locations elsewhere = {}) {
    return [elsewhere](const BlobRequest&, BlobSink&, std::stop_token) {
      BlobReply reply{.kind = BlobReply::Kind::kMiss};
      reply.miss.locations = elsewhere;
      return reply;
    };
  }
  static Behaviour Fails(BlobReply::Kind kind) {
    return [kind](const BlobRequest&, BlobSink&, std::stop_token) {
      return BlobReply{.kind = kind, .message = "told to fail"};
    };
  }

 private:
  mutable base::Mutex mutex_;
  std::map<base::PeerId, Behaviour> behaviours_ GUARDED_BY(mutex_);
  std::vector<BlobRequest> calls_ GUARDED_BY(mutex_);
};

}  // namespace waypost::fetcher
