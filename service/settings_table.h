#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "service/config.h"
#include "service/setting_kinds.h"

namespace waypost::blobstore {
class DiskBlobStore;
}
namespace waypost::fetcher {
class Fetcher;
}
namespace waypost::http {
class AllowedSites;
class AppApi;
class PeerHttpClient;
}  // namespace waypost::http
namespace waypost::syncgroup {
class Syncer;
struct Core;
}  // namespace waypost::syncgroup
namespace waypost::upkeep {
class Scanner;
}

namespace waypost::service {

// The running parts that settings act on.
struct LiveParts {
  blobstore::DiskBlobStore& blobs;
  http::PeerHttpClient& client;
  syncgroup::Core& group_core;
  syncgroup::Syncer& syncer;
  upkeep::Scanner& scanner;
  fetcher::Fetcher& fetcher;
  http::AppApi& app;
  http::AllowedSites& sites;
};

// One setting: all that file, environment, command line, PATCH, help and the running service know
// of it.
struct Setting {
  std::string key;       // "fetcher.concurrency"
  std::string standard;  // the default, as it would be written; that of a list: no items
  SettingKind kind;
  std::string help;
  // Hands what is configured to the part that it is for, which acts on it from then on. Null: it
  // counts from the next start.
  void (*act)(const Config& config, const LiveParts& parts) = nullptr;

  // May it change while the service runs?
  bool live() const { return act != nullptr; }
  std::string section() const;          // "fetcher"
  std::string name() const;             // "concurrency"
  std::string EnvironmentName() const;  // "WAYPOST_FETCHER_CONCURRENCY"
  // A value that is written as one text: that of a list is split at commas.
  std::vector<std::string> ItemsOf(std::string_view text) const;
  // A list joined by commas, for people and for GET /v1/config.
  std::string Show(const Config& config) const;
};

// In the order in which they are shown. Built once, never changed.
const std::vector<Setting>& Settings();
// nullptr: no such setting.
const Setting* FindSetting(std::string_view key);
// "there is no setting ..." with all keys of the section, or all sections.
absl::Status UnknownSetting(std::string_view where, std::string_view key);

// Every live setting acts on `parts`.
void ApplyLiveSettings(const Config& config, const LiveParts& parts);

}  // namespace waypost::service
