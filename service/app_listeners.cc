#include "service/app_listeners.h"

#include <string_view>

// What the app API stands on, and what its listeners are told: apps send bodies without knowing
// their length, ask for an id to each answer, and stop reading for as long as they like; nothing of
// that is for peers. Pure.

namespace waypost::service {
namespace {

// Players and shells stop reading for a while; what waits meanwhile is bounded by the connections.
constexpr base::Millis kReaderWindow{60'000};
constexpr base::Millis kLocalReaderWindow{600'000};

// Which blobs are here is asked by POST, and waits for the disk as well: files are read to be sure.
bool ChangesSomething(std::string_view method, std::string_view) {
  return method != "GET" && method != "HEAD";
}

}  // namespace

http::AppParts AppPartsOf(PeerParts& parts, syncgroup::PeerClient& client,
                          http::SettingsAccess& settings, const http::AllowedSites& sites,
                          const base::Clock& clock) {
  return {.index = *parts.index,
          .blobs = *parts.blobs,
          .ledger = *parts.ledger,
          .groups = *parts.groups,
          .refs = *parts.refs,
          .invites = *parts.invites,
          .syncer = *parts.syncer,
          .client = client,
          .peers = *parts.peers,
          .fetcher = *parts.fetcher,
          .report = *parts.report,
          .scanner = *parts.scanner,
          .completeness = *parts.completeness,
          .settings = settings,
          .sites = sites,
          .events = parts.events,
          .metrics = parts.metrics,
          .clock = clock};
}

http::EngineOptions WithWhatAppsNeed(http::EngineOptions options) {
  options.changes = ChangesSomething;
  options.chunked_bodies = true;
  options.request_ids = true;
  options.reader_window = kReaderWindow;
  options.local_reader_window = kLocalReaderWindow;
  options.express = {"/healthz", "/readyz"};
  return options;
}

}  // namespace waypost::service
