#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/short_id.h"
#include "base/status.h"
#include "http/app/app_handlers.h"
#include "http/app/caller.h"
#include "http/app/json_render.h"
#include "http/message/errors.h"
#include "http/message/json_request.h"
#include "http/message/text.h"

// Groups, members, invites, joins, and which servers hold what. Handlers check form and bounds;
// whether the caller's peer may do it is decided by the group store. What needs another peer's
// answer goes to the syncer and is answered when it comes, or at its deadline.

namespace waypost::http {
namespace {

constexpr base::Millis kJoinWait{60000};
constexpr base::Millis kHeldWait{60000};
constexpr base::Millis kHeldAgain{1000};
constexpr uint64_t kServersMax = 1000;

void ReadRole(ObjectReader& reader, std::optional<syncgroup::Role>& role) {
  if (const auto text = reader.String("role")) {
    role = syncgroup::ParseRole(*text);
    if (!role) reader.Fail("role", "must be server, normal or leaf");
  }
}
void ReadAuthority(ObjectReader& reader, const char* name,
                   std::optional<syncgroup::Authority>& authority) {
  if (const auto text = reader.String(name)) {
    authority = syncgroup::ParseAuthority(*text);
    if (!authority) reader.Fail(name, "must be admin, writer or reader");
  }
}

// A member named in the path; "self" is this peer.
absl::StatusOr<base::PeerId> MemberIn(AppContext& context, Request& request) {
  const std::string& text = request.params["p"];
  if (text == "self") return context.info.peer;
  return PeerIn(text);
}

// Asks the servers, and again while there is time and something is missing.
class HeldWait final : public Subscription {
 public:
  HeldWait(AppContext& context, const base::GroupId& group, uint32_t servers, base::Millis wait)
      : context_(context),
        group_(group),
        servers_(servers),
        wait_until_(context.parts.clock.SteadyNow() + wait),
        asked_(std::make_shared<Asked>()) {}
  ~HeldWait() override {
    base::MutexLock lock(asked_->mutex);
    asked_->wake = nullptr;
  }
  void Start(std::function<void()> wake) override {
    {
      base::MutexLock lock(asked_->mutex);
      asked_->wake = std::move(wake);
    }
    Ask();
  }

  Result Step(base::SteadyTime now) override {
    Result result;
    std::optional<absl::StatusOr<syncgroup::Syncer::HeldReport>> report;
    {
      base::MutexLock lock(asked_->mutex);
      report = std::move(asked_->report);
      asked_->report.reset();
    }
    if (report) {
      asking_ = false;
      if (!report->ok()) {
        result.answer = std::make_unique<Response>(ErrorResponse(report->status()));
        return result;
      }
      if ((*report)->held || now >= wait_until_) {
        result.answer = std::make_unique<Response>(JsonResponse(HeldJson(**report, servers_)));
        return result;
      }
      ask_again_ = now + kHeldAgain;
    }
    if (!asking_ && now >= std::min(ask_again_, wait_until_)) Ask();
    // While it asks: a server that does not answer ends by the client's own deadline.
    const base::SteadyTime late = wait_until_ + kHeldWait;
    if (now >= late) {
      result.answer = std::make_unique<Response>(ErrorResponse(
          absl::DeadlineExceededError("the servers of the group did not answer in time")));
      return result;
    }
    result.next_deadline = asking_ ? late : std::min(ask_again_, wait_until_);
    return result;
  }

 private:
  struct Asked {
    base::Mutex mutex;
    std::function<void()> wake GUARDED_BY(mutex);
    std::optional<absl::StatusOr<syncgroup::Syncer::HeldReport>> report GUARDED_BY(mutex);
  };
  void Ask() {
    asking_ = true;
    context_.parts.syncer.CheckHeld(
        group_, servers_, [asked = asked_](absl::StatusOr<syncgroup::Syncer::HeldReport> report) {
          base::MutexLock lock(asked->mutex);
          asked->report.emplace(std::move(report));
          if (asked->wake) asked->wake();
        });
  }

