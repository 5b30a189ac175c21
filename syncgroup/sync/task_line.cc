#include "syncgroup/sync/task_line.h"

#include <algorithm>
#include <chrono>
#include <utility>

// Who goes next is fair_line.h's business, by the member that answers for the one that is called,
// but for one thing: tasks for slow peers are passed over while half of the workers are with slow
// ones. A peer of which nothing is known yet counts as quick, once.

namespace waypost::syncgroup {
namespace {

constexpr base::Millis kSlowAtLeast{1000};
constexpr int kTimesTheMedian = 10;

// Long work of this peer has a share as one of the others does; what is short goes first.
base::Payer SharePayer(const TaskLine::Task& task) {
  if (task.peer) return base::PayerOf(*task.peer, task.sponsor);
  return task.is_long ? base::PayerOf("long work of this peer") : base::kNobody;
}

}  // namespace

bool IsSlow(base::Millis took, base::Millis median) {
  return took > std::max(kSlowAtLeast, kTimesTheMedian * median);
}

base::Millis CallTime(base::Millis before, base::Millis last) {
  return std::max(last, before - before / 4);
}

bool TaskLine::Slow(const Task& task) const {
  if (task.is_long) return true;
  if (!task.peer) return false;
  const auto known = took_.find(SharePayer(task));
  return known != took_.end() && IsSlow(known->second, median_);
}

void TaskLine::Add(Task task, bool first) {
  const base::Payer payer = SharePayer(task);
  line_.Push(payer, std::move(task), first);
}

std::optional<TaskLine::Task> TaskLine::Take(uint32_t workers, base::SteadyTime now) {
  line_.SetRunningMax(workers);
  const bool slow_may_go = active_slow_ < std::max(workers / 2, 1u);
  const auto may_go = [&](const Task& task) { return slow_may_go || !Slow(task); };
  if (line_.Next(now, may_go) == nullptr) return std::nullopt;
  Task task = line_.Take(now);
  task.slow = Slow(task);
  task.began = now;
  active_slow_ += task.slow ? 1 : 0;
  return task;
}

void TaskLine::Ended(const Task& task, base::SteadyTime now) {
  line_.Done(SharePayer(task), now);
  active_slow_ -= task.slow ? 1 : 0;
  if (!task.peer) return;
  base::Millis& takes = took_[SharePayer(task)];
  takes = CallTime(takes, std::chrono::duration_cast<base::Millis>(now - task.began));
  // The lower middle one: where half of all are slow, the other half is what counts.
  std::vector<base::Millis> all;
  for (const auto& [payer, its] : took_) all.push_back(its);
  const auto middle = all.begin() + static_cast<std::ptrdiff_t>((all.size() - 1) / 2);
  std::nth_element(all.begin(), middle, all.end());
  median_ = *middle;
}

}  // namespace waypost::syncgroup
