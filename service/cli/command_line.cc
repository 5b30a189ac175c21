#include "service/cli/command_line.h"

#include <csignal>
#include <cstdlib>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "base/crypto.h"
#include "base/status.h"
#include "base/units.h"
#include "service/cli/help.h"
#include "service/cli/print.h"
#include "service/cli/words.h"
#include "service/version.h"

// From a line to the command that runs. Parsing binds words and chooses; the command runs
// afterwards, so that nothing happens on a line that has a mistake. Exit statuses are in client.h.

namespace waypost::service {
namespace {

// What people call it elsewhere works here too.
void AddAliases(CLI::App& app) {
  for (CLI::App* command : app.get_subcommands(nullptr)) {
    const std::string name = command->get_name();
    const bool takes_none = command->get_aliases().empty();
    if (takes_none && name == "ls") command->alias("list");
    if (takes_none && name == "list") command->alias("ls");
    if (takes_none && name == "del") command->alias("rm")->alias("delete");
    AddAliases(*command);
  }
<<<<<<< HEAD

  int Run(int argc, char** argv) {
    try {
      app_.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      const std::string unknown = error.get_exit_code() == 0 ? "" : WhatWasUnknown(app_);
      if (!unknown.empty()) return Ended(UsageError(unknown));
      if (app_.exit(error) != 0) return kExitUsage;
      return Ended(kExitOk);
    }
    return Ended(RunChoice());
  }

 private:
  using WithService = std::function<Exit(const Common&, Client&)>;

  // The exit status of the program. What was to be printed and is lost is no success.
  static int Ended(Exit exit) {
    const absl::Status printed = FlushOutput();
    if (exit.ok() && !printed.ok()) exit = printed;
    if (exit.ok()) return *exit;
    PrintError(absl::StrCat("waypost: ", std::string(exit.status().message())));
    return ExitOf(exit.status());
  }

  Exit RunChoice() {
    const std::string home = std::getenv("HOME") != nullptr ? std::getenv("HOME") : "";
    const char* from_environment = std::getenv("WAYPOST_DATA");
    if (data_.empty()) data_ = from_environment != nullptr ? from_environment : home + "/.waypost";
    std::error_code error;
    common_.data = std::filesystem::absolute(data_, error).lexically_normal().string();
    while (common_.data.size() > 1 && common_.data.back() == '/') common_.data.pop_back();
    if (choice_.alone) return choice_.alone(common_);
    if (!base::InitCrypto()) return absl::InternalError("the crypto library does not start");
    std::unique_ptr<Client> client;
    ASSIGN_OR_RETURN(client, Client::Connect(common_.data));
    return choice_.with_service(common_, *client);
  }

  CLI::App* Command(CLI::App& parent, const std::string& name, const std::string& help,
                    const WithService& run) {
    CLI::App* command = parent.add_subcommand(name, help);
    command->callback([this, run] { choice_.with_service = run; });
    return command;
  }
  CLI::App* Alone(CLI::App& parent, const std::string& name, const std::string& help,
                  const std::function<Exit(const Common&)>& run) {
    CLI::App* command = parent.add_subcommand(name, help);
    command->callback([this, run] { choice_.alone = run; });
    return command;
  }
  void Role(CLI::App* command, std::string& into) {
    command->add_option("--role", into, "server, normal or leaf")
        ->check(CLI::IsMember({"server", "normal", "leaf"}));
  }
  void Timeout(CLI::App* command) {
    command->add_option("--timeout", words_.timeout, "how long to wait (default 60s)");
  }
  // Of the --timeout option.
  absl::Status ReadTimeout() {
    if (words_.timeout.empty()) return absl::OkStatus();
    const auto parsed = base::ParseDuration(words_.timeout);
    if (!parsed.ok())
      return UsageError(absl::StrCat("--timeout: ", std::string(parsed.status().message())));
    words_.wait.timeout = *parsed;
    return absl::OkStatus();
  }

  // What people call it elsewhere works here too.
  static void AddAliases(CLI::App& app) {
    for (CLI::App* command : app.get_subcommands(nullptr)) {
      const std::string name = command->get_name();
      const bool takes_none = command->get_aliases().empty();
      if (takes_none && name == "ls") command->alias("list");
      if (takes_none && name == "list") command->alias("ls");
      if (takes_none && name == "del") command->alias("rm")->alias("delete");
      AddAliases(*command);
    }
  }
  Exit Help(const Common& common) {
    if (common.json && words_.help.empty()) {
      PrintJson(AllHelp(app_));
      return kExitOk;
    }
    std::string text;
    ASSIGN_OR_RETURN(text, HelpOf(app_, words_.help));
    if (common.json) {
      PrintJson({{"help", text}});
    } else {
      PrintText(text);
    }
    return kExitOk;
  }

  void AddService();
  void AddTokens(CLI::App& token);
  void AddBlobs();
  void AddRefs();
  void AddGroups();
  void AddMembers(CLI::App& group);
  void AddStatus();
  void AddConfig();

  CLI::App app_{"Waypost keeps the blobs of a syncgroup safe on the group's always-on peers."};
  std::string data_;
  Common common_;
  Words words_;
  Choice choice_;
};

void CommandLine::AddService() {
  InitArgs& init = words_.init;
  CLI::App* command = Alone(app_, "init", "make a data folder: identity, tokens, waypost.toml",
                            [&init](const Common& common) { return Init(common, init); });
  command->add_option("--name", init.name, "shown to people");
  command->add_option("--listen", init.listen, "ADDRESS:PORT of the app API");
  command->add_option("--peer-listen", init.peer_listen, "ADDRESS:PORT of the peer API");
  command->add_option("--advertise", init.advertise, "HOST:PORT that others should use; repeatable")
      ->allow_extra_args(false);

  ServeArgs& serve = words_.serve;
  command = Alone(app_, "serve", "run the service in the foreground",
                  [&serve](const Common& common) { return Serve(common, serve); });
  command->add_option("--config", serve.config_file, "instead of waypost.toml in the data folder");
  for (const Setting& setting : Settings()) {
    const std::string key = setting.key;
    command
        ->add_option_function<std::vector<std::string>>(
            "--" + key,
            [&serve, key](const std::vector<std::string>& values) {
              for (const std::string& value : values) serve.settings.emplace_back(key, value);
            },
            absl::StrCat(setting.help, " (", setting.kind.allowed, ")"))
        ->allow_extra_args(false)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->group("Settings");
  }
  CLI::App& identity = *app_.add_subcommand("identity", "who this peer is");
  identity.require_subcommand(1);
  Alone(identity, "show", "its id, and the short one that people compare",
        [](const Common& common) { return IdentityShow(common); });
  IdentityArgs& backup = words_.identity;
  command = Alone(identity, "backup", "the key, under a passphrase",
                  [&backup](const Common& common) { return IdentityBackup(common, backup); });
  command->add_option("FILE", backup.file, "or a folder for it; - is standard output")->required();
  command->add_flag("--force", backup.force, "overwrite a file that is there");
  command->add_option("--passphrase-file", backup.passphrase_file, "instead of asking");
  command = Alone(identity, "restore", "a data folder with the identity of a backup",
                  [&backup](const Common& common) { return IdentityRestore(common, backup); });
  command->add_option("FILE", backup.file, "- is standard input")->required();
  command->add_option("--passphrase-file", backup.passphrase_file, "instead of asking");
  CLI::App& token = *app_.add_subcommand("token", "what apps show to use the service");
  token.require_subcommand(1);
  std::string& which = words_.value;
  command = Alone(token, "rotate", "new ones in place of the old, at once",
                  [&which](const Common& common) { return TokenRotate(common, which); });
  command->add_option("WHICH", which, "api or read; both when left out")
      ->check(CLI::IsMember({"api", "read"}));
  AddTokens(token);
  Command(app_, "reload", "read the file of settings, the tokens and the certificate again",
          [](const Common& common, Client& client) { return ReloadFiles(common, client); });
  Alone(app_, "version", "the version of this program",
        [](const Common& common) { return Version(common); });
}

void CommandLine::AddTokens(CLI::App& token) {
  TokenArgs& args = words_.token;
  CLI::App* command = Command(
      token, "create", "a token of its own for an app; its text is printed this once",
      [&args](const Common& common, Client& client) { return TokenCreate(common, client, args); });
  command->add_option("NAME", args.name, "letters, digits, dots, dashes")->required();
  command->add_option("--rights", args.rights, "read, write or admin; each may what the one before")
      ->required()
      ->check(CLI::IsMember({"read", "write", "admin"}));
  command->add_option("--group", args.groups, "for this group alone; repeatable")
      ->allow_extra_args(false);
  command->add_option("--expires", args.expires, "as 12h or 90d; without it: never");
  command->footer(
      "Examples:\n  waypost token create backup --rights read --group photos --expires 90d\n"
      "  waypost token create scraper --rights read");
  command = Command(token, "ls", "those that were made, without their texts",
                    [](const Common& common, Client& client) { return TokenList(common, client); });
  command->alias("list");
  command->footer("Examples:\n  waypost token ls\n  waypost token ls --json");
  command = Command(token, "revoke", "end a token, at once",
                    [&args](const Common& common, Client& client) {
                      return TokenRevoke(common, client, args.name);
                    });
  command->add_option("NAME", args.name)->required();
  command->footer("Examples:\n  waypost token revoke backup\n  waypost token revoke scraper");
  AuditArgs& audit = words_.audit;
  command = Command(
      app_, "audit", "who did what: in the groups, and here with which token",
      [&audit](const Common& common, Client& client) { return Audit(common, client, audit); });
  command->add_option("--group", audit.group);
  command->add_option("--since", audit.since, "a time, or a duration like 24h: so long ago");
  command->footer("Examples:\n  waypost audit --since 7d\n  waypost audit --group photos --json");
}

void CommandLine::AddBlobs() {
  PutArgs& put = words_.put;
  CLI::App* command =
      Command(app_, "put", "store files as blobs; - is standard input",
              [&put](const Common& common, Client& client) { return Put(common, client, put); });
  command->add_option("PATH", put.paths, "files, folders with -r, or -")->required();
  command->add_flag("-r", put.recursive, "whole folders; keys are paths below them");
  command->add_option("--group", put.group, "also reference them in this group");
  command->add_option("--key", put.key, "the key of the one file")
      ->excludes(command->add_option("--prefix", put.prefix, "before each key"));

  GetArgs& get = words_.get;
  command =
      Command(app_, "get", "write a blob to standard output: get ID, or get GROUP KEY",
              [&get](const Common& common, Client& client) { return Get(common, client, get); });
  command->add_option("WHAT", get.what, "ID, or GROUP and KEY")->required()->expected(1, 2);
  command->add_option("-o", get.output,
                      "a file, written whole or not at all, or a folder for it; - is standard "
                      "output");
  command->add_flag("--force", get.force, "overwrite a file that has other bytes");
  command->add_option("--timeout", get.timeout, "how long to wait for a blob that is not here");

  command = Command(
      app_, "fetch", "get a blob here, and say how it goes",
      [this](const Common& common, Client& client) { return Fetch(common, client, words_.id); });
  command->add_option("ID", words_.id)->required();

  LsArgs& ls = words_.ls;
  command = Command(app_, "ls", "blobs that are here",
                    [&ls](const Common& common, Client& client) { return Ls(common, client, ls); });
  command->add_option("--group", ls.group);
  command->add_flag("--long", ls.details, "with sizes");

  ExportArgs& to = words_.export_to;
  command =
      Command(app_, "export", "write a group's files below a folder by their keys",
              [&to](const Common& common, Client& client) { return Export(common, client, to); });
  command->add_option("GROUP", to.group)->required();
  command->add_option("DIR", to.dir)->required();
  command->add_option("--prefix", to.prefix, "only keys that begin so");
  command->add_flag("--force", to.force, "overwrite files that have other bytes");
}

void CommandLine::AddRefs() {
  CLI::App& ref = *app_.add_subcommand("ref", "references: key to blob in a group");
  ref.require_subcommand(1);
  Words& w = words_;
  CLI::App* command =
      Command(ref, "set", "let a key stand for a blob", [&w](const Common& common, Client& client) {
        return RefSet(common, client, w.group, w.key, w.id);
      });
  command->add_option("GROUP", w.group)->required();
  command->add_option("KEY", w.key)->required();
  command->add_option("ID", w.id)->required();
  command = Command(ref, "get", "the blob that a key stands for",
                    [&w](const Common& common, Client& client) {
                      return RefGet(common, client, w.group, w.key);
                    });
  command->add_option("GROUP", w.group)->required();
  command->add_option("KEY", w.key)->required();
  command = Command(ref, "del", "take a key away; the blob stays",
                    [&w](const Common& common, Client& client) {
                      return RefDel(common, client, w.group, w.key);
                    });
  command->add_option("GROUP", w.group)->required();
  command->add_option("KEY", w.key)->required();
  command = Command(ref, "ls", "keys and what they stand for",
                    [&w](const Common& common, Client& client) {
                      return RefLs(common, client, w.group, w.prefix);
                    });
  command->add_option("GROUP", w.group)->required();
  command->add_option("--prefix", w.prefix);
}

void CommandLine::AddGroups() {
  CLI::App& group = *app_.add_subcommand("group", "syncgroups");
  group.require_subcommand(1);
  Words& w = words_;
  CLI::App* command = Command(
      group, "create", "found a group; prints its id",
      [&w](const Common& common, Client& client) { return GroupCreate(common, client, w.create); });
  command->add_option("NAME", w.create.name)->required();
  command->add_flag("--public", w.create.is_public);
  Role(command, w.create.role);
  Command(group, "list", "groups that this peer is in",
          [](const Common& common, Client& client) { return GroupList(common, client); });
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
  command->add_option("--inviters", w.set.inviters, "the least authority with which one may invite")
      ->check(CLI::IsMember({"admin", "writer", "reader"}));
  command = Command(
      group, "members", "who is in it, and when each was heard last",
      [&w](const Common& common, Client& client) { return GroupMembers(common, client, w.group); });
  command->add_option("GROUP", w.group)->required();
  command = Command(
      group, "leave", "end the membership of this peer",
      [&w](const Common& common, Client& client) { return GroupLeave(common, client, w.group); });
  command->add_option("GROUP", w.group)->required();
  AddMembers(group);
  command = Command(
      app_, "join", "join a group by invite",
      [&w](const Common& common, Client& client) { return Join(common, client, w.value, w.role); });
  command->add_option("INVITE", w.value)->required();
  Role(command, w.role);
}

void CommandLine::AddMembers(CLI::App& group) {
  Words& w = words_;
  CLI::App* command = Command(
      group, "invite", "let somebody join; prints what the joiner needs",
      [&w](const Common& common, Client& client) { return GroupInvite(common, client, w.invite); });
  command->add_option("GROUP", w.invite.group)->required();
  Role(command, w.invite.role);
  command->add_option("--authority", w.invite.authority)
      ->check(CLI::IsMember({"admin", "writer", "reader"}));
  command->add_option("--uses", w.invite.uses);
  command->add_option("--expires", w.invite.expires, "as 24h; at most 168h");
  command = Command(
      group, "invites", "those that can still be used",
      [&w](const Common& common, Client& client) { return GroupInvites(common, client, w.group); });
  command->add_option("GROUP", w.group)->required();
  command = Command(group, "revoke", "an invite", [&w](const Common& common, Client& client) {
    return GroupRevoke(common, client, w.group, w.value);
  });
  command->add_option("GROUP", w.group)->required();
  command->add_option("INVITE-ID", w.value, "as \"group invites\" shows it")->required();
  MemberArgs& member = w.member;
  const auto add_peer = [&member](CLI::App* to) {
    to->add_option("GROUP", member.group)->required();
    to->add_option("SHORT-ID", member.peer, "as \"group members\" shows it; a name is asked about")
        ->required();
  };
  const auto add_yes = [&member](CLI::App* to) {
    to->add_flag("--yes", member.yes, "without asking; the member by its id");
  };
  command =
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

void CommandLine::AddStatus() {
  Words& w = words_;
  Command(app_, "status", "how this peer is doing",
          [](const Common& common, Client& client) { return ShowStatus(common, client); });
  CLI::App* command = Command(
      app_, "wanted", "what is wanted and not here",
      [&w](const Common& common, Client& client) { return Wanted(common, client, w.state); });
  command->add_option("--state", w.state)
      ->check(CLI::IsMember({"due", "waiting", "fetching", "parked", "stopped"}));
  command =
      Command(app_, "why", "why a blob is not here yet",
              [&w](const Common& common, Client& client) { return Why(common, client, w.id); });
  command->add_option("ID", w.id)->required();
  command =
      Command(app_, "retry", "try again now", [&w](const Common& common, Client& client) -> Exit {
        if (w.id.empty() == !w.flag) return UsageError("retry takes an ID or --all");
        return Retry(common, client, w.id);
      });
  command->add_option("ID", w.id);
  command->add_flag("--all", w.flag);
  command =
      Command(app_, "scan", "look for what events missed",
              [&w](const Common& common, Client& client) { return Scan(common, client, w.flag); });
  command->add_flag("--wait", w.flag, "until a scan begun now has ended");
  Command(app_, "peers", "other peers",
          [](const Common& common, Client& client) { return Peers(common, client); });
  command = Command(app_, "wait-complete", "wait until everything wanted is here",
                    [this](const Common& common, Client& client) -> Exit {
                      RETURN_IF_ERROR(ReadTimeout());
                      return WaitComplete(common, client, words_.wait);
                    });
  command->add_option("--group", w.wait.group, "of this group alone; its id or name");
  command
      ->add_option("--heard", w.wait.heard,
                   "who must have been heard: servers (the default), reachable, all, any, or how "
                   "many members")
      ->check([](const std::string& text) {
        const bool number = !text.empty() && text[0] != '0' && text.size() < 10 &&
                            text.find_first_not_of("0123456789") == std::string::npos;
        for (const char* word : {"servers", "reachable", "all", "any"}) {
          if (text == word) return std::string();
        }
        return number ? std::string() : "servers, reachable, all, any, or a number from 1";
      });
  Timeout(command);
  command = Command(app_, "wait-held", "wait until everything of a group is on servers",
                    [this](const Common& common, Client& client) -> Exit {
                      RETURN_IF_ERROR(ReadTimeout());
                      return WaitHeld(common, client, words_.wait);
                    });
  command->add_option("GROUP", w.wait.group)->required();
  command->add_option("--servers", w.wait.servers);
  Timeout(command);
}

void CommandLine::AddConfig() {
  CLI::App& config = *app_.add_subcommand("config", "settings");
  config.require_subcommand(1);
  Words& w = words_;
  Command(config, "show", "what counts now, and where each value comes from",
          [](const Common& common, Client& client) { return ConfigShow(common, client); });
  CLI::App* command = Command(
      config, "get", "one value",
      [&w](const Common& common, Client& client) { return ConfigGet(common, client, w.key); });
  command->add_option("KEY", w.key, "as \"config show\" has it")->required();
  command = Command(config, "set", "change one while the service runs, for good",
                    [&w](const Common& common, Client& client) {
                      return ConfigSet(common, client, w.key, w.value);
                    });
  command->add_option("KEY", w.key, "as \"config show\" has it")->required();
  command->add_option("VALUE", w.value, "as in the file")->required();
  command = Alone(config, "unset", "undo \"config set\", with a running service or without",
                  [&w](const Common& common) { return ConfigUnset(common, w.key); });
  command->add_option("KEY", w.key, "as \"config show\" has it")->required();
  command =
      Alone(config, "check", "find mistakes in a file, or in all that the next start will use",
            [&w](const Common& common) { return ConfigCheck(common, w.value); });
  command->add_option("FILE", w.value, "without it: the data folder");
=======
>>>>>>> 7468c9c48d7dda58e22f031b9725e25265a7b44f
}

}  // namespace

CommandLine::CommandLine() {
  app_.require_subcommand(1);
  app_.fallthrough();
  app_.add_option("--data", data_, "the data folder (WAYPOST_DATA; default ~/.waypost)");
  app_.add_flag("--json", common_.json, "print JSON");
  app_.set_version_flag("--version", absl::StrCat("waypost ", kVersion),
                        "print the version of this program");
  Alone(app_, "help", "what a command does, with its words and examples",
        [this](const Common& common) { return Help(common); })
      ->add_option("COMMAND", words_.help, "as in: help group invite; without it: all commands")
      ->expected(0, 3);
  AddService();
  AddBlobs();
  AddRefs();
  AddLinks();
  AddGroups();
  AddStatus();
  AddWaits();
  AddWork();
  AddConfig();
  AddAliases(app_);
  FillHelp(app_);
}

int CommandLine::Run(int argc, char** argv) {
  try {
    app_.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const std::string unknown = error.get_exit_code() == 0 ? "" : WhatWasUnknown(app_);
    if (!unknown.empty()) return Ended(UsageError(unknown));
    if (app_.exit(error) != 0) return kExitUsage;
    return Ended(kExitOk);
  }
  return Ended(RunChoice());
}

// What was to be printed and is lost is no success.
int CommandLine::Ended(Exit exit) const {
  const absl::Status printed = FlushOutput();
  if (exit.ok() && !printed.ok()) exit = printed;
  if (exit.ok()) return *exit;
  PrintError(absl::StrCat("waypost: ", std::string(exit.status().message())));
  return ExitOf(exit.status());
}

Exit CommandLine::RunChoice() {
  const std::string home = std::getenv("HOME") != nullptr ? std::getenv("HOME") : "";
  const char* from_environment = std::getenv("WAYPOST_DATA");
  if (data_.empty()) data_ = from_environment != nullptr ? from_environment : home + "/.waypost";
  std::error_code error;
  common_.data = std::filesystem::absolute(data_, error).lexically_normal().string();
  while (common_.data.size() > 1 && common_.data.back() == '/') common_.data.pop_back();
  if (alone_) return alone_(common_);
  if (!base::InitCrypto()) return absl::InternalError("the crypto library does not start");
  std::unique_ptr<Client> client;
  ASSIGN_OR_RETURN(client, Client::Connect(common_.data));
  return with_service_(common_, *client);
}

CLI::App* CommandLine::Command(CLI::App& parent, const std::string& name, const std::string& help,
                               const WithService& run) {
  CLI::App* command = parent.add_subcommand(name, help);
  command->callback([this, run] { with_service_ = run; });
  return command;
}

CLI::App* CommandLine::Alone(CLI::App& parent, const std::string& name, const std::string& help,
                             const WithoutService& run) {
  CLI::App* command = parent.add_subcommand(name, help);
  command->callback([this, run] { alone_ = run; });
  return command;
}

void CommandLine::Role(CLI::App* command, std::string& into, const std::string& help) {
  command->add_option("--role", into, "server, normal or leaf: " + help)
      ->check(CLI::IsMember({"server", "normal", "leaf"}));
}

CLI::Option* CommandLine::Blob(CLI::App* command) {
  return command->add_option("ID", words_.id)->expected(1, 2);
}

void CommandLine::Timeout(CLI::App* command) {
  command->add_option("--timeout", words_.timeout, "how long to wait (default 60s)");
}

absl::Status CommandLine::ReadTimeout() {
  if (words_.timeout.empty()) return absl::OkStatus();
  const auto parsed = base::ParseDuration(words_.timeout);
  if (!parsed.ok())
    return UsageError(absl::StrCat("--timeout: ", std::string(parsed.status().message())));
  words_.wait.timeout = *parsed;
  return absl::OkStatus();
}

Exit CommandLine::Help(const Common& common) {
  if (common.json && words_.help.empty()) {
    PrintJson(AllHelp(app_));
    return kExitOk;
  }
  std::string text;
  ASSIGN_OR_RETURN(text, HelpOf(app_, words_.help));
  if (common.json) {
    PrintJson({{"help", text}});
  } else {
    PrintText(text);
  }
  return kExitOk;
}

int RunCommandLine(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  return CommandLine().Run(argc, argv);
}

}  // namespace waypost::service
