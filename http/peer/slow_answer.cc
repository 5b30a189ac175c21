#include "http/peer/slow_answer.h"

#include "base/clock.h"

// No product code sleeps: base waits, and a simulated world lets time pass there as everywhere
// else. Most answers took longer already, and cost nothing here.

namespace waypost::http {

void HoldAnswerUntil(base::SteadyTime then) {
  if (then > base::SteadyNow()) base::WaitUntil(then);
}

}  // namespace waypost::http
