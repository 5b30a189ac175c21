#include "service/part_options.h"

#include <utility>
#include <vector>

#include "http/client/dial_rules.h"

// Each setting is handed on here once, whether it counts from the start or while the service runs.
// A part takes the live ones of its options by its Set... functions.

namespace waypost::service {
namespace {

http::DialRules DialRulesOf(const Config& config) {
  std::vector<http::AddressRange> allowed;
  for (const std::string& range : config.peer_allow_cidr) {
    if (auto parsed = http::ParseAddressRange(range); parsed.ok()) {
      allowed.push_back(*std::move(parsed));
    }
  }
  return http::DialRules::ForPeers(std::move(allowed));
}

// What `limits.*` say of one member.
syncgroup::MemberLimits MemberLimitsOf(const Config& config) {
  return {.total = config.limits_mentions,
          .burst = config.limits_mention_burst,
          .per_second = config.limits_mention_rate,
          .bytes = config.limits_member_bytes,
          .entries = config.limits_entries,
          .log_bytes = config.limits_log_bytes,
          .membership = config.limits_membership,
          .membership_per_day = config.limits_membership_rate,
          .numberings = config.limits_numberings};
}

}  // namespace

PeerPartsOptions PartsOptionsOf(const Config& config) {
  return {.name = config.node_name,
          .role = config.node_role,
          .max_locations = config.signpost_max_locations,
          .limits = MemberLimitsOf(config),
          .store = {.inline_max_bytes = config.store_inline_max_bytes,
                    .min_free = config.store_min_free,
                    .max_blob_bytes = config.store_max_blob_bytes},
          .sync = {.interval = config.sync_interval, .concurrency = config.sync_concurrency},
          .scan = {.initial_delay = config.scan_initial_delay,
                   .extra_delay = config.scan_extra_delay,
                   .delay_multiplier = config.scan_delay_multiplier},
          .fetch = config.fetcher};
}

http::PeerHttpClientOptions PeerClientOptionsOf(const Config& config) {
  return {.connect_timeout = config.fetcher_connect_timeout, .dial = DialRulesOf(config)};
}

http::AppLimits AppLimitsOf(const Config& config) {
  return {.tokens = config.limits_tokens,
          .audit_rows = config.limits_audit_rows,
          .audit_age = config.limits_audit_age};
}

http::Sites SitesOf(const Config& config) {
  return {.hosts = config.http_allowed_hosts, .origins = config.http_allowed_origins};
}

}  // namespace waypost::service
