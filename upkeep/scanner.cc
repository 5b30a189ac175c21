#include "upkeep/scanner.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "upkeep/scanner_impl.h"

// The scanner's thread: when a pass begins, what it reports, and how soon the next one follows. A
// pass that was asked for while one ran comes right after it. A pass that failed is not "the last
// scan": nothing is called complete because of it. A pause holds the thread between two pages.

namespace waypost::upkeep {
namespace {

// A pass that could not end because references are being folded again is followed by another one
// after this, or after as long as it took itself.
constexpr base::Millis kRefoldWait{500};

base::SteadyTime NextAfter(base::SteadyTime end, base::Millis spent,
                           const ScannerOptions& options) {
  return end + options.extra_delay +
         base::Millis(
             static_cast<int64_t>(static_cast<double>(spent.count()) * options.delay_multiplier));
}

}  // namespace

Scanner::Scanner(ScannerOptions options, Parts parts)
    : impl_(std::make_unique<Impl>(options, parts)) {}

Scanner::~Scanner() { Shutdown(); }

void Scanner::Start() {
  const absl::Status paused = impl_->LoadPause();
  if (!paused.ok()) base::LogWarning("whether scans are paused is not known: ", paused.ToString());
  base::MutexLock lock(impl_->mutex);
  if (impl_->thread.joinable()) return;
  impl_->next = impl_->clock.SteadyNow() + impl_->options.initial_delay;
  impl_->thread = base::Thread("scanner", [this] { impl_->Loop(); });
}

void Scanner::Shutdown() {
  {
    base::MutexLock lock(impl_->mutex);
    impl_->stopping = true;
    impl_->wake.NotifyAll();
  }
  impl_->thread.Join();
}

ScannerOptions Scanner::options() const {
  base::MutexLock lock(impl_->mutex);
  return impl_->options;
}

void Scanner::SetOptions(base::Millis extra_delay, double delay_multiplier) {
  base::MutexLock lock(impl_->mutex);
  impl_->options.extra_delay = extra_delay;
  impl_->options.delay_multiplier = delay_multiplier;
  if (!impl_->last_end || impl_->running) return;
  impl_->next = NextAfter(*impl_->last_end, impl_->last_spent, impl_->options);
  impl_->wake.NotifyAll();
}

void Scanner::Request() {
  base::MutexLock lock(impl_->mutex);
  impl_->requested = true;
  impl_->wake.NotifyAll();
}

absl::Status Scanner::Pause(std::optional<base::Millis> how_long) {
  ASSIGN_OR_RETURN(const base::KeptPause::Pause pause, impl_->kept_pause.Begin(how_long));
  impl_->SetPause(pause.until);
  return absl::OkStatus();
}

absl::Status Scanner::Resume() {
  RETURN_IF_ERROR(impl_->kept_pause.End());
  {
    base::MutexLock lock(impl_->mutex);
    impl_->paused = {};
    impl_->wake.NotifyAll();
  }
  impl_->changed.Notify();
  return absl::OkStatus();
}

base::Notifier& Scanner::changed() { return impl_->changed; }

ScanStatus Scanner::Status() const {
  base::MutexLock lock(impl_->mutex);
  ScanStatus status{.last = impl_->last, .running = impl_->running, .progress = impl_->progress};
  const base::SteadyTime now = impl_->clock.SteadyNow();
  if (impl_->running && impl_->progress > 0) {
    const auto spent =
        std::chrono::duration_cast<base::Millis>(now - impl_->running->started_steady);
    status.estimate_left = base::Millis(static_cast<int64_t>(
        static_cast<double>(spent.count()) * (1 - impl_->progress) / impl_->progress));
  }
  status.next =
      impl_->clock.WallNow() + std::chrono::duration_cast<base::Millis>(impl_->next - now);
  status.paused = now < impl_->paused;
  if (status.paused) status.paused_until = impl_->paused_until;
  return status;
}

void Scanner::Impl::SetPause(std::optional<base::WallTime> until) {
  {
    base::MutexLock lock(mutex);
    paused_until = until;
    paused = until ? clock.SteadyNow() +
                         std::chrono::duration_cast<base::Millis>(*until - clock.WallNow())
                   : kNoEnd;
    wake.NotifyAll();
  }
  changed.Notify();
}

absl::Status Scanner::Impl::LoadPause() {
  ASSIGN_OR_RETURN(const auto pause, kept_pause.Load());
  if (pause) SetPause(pause->until);
  return absl::OkStatus();
}

bool Scanner::Impl::MayGoOn() {
  base::MutexLock lock(mutex);
  while (!stopping && clock.SteadyNow() < paused) clock.WaitUntil(wake, mutex, paused);
  return !stopping;
}

// False: it is to end.
bool Scanner::Impl::AwaitPass() {
  while (MayGoOn()) {
    base::MutexLock lock(mutex);
    const auto idle = [&]() EXCLUSIVE_LOCKS_REQUIRED(mutex) {
      const base::SteadyTime now = clock.SteadyNow();
      return !stopping && ((!requested && now < next) || now < paused);
    };
    if (idle()) clock.WaitUntil(wake, mutex, next);
    if (stopping) return false;
    if (idle()) continue;
    requested = false;
    running.emplace();
    running->started = clock.WallNow();
    running->started_steady = clock.SteadyNow();
    progress = 0;
    return true;
  }
  return false;
}

void Scanner::Impl::Loop() {
  while (AwaitPass()) {
    changed.Notify();
    const absl::Status status = base::WithinMemory([&] { return Pass(); });
    ScanPass done;
    {
      base::MutexLock lock(mutex);
      done = *running;
      running.reset();
      done.ended = clock.WallNow();
      done.ended_steady = clock.SteadyNow();
      done.ok = status.ok();
      last_end = done.ended_steady;
      last_spent =
          std::chrono::duration_cast<base::Millis>(done.ended_steady - done.started_steady);
      next = NextAfter(*last_end, last_spent, options);
      if (status.ok()) {
        last = done;
        failures = 0;
      } else if (absl::IsUnavailable(status)) {
        next = std::min(next, done.ended_steady + std::max(kRefoldWait, last_spent));
      } else if (base::IsPowerOfTwo(++failures) && !stopping) {
        base::LogWarning("scan failed (", failures, " times in a row): ", status.ToString());
      }
    }
    if (done.adopted > 0) {
      base::LogInfo("scan: whole files without a row that were taken in: ", done.adopted);
    }
    if (done.ok) {
      duration_seconds.Observe(
          std::chrono::duration<double>(done.ended_steady - done.started_steady).count());
      last_completed.Set(static_cast<double>(base::ToMs(done.ended)) / 1000);
      events.Publish(base::EventKind::kScanDone,
                     {{"rows", absl::StrCat(done.rows)},
                      {"missing_found", absl::StrCat(done.missing_found)},
                      {"stale_removed", absl::StrCat(done.stale_removed)}});
    }
    changed.Notify();
  }
}

void Scanner::ReportLost(const base::BlobId& blob) {
  impl_->index.Submit(
      base::Index::Lane::kBulk,
      [this, blob](base::WriteTxn& txn) -> absl::Status {
        const syncgroup::BlobRecord before = impl_->ledger.Load(txn, blob);
        if (!before.row) return absl::OkStatus();
        ASSIGN_OR_RETURN(const bool lost, impl_->blobs.RemoveIfLost(txn, blob, *before.row));
        if (!lost) return absl::OkStatus();  // put again meanwhile
        impl_->ledger.Lose(txn, blob);
        return absl::OkStatus();
      },
      nullptr);
}

}  // namespace waypost::upkeep
