#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <iosfwd>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "waypost/deadline.h"
#include "waypost/endpoint.h"
#include "waypost/exchange.h"
#include "waypost/result.h"
#include "waypost/types.h"

// The C++ client of Waypost: header-only, on cpp-httplib, nlohmann-json and OpenSSL. With CMake:
//   find_package(waypost REQUIRED)
//   target_link_libraries(yours PRIVATE waypost::client)
// Include it in few files: httplib.h takes seconds to compile. It must be compiled with what
// pkg-config says of cpp-httplib, which waypost::client brings along.
namespace waypost::client {

struct Options {
  // Longer answers than this, of those that are kept in memory, are kIntegrity. Blobs that go to a
  // file or a callback are not kept.
  uint64_t kept_bytes_max = uint64_t{64} << 20;
  // Sees each request and its answer, with the body as far as it was kept, before the call ends;
  // on the thread of the call. For logs and tests.
  std::function<void(const Request& request, const Answer& answer)> observer;
};

// Talks to one service. It holds no connection: each call opens one and closes it, so any number of
// threads may use one client at once (an observer then too), and a service that was restarted at
// the same address is found again. A call on loopback costs a fraction of a millisecond, with HTTPS
// one or two.
//
// Deadlines hold for the whole call, of a service that dribbles too; looking up a name, where the
// address is no number, is the one thing that they do not end.
//
// Calls that wait for the service (`wait`, GetOptions::wait, Fetch) need a deadline beyond that.
//
// Errors: every call may fail with kConnection, kDeadline, kStopped, kRefused and kIntegrity;
// kUsage and kFile where said. What a refusal says is in docs/openapi.yaml. A call that failed with
// anything but kRefused and kUsage may have been done all the same; all of them but CreateGroup
// and CreateInvite can be repeated.
//
// HTTPS: an endpoint with a fingerprint is spoken to through TLS, and nothing is sent to who has
// another certificate. No authority is asked. A refusal that comes while a large blob is still
// being sent is seen as kConnection there, where plain HTTP tells the refusal.
//
// Callbacks run on the thread of the call and must not throw. A callback that returns false ends
// its call, which then succeeds.
class Client {
 public:
  explicit Client(Endpoint endpoint, Options options = {})
      : endpoint_(std::move(endpoint)), options_(std::move(options)) {}
  // Of the service that runs on this data folder now; see ReadDataFolder.
  static Result<Client> OfDataFolder(const std::filesystem::path& data, Options options = {});
  const Endpoint& endpoint() const { return endpoint_; }

  // ---- blobs ----

  // The answer comes when the bytes are durable there. kIntegrity too when the service calls them
  // by another id than theirs, which is hashed on the way (SHA-256).
  Result<PutResult> PutBytes(std::string_view bytes, const PutOptions& options,
                             const Deadline& deadline) const;
  // kFile when it cannot be read, is changed meanwhile, or has bytes while its size is 0, as files
  // of /proc. One that was written within the last 2 s costs 20 ms more.
  Result<PutResult> PutFile(const std::filesystem::path& path, const PutOptions& options,
                            const Deadline& deadline) const;
  // `bytes` bytes from where the stream is. kFile when it has fewer.
  Result<PutResult> PutStream(std::istream& stream, uint64_t bytes, const PutOptions& options,
                              const Deadline& deadline) const;

  using Sink = std::function<bool(std::string_view bytes)>;
  // Bytes go to `sink` as they come, unverified: only the result says that they are the blob's. A
  // whole blob is hashed against its id; of a range only its place and length are checked.
  // kUsage: no id.
  Result<GetResult> Get(std::string_view blob, const Sink& sink, const GetOptions& options,
                        const Deadline& deadline) const;
  // Into a file beside `path` that takes its place when all is there and right; else nothing is
  // left. Not synced to disk. A file that is there is replaced, and keeps its mode and owner. kFile
  // when it cannot be written, or when what is there is no regular file: a link, pipe or device.
  Result<GetResult> GetFile(std::string_view blob, const std::filesystem::path& path,
                            const GetOptions& options, const Deadline& deadline) const;
  // kIntegrity when it is more than kept_bytes_max.
  Result<std::string> GetBytes(std::string_view blob, const GetOptions& options,
                               const Deadline& deadline) const;
  // Whether it is here, without fetching it.
  Result<bool> Has(std::string_view blob, const Deadline& deadline) const;

  // Has the service fetch it and calls `on_state` (nullptr: nobody) with each state, at most 4 a
  // second, the last one too: kDone, or kFailed after one whole attempt. Ending the call does not
  // end the fetch. The last state; kIntegrity when the stream ended before that.
  Result<FetchState> Fetch(std::string_view blob,
                           const std::function<bool(const FetchState&)>& on_state,
                           const Deadline& deadline) const;
  // Why it is not here yet: the whole chain in order, also for an id that nobody knows.
  Result<std::vector<WhyStep>> Why(std::string_view blob, const Deadline& deadline) const;

  // ---- what is wanted ----

