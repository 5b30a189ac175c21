#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "http/message/errors.h"
#include "service/cli/commands.h"
#include "service/cli/lists.h"
#include "service/cli/print.h"

// Who may use a running service, and what was done with that: named tokens and the audit. The text
// of a token is printed once, alone on its line, and kept nowhere.

namespace waypost::service {
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
  Json list;
  ASSIGN_OR_RETURN(list, client.All("/v1/tokens"));
  ListLook look;
  ASSIGN_OR_RETURN(look, LookWithGroups(common, client));
  PrintList(common.json, list, TokenRows(list, look));
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
  Json list;
  ASSIGN_OR_RETURN(list, client.All(target));
  ListLook look;
  ASSIGN_OR_RETURN(look, LookWithGroups(common, client));
  PrintList(common.json, list, AuditRows(list, look));
  return kExitOk;
}

}  // namespace waypost::service
