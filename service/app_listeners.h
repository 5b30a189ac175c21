#pragma once

#include "http/engine/engine.h"

namespace waypost::service {

// What the two listeners of the app API have in common: the one for apps and the one for the owner.
http::EngineOptions WithWhatAppsNeed(http::EngineOptions options);

}  // namespace waypost::service
