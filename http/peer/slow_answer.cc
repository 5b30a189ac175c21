#include "http/peer/slow_answer.h"

#include "base/clock.h"
#include "base/mutex.h"

// Waits on a condition that nobody signals: no product code sleeps, and a simulated world lets time
// pass here as everywhere else.

namespace waypost::http {

void HoldAnswerUntil(base::SteadyTime then) {
  if (then <= base::SteadyNow()) return;
  base::Mutex mutex;
  base::CondVar never;
  base::MutexLock lock(mutex);
  while (never.WaitUntil(mutex, then)) {
  }
}

}  // namespace waypost::http
