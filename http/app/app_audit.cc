#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/short_id.h"
#include "base/status.h"
#include "base/units.h"
#include "http/app/app_handlers.h"
#include "http/app/json_render.h"
#include "http/message/errors.h"
#include "syncgroup/group/history.h"

// Who did what, when: the acts of members, as the groups' logs say them, and what was done here
// with which token, merged in the order of time. A position is a time and what tells apart the acts
// of one moment: whose list, and the place in it.

namespace waypost::http {
namespace {

using syncgroup::HistoryItem;

struct AuditItem {
  std::string position;
  Json json;
};

constexpr std::size_t kGroupsAtOnce = 1000;

// A member for people: its short id, and the name that it gave itself.
std::string Named(AppContext& context, const base::PeerId& peer) {
  const std::string name = context.NameOfPeer(peer);
  return name.empty() ? base::ShortId(peer) : absl::StrCat(base::ShortId(peer), " (", name, ")");
}

// The act and the words for one of a member.
std::pair<std::string, std::string> Told(AppContext& context, const HistoryItem& item) {
  if (const auto* admit = std::get_if<syncgroup::AdmitOp>(&item.op)) {
    return {item.changes_member ? "member.change" : "member.admit",
            absl::StrCat(Named(context, admit->peer), " as ",
                         syncgroup::AuthorityName(admit->authority), ", ",
                         syncgroup::RoleName(admit->role), admit->invites ? ", may invite" : "",
                         admit->as_inviter ? ", by invite" : "")};
  }
  if (const auto* remove = std::get_if<syncgroup::RemoveOp>(&item.op)) {
    const bool itself = remove->peer == item.stamp.place.origin;
    return {itself ? "member.leave" : "member.remove", Named(context, remove->peer)};
  }
  if (const auto* profile = std::get_if<syncgroup::ProfileOp>(&item.op)) {
    return {"member.lower",
            absl::StrCat("its own role to ", syncgroup::RoleName(*profile->lowered_role))};
  }
  const auto& settings = std::get<syncgroup::SettingsOp>(item.op);
  std::vector<std::string> said;
  if (settings.name) said.push_back(absl::StrCat("name = ", *settings.name));
  if (settings.description) said.push_back(absl::StrCat("description = ", *settings.description));
  if (settings.is_public) said.push_back(*settings.is_public ? "public" : "private");
  if (settings.inviters) {
    said.push_back(absl::StrCat("inviters = ", syncgroup::AuthorityName(*settings.inviters)));
  }
  return {"group.settings", absl::StrJoin(said, ", ")};
}

// What a reader asked for.
struct Asked {
  std::optional<base::GroupId> group;
  base::WallTime since;
  Paging paging;
};

void AddOwn(base::ReadTxn& txn, const Asked& asked, std::vector<AuditItem>& items) {
  const std::string from = std::max(AuditLog::PositionAt(asked.since), asked.paging.after);
  for (auto& item : AuditLog::Read(txn, from, asked.group, asked.paging.limit + 2)) {
    Json by = Json::object();
    if (!item.act.token.empty()) by["token"] = item.act.token;
    Json json = {{"time", TimeJson(item.act.time)}, {"by", std::move(by)}, {"act", item.act.act}};
    if (item.act.group) json["group"] = item.act.group->ToHex();
    json["what"] = item.act.what;
    items.push_back({std::move(item.position), std::move(json)});
  }
}

void AddOfGroup(AppContext& context, base::ReadTxn& txn, const base::GroupId& group,
                const Asked& asked, std::vector<AuditItem>& items) {
  std::size_t added = 0;
  for (const HistoryItem& item : syncgroup::ReadHistory(txn, group)) {
    std::string position =
        absl::StrCat(AuditLog::PositionAt(item.stamp.time), base::Abs(group.bytes()), item.place);
    if (item.stamp.time < asked.since || position <= asked.paging.after) continue;
    const auto [act, what] = Told(context, item);
    Json json = {{"time", TimeJson(item.stamp.time)},
                 {"by", {{"peer", item.stamp.place.origin.ToHex()}}},
                 {"act", act},
                 {"group", group.ToHex()},
                 {"what", what}};
    items.push_back({std::move(position), std::move(json)});
    if (++added > asked.paging.limit) return;
  }
}

absl::StatusOr<Asked> AskedIn(AppContext& context, const Request& request) {
  Asked asked;
  ASSIGN_OR_RETURN(asked.paging, PagingIn(request));
  if (const auto text = request.Query("group")) {
    ASSIGN_OR_RETURN(asked.group, GroupIn(*text));
    RETURN_IF_ERROR(context.parts.groups.Find(*asked.group).status());
  }
  if (const auto text = request.Query("since")) {
    const auto ago = base::ParseDuration(*text);
    const auto time = base::ParseTime(*text);
    if (!ago.ok() && !time) {
      return absl::InvalidArgumentError(
          "since must be a time like 2026-01-02T03:04:05Z, or a duration like 24h: so long ago");
    }
    asked.since = time ? *time : context.parts.clock.WallNow() - *ago;
  }
  return asked;
}

// The groups whose logs are told.
absl::StatusOr<std::vector<base::GroupId>> GroupsOf(AppContext& context, const Asked& asked) {
  if (asked.group) return std::vector<base::GroupId>{*asked.group};
  std::vector<base::GroupId> ids;
  base::GroupId after;
  while (true) {
    ASSIGN_OR_RETURN(const auto groups, context.parts.groups.List(after, kGroupsAtOnce));
    for (const auto& group : groups) ids.push_back(group.id);
    if (groups.size() < kGroupsAtOnce) return ids;
    after = groups.back().id;
  }
}

}  // namespace

absl::StatusOr<Response> GetAudit(AppContext& context, Request& request) {
  ASSIGN_OR_RETURN(const Asked asked, AskedIn(context, request));
  const std::size_t limit = asked.paging.limit;
  ASSIGN_OR_RETURN(const std::vector<base::GroupId> groups, GroupsOf(context, asked));
  std::vector<AuditItem> items;
  RETURN_IF_ERROR(context.parts.index.Read([&](base::ReadTxn& txn) {
    AddOwn(txn, asked, items);
    for (const base::GroupId& group : groups) AddOfGroup(context, txn, group, asked, items);
  }));
  std::sort(items.begin(), items.end(),
            [](const AuditItem& a, const AuditItem& b) { return a.position < b.position; });
  std::erase_if(items, [&](const AuditItem& item) { return item.position <= asked.paging.after; });
  // No list gave less than a page of what is behind `after`, so what is cut off here comes next.
  const bool more = items.size() > limit;
  if (more) items.resize(limit);
  Json list = Json::array();
  for (AuditItem& item : items) list.push_back(std::move(item.json));
  return ListResponse(std::move(list), more ? items.back().position : "");
}

}  // namespace waypost::http
