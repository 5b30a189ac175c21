#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "syncgroup/sync/syncer_impl.h"

// What a `sync-n` worker does for others: joins, and asking servers what they hold. The caller's
// callback runs exactly once: on the worker, or at shutdown with kUnavailable.

namespace waypost::syncgroup {
namespace {

constexpr std::size_t kWrongWaitingMax = 16;

}  // namespace

template <class Result>
void Syncer::Impl::StartJob(Job kind, std::function<absl::StatusOr<Result>()> run,
                            std::function<void(absl::StatusOr<Result>)> done) {
  {
    base::MutexLock lock(mutex);
    if (started && !stopping) {
      const uint64_t job = next_job++;
      abandoned[job] = [done](absl::Status status) { done(std::move(status)); };
      AddTask({.run =
                   [this, run, done, job] {
                     auto result = base::WithinMemory(run);
                     {
                       base::MutexLock inner(mutex);
                       abandoned.erase(job);
                     }
                     done(std::move(result));
                   },
               .peer = {},
               .is_long = kind == Job::kLong},
              /*first=*/kind == Job::kAtOnce);
      return;
    }
  }
  done(absl::UnavailableError("the service is stopping"));
}

void Syncer::Join(const Invite& invite, std::optional<Role> role,
                  std::function<void(absl::StatusOr<GroupInfo>)> done) {
  impl_->StartJob<GroupInfo>(
      Impl::Job::kAtOnce,
      [impl = impl_.get(), invite, role] { return impl->RunJoin(invite, role); }, std::move(done));
}

void Syncer::TellWrong(const base::PeerId& holder, const base::BlobId& blob,
                       const std::vector<base::GroupId>& groups) {
  base::MutexLock lock(impl_->mutex);
  const auto contact = impl_->contacts.find(holder);
  if (contact == impl_->contacts.end() || impl_->wrong_waiting >= kWrongWaitingMax) return;
  const auto shared = std::find_if(groups.begin(), groups.end(), [&](const auto& group) {
    return std::binary_search(contact->second.groups.begin(), contact->second.groups.end(), group);
  });
  if (shared == groups.end() || !impl_->started || impl_->stopping) return;
  ++impl_->wrong_waiting;
  impl_->AddTask({.run =
                      [impl = impl_.get(), holder, addresses = contact->second.addresses,
                       request = WrongRequest{*shared, blob}] {
                        const Endpoint to = impl->EndpointOf(holder, addresses);
                        // Told once: what it makes of it is its own business.
                        impl->client.Wrong(to, request, impl->stop.get_token()).IgnoreError();
                        base::MutexLock inner(impl->mutex);
                        --impl->wrong_waiting;
                      },
                  .peer = holder,
                  .sponsor = contact->second.sponsor},
                 /*first=*/false);
}

void Syncer::CheckHeld(const base::GroupId& group, uint32_t servers,
                       std::function<void(absl::StatusOr<HeldReport>)> done) {
  Impl* const impl = impl_.get();
  const std::pair key(group, servers);
  std::shared_ptr<Impl::HeldAskers> askers;
  {
    base::MutexLock lock(impl->mutex);
    const auto waiting = impl->held_waiting.find(key);
    if (waiting != impl->held_waiting.end()) {
      waiting->second->push_back(std::move(done));
      return;
    }
    askers = std::make_shared<Impl::HeldAskers>();
    askers->push_back(std::move(done));
    impl->held_waiting.emplace(key, askers);
  }
  // Nobody joins them from then on.
  const auto close = [impl, key, askers] {
    base::MutexLock lock(impl->mutex);
    const auto it = impl->held_waiting.find(key);
    if (it != impl->held_waiting.end() && it->second == askers) impl->held_waiting.erase(it);
  };
  // Where memory ends here nobody joins what never begins.
  absl::Cleanup lost = close;
  impl->StartJob<HeldReport>(
      Impl::Job::kLong,
      [impl, group, servers, close] {
        close();
        return impl->RunHeld(group, servers);
      },
      [close, askers](const absl::StatusOr<HeldReport>& report) {
        close();
        for (const auto& asker : *askers) asker(report);
      });
  std::move(lost).Cancel();
}

absl::StatusOr<GroupInfo> Syncer::Impl::RunJoin(const Invite& invite, std::optional<Role> role) {
  ASSIGN_OR_RETURN(const JoinRequest request, invites.PrepareJoin(invite, role));
  const uint64_t returns = peers.Health(invite.inviter).returns;
  const Endpoint inviter{invite.inviter, invite.addresses};
  auto reply = client.Join(inviter, request, stop.get_token());
  // Asking twice uses nothing up. An inviter that has just removed this peer from another group
  // cuts its connections, and maybe this one among them.
  if (absl::IsUnavailable(reply.status())) {
    reply = client.Join(inviter, request, stop.get_token());
  }
  if (absl::IsUnavailable(reply.status()) || absl::IsDeadlineExceeded(reply.status())) {
    return absl::DeadlineExceededError(
        absl::StrCat("the inviter could not be reached at the addresses in the invite: ",
                     std::string(reply.status().message())));
  }
  if (!reply.ok()) return reply.status();
  NoteCall(invite.inviter, returns, absl::OkStatus());
  return invites.FinishJoin(invite, request, *reply);
}

absl::StatusOr<Syncer::HeldReport> Syncer::Impl::RunHeld(const base::GroupId& group,
                                                         uint32_t servers) {
  ASSIGN_OR_RETURN(const GroupInfo info, groups.Find(group));
  ASSIGN_OR_RETURN(const std::vector<Member> members, groups.Members(group));
  HeldReport report;
  std::vector<Endpoint> others;
  for (const Member& member : members) {
    if (member.role != Role::kServer || member.peer == groups.self()) continue;
    others.push_back(EndpointOf(member.peer, member.addresses));
  }
  std::set<base::PeerId> failed;
  std::optional<base::BlobId> after;
  do {
    ASSIGN_OR_RETURN(const auto page, replication.Mentions(group, after, kHavesMax));
    after = page.next;
    std::map<base::BlobId, uint32_t> holders;
    for (std::size_t i = 0; i < page.blobs.size(); ++i) {
      holders[page.blobs[i]] = page.held_here[i] && info.role == Role::kServer ? 1 : 0;
    }
    for (const Endpoint& server : others) {
      if (failed.contains(server.peer) || page.blobs.empty()) continue;
      const uint64_t returns = peers.Health(server.peer).returns;
      const auto reply = server.addresses.empty()
                             ? absl::NotFoundError("no address of the peer is known")
                             : client.Held(server, {group, page.blobs}, stop.get_token());
      if (!server.addresses.empty()) NoteCall(server.peer, returns, reply.status());
      if (!reply.ok()) {
        failed.insert(server.peer);
        continue;
      }
      for (const base::BlobId& blob : reply->held) {
        const auto it = holders.find(blob);
        if (it != holders.end()) ++it->second;
      }
    }
    for (const auto& [blob, count] : holders) {
      ++report.blobs;
      if (count >= servers) continue;
      ++report.missing;
      if (report.missing_blobs.size() < kHavesMax) report.missing_blobs.push_back(blob);
    }
    if (stop.stop_requested()) return absl::UnavailableError("the service is stopping");
  } while (after);
  if (info.role == Role::kServer) report.answered.push_back(groups.self());
  for (const Endpoint& server : others) {
    (failed.contains(server.peer) ? report.not_answered : report.answered).push_back(server.peer);
  }
  report.held = report.missing == 0;
  return report;
}

}  // namespace waypost::syncgroup
