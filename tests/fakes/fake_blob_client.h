#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <new>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "fetcher/attempt/blob_client.h"

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
    const Behaviour behaviour = Note(request, &FakeBlobClient::calls_);
    if (!behaviour) return {.kind = BlobReply::Kind::kUnreachable, .message = "nobody there"};
    return behaviour(request, sink, std::move(stop));
  }

  // How many blobs fit into the answer to a batch.
  std::atomic<std::size_t> answer_blobs_max{SIZE_MAX};

  // The answer to a batch ends with something that does not belong there.
  std::atomic<bool> answer_has_surplus{false};

  // Each blob as its peer's behaviour has it; what is larger than asked for is left out. One that
  // fails ends the answer.
  BlobReply GetBatch(const BatchCall& request, BatchSink& sink, std::stop_token stop) override {
    const Behaviour behaviour = Note(request, &FakeBlobClient::batches_);
    if (!behaviour) return {.kind = BlobReply::Kind::kUnreachable, .message = "nobody there"};
    BlobReply all{.kind = BlobReply::Kind::kComplete};
    std::size_t sent = 0;
    for (std::size_t i = 0; i < request.blobs.size(); ++i) {
      const BlobRequest one{.from = request.from,
                            .blob = request.blobs[i],
                            .groups = request.groups,
                            .stall_timeout = request.stall_timeout};
      Collector bytes(sink);
      const BlobReply reply = behaviour(one, bytes, stop);
      BatchItem item;
      if (reply.kind == BlobReply::Kind::kMiss) {
        item.kind = BatchItem::Kind::kMiss;
        item.miss = reply.miss;
      } else if (reply.kind != BlobReply::Kind::kComplete) {
        return reply;
      } else if (bytes.bytes.size() > request.blob_bytes_max || sent == answer_blobs_max) {
        item.size_bytes = bytes.bytes.size();
      } else {
        ++sent;
        item.kind = BatchItem::Kind::kBlob;
        item.bytes = bytes.bytes;
        item.granted = bytes.granted;
      }
      try {
        all.sink_error = sink.OnItem(i, item);
      } catch (const std::bad_alloc&) {
        return {.kind = BlobReply::Kind::kUnreachable, .message = "the sink threw"};
      }
      if (!all.sink_error.ok()) {
        all.kind = BlobReply::Kind::kSinkError;
        return all;
      }
      all.body_bytes += bytes.bytes.size();
    }
    if (answer_has_surplus) {
      return {.kind = BlobReply::Kind::kUnreachable, .message = "a frame too many"};
    }
    return all;
  }

  std::vector<BlobRequest> calls() const {
    base::MutexLock lock(mutex_);
    return calls_;
  }
  std::vector<BatchCall> batches() const {
    base::MutexLock lock(mutex_);
    return batches_;
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
  struct Collector final : BlobSink {
    explicit Collector(BatchSink& sink) : to(sink) {}
    absl::Status OnStart(uint64_t, uint64_t, const std::vector<base::GroupId>& groups) override {
      granted = groups;
      return absl::OkStatus();
    }
    absl::Status OnData(std::string_view data) override {
      bytes.append(data);
      return to.OnBytes(data.size());
    }
    BatchSink& to;
    std::string bytes;
    std::vector<base::GroupId> granted;
  };

  // Null: nobody is there.
  template <class Request>
  Behaviour Note(const Request& request, std::vector<Request> FakeBlobClient::*noted) {
    base::MutexLock lock(mutex_);
    (this->*noted).push_back(request);
    const auto it = behaviours_.find(request.from.peer);
    return it == behaviours_.end() ? nullptr : it->second;
  }

  mutable base::Mutex mutex_;
  std::map<base::PeerId, Behaviour> behaviours_ GUARDED_BY(mutex_);
  std::vector<BlobRequest> calls_ GUARDED_BY(mutex_);
  std::vector<BatchCall> batches_ GUARDED_BY(mutex_);
};

}  // namespace waypost::fetcher
