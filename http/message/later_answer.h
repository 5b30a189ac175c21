#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "http/message/message.h"

namespace waypost::http {

// An answer that is ready and is not given before `then`, so that how long it took tells nothing. A
// timer of the listener's loop waits, no thread.
Response AnswerAt(base::SteadyTime then, Response response);

// `inner`, whatever it answers or streams with these headers too.
std::shared_ptr<Subscription> WithHeaders(std::shared_ptr<Subscription> inner,
                                          std::vector<std::pair<std::string, std::string>> headers);

}  // namespace waypost::http
