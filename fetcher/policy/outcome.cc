#include "fetcher/policy/outcome.h"

#include <algorithm>

#include "base/utf8.h"

// The table of outcomes: what an attempt that brought nothing costs, and whom. Silence parks the
// blob and costs it nothing; wrong bytes and an honest no of everybody count; reasons of our own
// count for nobody. Evidence that came meanwhile makes it due at once, whatever else happened.

namespace waypost::fetcher {
namespace {

using signpost::ErrorClass;

ErrorClass ClassOf(Answer answer) {
  switch (answer) {
    case Answer::kSent:
      return ErrorClass::kNone;
    case Answer::kNotHere:
    case Answer::kNotGreeted:
      return ErrorClass::kNotHere;
    case Answer::kUnreachable:
      return ErrorClass::kUnreachable;
    case Answer::kBusy:
      return ErrorClass::kBusy;
    case Answer::kWrongBytes:
      return ErrorClass::kWrongBytes;
    case Answer::kNoRoom:
    case Answer::kTooLarge:
      return ErrorClass::kNoSpace;
  }
  return ErrorClass::kNone;
}

// The worst thing that happened is what people should read.
int Severity(Answer answer) {
  switch (answer) {
    case Answer::kWrongBytes:
      return 4;
    case Answer::kNoRoom:
    case Answer::kTooLarge:
      return 3;
    case Answer::kBusy:
    case Answer::kUnreachable:
      return 2;
    case Answer::kNotHere:
    case Answer::kNotGreeted:
      return 1;
    case Answer::kSent:
      return 0;
  }
  return 0;
}

signpost::LastError ErrorOf(const std::vector<Asked>& asked, base::WallTime now) {
  if (asked.empty()) {
    return {.error = ErrorClass::kNobody, .at = now, .message = "no peer to ask is known"};
  }
  const auto worst = std::max_element(
      asked.begin(), asked.end(),
      [](const Asked& a, const Asked& b) { return Severity(a.answer) < Severity(b.answer); });
  return {.error = ClassOf(worst->answer),
          .peer = worst->peer,
          .at = now,
          .message = base::ShortMessage(worst->message)};
}

signpost::LastError ErrorOfOurs(const AttemptReport& report, base::WallTime now) {
  const bool disk = report.local == LocalEnd::kDisk || report.local == LocalEnd::kThisBlob;
  return {.error = disk ? ErrorClass::kDisk : ErrorClass::kNoSpace,
          .at = now,
          .message = base::ShortMessage(report.local_message)};
}

// The attempt was cut short for a reason of our own: what was heard until then stands, nothing
// counts.
void JudgeLocal(const AttemptReport& report, uint32_t failures, const RetryPolicy& policy,
                base::WallTime now, double unit_random, Consequences& after) {
  switch (report.local) {
    case LocalEnd::kYielded:
      after.outcome = Outcome::kYielded;
      return;
    case LocalEnd::kNoSlot:
      after.outcome = Outcome::kNoSlot;
      if (report.no_slot_at.IsZero()) after.next_attempt = now + kPoorSlotWait;
      return;
    case LocalEnd::kNoSpace:
    case LocalEnd::kDisk:
    case LocalEnd::kThisBlob:
      break;
    default:
      after.outcome = Outcome::kCancelled;
      return;
  }
  after.outcome = Outcome::kLocalError;
  after.error = ErrorOfOurs(report, now);
  if (report.local == LocalEnd::kThisBlob) {
    // Nobody but the blob itself waits for that.
    after.count_failure = true;
    after.next_attempt = now + RetryDelay(failures + 1, policy, unit_random);
    return;
  }
  after.pause = report.local == LocalEnd::kNoSpace ? PauseReason::kSpace : PauseReason::kDisk;
}

// What nobody on our side cut short is judged by the worst that was heard.
void JudgeAnswers(const AttemptReport& report, base::WallTime now, Consequences& after) {
  const auto any = [&](Answer answer) {
    return std::any_of(report.asked.begin(), report.asked.end(),
                       [&](const Asked& asked) { return asked.answer == answer; });
  };
  const bool silence =
      any(Answer::kUnreachable) || any(Answer::kBusy) || report.first_cool_down_end.has_value();
  if (any(Answer::kWrongBytes)) {
    after.count_attempt = after.count_failure = true;
    after.outcome = Outcome::kWrongBytes;
  } else if (any(Answer::kTooLarge)) {
    after.count_attempt = after.count_failure = true;
    after.outcome = Outcome::kTooLarge;
  } else if (any(Answer::kNoRoom)) {
    after.next_attempt = now + kNoRoomWait;
    after.outcome = Outcome::kNoRoom;
  } else if (silence) {
    after.parked = true;
    after.outcome = Outcome::kUnreachable;
  } else if (report.asked.empty()) {
    after.count_failure = true;
    after.outcome = Outcome::kNobody;
  } else {
    // An honest no of everyone counts; one that knows us not yet judges nothing, but must not be
    // asked without a pause either.
    after.count_attempt = any(Answer::kNotHere);
    after.count_failure = true;
    after.outcome = Outcome::kNotHere;
  }
}

bool OnlyNotGreeted(const std::vector<Asked>& asked) {
  return !asked.empty() && std::all_of(asked.begin(), asked.end(), [](const Asked& one) {
    return one.answer == Answer::kNotGreeted;
  });
}

}  // namespace

const char* OutcomeName(Outcome outcome) {
  switch (outcome) {
    case Outcome::kOk:
      return "ok";
    case Outcome::kNotHere:
      return "not_here";
    case Outcome::kUnreachable:
      return "unreachable";
    case Outcome::kWrongBytes:
      return "wrong_bytes";
    case Outcome::kNobody:
      return "nobody";
    case Outcome::kYielded:
      return "yielded";
    case Outcome::kNoSlot:
      return "no_slot";
    case Outcome::kCancelled:
      return "cancelled";
    case Outcome::kLocalError:
      return "local_error";
    case Outcome::kTooLarge:
      return "too_large";
    case Outcome::kNoRoom:
      return "no_room";
    case Outcome::kOverLimit:
      return "over_limit";
  }
  return "unknown";
}

Consequences JudgeFailure(const AttemptReport& report, uint32_t failures, const RetryPolicy& policy,
                          base::WallTime now, double unit_random) {
  Consequences after;
  for (const Asked& asked : report.asked) {
    if (asked.answer == Answer::kNotHere) after.denied.emplace_back(asked.peer, asked.at);
    if (asked.answer == Answer::kWrongBytes) after.dropped.push_back(asked.peer);
  }
  const bool over_limit = report.local == LocalEnd::kOverLimit;
  if (report.local != LocalEnd::kNone && !over_limit) {
    JudgeLocal(report, failures, policy, now, unit_random, after);
    return after;
  }
  if (over_limit) {
    after.count_failure = true;
    after.outcome = Outcome::kOverLimit;
  } else {
    JudgeAnswers(report, now, after);
  }
  // Parked without having asked anybody is no news.
  if (!report.asked.empty() || !after.parked) after.error = ErrorOf(report.asked, now);
  if (over_limit) after.error = ErrorOfOurs(report, now);
  if (report.evidence_moved) {
    after.next_attempt = now;
    after.parked = false;
  } else if (after.count_failure) {
    base::Millis delay = RetryDelay(failures + 1, policy, unit_random);
    // A greeting is on its way, and nothing was learned of the blob.
    if (OnlyNotGreeted(report.asked)) delay = std::min(delay, kGreetingWait);
    after.next_attempt = now + delay;
  }
  return after;
}

}  // namespace waypost::fetcher
