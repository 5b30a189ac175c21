#include "http/engine/engine_connection.h"

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/random.h"
#include "base/status.h"
#include "http/message/text.h"

// What loop and workers share: a connection, and the inbox by which workers give it back. A
// connection belongs to one side at a time and has no lock; whoever hands it over must not touch it
// afterwards. The loop is woken only if what came cannot lie until it wakes anyway.

namespace waypost::http {
namespace {

// Every reason for which a client is turned away or cut.
constexpr const char* kReasons[] = {
    // Of the head, see head_check.cc.
    "request_line", "version", "method", "target", "head", "header", "duplicate_header", "host",
    "framing", "chunked", "body", "content_length", "content_encoding", "ranges", "expect", "tls",
    // Limits.
    "connections", "address", "handshakes", "waiting", "upload_slots", "memory", "stranger", "key",
    "idle", "answer_room", "user",
    // Time.
    "slow_handshake", "slow_head", "slow_body", "slow_body_for_others", "slow_reader",
    // The peer may not read here any more.
    "peer_left",
    // The service stops.
    "stopping", "cut"};

}  // namespace

Connection::~Connection() {
  if (tls != nullptr) tls->SayEnd();
  if (fd >= 0) ::close(fd);
}

ssize_t Connection::Receive(char* buffer, std::size_t size) {
  if (tls != nullptr) return tls->Receive(buffer, size);
  return ::recv(fd, buffer, size, MSG_DONTWAIT);
}

LoopInbox::LoopInbox(std::size_t connections_max) : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  CHECK(fd_ >= 0);
  base::MutexLock lock(mutex_);
  word_.Reserve(connections_max);
}
LoopInbox::~LoopInbox() { ::close(fd_); }

void LoopInbox::Poke() {
  const uint64_t one = 1;
  // It can only fail when the counter is full, and then the loop is awake anyway.
  [[maybe_unused]] const ssize_t written = ::write(fd_, &one, sizeof(one));
}

void LoopInbox::Return(Connection& connection) {
  bool waits = false;
  {
    base::MutexLock lock(mutex_);
    word_.returned.push_back(connection.id);
    // Bytes that came while a worker had it were told of once, to no effect: the loop marks that
    // before it takes this lock to wait, so either we see the mark or it sees this connection.
    const bool may_lie = connection.after == Connection::After::kReadNext &&
                         connection.in.empty() && connection.told_of_bytes &&
                         !connection.bytes_came.load(std::memory_order_relaxed);
    if (!may_lie) {
      urgent_ = true;
      waits = std::exchange(waiting_, false);
    }
  }
  // From here on the connection may be gone.
  if (waits) Poke();
}

void LoopInbox::Wake(uint64_t connection) {
  bool waits;
  {
    base::MutexLock lock(mutex_);
    word_.woken.push_back(connection);
    urgent_ = true;
    waits = std::exchange(waiting_, false);
  }
  if (waits) Poke();
}

void LoopInbox::Adopt(std::unique_ptr<TurnedConnection> connection) {
  bool waits;
  {
    base::MutexLock lock(mutex_);
    word_.adopted.push_back(std::move(connection));
    urgent_ = true;
    waits = std::exchange(waiting_, false);
  }
  if (waits) Poke();
}

void LoopInbox::Cut(std::function<bool(const base::PeerId&)> whom) {
  bool waits;
  {
    base::MutexLock lock(mutex_);
    word_.cut.push_back(std::move(whom));
    urgent_ = true;
    waits = std::exchange(waiting_, false);
  }
  if (waits) Poke();
}

bool LoopInbox::MayWait() {
  base::MutexLock lock(mutex_);
  waiting_ = !urgent_;
  return waiting_;
}

void LoopInbox::Take(Word& word) {
  word.returned.clear();
  word.woken.clear();
  word.adopted.clear();
  word.cut.clear();
  base::MutexLock lock(mutex_);
  urgent_ = waiting_ = false;
  std::swap(word, word_);
}

