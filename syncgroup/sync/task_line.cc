#include "syncgroup/sync/task_line.h"

#include <algorithm>
#include <chrono>
#include <utility>

// The order of the line is kept but for one thing: a task for a slow peer is passed over while half
// of the workers are with slow ones. A peer of which nothing is known yet counts as quick, once.

namespace waypost::syncgroup {
namespace {

constexpr base::Millis kSlowAtLeast{1000};
constexpr int kTimesTheMedian = 10;

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
  const auto known = took_.find(PayerOf(task));
  return known != took_.end() && IsSlow(known->second, median_);
}

void TaskLine::Add(Task task, bool first) {
  if (first) {
    tasks_.push_front(std::move(task));
  } else {
    tasks_.push_back(std::move(task));
  }
}

std::optional<TaskLine::Task> TaskLine::Take(uint32_t workers) {
  if (active_ >= workers) return std::nullopt;
  const uint32_t slow_max = std::max(workers / 2, 1u);
  for (auto it = tasks_.begin(); it != tasks_.end(); ++it) {
    const bool slow = Slow(*it);
    if (slow && active_slow_ >= slow_max) continue;
    Task task = std::move(*it);
    tasks_.erase(it);
    task.slow = slow;
    ++active_;
    active_slow_ += slow ? 1 : 0;
    return task;
  }
  return std::nullopt;
}

void TaskLine::Ended(const Task& task, base::Millis took) {
  --active_;
  active_slow_ -= task.slow ? 1 : 0;
  if (!task.peer) return;
  base::Millis& takes = took_[PayerOf(task)];
  takes = CallTime(takes, took);
  // The lower middle one: where half of all are slow, the other half is what counts.
  std::vector<base::Millis> all;
  for (const auto& [peer, its] : took_) all.push_back(its);
  const auto middle = all.begin() + static_cast<std::ptrdiff_t>((all.size() - 1) / 2);
  std::nth_element(all.begin(), middle, all.end());
  median_ = *middle;
}

}  // namespace waypost::syncgroup
