#include "upkeep/suspects.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"

// A peer that got wrong bytes tells where it got them, so that a rotten file is found by who has
// it. Its word alone changes nothing: what is stored is read, and only what is wrong is set aside.

namespace waypost::upkeep {

bool SuspectQueue::Add(const Suspect& suspect, base::SteadyTime now) {
  if (asked_.size() >= kRememberedMax) {
    absl::erase_if(asked_, [&](const auto& item) { return now - item.second.when >= kDay; });
    if (asked_.size() >= kRememberedMax) return false;
  }
  const auto it = asked_.find(suspect.blob);
  if (it != asked_.end() && now - it->second.when < kDay) return false;
  const auto asked_by_it = std::count_if(asked_.begin(), asked_.end(), [&](const auto& item) {
    return item.second.by == suspect.by && now - item.second.when < kDay;
  });
  if (static_cast<std::size_t>(asked_by_it) >= kRememberedOfOneMax) return false;
  const auto of_it = std::count_if(waiting_.begin(), waiting_.end(),
                                   [&](const Suspect& each) { return each.by == suspect.by; });
  if (waiting_.size() >= kWaitingMax || static_cast<std::size_t>(of_it) >= kOfOneMax) return false;
  asked_[suspect.blob] = {.when = now, .by = suspect.by};
  waiting_.push_back(suspect);
  return true;
}

std::optional<Suspect> SuspectQueue::Next() const {
  return waiting_.empty() ? std::nullopt : std::optional(waiting_.front());
}

void SuspectQueue::Done(bool looked) {
  if (!looked) asked_.erase(waiting_.front().blob);
  waiting_.pop_front();
}

void Suspects::Start() {
  thread_ = base::Thread("suspects", [this] { Loop(); });
}

void Suspects::Shutdown() {
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
    wake_.NotifyAll();
  }
  thread_.Join();
}

bool Suspects::Report(const base::PeerId& by, const base::BlobId& blob) {
  base::MutexLock lock(mutex_);
  if (!queue_.Add({blob, by}, clock_.SteadyNow())) return false;
  wake_.NotifyAll();
  return true;
}

bool Suspects::stopping() {
  base::MutexLock lock(mutex_);
  return stopping_;
}

void Suspects::Loop() {
  while (true) {
    std::optional<Suspect> next;
    {
      base::MutexLock lock(mutex_);
      while (!stopping_ && !(next = queue_.Next())) wake_.Wait(mutex_);
      if (stopping_) return;
    }
    bool looked = false;
    const absl::Status status = base::WithinMemory([&] {
      looked = Look(*next);
      return absl::OkStatus();
    });
    if (!status.ok()) base::LogWarning("a blob is not looked at: ", status.message());
    base::MutexLock lock(mutex_);
    queue_.Done(looked);
  }
}

bool Suspects::Look(const Suspect& suspect) {
  const auto right = check_(suspect.blob, [this] { return stopping(); });
  const std::string said = absl::StrCat("peer ", suspect.by.ToHex(), " got wrong bytes of blob ",
                                        suspect.blob.ToHex(), " from here: ");
  if (right.ok() && !*right) {
    base::LogWarning(said, "they are rotten here too, and were set aside: check the disk");
    return true;
  }
  // What a member only says is worth so many lines.
  if (absl::IsCancelled(right.status()) || !lines_.May(suspect.by.ToHex(), clock_.SteadyNow())) {
    return right.ok();
  }
  base::LogWarning(said, right.ok() ? "here they are right"
                                    : "they cannot be read: " + right.status().ToString());
  return right.ok();
}

}  // namespace waypost::upkeep
