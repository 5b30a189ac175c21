#pragma once

#include "base/clock.h"
#include "http/message/message.h"

namespace waypost::http {

// An answer that is ready and is not given before `then`, so that how long it took tells nothing. A
// timer of the listener's loop waits, no thread.
Response AnswerAt(base::SteadyTime then, Response response);

}  // namespace waypost::http
