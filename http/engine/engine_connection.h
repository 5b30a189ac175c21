#pragma once

// What the parts of the engine share. Nobody outside http/engine includes it.

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/mutex.h"
#include "base/payer.h"
#include "http/engine/engine.h"
#include "http/engine/engine_head.h"
#include "http/engine/engine_shares.h"
#include "http/message/answer_room.h"
#include "http/message/head_check.h"
#include "http/message/message.h"
#include "http/tls/tls.h"
#include "http/tls/turned.h"

namespace waypost::http {

// Request bodies up to this are received by the loop, before a worker is taken.
inline constexpr uint64_t kGatherBytesMax = 256 * 1024;
// Of all connections together; beyond it bodies go to workers however small they are.
inline constexpr uint64_t kGatherTotalMax = uint64_t{64} << 20;
// Answers up to this are kept until they are read without asking for room.
inline constexpr uint64_t kRoomlessBytes = 256 * 1024;
// What a worker sends of one answer before it lets others have a turn.
inline constexpr uint64_t kTurnBytes = uint64_t{2} << 20;
// What the loop sends of one answer at a time.
inline constexpr uint64_t kLoopTurnBytes = uint64_t{512} << 10;
// A body for which another payer waits comes at least so quickly, over a window, or is cut: one of
// 1 MiB, the largest between peers, takes 8 s then, and who waits 30 s sees three of them off. A
// line of 1 Mbit/s does it.
inline constexpr uint64_t kWantedRateBytesPerS = uint64_t{128} << 10;
// The window over which min_rate is averaged for who sends.
inline constexpr base::Millis kRateWindow{5000};
// After an answer with Connection: close we read on, so that the client can read it before it sees
// a reset.
inline constexpr base::Millis kLingerTime{5000};
inline constexpr uint64_t kLingerBytesMax = uint64_t{64} << 20;
// A peer that was refused (403, 429) has its answer at once, and its next request on that
// connection is read after so long: refusing costs the loop as much as answering, and who may not
// would else ask as fast as it can. With 64 connections that is 640 a second at most.
inline constexpr base::Millis kRefusedRest{100};

// One client. It belongs to the loop, or to the one worker that has its job: they hand it to and
// fro through queues under a mutex, so that nothing in it needs a lock. Only the loop creates and
// destroys it.
struct Connection {
  enum class State {
    kHandshake,
    kReading,
    kGathering,
    kPending,
    kWorking,
    kSending,
    kWaiting,
    kResting,
    kLinger
  };
  // What the worker wants of the loop when it gives the connection back.
  enum class After { kReadNext, kSend, kMore, kWait, kTurn, kLinger, kClose, kHandshake };

  ~Connection();

  // As recv with MSG_DONTWAIT.
  ssize_t Receive(char* buffer, std::size_t size);

  uint64_t id = 0;
  int fd = -1;
  std::unique_ptr<TlsSession> tls;       // none: plain HTTP
  std::optional<TlsSession::Step> step;  // of its handshake, that a worker went
  std::optional<base::PeerId> peer;      // the key that TLS proved
  bool stranger = false;                 // and of no group here, when it was looked up last
  bool turned = false;                   // dialled from here
  bool turned_busy = false;              // ... and counted as busy
  std::string remote;
  std::string network;  // by which it is counted
  // Who pays for what is done for it; of peers alone. Changed by the loop, while no worker has it.
  base::Payer payer = base::kNobody;
  bool local = false;        // of this machine
  bool counted = true;       // against the limits
  uint64_t idle_number = 0;  // of an idle peer: the order in which they go

  State state = State::kReading;
  After after = After::kReadNext;
  base::SteadyTime deadline;
  base::SteadyTime queued;  // when the loop looks at `deadline` next
  bool watched = false;     // epoll tells of bytes that arrive, again and again
  // Set before a worker has it: `watched`, and whether epoll has told of bytes since.
  bool told_of_bytes = false;
  std::atomic<bool> bytes_came{false};
  std::string in;  // received and not yet used
  // Of the head that is arriving: empty lines taken off before it, and where its last line begins.
  int empty_lines = 0;
  std::size_t line_start = 0;

  // The request.
  HeadFacts facts;
  base::SteadyTime arrived;
  std::string request_id;    // empty until it is needed
  bool by_stranger = false;  // the one that is being answered counts as a stranger's
  bool gathered = false;     // its body is at the beginning of `in`
  bool uploading = false;    // its body is received by a worker
  bool gave_way = false;     // ... which ended it for another payer's
  // ... and another member's body waits for it that has the same payer. Set by the loop.
  std::atomic<bool> kept_waiting{false};
  uint64_t gather_bytes = 0;
  std::string route;

  // The answer.
  int status = 0;
  bool close = false;
  std::string out;
  std::size_t out_sent = 0;
  std::string body;  // or a part of a source; goes out behind `out`
  std::optional<SourcePart> part;
  std::shared_ptr<AnswerRoom::Lease> room;  // of a large `body`
  uint64_t body_sent = 0;                   // of either
  uint64_t total_sent = 0;                  // on this connection, for the rate
  base::SteadyTime window_start;
  uint64_t window_drained = 0;
  uint64_t linger_read = 0;
  std::function<void(std::unique_ptr<TurnedConnection>)> turn;  // when it is sent

