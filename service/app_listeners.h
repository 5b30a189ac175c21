#pragma once

#include "base/clock.h"
#include "http/app/app_api.h"
#include "http/engine/engine.h"
#include "service/parts/peer_parts.h"
#include "syncgroup/protocol/peer_client.h"

namespace waypost::service {

// What the app API stands on: the parts of a peer, and what is made beside them. All outlive it.
http::AppParts AppPartsOf(PeerParts& parts, syncgroup::PeerClient& client,
                          http::SettingsAccess& settings, const http::AllowedSites& sites,
                          const base::Clock& clock);

// What the two listeners of the app API have in common: the one for apps and the one for the owner.
http::EngineOptions WithWhatAppsNeed(http::EngineOptions options);

}  // namespace waypost::service
