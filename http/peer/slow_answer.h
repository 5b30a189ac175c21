#pragma once

#include "base/time.h"

namespace waypost::http {

// Blocks the worker that answers until `then`, so that how long an answer takes tells nothing.
// Access says how long; at most GuessLimits::takes for each blob of one request.
void HoldAnswerUntil(base::SteadyTime then);

}  // namespace waypost::http
