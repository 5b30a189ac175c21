#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/log.h"
#include "blobstore/disk_blob_store.h"
#include "fetcher/work/fetcher.h"
#include "syncgroup/protocol/types.h"

namespace waypost::service {

struct ListenerConfig {
  std::string listen;  // "127.0.0.1:7440"; port 0: a free one, kept in the data folder
  uint32_t max_connections = 0;
  uint32_t max_per_address = 0;
  uint32_t workers = 0;  // 0: 2 x cores, at least 8
  base::Millis head_timeout{0};
  base::Millis idle_timeout{0};
  uint64_t min_rate_bytes_per_s = 0;
};

// Every setting, typed and within its range. The defaults are in the table of settings.
struct Config {
  std::string node_name;  // empty: the host's name
  syncgroup::Role node_role = syncgroup::Role::kServer;
  ListenerConfig http;
  std::vector<std::string> http_allowed_hosts;
  std::vector<std::string> http_allowed_origins;
  uint32_t http_max_waiting = 0;
  std::string http_tls_cert, http_tls_key;
  ListenerConfig peer;
  std::vector<std::string> peer_advertise;
  std::vector<std::string> peer_allow_cidr;
  fetcher::FetcherOptions fetcher;
  base::Millis fetcher_connect_timeout{0};
  base::Millis scan_initial_delay{0};
  base::Millis scan_extra_delay{0};
  double scan_delay_multiplier = 0;
  base::Millis sync_interval{0};
  uint32_t sync_concurrency = 0;
  uint32_t signpost_max_locations = 0;
  uint32_t limits_mentions = 0, limits_mention_burst = 0, limits_mention_rate = 0;
  uint32_t limits_entries = 0, limits_membership = 0, limits_membership_rate = 0;
  uint32_t limits_numberings = 0;
  uint64_t limits_member_bytes = 0, limits_log_bytes = 0;
  uint32_t limits_tokens = 0, limits_audit_rows = 0;
  base::Millis limits_audit_age{0};
  uint32_t limits_stranger_connections = 0;  // percent

  bool security_sandbox = true;
  uint64_t store_inline_max_bytes = 0;
  blobstore::FreeSpaceFloor store_min_free;
  uint64_t store_max_blob_bytes = 0;
  uint64_t index_map_size_bytes = 0;
  base::LogLevel log_level = base::LogLevel::kInfo;
  base::LogFormat log_format = base::LogFormat::kText;
};

// Where a value came from; a later one wins.
enum class Origin { kDefault, kFile, kPatched, kEnvironment, kCommandLine };
// "default", "file", "patched", "environment", "command_line"
const char* OriginName(Origin origin);

// What was written for a setting, and where: "waypost.toml:12", "environment variable WAYPOST_...".
struct RawValue {
  std::vector<std::string> items;  // one, unless the setting is a list
  std::string where;
};
using Layer = std::map<std::string, RawValue>;

// The readers of the layers. kInvalidArgument names where the mistake is and what is allowed; an
// unknown key is one. Values are checked by Resolve.
//
// `name` stands for the file in messages.
absl::StatusOr<Layer> LayerFromToml(std::string_view text, const std::string& name);
// As LayerFromToml; a file that is not there is an empty layer unless `must_exist`.
absl::StatusOr<Layer> LayerFromFile(const std::string& path, bool must_exist);
// Of the variables that begin with WAYPOST_; `environment` ends with a null, as environ. Those that
// name no setting are a warning in the log, those of Kubernetes not even that.
absl::StatusOr<Layer> LayerFromEnvironment(const char* const* environment);
// Pairs of "section.key" and text, in order; repeated ones make a list.
absl::StatusOr<Layer> LayerFromCommandLine(
    const std::vector<std::pair<std::string, std::string>>& arguments);

struct Layers {
  Layer file, patched, environment, command_line;
};

// The effective configuration, and where each value came from, by key.
struct Resolved {
  Config config;
  std::map<std::string, Origin> origins;
};
absl::StatusOr<Resolved> Resolve(const Layers& layers);

// A commented file with every setting at its default; `values` are written in instead.
std::string TemplateToml(const Layer& values);

}  // namespace waypost::service
