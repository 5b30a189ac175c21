#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/events.h"
#include "base/index.h"
#include "base/metrics.h"
#include "blobstore/disk_blob_store.h"
#include "fetcher/report/completeness.h"
#include "fetcher/report/report.h"
#include "fetcher/work/fetcher.h"
#include "http/app/allowed_sites.h"
#include "http/app/app_limits.h"
#include "http/app/token_store.h"
#include "http/message/message.h"
#include "http/message/router.h"
#include "signpost/peer_book.h"
#include "syncgroup/group/groups.h"
#include "syncgroup/group/invites.h"
#include "syncgroup/group/refs.h"
#include "syncgroup/protocol/peer_client.h"
#include "syncgroup/sync/syncer.h"
#include "upkeep/scanner.h"

namespace waypost::http {

// Effective settings with their origin, and how to change the live ones. Implemented by service.
class SettingsAccess {
 public:
  // What was written for a setting and does not count, for another value goes before it.
  struct Hidden {
    std::string value, origin, where;  // "waypost.toml:12"
  };
  struct Item {
    std::string key, value, origin;  // "default", "file", "patched", "environment", "command_line"
    bool live = false;
    std::vector<Hidden> hides;
  };
  virtual ~SettingsAccess() = default;
  virtual std::vector<Item> All() const = 0;
  // Key and new value as text; without one an earlier patch is undone.
  using Changes = std::vector<std::pair<std::string, std::optional<std::string>>>;
  // All or nothing. kInvalidArgument names key and allowed values; kFailedPrecondition (409) where
  // environment or command line fix the key or it is not live.
  virtual absl::Status Patch(const Changes& changes) = 0;
};

// What the app API speaks for. All outlive it.
struct AppParts {
  base::Index& index;
  blobstore::DiskBlobStore& blobs;
  syncgroup::Ledger& ledger;
  syncgroup::Groups& groups;
  syncgroup::Refs& refs;
  syncgroup::Invites& invites;
  syncgroup::Syncer& syncer;
  syncgroup::PeerClient& client;
  signpost::PeerBook& peers;
  fetcher::Fetcher& fetcher;
  const fetcher::Report& report;
  upkeep::Scanner& scanner;
  fetcher::CompletenessReporter& completeness;
  SettingsAccess& settings;
  const AllowedSites& sites;
  base::EventLog& events;
  base::Metrics& metrics;
  const base::Clock& clock;
};
struct AppInfo {
  std::string name, version;
  std::string sandbox;  // what this process gave up, in words
  base::PeerId peer;
  Tokens tokens;
  std::function<std::vector<std::string>()> bound_hosts;  // "127.0.0.1:7440", known after Start
  std::function<std::vector<std::string>()> addresses;    // advertised to peers
  // As endpoints.json has it, known after Start.
  std::function<std::string()> endpoint;
  // Reads settings, tokens and certificate again; an error says what stayed as it was.
  std::function<absl::Status()> reload;
  base::SteadyTime started;
  AppLimits limits;  // at first
};

// The app API of docs/openapi.yaml on plain requests: authorization, routes, JSON. Thread-safe;
// handlers never wait for the network or another peer: what takes long is a Subscription.
class AppApi {
 public:
  AppApi(AppParts parts, AppInfo info);
  ~AppApi();
  Response Handle(Request& request);
  // By one thread. New ones are written into the audit.
  void SetTokens(Tokens tokens);
  // The files were read again because of a signal, with that result: written into the audit.
  void NoteReload(const absl::Status& read);
  void SetLimits(const AppLimits& limits);
  AppLimits limits() const;
  std::string RouteName(const Request& request) const;
  // What docs/openapi.yaml describes.
  std::vector<const Route*> Routes() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace waypost::http