  AppContext& context_;
  const base::GroupId group_;
  const uint32_t servers_;
  const base::SteadyTime wait_until_;
  const std::shared_ptr<Asked> asked_;
  bool asking_ = false;
  base::SteadyTime ask_again_;
};

}  // namespace

absl::StatusOr<Response> CreateGroup(AppContext& context, Request& request) {
  ASSIGN_OR_RETURN(const Json body, ReadJsonObject(request));
  ObjectReader reader(body, "the body");
  syncgroup::Groups::CreateOptions options;
  reader.Require("name");
  options.name = reader.String("name").value_or("");
  options.description = reader.String("description").value_or("");
  options.is_public = reader.Bool("public").value_or(false);
  ReadRole(reader, options.role);
  if (options.name.empty() || options.name.size() > syncgroup::kNameBytesMax) {
    reader.Fail("name", absl::StrCat("must have 1 to ", syncgroup::kNameBytesMax, " bytes"));
  }
  RETURN_IF_ERROR(reader.Done());
  const auto duplicate = request.Query("duplicate");
  if (duplicate && *duplicate != "true" && *duplicate != "false") {
    return absl::InvalidArgumentError("duplicate must be true or false");
  }
  options.duplicate = duplicate == "true";
  ASSIGN_OR_RETURN(const auto group, context.parts.groups.Create(options));
  context.Note(request, "group.create", group.id, group.name);
  return JsonResponse(GroupJson(group), 201);
}

absl::StatusOr<Response> ChangeGroup(AppContext& context, Request& request) {
  ASSIGN_OR_RETURN(const auto group, GroupIn(request.params["g"]));
  ASSIGN_OR_RETURN(const Json body, ReadJsonObject(request));
  ObjectReader reader(body, "the body");
  syncgroup::Groups::Settings settings;
  settings.name = reader.String("name");
  settings.description = reader.String("description");
  settings.is_public = reader.Bool("public");
  ReadAuthority(reader, "inviters", settings.inviters);
  RETURN_IF_ERROR(reader.Done());
  if (body.empty()) {
    return absl::InvalidArgumentError("name what to set: name, description, public, inviters");
  }
  ASSIGN_OR_RETURN(const auto info, context.parts.groups.ChangeSettings(group, settings));
  context.Note(request, "group.settings", group, Dump(body));
  return JsonResponse(GroupJson(info));
}

absl::StatusOr<Response> ListGroups(AppContext& context, Request& request) {
  ASSIGN_OR_RETURN(const Paging paging, PagingIn(request));
  base::GroupId after;
  if (!paging.after.empty()) {
    const auto id = base::GroupId::FromBytes(paging.after);
    if (!id) return absl::InvalidArgumentError("cursor must be what \"next\" said");
    after = *id;
  }
  ASSIGN_OR_RETURN(const auto groups, context.parts.groups.List(after, paging.limit));
  Json items = Json::array();
  for (const auto& group : groups) {
    if (request.caller == nullptr || request.caller->Sees(group.id)) {
      items.push_back(GroupJson(group));
    }
  }
  const bool full = groups.size() == paging.limit;
  return ListResponse(std::move(items), full ? std::string(groups.back().id.bytes()) : "");
}

absl::StatusOr<Response> ListMembers(AppContext& context, Request& request) {
  ASSIGN_OR_RETURN(const Paging paging, PagingIn(request));
  ASSIGN_OR_RETURN(const auto group, GroupIn(request.params["g"]));
  ASSIGN_OR_RETURN(auto members, context.parts.groups.Members(group));
  std::sort(members.begin(), members.end(),
            [](const auto& a, const auto& b) { return a.peer < b.peer; });
  ASSIGN_OR_RETURN(auto fetched_for, context.parts.groups.BytesFetchedFor(group));
  const auto statuses = context.parts.syncer.Status(group);
  const base::WallTime now = context.parts.clock.WallNow();
  Json items = Json::array();
  std::string next;
  std::string last;
  for (const auto& member : members) {
    if (member.peer.bytes() <= paging.after && !paging.after.empty()) continue;
    if (items.size() == paging.limit) {
      next = last;
      break;
    }
    last = std::string(member.peer.bytes());
    const auto entry = context.parts.peers.Find(member.peer);
    const syncgroup::Syncer::MemberStatus* status = nullptr;
    for (const auto& item : statuses) {
      if (item.peer == member.peer) status = &item;
    }
    items.push_back(MemberJson(member, fetched_for[member.peer], member.peer == context.info.peer,
                               entry ? &*entry : nullptr, status, now));
    if (member.peer == context.info.peer) {
      items.back()["clock_ahead"] = context.parts.syncer.Clocks().ahead;
    }
  }
  return ListResponse(std::move(items), next);
}

absl::StatusOr<Response> CreateInvite(AppContext& context, Request& request) {
  ASSIGN_OR_RETURN(const auto group, GroupIn(request.params["g"]));
  ASSIGN_OR_RETURN(const Json body, ReadJsonObject(request));
  ObjectReader reader(body, "the body");
  syncgroup::Invites::Options options;
  std::optional<syncgroup::Role> role;
  ReadRole(reader, role);
  if (role) options.role = *role;
  ReadAuthority(reader, "authority", options.authority);
  if (const auto uses = reader.Number("uses", 1, syncgroup::Invites::kUsesMax))
    options.uses = static_cast<uint32_t>(*uses);
  if (const auto expires = reader.Duration("expires", syncgroup::Invites::kExpiresMax)) {
    options.expires = *expires;
  }
  RETURN_IF_ERROR(reader.Done());
  ASSIGN_OR_RETURN(const auto invite, context.parts.invites.Create(group, options));
  context.Note(
      request, "invite.create", group,
      absl::StrCat(base::ToHex(invite.id), " for a ", syncgroup::AuthorityName(invite.authority)));
  return JsonResponse({{"invite", syncgroup::EncodeInvite(invite)},
                       {"id", base::ToHex(invite.id)},
                       {"group", invite.group.ToHex()},
                       {"expires", TimeJson(invite.expires)}},
                      201);
}

absl::StatusOr<Response> ListInvites(AppContext& context, Request& request) {
  ASSIGN_OR_RETURN(const Paging paging, PagingIn(request));
  ASSIGN_OR_RETURN(const auto group, GroupIn(request.params["g"]));
  ASSIGN_OR_RETURN(const auto invites, context.parts.invites.List(group));
  Json items = Json::array();
  std::string next;
  std::string last;
  for (const auto& invite : invites) {  // in the order of ids
    if (!paging.after.empty() && invite.id <= paging.after) continue;
    if (items.size() == paging.limit) {
      next = last;
      break;
    }
    last = invite.id;
    Json item = {{"id", base::ToHex(invite.id)},
                 {"role", syncgroup::RoleName(invite.role.value_or(syncgroup::Role::kServer))},
                 {"authority", syncgroup::AuthorityName(invite.authority)},
                 {"uses_left", invite.uses_left},
                 {"created", TimeJson(invite.created)},
                 {"expires", TimeJson(invite.expires)}};
    items.push_back(std::move(item));
  }
  return ListResponse(std::move(items), next);
}

absl::StatusOr<Response> RevokeInvite(AppContext& context, Request& request) {
  ASSIGN_OR_RETURN(const auto group, GroupIn(request.params["g"]));
  const auto id = base::FromHex(request.params["i"]);
  if (!id || id->empty()) {
    return absl::InvalidArgumentError("an invite's id is hexadecimal, as the list of invites says");
  }
  RETURN_IF_ERROR(context.parts.invites.Revoke(group, *id));
  context.Note(request, "invite.revoke", group, base::ToHex(*id));
  return EmptyResponse();
}

absl::StatusOr<Response> Join(AppContext& context, Request& request) {
  ASSIGN_OR_RETURN(const Json body, ReadJsonObject(request));
  ObjectReader reader(body, "the body");
  reader.Require("invite");
  const std::string text = reader.String("invite").value_or("");
  std::optional<syncgroup::Role> role;
  ReadRole(reader, role);
  RETURN_IF_ERROR(reader.Done());
  ASSIGN_OR_RETURN(const auto invite, syncgroup::ParseInvite(TrimSpaces(text)));
  const auto unreached = absl::DeadlineExceededError(
      "the inviter was not reached: is it running, and are its addresses right?");
  context.Note(request, "join", invite.group,
               absl::StrCat("asked for, of ", base::ShortId(invite.inviter)));
  auto pending = PendingAnswer::Make(context.parts.clock.SteadyNow() + kJoinWait, unreached);
  context.parts.syncer.Join(invite, role, [pending](absl::StatusOr<syncgroup::GroupInfo> group) {
    if (group.ok()) {
      pending->Resolve(JsonResponse(GroupJson(*group)));
      return;
    }
    absl::Status status = group.status();
    if (absl::IsUnavailable(status)) {
      status = absl::DeadlineExceededError(
          absl::StrCat("the inviter was not reached: ", status.message()));
    }
    pending->Resolve(ErrorResponse(status));
  });
  Response response;
  response.body = pending->subscription();
  return response;
}

absl::StatusOr<Response> RemoveMember(AppContext& context, Request& request) {
  ASSIGN_OR_RETURN(const auto group, GroupIn(request.params["g"]));
  ASSIGN_OR_RETURN(const auto peer, MemberIn(context, request));
  // Removing oneself is leaving.
  RETURN_IF_ERROR(peer == context.info.peer ? context.parts.groups.Leave(group)
                                            : context.parts.groups.RemoveMember(group, peer));
  context.Note(request, peer == context.info.peer ? "group.leave" : "member.remove", group,
               base::ShortId(peer));
  return EmptyResponse();
}

absl::StatusOr<Response> ChangeMember(AppContext& context, Request& request) {
  ASSIGN_OR_RETURN(const auto group, GroupIn(request.params["g"]));
  ASSIGN_OR_RETURN(const auto peer, MemberIn(context, request));
  ASSIGN_OR_RETURN(const Json body, ReadJsonObject(request));
  ObjectReader reader(body, "the body");
  std::optional<syncgroup::Role> role;
  std::optional<syncgroup::Authority> authority;
  ReadRole(reader, role);
  ReadAuthority(reader, "authority", authority);
  RETURN_IF_ERROR(reader.Done());
  if (!role && !authority) return absl::InvalidArgumentError("name a role or an authority to set");
  RETURN_IF_ERROR(context.parts.groups.ChangeMember(group, peer, role, authority));
  context.Note(request, "member.change", group, absl::StrCat(base::ShortId(peer), " ", Dump(body)));
  return EmptyResponse();
}

absl::StatusOr<Response> GetHeld(AppContext& context, Request& request) {
  ASSIGN_OR_RETURN(const auto group, GroupIn(request.params["g"]));
  ASSIGN_OR_RETURN(const base::Millis wait, DurationIn(request, "wait", base::Millis(0), kWaitMax));
  uint64_t servers = 1;
  if (const auto text = request.Query("servers")) {
    const auto number = ParseDecimal(*text);
    if (!number || *number < 1 || *number > kServersMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("servers must be a number from 1 to ", kServersMax));
    }
    servers = *number;
  }
  RETURN_IF_ERROR(context.parts.groups.Find(group).status());
  Response response;
  response.body = std::shared_ptr<Subscription>(
      std::make_shared<HeldWait>(context, group, static_cast<uint32_t>(servers), wait));
  return response;
}

absl::StatusOr<Response> GetGroup(AppContext& context, Request& request) {
  ASSIGN_OR_RETURN(const auto group, GroupIn(request.params["g"]));
  ASSIGN_OR_RETURN(const auto info, context.parts.groups.Find(group));
  return JsonResponse(GroupJson(info));
}

absl::StatusOr<Response> LeaveGroup(AppContext& context, Request& request) {
  ASSIGN_OR_RETURN(const auto group, GroupIn(request.params["g"]));
  RETURN_IF_ERROR(context.parts.groups.Leave(group));
  context.Note(request, "group.leave", group, "");
  return EmptyResponse();
}

}  // namespace waypost::http