  Result<Page<Wanted>> ListWanted(const WantedFilter& filter, const PageRequest& page,
                                  const Deadline& deadline) const;
  // Not again until it is mentioned anew or asked for.
  Result<void> StopWanted(std::string_view blob, const Deadline& deadline) const;
  // How many are due now.
  Result<uint64_t> RetryWanted(std::string_view blob, const Deadline& deadline) const;
  Result<uint64_t> RetryAllWanted(const Deadline& deadline) const;
  // Begins no more fetches, for so long (at most a year; nullopt: until ResumeFetching).
  Result<void> PauseFetching(std::optional<std::chrono::milliseconds> how_long,
                             const Deadline& deadline) const;
  Result<void> ResumeFetching(const Deadline& deadline) const;

  // ---- references: keys of 1 to 400 bytes of UTF-8 ----

  Result<Ref> SetRef(const std::string& group, const std::string& key, std::string_view blob,
                     const Deadline& deadline) const;
  Result<Ref> GetRef(const std::string& group, const std::string& key,
                     const Deadline& deadline) const;
  Result<void> DeleteRef(const std::string& group, const std::string& key,
                         const Deadline& deadline) const;
  Result<void> ChangeRefs(const std::string& group, const RefChanges& changes,
                          const Deadline& deadline) const;
  // In the order of the keys.
  Result<Page<Ref>> ListRefs(const std::string& group, const std::string& prefix,
                             const PageRequest& page, const Deadline& deadline) const;

  // ---- groups ----

  Result<Group> CreateGroup(const NewGroup& group, const Deadline& deadline) const;
  Result<Page<Group>> ListGroups(const PageRequest& page, const Deadline& deadline) const;
  Result<Group> GetGroup(const std::string& group, const Deadline& deadline) const;
  Result<Group> ChangeGroup(const std::string& group, const GroupChange& change,
                            const Deadline& deadline) const;
  Result<void> LeaveGroup(const std::string& group, const Deadline& deadline) const;
  Result<Page<Member>> ListMembers(const std::string& group, const PageRequest& page,
                                   const Deadline& deadline) const;
  // `peer` is an id or "self".
  Result<void> ChangeMember(const std::string& group, const std::string& peer,
                            const MemberChange& change, const Deadline& deadline) const;
  Result<void> RemoveMember(const std::string& group, const std::string& peer,
                            const Deadline& deadline) const;

  Result<Invite> CreateInvite(const std::string& group, const NewInvite& invite,
                              const Deadline& deadline) const;
  Result<Page<OpenInvite>> ListInvites(const std::string& group, const PageRequest& page,
                                       const Deadline& deadline) const;
  Result<void> RevokeInvite(const std::string& group, const std::string& id,
                            const Deadline& deadline) const;
  // nullopt: the role that the invite gives, else the service's default. The service calls who
  // made the invite, so it may take a while.
  Result<Group> Join(const std::string& invite, std::optional<Role> role,
                     const Deadline& deadline) const;

  // ---- is everything here, is everything there ----

  // Of one group, or of all where it is empty. Waits up to `wait` (10 min at most) for a yes; a no
  // is an answer, not an error.
  Result<Completeness> Complete(const std::string& group, std::chrono::milliseconds wait,
                                const Deadline& deadline) const;
  // Whether all that is mentioned here in the group is on that many servers.
  Result<Held> IsHeld(const std::string& group, int servers, std::chrono::milliseconds wait,
                      const Deadline& deadline) const;

  // ---- the service ----

  // What happens, from after the event `since` on (empty: from now), until `on_event` returns
  // false: only then the call succeeds. kConnection when the service ends the stream. The kind
  // "gap" comes first where events between are gone.
  Result<void> Events(const std::string& since, const std::function<bool(const Event&)>& on_event,
                      const Deadline& deadline) const;
  Result<Status> GetStatus(const Deadline& deadline) const;

  // ---- any other call ----

  // Any status is an answer. kUsage: a line break where none may be.
  Result<Answer> Send(const Request& request, const Deadline& deadline) const;
  Result<Answer> Send(const Request& request, const Receiver& receiver,
                      const Deadline& deadline) const;
  // The answer's JSON (null where it has none); what is not 2xx is kRefused. A null `body` sends
  // none. kUsage: text that is not UTF-8.
  Result<nlohmann::json> SendJson(const std::string& method, const std::string& target,
                                  const nlohmann::json& body, const Deadline& deadline) const;

 private:
  Result<PutResult> Put(const Source& source, const PutOptions& options,
                        const Deadline& deadline) const;
  Result<void> Do(const std::string& method, const std::string& target, const nlohmann::json& body,
                  const Deadline& deadline) const;
  template <class T>
  Result<T> Ask(const std::string& method, const std::string& target, const nlohmann::json& body,
                const Deadline& deadline) const;
  template <class T>
  Result<Page<T>> AskPage(std::string target, const PageRequest& page,
                          const Deadline& deadline) const;

  Endpoint endpoint_;
  Options options_;
};

// Reads a list page by page: ForEach([&](const PageRequest& page) { return client.ListGroups(page,
// 10s); }, [&](const Group& group) { ...; return true; }). Ends early when `visit` returns false.
template <class List, class Visit>
Result<void> ForEach(const List& list, const Visit& visit) {
  PageRequest request{.limit = 1000};
  do {
    auto page = list(request);
    if (!page.ok()) return page.error();
    for (const auto& item : page->items) {
      if (!visit(item)) return {};
    }
    request.cursor = page->next;
  } while (!request.cursor.empty());
  return {};
}

}  // namespace waypost::client

#include "waypost/detail/client_blobs.h"  // IWYU pragma: keep
#include "waypost/detail/client_calls.h"  // IWYU pragma: keep
