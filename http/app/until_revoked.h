#pragma once

#include <memory>

#include "base/clock.h"
#include "http/app/token_store.h"
#include "http/message/message.h"

namespace waypost::http {

// `inner`, for as long as the named token of its caller is good for it: a stream ends, and an
// answer that has not come is 401, within a second of the token's end. `tokens` and `clock` outlive
// it.
std::shared_ptr<Subscription> UntilRevoked(std::shared_ptr<Subscription> inner,
                                           std::shared_ptr<const Caller> caller,
                                           const TokenStore& tokens);

}  // namespace waypost::http
