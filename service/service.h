#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "service/config.h"

namespace waypost::service {

struct ServiceOptions {
  std::string data_dir;     // absolute
  std::string config_file;  // empty: waypost.toml in the data folder
  Layer environment, command_line;
  // The index is lost for good: begin an empty one where it was.
  bool new_index = false;
  // Create raises the limit of descriptors and, unless security.sandbox says otherwise, gives up
  // what sandbox.h says: for a process that is nothing but this service, and has one thread yet.
  bool may_enter_sandbox = false;
};

// The whole of one peer: its parts (parts/peer_parts.h), and what connects them with a data folder,
// settings and sockets. Lifecycle: Create -> Start -> Shutdown (idempotent). Create, Start and
// Shutdown on one thread; Reload on any.
class Service {
 public:
  // Takes the data folder and opens all that is in it; nothing listens or runs yet.
  static absl::StatusOr<std::unique_ptr<Service>> Create(const ServiceOptions& options);
  ~Service();

  // Ready when it returns: endpoints.json is written.
  absl::Status Start();
  // SIGHUP, or POST /v1/reload: reads settings, tokens and certificate again. Each that is no good
  // stays as it was; the error says which. kUnavailable: it is stopping.
  absl::Status Reload();
  // Within 20 s: refuses what is new, ends what runs, loses nothing.
  void Shutdown();

  // "127.0.0.1:7440", "127.0.0.1:7441". After Start.
  std::string http_address() const;
  std::string peer_address() const;

 private:
  struct Impl;
  explicit Service(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace waypost::service
