#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/attempt_limiter.h"
#include "base/ids.h"
#include "base/index.h"
#include "base/time.h"
#include "signpost/rules.h"
#include "syncgroup/group/core.h"

namespace waypost::syncgroup {

// A miss is a guess when no group mentions the blob from which the caller could know it: one that
// it asked under, and may read.
struct GuessLimits {
  std::size_t per_minute = 100;  // of one peer; beyond it refused
  // A guess takes so long, whatever was found: rows that are here take longer to find than none.
  // What is to be looked up takes a tenth.
  std::chrono::microseconds takes{300};
};

// Who may read a blob here, what a miss says, and how guesses are slowed: for one blob and for many
// in one request alike. A blob that is missing, one that is not granted and one never heard of get
// the same verdict. Thread-safe; reads the index and does not wait: that is the caller's.
class Access {
 public:
  struct Parts {
    const Core& core;  // outlives it
    GuessLimits guesses = {};
    // These are not here, `caller` may know of them by `groups`, and was told no: it is to hear
    // when they are. Called on the thread that judged, after it looked; may be null.
    std::function<void(const base::PeerId& caller, const std::vector<base::BlobId>& blobs,
                       const std::vector<base::GroupId>& groups)>
        told_no = {};
  };
  explicit Access(Parts parts);

  struct Verdict {
    enum class Kind {
      kGranted,    // may be read, under `granted`
      kElsewhere,  // not here, for this caller; `elsewhere` is what it may learn of others
      kRefused,    // it guessed too often; not again before `retry_after`
    };
    Kind kind = Kind::kElsewhere;
    std::vector<base::GroupId> granted;
    uint64_t size_bytes = 0;  // of a granted one, as its row has it
    signpost::SharedSignpost elsewhere;
    base::Millis retry_after{0};
  };
  struct Judgement {
    std::vector<Verdict> verdicts;  // one a blob, in the order of the question
    // How long after the question the answer may be given, so that its time tells nothing of
    // guesses: what they take, whatever was found, and what all else took. Zero where none was one.
    base::SteadyTime::duration answer_after{0};
  };
  // Judges each blob by itself, all by one view of the index. kUnavailable: it cannot be read.
  absl::StatusOr<Judgement> Judge(const base::PeerId& caller,
                                  const std::vector<base::BlobId>& blobs,
                                  const std::vector<base::GroupId>& groups);
  // The blob was granted, and then its bytes were found to be gone: judged as a miss.
  absl::StatusOr<Judgement> JudgeLost(const base::PeerId& caller, const base::BlobId& blob,
                                      const std::vector<base::GroupId>& groups);

 private:
  struct Question;
  void JudgeMiss(base::ReadTxn& txn, Question& question, const base::BlobId& blob,
                 Judgement& judgement);
  std::optional<base::Millis> RefusedAtOnce(base::ReadTxn& txn, const base::PeerId& caller,
                                            const std::vector<base::GroupId>& groups);
  bool IsGuess(base::ReadTxn& txn, const Question& question, const base::BlobId& blob) const;
  signpost::SharedSignpost SharedWith(base::ReadTxn& txn, const base::PeerId& caller,
                                      const base::BlobId& blob) const;

  const Parts parts_;
  base::AttemptLimiter guesses_;
};

}  // namespace waypost::syncgroup
