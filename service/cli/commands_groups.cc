#include <iostream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/status.h"
#include "service/cli/commands.h"
#include "service/cli/lists.h"
#include "service/cli/print.h"

// Commands about references, groups, members and invites. Each is one call of the API; texts are
// resolved to ids first, so that a mistake is found before anything changes.

namespace waypost::service {
namespace {

// References that are printed at once, in columns: more of them are not kept.
constexpr std::size_t kRefsAligned = 1000;

void PrintGroup(const Common& common, const Json& group) {
  if (common.json) return PrintJson(group);
  for (const std::string& line : GroupLines(group, base::SystemClock().WallNow())) PrintLine(line);
}

// A call that answers nothing; `done` is what is printed as JSON.
Exit Do(const Common& common, Client& client, const std::string& method, const std::string& target,
        const Json& body, const Json& done) {
  RETURN_IF_ERROR(client.Send(method, target, body).status());
  if (common.json) PrintJson(done);
  return kExitOk;
}

// May the member answer its removal with one of this peer, so that ours falls? Of two admins that
// remove each other the one that was admitted first stays. The words for it, or nothing.
absl::StatusOr<std::string> AnswerOf(Client& client, const std::string& group,
                                     const Client::FoundMember& found) {
  if (TextOf(found.member, "authority") != "admin" || TextOf(found.member, "self") == "true")
    return "";
  Client::FoundMember self;
  ASSIGN_OR_RETURN(self, client.ResolveMember(group, "self"));
  // Times as RFC 3339 writes them are in the order of time.
  if (TextOf(found.member, "admitted") > TextOf(self.member, "admitted")) return "";
  return absl::StrCat(
      "it is an admin that was admitted before this peer: it can answer with a removal of this "
      "peer, and that one would stand. An admin that is older than it should remove it");
}

// A removal that can be answered, and whoever was found by a name, which that peer chose itself, is
// asked about on standard error; the answer is a line of standard input.
absl::Status Confirm(const MemberArgs& args, const Client::FoundMember& found,
                     const std::string& what, const std::string& warning) {
  const std::string who =
      absl::StrCat(ShortPeer(found.id), " (\"", TextOf(found.member, "name"), "\", ",
                   TextOf(found.member, "authority"), ", ", TextOf(found.member, "role"), ")");
  if (!warning.empty()) PrintError(absl::StrCat(who, ": ", warning));
  if (args.yes && found.by_name) {
    return UsageError(absl::StrCat(
        "--yes goes with an id: a name is what a peer calls itself; here ", "it is ", who));
  }
  if (args.yes || (!found.by_name && warning.empty())) return absl::OkStatus();
  PrintError(absl::StrCat(what, " ", who, "? Write yes to go on:"));
  std::string answer;
  std::getline(std::cin, answer);
  if (answer == "yes") return absl::OkStatus();
  return UsageError(absl::StrCat("not done; without a question: ", ShortPeer(found.id), " --yes"));
}

}  // namespace

void SayWithoutServer(const Json& group) {
  if (!group.contains("servers") || NumberOf(group, "servers") != 0) return;
  PrintError(absl::StrCat("group \"", TextOf(group, "name"),
                          "\" has no server: nobody collects what is put there. Make one: "
                          "waypost group role GROUP SHORT-ID server"));
}

Exit RefSet(const Common& common, Client& client, const std::string& group_text,
            const std::string& key, const std::vector<std::string>& what) {
  std::string group, blob;
  ASSIGN_OR_RETURN(group, client.ResolveGroup(group_text));
  // A reference may be set to a blob that nobody here knows yet: a whole id is taken as it is.
  ASSIGN_OR_RETURN(blob, client.ResolveBlob(what));
  Json ref;
  ASSIGN_OR_RETURN(ref, client.Send("PUT", RefPath(group, key), {{"blob", blob}}));
  if (common.json) PrintJson(ref);
  return kExitOk;
}

Exit RefGet(const Common& common, Client& client, const std::string& group_text,
            const std::string& key) {
  std::string group;
  ASSIGN_OR_RETURN(group, client.ResolveGroup(group_text));
  Json ref;
  ASSIGN_OR_RETURN(ref, client.Get(RefPath(group, key)));
  if (common.json) {
    PrintJson(ref);
  } else {
    PrintLine(TextOf(ref, "blob"));
  }
  return kExitOk;
}

Exit RefDel(const Common& common, Client& client, const std::string& group_text,
            const std::string& key) {
  std::string group;
  ASSIGN_OR_RETURN(group, client.ResolveGroup(group_text));
  return Do(common, client, "DELETE", RefPath(group, key), nullptr,
            {{"group", group}, {"key", key}, {"deleted", true}});
}

Exit RefLs(const Common& common, Client& client, const std::string& group_text,
           const std::string& prefix) {
  std::string group;
  ASSIGN_OR_RETURN(group, client.ResolveGroup(group_text));
  Json list = Json::array();
  const ListLook look = LookOf(common);
  const auto print = [&] {
    PrintTable(RefRows(list, look));
    list.clear();
  };
  RETURN_IF_ERROR(client.ForEach(GroupPath(group, "/refs?prefix=" + http::EscapeSegment(prefix)),
                                 [&](const Json& ref) {
                                   list.push_back(ref);
                                   if (!common.json && list.size() == kRefsAligned) print();
                                   return absl::OkStatus();
                                 }));
  if (common.json) {
    PrintJson(list);
  } else {
    print();
  }
  return kExitOk;
}

Exit GroupCreate(const Common& common, Client& client, const GroupCreateArgs& args) {
  Json body = {{"name", args.name}};
  if (args.is_public) body["public"] = true;
  if (!args.role.empty()) body["role"] = args.role;
  Json group;
  ASSIGN_OR_RETURN(group, client.Send("POST", "/v1/groups", body));
  if (common.json) {
    PrintJson(group);
  } else {
    PrintLine(TextOf(group, "id"));
  }
  SayWithoutServer(group);
  return kExitOk;
}

Exit GroupSet(const Common& common, Client& client, const GroupSetArgs& args) {
  std::string group;
  ASSIGN_OR_RETURN(group, client.ResolveGroup(args.group));
  Json body = Json::object();
  if (args.name) body["name"] = *args.name;
  if (args.description) body["description"] = *args.description;
  if (args.is_public) body["public"] = *args.is_public;
  if (args.inviters) body["inviters"] = *args.inviters;
  if (body.empty()) {
    return UsageError(
        "nothing to change: say --name, --description, --public, --private or --inviters");
  }
  Json json;
  ASSIGN_OR_RETURN(json, client.Send("PATCH", GroupPath(group), body));
  PrintGroup(common, json);
  return kExitOk;
}

Exit GroupList(const Common& common, Client& client) {
  Json list;
  ASSIGN_OR_RETURN(list, client.All("/v1/groups"));
  PrintList(common.json, list, GroupRows(list, LookOf(common)));
  return kExitOk;
}

Exit GroupShow(const Common& common, Client& client, const std::string& text) {
  std::string group;
  ASSIGN_OR_RETURN(group, client.ResolveGroup(text));
  Json json;
  ASSIGN_OR_RETURN(json, client.Get(GroupPath(group)));
  PrintGroup(common, json);
  return kExitOk;
}

Exit GroupMembers(const Common& common, Client& client, const std::string& text) {
  std::string group;
  ASSIGN_OR_RETURN(group, client.ResolveGroup(text));
  Json list;
  ASSIGN_OR_RETURN(list, client.All(GroupPath(group, "/members")));
  PrintList(common.json, list, MemberRows(list, LookOf(common)));
  return kExitOk;
}

Exit GroupInvite(const Common& common, Client& client, const GroupInviteArgs& args) {
  std::string group;
  ASSIGN_OR_RETURN(group, client.ResolveGroup(args.group));
  Json body = Json::object();
  if (!args.role.empty()) body["role"] = args.role;
  if (!args.authority.empty()) body["authority"] = args.authority;
  if (!args.expires.empty()) body["expires"] = args.expires;
  if (args.uses) body["uses"] = *args.uses;
  Json invite;
  ASSIGN_OR_RETURN(invite, client.Send("POST", GroupPath(group, "/invites"), body));
  if (common.json) {
    PrintJson(invite);
  } else {
    PrintLine(TextOf(invite, "invite"));
  }
  return kExitOk;
}

Exit GroupInvites(const Common& common, Client& client, const std::string& text) {
  std::string group;
  ASSIGN_OR_RETURN(group, client.ResolveGroup(text));
  Json list;
  ASSIGN_OR_RETURN(list, client.All(GroupPath(group, "/invites")));
  PrintList(common.json, list, InviteRows(list, LookOf(common)));
  return kExitOk;
}

Exit GroupRevoke(const Common& common, Client& client, const std::string& text,
                 const std::string& id) {
  std::string group;
  ASSIGN_OR_RETURN(group, client.ResolveGroup(text));
  return Do(common, client, "DELETE", GroupPath(group, "/invites/" + http::EscapeSegment(id)),
            nullptr, {{"group", group}, {"id", id}, {"revoked", true}});
}

Exit GroupLeave(const Common& common, Client& client, const std::string& text) {
  std::string group;
  ASSIGN_OR_RETURN(group, client.ResolveGroup(text));
  return Do(common, client, "POST", GroupPath(group, "/leave"), Json::object(),
            {{"group", group}, {"left", true}});
}

Exit GroupRemove(const Common& common, Client& client, const MemberArgs& args) {
  std::string group;
  ASSIGN_OR_RETURN(group, client.ResolveGroup(args.group));
  Client::FoundMember found;
  ASSIGN_OR_RETURN(found, client.ResolveMember(group, args.peer));
  std::string warning;
  ASSIGN_OR_RETURN(warning, AnswerOf(client, group, found));
  RETURN_IF_ERROR(Confirm(args, found, "remove", warning));
  return Do(common, client, "DELETE", GroupPath(group, "/members/" + http::EscapeSegment(found.id)),
            nullptr, {{"group", group}, {"peer", found.id}, {"removed", true}});
}

Exit GroupChange(const Common& common, Client& client, const MemberArgs& args,
                 const std::string& field, const std::string& value) {
  std::string group;
  ASSIGN_OR_RETURN(group, client.ResolveGroup(args.group));
  Client::FoundMember found;
  ASSIGN_OR_RETURN(found, client.ResolveMember(group, args.peer));
  RETURN_IF_ERROR(
      Confirm(args, found, absl::StrCat("change to ", value, " the ", field, " of"), ""));
  return Do(common, client, "PATCH", GroupPath(group, "/members/" + http::EscapeSegment(found.id)),
            {{field, value}}, {{"group", group}, {"peer", found.id}, {field, value}});
}

Exit Join(const Common& common, Client& client, const std::string& invite,
          const std::string& role) {
  Json body = {{"invite", invite}};
  if (!role.empty()) body["role"] = role;
  Json group;
  ASSIGN_OR_RETURN(group, client.Send("POST", "/v1/join", body));
  PrintGroup(common, group);
  SayWithoutServer(group);
  return kExitOk;
}

}  // namespace waypost::service
