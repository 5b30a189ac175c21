#include <sys/epoll.h>

#include <algorithm>
#include <set>
#include <utility>

#include "http/engine/engine_loop.h"

// Bodies that a worker receives, because they are too large for the loop: few at a time, of one
// payer one, and of strangers one all together. Of those that wait the payer goes first that has
// had a thread longest ago, or never. While somebody waits whom only others keep waiting, one that
// comes slowly is cut, see engine_body.cc: for each payer that waits one of those that run, and for
// a member whose payer has one under way by another key, that one.

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
  return account == nullptr || account->uploader == 0;
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
  c.kept_waiting = false;
  if (Account* const account = AccountOf(c)) account->uploader = c.id;
}

void EngineLoop::EndUpload(Connection& c) {
  if (!std::exchange(c.uploading, false)) return;
  Uploads& uploads = UploadsOf(c);
  --uploads.running;
  if (std::exchange(c.gave_way, false)) shared_.GaveWay(c.by_stranger);
  if (Account* const account = AccountOf(c)) {
    account->uploader = 0;
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
  for (const auto& [payer, account] : accounts_) {
    Connection* const c = account.uploader == 0 ? nullptr : Find(account.uploader);
    if (c != nullptr && &UploadsOf(*c) == &uploads) c->kept_waiting = false;
  }
  std::set<base::Payer> payers;
  for (const uint64_t id : uploads.pending) {
    const Connection* const c = Find(id);
    if (c == nullptr || c->state != State::kPending) continue;
    if (MayUpload(*c)) {
      payers.insert(c->payer);
      continue;
    }
    Connection* const before = Find(AccountOf(*c)->uploader);
    if (before != nullptr && before->peer != c->peer) before->kept_waiting = true;
  }
  const bool full = uploads.running >= uploads.running_max;
  shared_.WantUploads(&uploads == &strangers_uploads_,
                      full ? static_cast<uint32_t>(payers.size()) : 0);
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
