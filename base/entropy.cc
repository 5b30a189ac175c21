#include "base/entropy.h"

#include <sys/random.h>

#include <algorithm>

#include "base/status.h"
#ifdef WAYPOST_SIM
#include "base/sim_scheduler.h"
#endif

// The only place that draws randomness; in a simulated run all comes from its seed. Bytes
// come from the kernel, which blocks until its generator is seeded and then never fails: there is
// no way to go on without.

namespace waypost::base {

void DrawEntropy(void* out, std::size_t count) {
#ifdef WAYPOST_SIM
  if (SimScheduler* const sim = SimScheduler::Active()) return sim->FillRandom(out, count);
#endif
  // At most 256 bytes are never cut short or interrupted once the kernel's generator is seeded.
  constexpr std::size_t kWholeMax = 256;
  auto* at = static_cast<unsigned char*>(out);
  while (count > 0) {
    const std::size_t part = std::min(count, kWholeMax);
    CHECK(getrandom(at, part, 0) == static_cast<ssize_t>(part));
    at += part;
    count -= part;
  }
}

}  // namespace waypost::base
