#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "base/payer.h"
#include "http/engine/engine_connection.h"
#include "http/engine/engine_pool.h"
#include "http/engine/engine_worker.h"

namespace waypost::http {

// What epoll says for what is no connection.
inline constexpr uint64_t kListenerId = 0;
inline constexpr uint64_t kInboxId = 1;

// The event loop of one listener: accepts, receives heads and small bodies, keeps idle, slow and
// waiting connections, closes. Everything in it runs on the one thread that calls Run.
class EngineLoop {
 public:
  // Takes over the listening socket.
  EngineLoop(EngineShared& shared, WorkerPool& workers, int listener);
  ~EngineLoop();
  // Returns when EngineShared::draining is set and every connection has ended or `drain_deadline`
  // passed.
  void Run();
  // Before `draining` is set.
  void SetDrainDeadline(base::SteadyTime deadline) { drain_deadline_ = deadline; }

 private:
  using State = Connection::State;

  // ---- connections ----
  void Accept();
  void PauseAccepting();
  // Of a Unix socket for its owner: is it one who comes?
  bool IsWelcome(int fd);
  void Welcome(int fd, const std::string& remote);
  void Adopt(TurnedConnection& turned);
  void GiveAway(Connection& c);
  // Counts and enters it, or turns it away: null.
  Connection* Admit(std::unique_ptr<Connection> connection);
  void TurnAway(std::unique_ptr<Connection> connection, const char* reason,
                const std::string& message);
  void Close(Connection& c);
  // Asks epoll for one event of these.
  void Arm(Connection& c, uint32_t events);
  // Asks epoll to tell whenever bytes have arrived.
  void Watch(Connection& c);
  void SetDeadline(Connection& c, base::SteadyTime deadline);
  void RunDeadlines();

  // ---- requests ----
  // Makes room for one more handshake of this address.
  void LimitHandshakes(const std::string& network);
  void Handshake(Connection& c);
  // May the loop go one more step of a handshake itself?
  bool TakeHandshakeStep();
  void AfterHandshakeStep(Connection& c, TlsSession::Step step);
  // ---- strangers, see engine_shares.h, and others by who pays ----
  void NoteStranger(Connection& c, bool stranger);
  // Who pays for it from now on, and has one connection more.
  void SetPayer(Connection& c, base::Payer payer);
  void LeaveAccount(Connection& c);
  std::map<uint64_t, uint64_t>& IdleOf(const Connection& c);
  // A peer between requests, or in the head of one, may be closed for others.
  void NoteIdle(Connection& c, bool idle);
  // The one that is idle longest; false: none is.
  bool CloseIdleStranger();
  struct Account;
  bool CloseIdleOf(Account& account, const char* reason);
  // Of the member that has most connections, and more than one.
  bool CloseIdleOfMost();
  // Closes idle ones of its key where that has too many; false: it still has.
  bool KeyHasRoom(const Connection& c);
  // ... and then this one goes.
  bool LimitKey(Connection& c);
  // False: it was one too many, and is gone.
  bool LimitStrangers(Connection& c);
  void OnEvent(Connection& c, uint32_t events);
  void Receive(Connection& c);
  void Advance(Connection& c);
  void TakeRequest(Connection& c);
  void TakeBody(Connection& c);
  void Dispatch(Connection& c, Job::Kind kind);
  bool IsExpress(const Connection& c) const;
  void Refuse(Connection& c, int status, const char* code, const std::string& message,
              const char* reason, std::optional<base::Millis> retry_after = std::nullopt);
  void ReadNext(Connection& c);
  void ReadOn(Connection& c);
  void Linger(Connection& c);
  void Drink(Connection& c);
  // Is it a stranger's, from now on?
  void LookUp(Connection& c);
  bool MayGather(const Connection& c, uint64_t length) const;
  void EndGathering(Connection& c);
  // Bodies that workers receive, and connections that wait to have theirs received.
  struct Uploads {
    uint32_t running_max = 0;
    uint32_t running = 0;
    std::deque<uint64_t> pending = {};
  };
  // engine_uploads.cc
  Uploads& UploadsOf(const Connection& c);
  Account* AccountOf(const Connection& c);
  bool MayUpload(const Connection& c);
  Connection* NextUpload(const Uploads& uploads);
  void NoteWanted(const Uploads& uploads);
  void StartUpload(Connection& c);
  void EndUpload(Connection& c);
  // It waits for an upload slot no more.
  void LeavePending(const Connection& c);

  // ---- word from others ----
  void OnReturned(Connection& c);
  void Proceed(Connection& c);
  void SendOn(Connection& c);
  void OnWoken(Connection& c);
  void OnDeadline(Connection& c);
  void OnSlowReader(Connection& c);

  int TimeoutMs();

  // ---- the end ----
  void BeginDrain();
  void CutAll();
  void CutPeers(const std::function<bool(const base::PeerId&)>& whom);
  void Cut(Connection& c, const char* reason);

  Connection* Find(uint64_t id);
  void WithinMemory(uint64_t id, absl::FunctionRef<void(Connection&)> step);
  // Of all; a step may close its own.
  void ForEach(absl::FunctionRef<void(Connection&)> step);
  // Hands the jobs of this round over.
  void SubmitJobs();
  base::SteadyTime Now() const;

  EngineShared& shared_;
  WorkerPool& workers_;
  RequestRunner express_;
  int listener_;
  const int epoll_;
  bool accepting_ = true;
  base::SteadyTime accept_again_;
  uint64_t next_id_ = 2;  // 0: the listener, 1: the inbox
  std::unordered_map<uint64_t, std::unique_ptr<Connection>> connections_;
  std::unordered_map<std::string, uint32_t> per_address_;
  uint32_t counted_ = 0;
  std::set<uint64_t> handshakes_;  // connections whose handshake goes on, the oldest first
  // Steps of them that the loop may go itself, as of `handshake_steps_at_`.
  double handshake_steps_ = 0;
  base::SteadyTime handshake_steps_at_;
  uint32_t strangers_ = 0;
  uint64_t next_idle_number_ = 0;
  std::map<uint64_t, uint64_t> idle_strangers_;  // their ids, the one idle longest first
  // What a payer has of this listener; gone with its last connection.
  struct Account {
    uint32_t connections = 0;           // that it made
    uint32_t turned = 0;                // that were dialled from here
    uint64_t uploader = 0;              // whose body a worker receives; 0: none
    base::SteadyTime uploaded;          // when one did last
    std::map<uint64_t, uint64_t> idle;  // ids of a member's, as `idle_strangers_`
  };
  std::unordered_map<base::Payer, Account> accounts_;
  // When to look at which connection's deadline: at it or before, so that one which only moves
  // away, as it does with each request, costs nothing here.
  std::set<std::pair<base::SteadyTime, uint64_t>> deadlines_;
  std::vector<Job> jobs_;       // of this round, for the workers; room for all is taken at once
  std::size_t dispatched_ = 0;  // connections that workers have
  uint64_t gathering_bytes_ = 0, strangers_gathering_bytes_ = 0;
  Uploads uploads_, strangers_uploads_;
  bool drain_begun_ = false;
  bool cut_ = false;
  base::SteadyTime drain_deadline_;
  std::vector<char> buffer_;
};

}  // namespace waypost::http
