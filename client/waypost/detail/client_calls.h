#pragma once

#include <string>
#include <utility>

#include "waypost/client.h"
#include "waypost/detail/call.h"
#include "waypost/detail/json.h"

// The client's calls in JSON.
namespace waypost::client {
namespace detail {

// What is not 2xx, in the service's words where it gives them.
inline Error RefusalOf(const Answer& answer) {
  const Json body = Json::parse(answer.body, nullptr, /*allow_exceptions=*/false);
  const Json& error = Field(body, "error");
  Error refusal{.kind = ErrorKind::kRefused,
                .http_status = answer.status,
                .code = Text(error, "code"),
                .message = Text(error, "message"),
                .request_id = Text(error, "request_id")};
  if (refusal.message.empty()) refusal.message = CutText(answer.body, 500);
  if (refusal.request_id.empty()) refusal.request_id = RequestIdOf(answer);
  if (const auto after = MaybeNumber(error, "retry_after_ms")) {
    refusal.retry_after = std::chrono::milliseconds(*after);
  } else if (const auto seconds = ParseNumber(answer.Header("retry-after"))) {
    refusal.retry_after = std::chrono::seconds(*seconds);
  }
  return refusal;
}

inline Error NotUnderstood(const std::string& target) {
  return {.kind = ErrorKind::kIntegrity,
          .message = target + ": the service answered something else than this client understands"};
}

inline std::string GroupTarget(const std::string& group, std::string_view rest = {}) {
  return ("/v1/groups/" + Escape(group)).append(rest);
}
inline std::string RefTarget(const std::string& group, const std::string& key) {
  return GroupTarget(group, "/refs/" + Escape(key));
}
inline std::string MemberTarget(const std::string& group, const std::string& peer) {
  return GroupTarget(group, "/members/" + Escape(peer));
}
inline std::string Milliseconds(std::chrono::milliseconds time) {
  return std::to_string(time.count()) + "ms";
}

// The target of a call on one blob; kUsage when `blob` is no id.
inline Result<std::string> BlobTarget(const char* before, std::string_view blob,
                                      const char* after = "") {
  const auto id = ParseId(blob);
  if (id) return before + *id + after;
  return Error{.kind = ErrorKind::kUsage,
               .message = "\"" + std::string(blob) + "\" is no id: 64 lower-case digits"};
}

}  // namespace detail

inline Result<Client> Client::OfDataFolder(const std::filesystem::path& data, Options options) {
  auto endpoint = ReadDataFolder(data);
  if (!endpoint.ok()) return endpoint.error();
  return Client(*std::move(endpoint), std::move(options));
}

// ---- any call ----

inline Result<Answer> Client::Send(const Request& request, const Deadline& deadline) const {
  return Send(request, Receiver(), deadline);
}

inline Result<Answer> Client::Send(const Request& request, const Receiver& receiver,
                                   const Deadline& deadline) const {
  auto answer = detail::Call(endpoint_, options_.kept_bytes_max, request, receiver, deadline).Run();
  if (answer.ok() && options_.observer) options_.observer(request, *answer);
  return answer;
}

inline Result<nlohmann::json> Client::SendJson(const std::string& method, const std::string& target,
                                               const nlohmann::json& body,
                                               const Deadline& deadline) const {
  using detail::Json;
  Request request{.method = method, .target = target};
  if (!body.is_null()) {
    try {
      request.body = body.dump();
    } catch (const Json::exception& bad) {
      return Error{.kind = ErrorKind::kUsage, .message = bad.what()};
    }
    request.headers = {{"Content-Type", "application/json"}};
  }
  const auto answer = Send(request, deadline);
  if (!answer.ok()) return answer.error();
  if (!answer->ok()) return detail::RefusalOf(*answer);
  if (answer->body.empty()) return Json();
  Json json = Json::parse(answer->body, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return detail::NotUnderstood(target);
  return json;
}

inline Result<void> Client::Do(const std::string& method, const std::string& target,
                               const nlohmann::json& body, const Deadline& deadline) const {
  const auto answer = SendJson(method, target, body, deadline);
  if (!answer.ok()) return answer.error();
  return {};
}

template <class T>
Result<T> Client::Ask(const std::string& method, const std::string& target,
                      const nlohmann::json& body, const Deadline& deadline) const {
  const auto answer = SendJson(method, target, body, deadline);
  if (!answer.ok()) return answer.error();
  if (!answer->is_object()) return detail::NotUnderstood(target);
  return detail::From<T>(*answer);
}

template <class T>
Result<Page<T>> Client::AskPage(std::string target, const PageRequest& page,
                                const Deadline& deadline) const {
  detail::AddQuery(target, "limit", std::to_string(page.limit));
  if (!page.cursor.empty()) detail::AddQuery(target, "cursor", page.cursor);
  const auto answer = SendJson("GET", target, nullptr, deadline);
  if (!answer.ok()) return answer.error();
  auto items = detail::PageOf<T>(*answer);
  if (!items) return detail::NotUnderstood(target);
  return *std::move(items);
}

// ---- what is wanted ----

inline Result<Page<Wanted>> Client::ListWanted(const WantedFilter& filter, const PageRequest& page,
                                               const Deadline& deadline) const {
  std::string target = "/v1/wanted";
  if (!filter.state.empty()) detail::AddQuery(target, "state", filter.state);
  if (!filter.group.empty()) detail::AddQuery(target, "group", filter.group);
  return AskPage<Wanted>(std::move(target), page, deadline);
}

inline Result<void> Client::StopWanted(std::string_view blob, const Deadline& deadline) const {
  const auto target = detail::BlobTarget("/v1/wanted/", blob);
  if (!target.ok()) return target.error();
  return Do("DELETE", *target, nullptr, deadline);
}

inline Result<uint64_t> Client::RetryWanted(std::string_view blob, const Deadline& deadline) const {
  const auto target = detail::BlobTarget("/v1/wanted/", blob, "/retry");
  if (!target.ok()) return target.error();
  const auto answer = SendJson("POST", *target, nullptr, deadline);
  if (!answer.ok()) return answer.error();
  return detail::Number(*answer, "moved");
}

inline Result<uint64_t> Client::RetryAllWanted(const Deadline& deadline) const {
  const auto answer = SendJson("POST", "/v1/wanted:retry", nullptr, deadline);
  if (!answer.ok()) return answer.error();
  return detail::Number(*answer, "moved");
}

inline Result<void> Client::PauseFetching(std::optional<std::chrono::milliseconds> how_long,
                                          const Deadline& deadline) const {
  detail::Json body = detail::Json::object();
  if (how_long) body["for"] = detail::Milliseconds(*how_long);
  return Do("POST", "/v1/fetcher/pause", body, deadline);
}

inline Result<void> Client::ResumeFetching(const Deadline& deadline) const {
  return Do("POST", "/v1/fetcher/resume", nullptr, deadline);
}

// ---- references ----

inline Result<Ref> Client::SetRef(const std::string& group, const std::string& key,
                                  std::string_view blob, const Deadline& deadline) const {
  return Ask<Ref>("PUT", detail::RefTarget(group, key), {{"blob", blob}}, deadline);
}

inline Result<Ref> Client::GetRef(const std::string& group, const std::string& key,
                                  const Deadline& deadline) const {
  return Ask<Ref>("GET", detail::RefTarget(group, key), nullptr, deadline);
}

inline Result<void> Client::DeleteRef(const std::string& group, const std::string& key,
                                      const Deadline& deadline) const {
  return Do("DELETE", detail::RefTarget(group, key), nullptr, deadline);
}

inline Result<void> Client::ChangeRefs(const std::string& group, const RefChanges& changes,
                                       const Deadline& deadline) const {
  detail::Json put = detail::Json::array();
  for (const auto& [key, blob] : changes.put) put.push_back({{"key", key}, {"blob", blob}});
  return Do("POST", detail::GroupTarget(group, "/refs:batch"),
            {{"put", std::move(put)}, {"delete", changes.remove}}, deadline);
}

inline Result<Page<Ref>> Client::ListRefs(const std::string& group, const std::string& prefix,
                                          const PageRequest& page, const Deadline& deadline) const {
  std::string target = detail::GroupTarget(group, "/refs");
  if (!prefix.empty()) detail::AddQuery(target, "prefix", prefix);
  return AskPage<Ref>(std::move(target), page, deadline);
}

// ---- groups ----

inline Result<Group> Client::CreateGroup(const NewGroup& group, const Deadline& deadline) const {
  detail::Json body = {{"name", group.name}, {"public", group.is_public}};
  if (!group.description.empty()) body["description"] = group.description;
  if (group.role) body["role"] = detail::WordOf(*group.role);
  return Ask<Group>("POST", group.duplicate ? "/v1/groups?duplicate=true" : "/v1/groups", body,
                    deadline);
}

inline Result<Page<Group>> Client::ListGroups(const PageRequest& page,
                                              const Deadline& deadline) const {
  return AskPage<Group>("/v1/groups", page, deadline);
}

inline Result<Group> Client::GetGroup(const std::string& group, const Deadline& deadline) const {
  return Ask<Group>("GET", detail::GroupTarget(group), nullptr, deadline);
}

inline Result<Group> Client::ChangeGroup(const std::string& group, const GroupChange& change,
                                         const Deadline& deadline) const {
  detail::Json body = detail::Json::object();
  if (change.name) body["name"] = *change.name;
  if (change.description) body["description"] = *change.description;
  if (change.is_public) body["public"] = *change.is_public;
  if (change.inviters) body["inviters"] = detail::WordOf(*change.inviters);
  return Ask<Group>("PATCH", detail::GroupTarget(group), body, deadline);
}

inline Result<void> Client::LeaveGroup(const std::string& group, const Deadline& deadline) const {
  return Do("POST", detail::GroupTarget(group, "/leave"), nullptr, deadline);
}

inline Result<Page<Member>> Client::ListMembers(const std::string& group, const PageRequest& page,
                                                const Deadline& deadline) const {
  return AskPage<Member>(detail::GroupTarget(group, "/members"), page, deadline);
}

inline Result<void> Client::ChangeMember(const std::string& group, const std::string& peer,
                                         const MemberChange& change,
                                         const Deadline& deadline) const {
  detail::Json body = detail::Json::object();
  if (change.role) body["role"] = detail::WordOf(*change.role);
  if (change.authority) body["authority"] = detail::WordOf(*change.authority);
  return Do("PATCH", detail::MemberTarget(group, peer), body, deadline);
}

inline Result<void> Client::RemoveMember(const std::string& group, const std::string& peer,
                                         const Deadline& deadline) const {
  return Do("DELETE", detail::MemberTarget(group, peer), nullptr, deadline);
}

inline Result<Invite> Client::CreateInvite(const std::string& group, const NewInvite& invite,
                                           const Deadline& deadline) const {
  detail::Json body = {{"uses", invite.uses},
                       {"expires", std::to_string(invite.expires.count()) + "s"}};
  if (invite.role) body["role"] = detail::WordOf(*invite.role);
  if (invite.authority) body["authority"] = detail::WordOf(*invite.authority);
  return Ask<Invite>("POST", detail::GroupTarget(group, "/invites"), body, deadline);
}

inline Result<Page<OpenInvite>> Client::ListInvites(const std::string& group,
                                                    const PageRequest& page,
                                                    const Deadline& deadline) const {
  return AskPage<OpenInvite>(detail::GroupTarget(group, "/invites"), page, deadline);
}

inline Result<void> Client::RevokeInvite(const std::string& group, const std::string& id,
                                         const Deadline& deadline) const {
  return Do("DELETE", detail::GroupTarget(group, "/invites/" + detail::Escape(id)), nullptr,
            deadline);
}

inline Result<Group> Client::Join(const std::string& invite, std::optional<Role> role,
                                  const Deadline& deadline) const {
  detail::Json body = {{"invite", invite}};
  if (role) body["role"] = detail::WordOf(*role);
  return Ask<Group>("POST", "/v1/join", body, deadline);
}

// ---- is everything here, is everything there ----

inline Result<Completeness> Client::Complete(const std::string& group,
                                             std::chrono::milliseconds wait,
                                             const Deadline& deadline) const {
  std::string target = "/v1/complete";
  if (!group.empty()) detail::AddQuery(target, "group", group);
  detail::AddQuery(target, "wait", detail::Milliseconds(wait));
  return Ask<Completeness>("GET", target, nullptr, deadline);
}

inline Result<Held> Client::IsHeld(const std::string& group, int servers,
                                   std::chrono::milliseconds wait, const Deadline& deadline) const {
  std::string target = detail::GroupTarget(group, "/held");
  detail::AddQuery(target, "servers", std::to_string(servers));
  detail::AddQuery(target, "wait", detail::Milliseconds(wait));
  return Ask<Held>("GET", target, nullptr, deadline);
}

// ---- the service ----

inline Result<Status> Client::GetStatus(const Deadline& deadline) const {
  return Ask<Status>("GET", "/v1/status", nullptr, deadline);
}

inline Result<void> Client::Events(const std::string& since,
                                   const std::function<bool(const Event&)>& on_event,
                                   const Deadline& deadline) const {
  std::string target = "/v1/events";
  if (!since.empty()) detail::AddQuery(target, "since", since);
  detail::LineCutter lines;
  bool enough = false;
  const Receiver receiver{.head = [](const Answer& head) { return head.ok(); },
                          .bytes =
                              [&](std::string_view bytes) {
                                return lines.Add(bytes, [&](std::string_view line) {
                                  // Comments keep the connection alive; id and kind stand in the
                                  // data, too.
                                  if (line.substr(0, 6) != "data: ") return true;
                                  const auto json =
                                      detail::Json::parse(line.substr(6), nullptr, false);
                                  enough = json.is_object() && !on_event(detail::From<Event>(json));
                                  return !enough;
                                });
                              }};
  const auto answer = Send({.target = target}, receiver, deadline);
  if (!answer.ok()) return answer.error();
  if (!answer->ok()) return detail::RefusalOf(*answer);
  if (enough) return {};
  if (lines.too_long()) return detail::NotUnderstood(target);
  return Error{.kind = ErrorKind::kConnection, .message = "the service ended its events"};
}

}  // namespace waypost::client
