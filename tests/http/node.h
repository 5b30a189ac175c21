#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/file_system.h"
#include "base/random.h"
#include "base/status.h"
#include "http/app/app_api.h"
#include "http/client/app_client.h"
#include "http/engine/engine.h"
#include "http/message/json.h"
#include "http/peer/peer_api.h"
#include "http/peer/peer_http_client.h"
#include "http/tls/tls_peer.h"
#include "service/parts/peer_parts.h"
#include "tests/fakes/temp_dir.h"

namespace waypost::http {

class FakeSettings final : public SettingsAccess {
 public:
  std::vector<Item> All() const override {
    return {{.key = "fetcher.concurrency", .value = value, .origin = "default", .live = true}};
  }
  absl::Status Patch(const Changes& changes) override {
    for (const auto& change : changes) {
      if (change.first != "fetcher.concurrency") {
        return absl::InvalidArgumentError("no setting " + change.first);
      }
      value = change.second.value_or("4");
    }
    return absl::OkStatus();
  }
  std::string value = "4";
};

// The system's, but for the time of day where that is set wrong.
class ShiftedClock final : public base::Clock {
 public:
  base::WallTime WallNow() const override { return system_.WallNow() + by_.load(); }
  base::SteadyTime SteadyNow() const override { return system_.SteadyNow(); }
  bool WaitUntil(base::CondVar& changed, base::Mutex& mutex,
                 base::SteadyTime deadline) const override EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    return system_.WaitUntil(changed, mutex, deadline);
  }
  void Shift(base::Millis by) { by_.store(by); }

 private:
  const base::SystemClock system_{};
  std::atomic<base::Millis> by_{base::Millis(0)};
};

struct NodeOptions {
  std::string name = "node";
  uint64_t max_blob_bytes = uint64_t{64} << 20;
  uint64_t min_free_bytes = 0;
  bool tls = false;  // peers speak it; else they say who they are
  // What stands before the disk.
  std::function<std::unique_ptr<base::FileSystem>(std::unique_ptr<base::FileSystem>)> before_disk;
};

// One peer with all its parts, both listeners on loopback, in this process.
class Node {
 public:
  static constexpr char kToken[] = "0123456789abcdef0123456789abcdef";
  static constexpr char kReadToken[] = "fedcba9876543210";

  explicit Node(NodeOptions options = {});
  ~Node();

  AppClient Client() { return AppClient({.address = app->bound_address(), .token = kToken}); }
  // Another API for apps on the same parts, whose time is that of `its_clock`, which outlives it.
  std::unique_ptr<AppApi> MakeAppApi(const base::Clock& its_clock);
  // A call that must succeed, as JSON.
  Json Call(const std::string& method, const std::string& target, const std::string& body = "");
  // Any call with any token.
  AppClient::Reply Ask(const std::string& token, const std::string& method,
                       const std::string& target, const std::string& body = "");
  // The status of any call.
  int Status(const std::string& method, const std::string& target, const std::string& body = "");

  base::TempDir folder;
  ShiftedClock clock;
  base::SystemRandom random;
  std::unique_ptr<base::Identity> identity;
  std::shared_ptr<const PeerTls> peer_tls;
  std::unique_ptr<base::FileSystem> fs;
  std::unique_ptr<service::PeerParts> parts;
  std::unique_ptr<PeerHttpClient> client;
  FakeSettings settings;
  AllowedSites sites;
  absl::Status reload;  // what POST /v1/reload ends with
  std::unique_ptr<AppApi> app_api;
  std::unique_ptr<PeerApi> peer_api;
  std::unique_ptr<Engine> app;
  std::unique_ptr<Engine> peer;

 private:
  const NodeOptions options_;
};

}  // namespace waypost::http
