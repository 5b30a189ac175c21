#include "fetcher/outcome.h"

#include <algorithm>

namespace waypost::fetcher {
namespace {

constexpr std::size_t kMessageBytesMax = 200;

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
  }
  return ErrorClass::kNone;
}

// The worst thing that happened is what people should read.
int Severity(Answer answer) {
  switch (answer) {
    case Answer::kWrongBytes:
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
  const auto worst = std::max_element(
      asked.begin(), asked.end(),
      [](const Asked& a, const Asked& b) { return Severity(a.answer) < Severity(b.answer); });
  return {.error = ClassOf(worst->answer),
          .peer = worst->peer,
          .at = now,
          .message = worst->message.substr(0, kMessageBytesMax)};
}

Verdict JudgeLocal(const AttemptReport& report, base::WallTime now) {
  Verdict verdict;
  verdict.metric = "cancelled";
  if (report.local == LocalEnd::kYielded) verdict.metric = "yielded";
  if (report.local != LocalEnd::kNoSpace && report.local != LocalEnd::kDisk) return verdict;
  const bool space = report.local == LocalEnd::kNoSpace;
  verdict.metric = "local_error";
  verdict.pause_reason = space ? "space" : "disk";
  verdict.error = {.error = space ? ErrorClass::kNoSpace : ErrorClass::kDisk,
                   .at = now,
                   .message = report.local_message.substr(0, kMessageBytesMax)};
  return verdict;
}

}  // namespace

base::WallTime UnparkAt(const AttemptReport& report, base::WallTime now) {
  const base::WallTime soon = now + base::Millis(2000);
  return report.first_cool_down_end ? std::min(*report.first_cool_down_end, soon) : soon;
}

Verdict JudgeFailure(const AttemptReport& report, uint32_t failures, const RetryPolicy& policy,
                     base::WallTime now, double unit_random) {
  Verdict verdict;
  if (report.local == LocalEnd::kTooLarge) {
    verdict.count_attempt = verdict.count_failure = true;
    verdict.next_attempt = now + RetryDelay(failures + 1, policy, unit_random);
    verdict.error = {.error = ErrorClass::kNoSpace,
                     .at = now,
                     .message = report.local_message.substr(0, kMessageBytesMax)};
    verdict.metric = "too_large";
    return verdict;
  }
  if (report.local != LocalEnd::kNone) return JudgeLocal(report, now);
  bool wrong = false;
  bool failed = false;  // somebody could not be heard
  bool refused = false;
  for (const Asked& asked : report.asked) {
    wrong = wrong || asked.answer == Answer::kWrongBytes;
    refused = refused || asked.answer == Answer::kNotHere;
    failed = failed || asked.answer == Answer::kUnreachable || asked.answer == Answer::kBusy ||
             asked.answer == Answer::kNotGreeted;
    if (asked.answer == Answer::kNotHere) verdict.denied.push_back(asked.peer);
    if (asked.answer == Answer::kWrongBytes) verdict.dropped.push_back(asked.peer);
  }
  const bool parked = failed || (report.asked.empty() && report.first_cool_down_end);
  if (!report.asked.empty()) verdict.error = ErrorOf(report.asked, now);
  if (report.asked.empty() && !parked) {
    verdict.error = {.error = ErrorClass::kNobody, .at = now, .message = "no peer to ask is known"};
    verdict.count_failure = true;
    verdict.metric = "nobody";
  } else if (wrong || (refused && !failed && !report.first_cool_down_end)) {
    verdict.count_attempt = verdict.count_failure = true;
    verdict.metric = wrong ? "wrong_bytes" : "not_here";
  } else {
    verdict.metric = "unreachable";
  }
  if (report.evidence_moved) {
    verdict.next_attempt = now;
  } else if (verdict.count_failure) {
    verdict.next_attempt = now + RetryDelay(failures + 1, policy, unit_random);
  }
  verdict.parked = parked && !verdict.next_attempt;
  return verdict;
}

}  // namespace waypost::fetcher
