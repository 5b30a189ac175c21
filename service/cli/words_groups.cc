#include "service/cli/words.h"

// Words of commands about groups and who is in them. A member is named by the short id that "group
// members" shows.

namespace waypost::service {

void CommandLine::AddGroups() {
  CLI::App& group = *app_.add_subcommand("group", "syncgroups");
  group.require_subcommand(1);
  Words& w = words_;
  CLI::App* command = Command(
      group, "create", "found a group; prints its id",
      [&w](const Common& common, Client& client) { return GroupCreate(common, client, w.create); });
  command->add_option("NAME", w.create.name)->required();
  command->add_flag("--public", w.create.is_public);
  Role(command, w.create.role, "what this peer is in it (default: the setting node.role)");
  Long(Command(group, "list", "groups that this peer is in",
               [](const Common& common, Client& client) { return GroupList(common, client); }));
  command = Command(
      group, "show", "one group: its settings and counts",
      [&w](const Common& common, Client& client) { return GroupShow(common, client, w.group); });
  command->add_option("GROUP", w.group)->required();
  command = Command(
      group, "set", "name, description, who may read and who may invite",
      [&w](const Common& common, Client& client) { return GroupSet(common, client, w.set); });
  command->add_option("GROUP", w.set.group)->required();
  command->add_option("--name", w.set.name);
  command->add_option("--description", w.set.description);
  // Not into the optional: that would be set to false where neither was said.
  command->add_flag_function(
      "--public,!--private", [&w](int64_t count) { w.set.is_public = count > 0; },
      "who knows the id may read, or members only");
  command
      ->add_option(
          "--inviters", w.set.inviters,
          "the least authority with which one may invite (default: as it is; admin in a new group)")
      ->check(CLI::IsMember({"admin", "writer", "reader"}));
  command = Command(
      group, "members", "who is in it, and when each was heard last",
      [&w](const Common& common, Client& client) { return GroupMembers(common, client, w.group); });
  command->add_option("GROUP", w.group)->required();
  Long(command);
  command = Command(
      group, "leave", "end the membership of this peer",
      [&w](const Common& common, Client& client) { return GroupLeave(common, client, w.group); });
  command->add_option("GROUP", w.group)->required();
  AddInvites(group);
  AddMembers(group);
  command = Command(
      app_, "join", "join a group by invite",
      [&w](const Common& common, Client& client) { return Join(common, client, w.value, w.role); });
  command->add_option("INVITE", w.value)->required();
  Role(command, w.role, "what this peer takes, at most what the invite gives (default node.role)");
}

void CommandLine::AddInvites(CLI::App& group) {
  Words& w = words_;
  CLI::App* command = Command(
      group, "invite", "let somebody join; prints what the joiner needs",
      [&w](const Common& common, Client& client) { return GroupInvite(common, client, w.invite); });
  command->add_option("GROUP", w.invite.group)->required();
  Role(command, w.invite.role, "the most that the joiner may take (default server)");
  command->add_option("--authority", w.invite.authority)
      ->check(CLI::IsMember({"admin", "writer", "reader"}));
  command->add_option("--uses", w.invite.uses);
  command->add_option("--expires", w.invite.expires, "as 90m or 24h; at most 168h (default 24h)");
  command = Command(
      group, "invites", "those that can still be used",
      [&w](const Common& common, Client& client) { return GroupInvites(common, client, w.group); });
  command->add_option("GROUP", w.group)->required();
  Long(command);
  command = Command(group, "revoke", "an invite", [&w](const Common& common, Client& client) {
    return GroupRevoke(common, client, w.group, w.value);
  });
  command->add_option("GROUP", w.group)->required();
  command->add_option("INVITE-ID", w.value, "as \"group invites\" shows it")->required();
}

void CommandLine::AddMembers(CLI::App& group) {
  Words& w = words_;
  MemberArgs& member = w.member;
  const auto add_peer = [&member](CLI::App* to) {
    to->add_option("GROUP", member.group)->required();
    to->add_option("SHORT-ID", member.peer, "as \"group members\" shows it; a name is asked about")
        ->required();
  };
  const auto add_yes = [&member](CLI::App* to) {
    to->add_flag("--yes", member.yes, "without asking; the member by its id");
  };
  CLI::App* command =
      Command(group, "remove", "end a membership", [&member](const Common& common, Client& client) {
        return GroupRemove(common, client, member);
      });
  add_peer(command);
  add_yes(command);
  command->footer(
      "Examples:\n  waypost group remove photos k7qf-2x4a\n"
      "  waypost group remove photos 9f86d081 --yes");
  command = Command(group, "role", "GROUP [SHORT-ID] ROLE",
                    [&w, &member](const Common& common, Client& client) {
                      member.peer = w.role_words.size() == 2 ? w.role_words[0] : "self";
                      return GroupChange(common, client, member, "role", w.role_words.back());
                    });
  command->add_option("GROUP", member.group)->required();
  command->add_option("SHORT-ID-ROLE", w.role_words, "[SHORT-ID] ROLE")->required()->expected(1, 2);
  add_yes(command);
  command->footer(
      "Examples:\n  waypost group role photos server\n"
      "  waypost group role photos k7qf-2x4a leaf --yes");
  command = Command(group, "authority", "what a member may",
                    [&w, &member](const Common& common, Client& client) {
                      return GroupChange(common, client, member, "authority", w.value);
                    });
  add_peer(command);
  command->add_option("AUTHORITY", w.value)
      ->required()
      ->check(CLI::IsMember({"admin", "writer", "reader"}));
  add_yes(command);
  command->footer(
      "Examples:\n  waypost group authority photos k7qf-2x4a reader\n"
      "  waypost group authority photos 9f86d081 admin --yes");
}

}  // namespace waypost::service
