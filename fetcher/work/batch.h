#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "base/index.h"
#include "base/mutex.h"
#include "fetcher/attempt/attempt.h"
#include "fetcher/policy/slow_window.h"
#include "fetcher/work/board.h"
#include "fetcher/work/recorder.h"

namespace waypost::fetcher {

// What a worker does with the blobs that it took: one, or many small ones of one peer, which travel
// in one request. Each is an attempt of its own, which costs what it would cost alone; what they
// share is the slot, the request and, as they are written down without waiting for one another, the
// commit. Of one thread; the writer thread tells it what was committed.
class Batch {
 public:
  // All outlive it.
  struct Parts {
    const AttemptParts& attempt;
    Recorder& recorder;
    Board& board;
  };
  // `all`: not empty, all at one peer, whose slot they have; outlives the batch.
  Batch(const Parts& parts, std::vector<Taken>& all);

  // Everything, until all of them have landed.
  void Run();

 private:
  // Operations under way in the index.
  class Outstanding {
   public:
    void Begin();
    void End();
    void WaitForAll();

   private:
    base::Mutex mutex_;
    base::CondVar none_;
    std::size_t count_ GUARDED_BY(mutex_) = 0;
  };
  struct Item {
    Taken& taken;
    Attempt attempt;
    bool open = true;       // somebody else may be asked yet
    bool finished = false;  // `taken` has its result
    bool put_back = false;  // another attempt will get it
    bool landed = false;
    bool noted = false;  // and counted
    absl::Status recorded = absl::OkStatus();
    Written written = {};
    std::optional<Failure> failure = {};
  };
  class Answer;

  AttemptOptions OptionsFor(Taken& taken);
  void Load();
  void Ask();
  bool AskFirst();
  void AskSome(const base::PeerId& peer, const std::vector<Item*>& some);
  // ---- how long ----
  // That was not the peer's fault.
  void Excuse(base::SteadyTime::duration time);
  // Counts all that comes; from then on true when the slot is to be given up.
  bool TurnIsOver(uint64_t bytes);
  // Somebody else has what is asked for here, and sends well.
  bool HasOtherHolder();
  bool TimeIsOver() const;
  bool ShouldYield(const Taken& taken, uint64_t bytes, base::SteadyTime::duration excused);
  // The others are concluded or go back, and land.
  void GoOnWith(const Taken& one);

  // Goes back into the queue as it came, with the next Land.
  void PutBack(Item& item);
  void SendBack(Item& item, const base::PeerId& next);
  void SendBackBut(const Taken* one);
  // Other workers may have them. What was put back lands before this one waits for a large blob or
  // its commit; the rest at the end.
  enum class Which { kPutBack, kAll };
  void Land(Which which, const Taken* but = nullptr);
  void LandUnmade();
  template <class Write>
  void Submit(Item& item, base::Index::Lane lane, Write write);
  void SubmitSuccess(Item& item);
  // What nobody brought is written down too, and then everything that was written is told.
  void Conclude(const Taken* but = nullptr);
  void ConcludeOne(Item& item);
  void Insist(absl::FunctionRef<void()> act);
  void GiveUp();
  void SayNoMemory() const;

  const Parts parts_;
  const FetcherOptions options_;
  const base::SteadyTime began_;
  std::vector<Taken>& all_;
  SlowWindow slow_;          // of the whole time in the slot
  SlowWindow slow_of_peer_;  // of whom is asked
  base::SteadyTime::duration excused_{0};
  Slot slot_;
  uint64_t received_bytes_ = 0;
  bool in_answer_ = false;  // the answer of a batch is being read
  bool alone_;              // one blob is all that is asked for
  bool turn_is_over_ = false;
  bool memory_ran_out_ = false;
  std::deque<Item> items_;
  Outstanding outstanding_;
};

}  // namespace waypost::fetcher
