#pragma once

#include "http/app/allowed_sites.h"
#include "http/app/app_api.h"
#include "http/peer/peer_http_client.h"
#include "service/config.h"
#include "service/parts/peer_parts.h"

// What settings say to the parts that they are for: the one place where a setting becomes an
// option, at the start (service.cc) and when it changes later (settings_table.cc).
namespace waypost::service {

// All but what comes from outside the configuration.
PeerPartsOptions PartsOptionsOf(const Config& config);
http::PeerHttpClientOptions PeerClientOptionsOf(const Config& config);
// What `limits.*` say of what apps make this peer keep.
http::AppLimits AppLimitsOf(const Config& config);
http::Sites SitesOf(const Config& config);

}  // namespace waypost::service
