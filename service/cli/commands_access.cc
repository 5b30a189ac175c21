#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "http/message/errors.h"
#include "service/cli/commands.h"
#include "service/cli/print.h"

// Who may use a running service, and what was done with that: named tokens and the audit. The text
// of a token is printed once, alone on its line, and kept nowhere.

namespace waypost::service {
namespace {

std::string GroupsOf(const Json& token) {
  if (!token.contains("groups") || !token["groups"].is_array()) return "all";
  std::vector<std::string> groups;
  for (const Json& group : token["groups"]) {
    groups.push_back(Abbreviated(group.is_string() ? group.get<std::string>() : "?"));
  }
  return absl::StrJoin(groups, " ");
}

// Who did something: a member by its short id, or a token by its name.
std::string ByWhom(const Json& item) {
  if (!item.contains("by") || !item["by"].is_object()) return "-";
  const std::string peer = TextOf(item["by"], "peer");
  if (!peer.empty()) return ShortPeer(peer);
  const std::string token = TextOf(item["by"], "token");
  return token.empty() ? "this machine" : absl::StrCat("token ", token);
}

}  // namespace

Exit TokenCreate(const Common& common, Client& client, const TokenArgs& args) {
  Json body = {{"name", args.name}, {"rights", args.rights}};
  for (const std::string& text : args.groups) {
    std::string group;
    ASSIGN_OR_RETURN(group, client.ResolveGroup(text));
    body["groups"].push_back(group);
  }
  if (!args.expires.empty()) body["expires"] = args.expires;
  Json made;
  ASSIGN_OR_RETURN(made, client.Send("POST", "/v1/tokens", body));
  if (common.json) {
    PrintJson(made);
  } else {
    PrintLine(TextOf(made, "token"));
  }
  return kExitOk;
}

Exit TokenList(const Common& common, Client& client) {
  std::vector<std::vector<std::string>> rows = {{"NAME", "RIGHTS", "GROUPS", "EXPIRES", "CREATED"}};
  Json list = Json::array();
  RETURN_IF_ERROR(client.ForEach("/v1/tokens", [&](const Json& token) {
    list.push_back(token);
    rows.push_back({TextOf(token, "name"), TextOf(token, "rights"), GroupsOf(token),
                    TextOf(token, "expires", "never"), TextOf(token, "created")});
    return absl::OkStatus();
  }));
  PrintList(common.json, list, rows);
  return kExitOk;
}

Exit TokenRevoke(const Common& common, Client& client, const std::string& name) {
  RETURN_IF_ERROR(
      client.Send("DELETE", "/v1/tokens/" + http::EscapeSegment(name), nullptr).status());
  if (common.json) PrintJson({{"name", name}, {"revoked", true}});
  return kExitOk;
}

Exit Audit(const Common& common, Client& client, const AuditArgs& args) {
  std::string target = "/v1/audit";
  const auto add = [&target](const char* name, const std::string& value) {
    absl::StrAppend(&target, target.find('?') == std::string::npos ? "?" : "&", name, "=",
                    http::EscapeSegment(value));
  };
  if (!args.group.empty()) {
    std::string group;
    ASSIGN_OR_RETURN(group, client.ResolveGroup(args.group));
    add("group", group);
  }
  if (!args.since.empty()) add("since", args.since);
  std::vector<std::vector<std::string>> rows = {{"TIME", "BY", "ACT", "GROUP", "WHAT"}};
  Json list = Json::array();
  RETURN_IF_ERROR(client.ForEach(target, [&](const Json& item) {
    list.push_back(item);
    rows.push_back({TextOf(item, "time"), ByWhom(item), TextOf(item, "act"),
                    Abbreviated(TextOf(item, "group", "-")), TextOf(item, "what")});
    return absl::OkStatus();
  }));
  PrintList(common.json, list, rows);
  return kExitOk;
}

}  // namespace waypost::service
