#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "service/cli/commands.h"

namespace waypost::service {

// All words of the command line, bound once and read when the chosen command runs.
struct Words {
  std::string group, key, peer, value, role, state, timeout, prefix, lasts;
  std::string kind = "fetch";
  // `ID`: one word, or two that name a reference.
  std::vector<std::string> id;
  std::vector<std::string> role_words, help;
  bool flag = false;
  MemberArgs member;
  TokenArgs token;
  AuditArgs audit;
  InitArgs init;
  IdentityArgs identity;
  ServeArgs serve;
  PutArgs put;
  GetArgs get;
  ExportArgs export_to;
  GroupCreateArgs create;
  GroupSetArgs set;
  GroupInviteArgs invite;
  WaitArgs wait;
  WantedArgs wanted;
  LinkArgs link;
  EventsArgs events;
};

// Every command with its words: parses a line, and runs what it chose. Its parts are in words_*.cc.
// One thread, one line.
class CommandLine {
 public:
  CommandLine();
  // The exit status of the program.
  int Run(int argc, char** argv);
  CLI::App& app() { return app_; }

 private:
  using WithService = std::function<Exit(const Common&, Client&)>;
  using WithoutService = std::function<Exit(const Common&)>;

  CLI::App* Command(CLI::App& parent, const std::string& name, const std::string& help,
                    const WithService& run);
  CLI::App* Alone(CLI::App& parent, const std::string& name, const std::string& help,
                  const WithoutService& run);
  void Role(CLI::App* command, std::string& into, const std::string& help);
  CLI::Option* Blob(CLI::App* command);
  // A list, or `help` says what else: it is shown short, and whole where that is asked for.
  void Long(CLI::App* command,
            const std::string& help = "whole ids and times, as wide as they are");
  void Timeout(CLI::App* command, const std::string& help);
  // What that said; nullopt: nothing.
  absl::StatusOr<std::optional<base::Millis>> ReadTimeout() const;

  void AddService();
  void AddIdentity();
  void AddTokens(CLI::App& token);
  void AddBlobs();
  void AddRefs();
  void AddLinks();
  void AddGroups();
  void AddInvites(CLI::App& group);
  void AddMembers(CLI::App& group);
  void AddStatus();
  void AddWaits();
  void AddWork();
  void AddConfig();

  int Ended(Exit exit) const;
  Exit OfLine(const CLI::ParseError& error);
  Exit RunChoice();
  Exit Help(const Common& common);

  CLI::App app_{"Waypost keeps the blobs of a syncgroup safe on the group's always-on peers."};
  std::string data_;
  Common common_;
  Words words_;
  // What was chosen: one of the two.
  WithoutService alone_;
  WithService with_service_;
};

}  // namespace waypost::service
