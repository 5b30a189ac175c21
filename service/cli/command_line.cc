#include "service/cli/command_line.h"

#include <algorithm>
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
}

}  // namespace

CommandLine::CommandLine() {
  app_.require_subcommand(1);
  app_.fallthrough();
  app_.add_option("--data", data_, "the data folder (WAYPOST_DATA; default ~/.waypost)");
  app_.add_flag(
      "--json", common_.json,
      "print one JSON value to standard output; notes and errors, as JSON too, go to standard "
      "error: {\"error\": {\"code\", \"message\", ...}}");
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
  // Also where the line has a mistake elsewhere.
  common_.json = std::find(argv, argv + argc, std::string_view("--json")) != argv + argc;
  if (common_.json) NotesAsJson();
  try {
    app_.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return Ended(OfLine(error));
  }
  return Ended(RunChoice());
}

// A line that runs nothing: it asks for help or the version, or has a mistake.
Exit CommandLine::OfLine(const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) {
    if (!common_.json) {
      app_.exit(error);
    } else if (error.get_name() == "CallForVersion") {
      PrintJson({{"version", kVersion}});
    } else {
      PrintJson({{"help", app_.help()}});
    }
    return kExitOk;
  }
  const std::string unknown = WhatWasUnknown(app_);
  if (!unknown.empty()) return UsageError(unknown);
  if (common_.json) return UsageError(error.what());
  app_.exit(error);
  return kExitUsage;
}

// What was to be printed and is lost is no success.
int CommandLine::Ended(Exit exit) const {
  const absl::Status printed = FlushOutput();
  if (exit.ok() && !printed.ok()) exit = printed;
  if (exit.ok()) return *exit;
  if (common_.json) {
    PrintErrorJson(ErrorJson(exit.status()));
  } else {
    PrintError(absl::StrCat("waypost: ", std::string(exit.status().message())));
  }
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

void CommandLine::Long(CLI::App* command, const std::string& help) {
  command->add_flag("--long", common_.whole, help);
}

CLI::Option* CommandLine::Blob(CLI::App* command) {
  return command->add_option("ID", words_.id)->expected(1, 2);
}

void CommandLine::Timeout(CLI::App* command, const std::string& help) {
  command->add_option("--timeout", words_.timeout, help);
}

absl::StatusOr<std::optional<base::Millis>> CommandLine::ReadTimeout() const {
  if (words_.timeout.empty()) return std::nullopt;
  const auto parsed = base::ParseDuration(words_.timeout);
  if (parsed.ok()) return *parsed;
  return UsageError(absl::StrCat("--timeout: ", std::string(parsed.status().message())));
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
