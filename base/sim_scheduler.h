#pragma once

// Only in builds with WAYPOST_SIM (preset `sim`): see "The simulated world" in
// docs/architecture.md.

#include <semaphore.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/time.h"

namespace waypost::base {

// One thread of a simulated run. Belongs to the scheduler, which alone changes it.
struct SimThread {
  enum class State { kReady, kRunning, kWaiting, kEnded };
  enum class For { kNothing, kMutex, kCondVar, kJoin };

  std::string name;
  uint32_t number = 0;  // in the order of creation: the same in every run of a seed
  State state = State::kReady;
  For waits_for = For::kNothing;
  const SimThread* waits_on = nullptr;      // who holds the mutex, or who is joined
  SteadyTime deadline = SteadyTime::max();  // max: none
  bool timed_out = false;
  std::vector<SimThread*> joining;  // threads that wait for the end of this one
  sem_t baton;                      // posted when it may run
  std::thread thread;               // not of the first one
};

// What a Mutex and a CondVar are in a simulated run.
struct SimMutexState {
  SimThread* holder = nullptr;
  std::vector<SimThread*> waiting;
};
struct SimCondVarState {
  std::vector<SimThread*> waiting;  // in the order in which they came
};

struct SimOptions {
  uint64_t seed = 0;
  // Taking a free lock, too, hands the baton on once in so many times. 0: never.
  uint32_t preempt_one_in = 16;
  // Decisions without a wait until time passes: more are taken for an endless loop.
  uint64_t decisions_max = 20'000'000;
};

// Runs base's threads one at a time, and says what the time is. While one exists, every Mutex,
// CondVar, Thread, clock and random byte of base goes through it: an OS thread a Thread, and one
// baton. At each point where the holder of the baton would wait (and now and then where it takes a
// free lock) the seed chooses who runs next. When all wait, the time jumps to the earliest
// deadline; when there is none either, nothing can ever happen again: all threads are shown and the
// process ends.
//
// So a run is a function of its seed, as long as nothing depends on addresses, real time, or the
// order of an absl hash map. `trace` tells two runs apart. What does not go through base (files,
// LMDB) just runs and takes no time.
//
// The thread that constructs it is its first one. One at a time in a process; when it is destroyed
// all other threads have been joined.
class SimScheduler {
 public:
  explicit SimScheduler(const SimOptions& options);
  ~SimScheduler();
  SimScheduler(const SimScheduler&) = delete;
  SimScheduler& operator=(const SimScheduler&) = delete;

  // Null while nothing is simulated.
  static SimScheduler* Active() { return active_; }

  // Time begins at the same moment in every run.
  SteadyTime SteadyNow() const { return now_; }
  WallTime WallNow() const;
  void FillRandom(void* bytes, std::size_t count);

  // Lets the seed choose anew who runs; the time stays.
  void Yield();
  void Sleep(Millis time);
  // Mixes what happened into the trace.
  void Note(std::string_view what);
  // A hash of every decision and of everything noted so far.
  uint64_t trace() const { return trace_; }
  uint64_t decisions() const { return decisions_; }

  // ---- for Mutex, CondVar and Thread ----
  void Lock(SimMutexState& mutex);
  void Unlock(SimMutexState& mutex);
  // False when the deadline passed. SteadyTime::max(): none.
  bool Wait(SimCondVarState& condition, SimMutexState& mutex, SteadyTime deadline);
  void NotifyOne(SimCondVarState& condition);
  void NotifyAll(SimCondVarState& condition);
  SimThread* StartThread(std::string name, std::function<void()> body);
  void Join(SimThread* thread);
  static bool IsCurrent(const SimThread* thread);

 private:
  SimThread* Self() const;
  uint64_t Choose(uint64_t below) { return choices_() % below; }
  void MakeReady(SimThread* thread);
  void Notify(SimThread* thread);
  void MaybePreempt();
  // The caller is noted as waiting for something; returns when it was made ready and chosen.
  void Block(SimThread::For what, const SimThread* on, SteadyTime deadline);
  SimThread* ChooseNext();
  void HandOver(SimThread* from, SimThread* to);
  void AwaitBaton(SimThread* self);
  void WakeDue();
  void End(SimThread* self);
  void Take(SimThread* self, SimMutexState& mutex);
  void Mix(uint64_t value);
  [[noreturn]] void Die(const char* why);
  void ShowStack(const SimThread& thread);

  static SimScheduler* active_;

  const SimOptions options_;
  // Apart, so that what one draws does not change what the other gives.
  std::mt19937_64 choices_;
  std::mt19937_64 bytes_;
  SteadyTime now_;
  uint64_t trace_ = 0;
  uint64_t decisions_ = 0;
  uint64_t decisions_at_jump_ = 0;
  std::vector<std::unique_ptr<SimThread>> threads_;
  std::vector<SimThread*> ready_;
  std::set<std::pair<SteadyTime, uint32_t>> deadlines_;  // of waiting threads, by number
  SimThread* showing_ = nullptr;  // the one that is to show its stack, when everything ends
  sem_t shown_;
};

}  // namespace waypost::base
