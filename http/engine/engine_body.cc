#include "http/engine/engine_body.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/status.h"

// Bodies as a handler reads them: gathered by the loop already, or from the socket by the worker. A
// body that comes slower than the minimum rate is cut, and one that comes slowly where another
// payer waits for its thread; "100 Continue" is said only when somebody reads, and nothing behind
// the body is ever taken for a part of it.

namespace waypost::http {
namespace {

constexpr std::size_t kReceiveBytes = std::size_t{256} << 10;

}  // namespace

absl::Status GatheredBody::Read(absl::FunctionRef<absl::Status(std::string_view)> take) {
  if (bytes_.empty()) return absl::OkStatus();
  return take(bytes_);
}

absl::Status SocketBody::Continue() {
  static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  // Nothing else is on its way to this client: a buffer that has no room for 25 bytes is a dead
  // client.
  const ssize_t sent =
      connection_.tls != nullptr
          ? connection_.tls->Send(kContinue.data(), kContinue.size())
          : ::send(connection_.fd, kContinue.data(), kContinue.size(), MSG_NOSIGNAL);
  if (sent != static_cast<ssize_t>(kContinue.size())) {
    return absl::FailedPreconditionError("the sender went away before its body");
  }
  return absl::OkStatus();
}

// It has had its thread for a window at least. One goes for each that waits.
absl::Status SocketBody::GiveWay() {
  const uint64_t quick = kWantedRateBytesPerS * static_cast<uint64_t>(kRateWindow.count()) / 1000;
  if (received_ - window_received_ >= quick) return absl::OkStatus();
  if (!connection_.kept_waiting.exchange(false)) {
    if (!shared_.GivesWay(connection_.by_stranger)) return absl::OkStatus();
    connection_.gave_way = true;
  }
  shared_.CountRejected("slow_body_for_others");
  return base::WithRetryAfter(
      absl::UnavailableError(
          absl::StrCat("others wait to send their bodies, and this one came slower than ",
                       kWantedRateBytesPerS, " bytes a second: try again")),
      base::Millis(5000));
}

absl::Status SocketBody::WaitReadable() {
  const auto now = base::SteadyNow();
  const uint64_t wanted =
      shared_.options.min_rate_bytes_per_s * static_cast<uint64_t>(kRateWindow.count()) / 1000;
  if (now - window_start_ >= kRateWindow) {
    if (received_ - window_received_ < wanted) {
      shared_.CountRejected("slow_body");
      return absl::DeadlineExceededError(absl::StrCat(
          "the body came slower than ", shared_.options.min_rate_bytes_per_s, " bytes a second"));
    }
    RETURN_IF_ERROR(GiveWay());
    window_start_ = now;
    window_received_ = received_;
  }
  const auto left = std::chrono::duration_cast<base::Millis>(window_start_ + kRateWindow - now);
  const short blocked_on = connection_.tls != nullptr ? connection_.tls->blocked_on() : short{0};
  pollfd poller{connection_.fd, blocked_on != 0 ? blocked_on : short{POLLIN}, 0};
  const int ready = ::poll(&poller, 1, static_cast<int>(left.count()) + 1);
  if (ready < 0 && errno != EINTR) return base::ErrnoStatus(errno, "waiting for a body");
  return absl::OkStatus();
}

absl::StatusOr<std::size_t> SocketBody::Receive(std::span<char> buffer) {
  while (true) {
    const ssize_t got = connection_.Receive(buffer.data(), buffer.size());
    if (got == 0) {
      const std::string of = length_ ? absl::StrCat(" of ", *length_, " bytes")
                                     : absl::StrCat(" bytes, before its last chunk");
      return absl::FailedPreconditionError(absl::StrCat("the body ended after ", received_, of));
    }
    if (got > 0) {
      received_ += static_cast<uint64_t>(got);
      return static_cast<std::size_t>(got);
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) {
      return absl::FailedPreconditionError("the sender went away within its body");
    }
    RETURN_IF_ERROR(WaitReadable());
  }
}

absl::Status SocketBody::Read(absl::FunctionRef<absl::Status(std::string_view)> take) {
  if (connection_.facts.expect_continue && connection_.in.empty()) RETURN_IF_ERROR(Continue());
  window_start_ = base::SteadyNow();
  return length_ ? ReadAnnounced(take) : ReadChunks(take);
}

absl::Status SocketBody::ReadAnnounced(absl::FunctionRef<absl::Status(std::string_view)> take) {
  const std::size_t here =
      static_cast<std::size_t>(std::min<uint64_t>(*length_, connection_.in.size()));
  if (here > 0) {
    received_ = here;
    const absl::Status taken = take(std::string_view(connection_.in).substr(0, here));
    connection_.in.erase(0, here);
    RETURN_IF_ERROR(taken);
  }
  window_received_ = received_;
  std::vector<char> buffer(kReceiveBytes);
  while (received_ < *length_) {
    const std::size_t want =
        static_cast<std::size_t>(std::min<uint64_t>(buffer.size(), *length_ - received_));
    ASSIGN_OR_RETURN(const std::size_t got, Receive({buffer.data(), want}));
    RETURN_IF_ERROR(take(std::string_view(buffer.data(), got)));
  }
  return absl::OkStatus();
}

absl::Status SocketBody::ReadChunks(absl::FunctionRef<absl::Status(std::string_view)> take) {
  const std::string here = std::exchange(connection_.in, {});
  ASSIGN_OR_RETURN(const std::size_t used, chunks_.Feed(here, take));
  if (chunks_.done()) connection_.in = here.substr(used);
  std::vector<char> buffer(chunks_.done() ? 0 : kReceiveBytes);
  while (!chunks_.done()) {
    ASSIGN_OR_RETURN(const std::size_t got, Receive(buffer));
    const std::string_view bytes(buffer.data(), got);
    ASSIGN_OR_RETURN(const std::size_t taken, chunks_.Feed(bytes, take));
    if (chunks_.done()) connection_.in = bytes.substr(taken);
  }
  return absl::OkStatus();
}

}  // namespace waypost::http