EngineShared::EngineShared(const EngineOptions& engine_options, Handler request_handler,
                           std::function<std::string(const Request&)> name_of_route)
    : options(engine_options),
      handler(std::move(request_handler)),
      route_of(std::move(name_of_route)),
      limits{.head_bytes_max = engine_options.head_bytes_max,
             .lines_max = engine_options.head_lines_max,
             .target_bytes_max = engine_options.target_bytes_max,
             .chunked_bodies = engine_options.chunked_bodies},
      strangers(engine_options),
      inbox(std::make_shared<LoopInbox>(engine_options.max_connections)),
      answers(engine_options.answer_bytes, engine_options.answer_bytes_per_payer),
      id_prefix_(absl::BytesToHexString(base::SystemRandom().Bytes(4))) {
  if (options.metrics == nullptr) return;
  connections = options.metrics->AddGauge("waypost_http_connections", "Open connections.",
                                          {{"listener", options.listener}});
  for (const bool loop : {true, false}) {
    (loop ? loop_handshake_steps_ : worker_handshake_steps_) = options.metrics->AddCounter(
        "waypost_http_handshake_steps_total",
        "Steps of TLS handshakes, by the thread that they took.",
        {{"listener", options.listener}, {"by", loop ? "loop" : "worker"}});
  }
  for (const char* reason : kReasons) {
    rejected_[reason] = options.metrics->AddCounter(
        "waypost_http_rejected_total", "Requests and connections turned away or cut.",
        {{"listener", options.listener}, {"reason", reason}});
  }
  CountRequest("none", 0);
}

TlsSession::Step EngineShared::HandshakeStep(Connection& connection) {
  if (options.metrics != nullptr) {
    const bool loop = std::this_thread::get_id() == loop_thread_.load();
    (loop ? loop_handshake_steps_ : worker_handshake_steps_).Add();
  }
  return connection.tls->Handshake();
}

bool EngineShared::BeginWaiting(bool stranger) {
  if (stranger && strangers_waiting.fetch_add(1) >= strangers.waiting) {
    strangers_waiting.fetch_sub(1);
    return false;
  }
  if (waiting.fetch_add(1) < options.max_waiting) return true;
  EndWaiting(stranger);
  return false;
}

void EngineShared::EndWaiting(bool stranger) {
  waiting.fetch_sub(1);
  if (stranger) strangers_waiting.fetch_sub(1);
}

void EngineShared::WantUploads(bool by_stranger, uint32_t payers) {
  base::MutexLock lock(wanted_mutex_);
  (by_stranger ? strangers_wanted_ : wanted_).payers = payers;
}

bool EngineShared::GivesWay(bool by_stranger) {
  base::MutexLock lock(wanted_mutex_);
  Wanted& wanted = by_stranger ? strangers_wanted_ : wanted_;
  if (wanted.going >= wanted.payers) return false;
  ++wanted.going;
  return true;
}

void EngineShared::GaveWay(bool by_stranger) {
  base::MutexLock lock(wanted_mutex_);
  --(by_stranger ? strangers_wanted_ : wanted_).going;
}

void EngineShared::NoteTurned(const base::PeerId& peer, int open, int busy) {
  {
    base::MutexLock lock(turned_mutex_);
    TurnedLines& lines = turned_[peer];
    lines.open = static_cast<uint32_t>(static_cast<int>(lines.open) + open);
    lines.busy = static_cast<uint32_t>(static_cast<int>(lines.busy) + busy);
    if (lines.open == 0) turned_.erase(peer);
  }
  if (options.turned_changed) options.turned_changed();
}

TurnedLines EngineShared::TurnedLinesOf(const base::PeerId& peer) const {
  base::MutexLock lock(turned_mutex_);
  const auto found = turned_.find(peer);
  return found == turned_.end() ? TurnedLines() : found->second;
}

void EngineShared::CountRequest(const std::string& route, int status) {
  if (options.metrics == nullptr) return;
  base::Counter counter;
  {
    base::MutexLock lock(mutex_);
    auto found = requests_.find({route, status});
    if (found == requests_.end()) {
      counter = options.metrics->AddCounter(
          "waypost_http_requests_total", "Requests answered.",
          {{"listener", options.listener}, {"route", route}, {"code", absl::StrCat(status)}});
      found = requests_.emplace(std::make_pair(route, status), counter).first;
    }
    counter = found->second;
  }
  // Status 0 only makes the metric known from the start.
  if (status != 0) counter.Add();
}

const std::string& EngineShared::IdOf(Connection& connection) {
  if (options.request_ids && connection.request_id.empty()) {
    connection.request_id = absl::StrCat(id_prefix_, "-", absl::Hex(++ids_, absl::kZeroPad6));
  }
  return connection.request_id;
}

void EngineShared::Mark(Connection& connection, AnswerHead& head) {
  if (!options.request_ids) return;
  head.headers.emplace_back("Date", HttpDate(base::ToMs(base::SystemClock().WallNow()) / 1000));
  head.headers.emplace_back("Waypost-Request-Id", IdOf(connection));
}

void EngineShared::CountRejected(const char* reason) {
  const auto found = rejected_.find(std::string_view(reason));
  if (found != rejected_.end()) found->second.Add();
}

}  // namespace waypost::http
