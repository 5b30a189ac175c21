#include <sys/epoll.h>

#include <algorithm>
#include <utility>

#include "http/engine/engine_loop.h"

// Bodies that a worker receives, because they are too large for the loop: few at a time, of one
// payer one, and of strangers one all together. Of those that wait the payer goes first that has
// had a thread longest ago, or never. While somebody waits whom only others keep waiting, one that
// comes slowly is cut, see engine_body.cc.

namespace waypost::http {
namespace {

// An upload that waits for a worker.
constexpr base::Millis kUploadWait{30000};

}  // namespace

EngineLoop::Uploads& EngineLoop::UploadsOf(const Connection& c) {
  return c.by_stranger ? strangers_uploads_ : uploads_;
}

// Null: nobody pays for it, and it is counted for nobody.
EngineLoop::Account* EngineLoop::AccountOf(const Connection& c) {
  const auto account = accounts_.find(c.payer);
  return account == accounts_.end() ? nullptr : &account->second;
}

// Of a payer one at a time: one that drips holds up itself.
bool EngineLoop::MayUpload(const Connection& c) {
  const Account* const account = AccountOf(c);
  return account == nullptr || !account->uploading;
}

void EngineLoop::StartUpload(Connection& c) {
  Uploads& uploads = UploadsOf(c);
  if (uploads.running >= uploads.running_max || !MayUpload(c)) {
    uploads.pending.push_back(c.id);
    c.state = State::kPending;
    SetDeadline(c, Now() + kUploadWait);
    Arm(c, EPOLLRDHUP);
    NoteWanted(uploads);
    return;
  }
  Dispatch(c, Job::Kind::kRequest);
  ++uploads.running;
  if (Account* const account = AccountOf(c)) account->uploading = true;
}

void EngineLoop::EndUpload(Connection& c) {
  if (!std::exchange(c.uploading, false)) return;
  Uploads& uploads = UploadsOf(c);
  --uploads.running;
  if (Account* const account = AccountOf(c)) {
    account->uploading = false;
    account->uploaded = Now();
  }
  while (uploads.running < uploads.running_max) {
    Connection* const next = NextUpload(uploads);
    if (next == nullptr) break;
    std::erase(uploads.pending, next->id);
    StartUpload(*next);
  }
  NoteWanted(uploads);
}

// Whoever came first of those whose payer has had a thread longest ago; null: none may have one.
Connection* EngineLoop::NextUpload(const Uploads& uploads) {
  Connection* first = nullptr;
  base::SteadyTime first_had;
  for (const uint64_t id : uploads.pending) {
    Connection* const c = Find(id);
    if (c == nullptr || c->state != State::kPending || !MayUpload(*c)) continue;
    const Account* const account = AccountOf(*c);
    const base::SteadyTime had = account == nullptr ? base::SteadyTime() : account->uploaded;
    if (first != nullptr && had >= first_had) continue;
    first = c;
    first_had = had;
  }
  return first;
}

// Nobody's, at an app listener, are cut for nobody.
void EngineLoop::NoteWanted(const Uploads& uploads) {
  if (!shared_.options.peers) return;
  const bool wanted = uploads.running >= uploads.running_max && NextUpload(uploads) != nullptr;
  shared_.UploadWanted(&uploads == &strangers_uploads_) = wanted;
}

// At most as many wait as there are connections, so the search is short; ids of those that left
// would pile up.
void EngineLoop::LeavePending(const Connection& c) {
  if (c.state != State::kPending) return;
  Uploads& uploads = UploadsOf(c);
  std::erase(uploads.pending, c.id);
  NoteWanted(uploads);
}

}  // namespace waypost::http
