#include "http/engine/engine.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/status.h"
#include "base/thread.h"
#include "http/engine/engine_loop.h"
#include "http/engine/listen.h"

// A listener with its loop and its workers, started and stopped. Stopping goes in one direction:
// refuse what is new, drain until the deadline, cut the rest, join the loop, then the workers,
// which nobody gives jobs any more.

namespace waypost::http {
namespace {

EngineOptions Resolved(EngineOptions options) {
  if (options.workers == 0) options.workers = std::max(8u, 2 * std::thread::hardware_concurrency());
  return options;
}

}  // namespace

std::string EngineOptions::Names::See(const std::string& name) {
  return absl::StrCat(": ", name.empty() ? "try again" : "see ", name);
}

struct Engine::Impl {
  Impl(const EngineOptions& options, Handler handler,
       std::function<std::string(const Request&)> route_of)
      : shared(options, std::move(handler), std::move(route_of)) {}

  EngineShared shared;
  std::string bound_address;  // constant after Start
  std::unique_ptr<WorkerPool> workers;
  std::unique_ptr<EngineLoop> loop;
  base::Thread thread;
  base::Mutex mutex;
  bool stopped GUARDED_BY(mutex) = false;
};

Engine::Engine(EngineOptions options, Handler handler,
               std::function<std::string(const Request&)> route_of)
    : impl_(std::make_unique<Impl>(Resolved(std::move(options)), std::move(handler),
                                   std::move(route_of))) {}

Engine::~Engine() { Shutdown(base::Millis(0)); }

absl::Status Engine::Start() {
  const auto& options = impl_->shared.options;
  CHECK(options.writers == 0 || options.changes);
  CHECK(!options.peers || options.tls != nullptr || options.plain_peers_for_tests);
  ASSIGN_OR_RETURN(Listening listening, Listen(options.address, options.names.address));
  impl_->bound_address = listening.bound_address;
  impl_->workers = std::make_unique<WorkerPool>(impl_->shared);
  impl_->loop = std::make_unique<EngineLoop>(impl_->shared, *impl_->workers, listening.fd);
  impl_->thread = base::Thread(options.listener + "-loop", [this] { impl_->loop->Run(); });
  return absl::OkStatus();
}

std::string Engine::bound_address() const { return impl_->bound_address; }

absl::Status Engine::Serve(std::unique_ptr<TurnedConnection> connection) {
  if (impl_->shared.refuse.load() || impl_->shared.draining.load()) {
    return absl::UnavailableError("the service is stopping");
  }
  impl_->shared.inbox->Adopt(std::move(connection));
  return absl::OkStatus();
}

TurnedLines Engine::TurnedLinesOf(const base::PeerId& peer) const {
  return impl_->shared.TurnedLinesOf(peer);
}

void Engine::CutPeers(std::function<bool(const base::PeerId&)> whom) {
  impl_->shared.inbox->Cut(std::move(whom));
}

void Engine::RefuseNew() { impl_->shared.refuse.store(true); }

void Engine::Shutdown(base::Millis drain) {
  base::MutexLock lock(impl_->mutex);
  if (impl_->stopped) return;
  impl_->stopped = true;
  if (impl_->loop == nullptr) return;
  impl_->shared.refuse.store(true);
  impl_->loop->SetDrainDeadline(base::SteadyNow() + drain);
  impl_->shared.draining.store(true);
  impl_->shared.inbox->Poke();
  impl_->thread.Join();
  impl_->workers->Shutdown();
}

}  // namespace waypost::http
