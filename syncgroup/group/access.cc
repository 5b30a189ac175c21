#include "syncgroup/group/access.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "blobstore/blob_row.h"
#include "signpost/signpost_table.h"
#include "syncgroup/ledger/rows.h"

// A question about rights reads membership, state and holding in one transaction, so that they
// belong to the same moment: who was removed, and what was left, counts no more from the commit on
// that says so. A guess is answered after a time that does not depend on what was found; in a batch
// these times are added up, and to what the rest took.

namespace waypost::syncgroup {
namespace {

constexpr base::Millis kMinute{60000};

// Who knows the id of a public group may read what it holds.
bool MayRead(base::ReadTxn& txn, const base::GroupId& group, const base::PeerId& peer) {
  const auto row = LoadGroupRow(txn, group);
  return row && row->state == GroupRow::State::kActive &&
         (row->is_public || LoadMember(txn, group, peer));
}

// The groups among those asked under that grant it; and its size.
std::optional<Access::Verdict> Granted(base::ReadTxn& txn, const base::PeerId& caller,
                                       const base::BlobId& blob,
                                       const std::vector<base::GroupId>& groups) {
  const auto row = blobstore::LoadBlobRow(txn, blob);
  if (!row) return std::nullopt;
  Access::Verdict verdict{.kind = Access::Verdict::Kind::kGranted, .size_bytes = row->size_bytes};
  for (const base::GroupId& group : groups) {
    if (row->holdings.contains(group) && MayRead(txn, group, caller)) {
      verdict.granted.push_back(group);
    }
  }
  if (verdict.granted.empty()) return std::nullopt;
  return verdict;
}

}  // namespace

struct Access::Question {
  const base::PeerId& caller;
  const std::vector<base::GroupId>& groups;
  // Misses that are no guesses.
  std::vector<base::BlobId> may_wait = {};
  std::size_t guesses = 0;
};

Access::Access(Parts parts)
    : parts_(std::move(parts)), guesses_(parts_.guesses.per_minute, kMinute) {}

bool Access::IsGuess(base::ReadTxn& txn, const Question& question, const base::BlobId& blob) const {
  const auto signpost = signpost::LoadSignpost(txn, blob);
  if (!signpost) return true;
  return std::none_of(
      question.groups.begin(), question.groups.end(), [&](const base::GroupId& group) {
        return signpost->groups.contains(group) && MayRead(txn, group, question.caller);
      });
}

signpost::SharedSignpost Access::SharedWith(base::ReadTxn& txn, const base::PeerId& caller,
                                            const base::BlobId& blob) const {
  const auto signpost = signpost::LoadSignpost(txn, blob);
  if (!signpost) return {};
  const signpost::FilterView view{
      .self = parts_.core.self(),
      .is_public =
          [&](const base::GroupId& group) {
            const auto row = LoadGroupRow(txn, group);
            return row && row->state == GroupRow::State::kActive && row->is_public;
          },
      .is_member =
          [&](const base::GroupId& group, const base::PeerId& peer) {
            return IsActive(txn, group) && LoadMember(txn, group, peer);
          },
  };
  return signpost::FilterFor(*signpost, caller, view, parts_.core.ledger.options().max_locations);
}

void Access::JudgeMiss(base::ReadTxn& txn, Question& question, const base::BlobId& blob,
                       Judgement& judgement) {
  Verdict& verdict = judgement.verdicts.emplace_back();
  if (IsGuess(txn, question, blob)) {
    // Also one that is refused: finding out that it is a guess takes longer when rows are here.
    ++question.guesses;
    const std::string key(question.caller.bytes());
    const base::SteadyTime now = parts_.core.clock.SteadyNow();
    if (const auto wait = guesses_.Wait(key, now)) {
      verdict.kind = Verdict::Kind::kRefused;
      verdict.retry_after = *wait;
      return;
    }
    guesses_.Note(key, now);
  } else {
    question.may_wait.push_back(blob);
  }
  verdict.elsewhere = SharedWith(txn, question.caller, blob);
}

// Who may read none of the groups that it names can only guess. Over the limit it is refused before
// any row is looked at, so that its time tells nothing and no answer waits.
std::optional<base::Millis> Access::RefusedAtOnce(base::ReadTxn& txn, const base::PeerId& caller,
                                                  const std::vector<base::GroupId>& groups) {
  const auto wait = guesses_.Wait(std::string(caller.bytes()), parts_.core.clock.SteadyNow());
  if (!wait) return std::nullopt;
  const bool reads = std::any_of(groups.begin(), groups.end(), [&](const base::GroupId& group) {
    return MayRead(txn, group, caller);
  });
  return reads ? std::nullopt : wait;
}

absl::StatusOr<Access::Judgement> Access::Judge(const base::PeerId& caller,
                                                const std::vector<base::BlobId>& blobs,
                                                const std::vector<base::GroupId>& groups) {
  const base::Clock& clock = parts_.core.clock;
  Judgement judgement;
  judgement.verdicts.reserve(blobs.size());
  Question question{.caller = caller, .groups = groups};
  base::SteadyTime::duration others_took{0};
  const absl::Status read = parts_.core.index.Read([&](base::ReadTxn& txn) {
    if (const auto wait = RefusedAtOnce(txn, caller, groups)) {
      judgement.verdicts.assign(blobs.size(),
                                {.kind = Verdict::Kind::kRefused, .retry_after = *wait});
      return;
    }
    base::SteadyTime began = clock.SteadyNow();
    for (const base::BlobId& blob : blobs) {
      const std::size_t guesses_before = question.guesses;
      if (auto granted = Granted(txn, caller, blob, groups)) {
        judgement.verdicts.push_back(*std::move(granted));
      } else {
        JudgeMiss(txn, question, blob, judgement);
      }
      const base::SteadyTime ended = clock.SteadyNow();
      if (question.guesses == guesses_before) others_took += ended - began;
      began = ended;
    }
  });
  if (!read.ok()) return absl::UnavailableError(read.message());
  if (question.guesses > 0) {
    judgement.answer_after = question.guesses * parts_.guesses.takes + others_took;
  }
  if (parts_.told_no && !question.may_wait.empty()) {
    parts_.told_no(caller, question.may_wait, groups);
  }
  return judgement;
}

absl::StatusOr<Access::Judgement> Access::JudgeLost(const base::PeerId& caller,
                                                    const base::BlobId& blob,
                                                    const std::vector<base::GroupId>& groups) {
  Judgement judgement;
  Question question{.caller = caller, .groups = groups};
  const absl::Status read = parts_.core.index.Read(
      [&](base::ReadTxn& txn) { JudgeMiss(txn, question, blob, judgement); });
  if (!read.ok()) return absl::UnavailableError(read.message());
  // Nobody is to hear of it when it is here: its row still says that it is.
  judgement.answer_after = question.guesses * parts_.guesses.takes;
  return judgement;
}

}  // namespace waypost::syncgroup
