#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "service/cli/words.h"
#include "service/settings_table.h"

// Words of commands that make a data folder, run the service, and say who may use it.
// Help texts of words that mean the same everywhere are in help.cc.

namespace waypost::service {
namespace {

// " (default 4)": of a setting, as it would be written.
std::string DefaultOf(const std::string& key) {
  const std::string& standard = FindSetting(key)->standard;
  return absl::StrCat(" (default ", standard.empty() ? "none" : standard, ")");
}

}  // namespace

void CommandLine::AddService() {
  InitArgs& init = words_.init;
  CLI::App* command = Alone(app_, "init", "make a data folder: identity, tokens, waypost.toml",
                            [&init](const Common& common) { return Init(common, init); });
  command->add_option("--name", init.name, "shown to people (default: the host's name)");
  command->add_option("--listen", init.listen,
                      absl::StrCat("ADDRESS:PORT of the app API", DefaultOf("http.listen")));
  command->add_option("--peer-listen", init.peer_listen,
                      absl::StrCat("ADDRESS:PORT of the peer API", DefaultOf("peer.listen")));
  command
      ->add_option("--advertise", init.advertise,
                   "HOST:PORT that others should use; repeatable (default: the one that is bound, "
                   "or those of the interfaces)")
      ->allow_extra_args(false);

  ServeArgs& serve = words_.serve;
  command = Alone(app_, "serve", "run the service in the foreground",
                  [&serve](const Common& common) { return Serve(common, serve); });
  command->add_flag("--init", serve.init, "make the data folder where there is none");
  command->add_flag("--new-index", serve.new_index,
                    "begin an empty index where the one that was there is lost for good");
  command->add_option("--config", serve.config_file,
                      "instead of waypost.toml in the data folder, the default");
  for (const Setting& setting : Settings()) {
    const std::string key = setting.key;
    command
        ->add_option_function<std::vector<std::string>>(
            "--" + key,
            [&serve, key](const std::vector<std::string>& values) {
              for (const std::string& value : values) serve.settings.emplace_back(key, value);
            },
            absl::StrCat(setting.help, " (", setting.kind.allowed, ")", DefaultOf(key)))
        ->allow_extra_args(false)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->group("Settings");
  }
  AddIdentity();
  Command(app_, "reload", "read the file of settings, the tokens and the certificate again",
          [](const Common& common, Client& client) { return ReloadFiles(common, client); });
  Alone(app_, "version", "the version of this program",
        [](const Common& common) { return Version(common); });
}

void CommandLine::AddIdentity() {
  CLI::App& identity = *app_.add_subcommand("identity", "who this peer is");
  identity.require_subcommand(1);
  Alone(identity, "show", "its id, and the short one that people compare",
        [](const Common& common) { return IdentityShow(common); });
  IdentityArgs& backup = words_.identity;
  CLI::App* command =
      Alone(identity, "backup", "the key, under a passphrase",
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
  command->add_option("WHICH", which, "api or read (default: both)")
      ->check(CLI::IsMember({"api", "read"}));
  AddTokens(token);
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
  command->add_option("--group", args.groups, "for this group alone; repeatable (default: all)")
      ->allow_extra_args(false);
  command->add_option("--expires", args.expires, "as 12h or 90d (default: never)");
  command->footer(
      "Examples:\n  waypost token create backup --rights read --group photos --expires 90d\n"
      "  waypost token create scraper --rights read");
  command = Command(token, "ls", "those that were made, without their texts",
                    [](const Common& common, Client& client) { return TokenList(common, client); });
  command->alias("list");
  Long(command);
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
  command->add_option("--since", audit.since,
                      "a time, or a duration like 24h: so long ago (default: all that is kept)");
  Long(command);
  command->footer("Examples:\n  waypost audit --since 7d\n  waypost audit --group photos --json");
}

}  // namespace waypost::service
