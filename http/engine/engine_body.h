#pragma once

#include <optional>
#include <span>

#include "http/engine/engine_connection.h"
#include "http/message/chunked.h"

namespace waypost::http {

// A body that the loop has gathered.
class GatheredBody final : public BodySource {
 public:
  explicit GatheredBody(std::string_view bytes) : bytes_(bytes) {}
  std::optional<uint64_t> length() const override { return bytes_.size(); }
  absl::Status Read(absl::FunctionRef<absl::Status(std::string_view)> take) override;

 private:
  const std::string_view bytes_;
};

// A body that the worker receives while the handler reads it: says "100 Continue" only then, so
// that what the handler refuses first is never sent.
class SocketBody final : public BodySource {
 public:
  SocketBody(Connection& connection, EngineShared& shared)
      : connection_(connection), shared_(shared), length_(connection.facts.content_length) {}
  std::optional<uint64_t> length() const override { return length_; }
  absl::Status Read(absl::FunctionRef<absl::Status(std::string_view)> take) override;
  bool complete() const { return length_ ? received_ == *length_ : chunks_.done(); }

 private:
  absl::Status Continue();
  absl::Status ReadAnnounced(absl::FunctionRef<absl::Status(std::string_view)> take);
  // What has come behind the last chunk stays with the connection.
  absl::Status ReadChunks(absl::FunctionRef<absl::Status(std::string_view)> take);
  // Receives at least one byte.
  absl::StatusOr<std::size_t> Receive(std::span<char> buffer);
  // Waits for more; kDeadlineExceeded below min_rate, kUnavailable where it is to give way.
  absl::Status WaitReadable();
  absl::Status GiveWay();
  Connection& connection_;
  EngineShared& shared_;
  const std::optional<uint64_t> length_;
  ChunkedDecoder chunks_;  // without a length
  uint64_t received_ = 0;
  base::SteadyTime window_start_;
  uint64_t window_received_ = 0;
};

}  // namespace waypost::http