  // A subscription that waits or streams.
  std::shared_ptr<Subscription> subscription;
  std::shared_ptr<std::atomic<bool>> wake_posted;
  bool streaming = false;
  bool chunked = false;
  bool woken = false;  // the loop's
  base::SteadyTime next_step;
};

// Where other threads leave word for the loop. Outlives the engine as long as someone may wake.
class LoopInbox {
 public:
  // Of an engine with at most so many connections, each of which lies here once in each list: room
  // for all of them is taken at once, so that giving one back cannot fail for want of memory.
  explicit LoopInbox(std::size_t connections_max);
  ~LoopInbox();
  // By the worker that had it and from now on has not. A connection whose client is to speak next
  // lies here until the loop wakes for another reason, such as that client.
  void Return(Connection& connection);
  void Wake(uint64_t connection);  // for a subscription
  void Adopt(std::unique_ptr<TurnedConnection> connection);
  void Cut(std::function<bool(const base::PeerId&)> whom);
  void Poke();
  // The loop is about to wait for fd(): false if there is word that cannot wait. From then on fd()
  // is written to, once, when such word comes; before, nobody has to, because the loop is awake.
  bool MayWait();
  struct Word {
    void Reserve(std::size_t connections_max) {
      returned.reserve(connections_max);
      woken.reserve(connections_max);
    }
    std::vector<uint64_t> returned, woken;
    std::vector<std::unique_ptr<TurnedConnection>> adopted;
    std::vector<std::function<bool(const base::PeerId&)>> cut;
  };
  void Take(Word& word);
  int fd() const { return fd_; }

 private:
  const int fd_;  // eventfd; edge-triggered, never read
  base::Mutex mutex_;
  bool urgent_ GUARDED_BY(mutex_) = false;
  bool waiting_ GUARDED_BY(mutex_) = false;
  Word word_ GUARDED_BY(mutex_);
};

// What loop and workers of one listener have in common.
struct EngineShared {
  EngineShared(const EngineOptions& engine_options, Handler request_handler,
               std::function<std::string(const Request&)> name_of_route);

  const EngineOptions options;
  const Handler handler;
  const std::function<std::string(const Request&)> route_of;
  const HeadLimits limits;
  const StrangerShare strangers;
  const std::shared_ptr<LoopInbox> inbox;
  std::atomic<bool> refuse{false};
  std::atomic<bool> draining{false};
  // See EngineOptions::payer_of.
  std::optional<base::Payer> PayerOf(const base::PeerId& peer) const {
    return options.payer_of == nullptr ? base::PayerOf(peer.bytes()) : options.payer_of(peer);
  }
  // Subscriptions, and those of strangers among them.
  std::atomic<uint32_t> waiting{0}, strangers_waiting{0};
  // Enters one; false: there are enough. EndWaiting for each that was entered.
  bool BeginWaiting(bool stranger);
  void EndWaiting(bool stranger);

  // How many payers have a body that waits for a thread which only bodies of others keep from it.
  // By the loop.
  void WantUploads(bool by_stranger, uint32_t payers);
  // By the worker that receives a body which comes slowly: shall it go? No more go than are waited
  // for. GaveWay when its thread is free.
  bool GivesWay(bool by_stranger);
  void GaveWay(bool by_stranger);

  // For answers that are made and not sent.
  AnswerRoom answers;

  // How the count of turned connections of a peer changes.
  void NoteTurned(const base::PeerId& peer, int open, int busy);
  TurnedLines TurnedLinesOf(const base::PeerId& peer) const;

  // One step of a connection's TLS handshake: on the loop, or on a worker beyond the loop's rate.
  // Counted by the thread that it takes.
  TlsSession::Step HandshakeStep(Connection& connection);
  // Once, by the loop.
  void NoteLoopThread() { loop_thread_ = std::this_thread::get_id(); }

  base::Gauge connections;
  void CountRequest(const std::string& route, int status);
  void CountRejected(const char* reason);
  // Over which the rate of its reader is averaged.
  base::Millis ReaderWindowOf(const Connection& connection) const {
    return connection.local ? options.local_reader_window : options.reader_window;
  }
  // Of the request that the connection is about; empty where there are none.
  const std::string& IdOf(Connection& connection);
  // Adds what every answer has. By whoever has the connection.
  void Mark(Connection& connection, AnswerHead& head);

 private:
  std::atomic<std::thread::id> loop_thread_{};
  struct Wanted {
    uint32_t payers = 0;  // that wait
    uint32_t going = 0;   // that give way, and still have their thread
  };
  base::Mutex wanted_mutex_;
  Wanted wanted_ GUARDED_BY(wanted_mutex_), strangers_wanted_ GUARDED_BY(wanted_mutex_);
  base::Counter loop_handshake_steps_, worker_handshake_steps_;
  mutable base::Mutex turned_mutex_;
  std::map<base::PeerId, TurnedLines> turned_ GUARDED_BY(turned_mutex_);
  base::Mutex mutex_;
  const std::string id_prefix_;  // of this start
  std::atomic<uint64_t> ids_{0};
  std::map<std::pair<std::string, int>, base::Counter> requests_ GUARDED_BY(mutex_);
  std::map<std::string, base::Counter, std::less<>> rejected_;
};

}  // namespace waypost::http
