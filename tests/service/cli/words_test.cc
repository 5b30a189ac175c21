#include "service/cli/words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>
#include <string>

#include "service/cli/help.h"
#include "service/settings_table.h"

namespace waypost::service {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

// Which command makes each call of docs/openapi.yaml.
const std::map<std::string, std::string>& CommandsByOperation() {
  static const auto* const commands = new std::map<std::string, std::string>{
      {"postBlob", "put"},
      {"listBlobs", "ls"},
      {"putBlob", "put"},
      {"getBlob", "get"},
      {"headBlob", "get"},
      {"haveBlobs", "put"},
      {"streamFetch", "fetch"},
      {"getSignpost", "signpost"},
      {"getWhy", "why"},
      {"createGroup", "group create"},
      {"listGroups", "group list"},
      {"getGroup", "group show"},
      {"changeGroup", "group set"},
      {"listMembers", "group members"},
      {"changeMember", "group role"},
      {"removeMember", "group remove"},
      {"leaveGroup", "group leave"},
      {"createInvite", "group invite"},
      {"listInvites", "group invites"},
      {"revokeInvite", "group revoke"},
      {"join", "join"},
      {"getHeld", "wait-held"},
      {"listRefs", "ref ls"},
      {"putRef", "ref set"},
      {"getRef", "ref get"},
      {"deleteRef", "ref del"},
      {"batchRefs", "put"},
      {"listWanted", "wanted"},
      {"stopWanted", "stop"},
      {"retryWanted", "retry"},
      {"retryAllWanted", "retry"},
      {"pauseFetcher", "pause"},
      {"resumeFetcher", "resume"},
      {"pauseWork", "pause"},
      {"resumeWork", "resume"},
      {"startScan", "scan"},
      {"getScan", "scan"},
      {"listPeers", "peers"},
      {"getComplete", "wait-complete"},
      {"createToken", "token create"},
      {"listTokens", "token ls"},
      {"revokeToken", "token revoke"},
      {"createLink", "link create"},
      {"listLinks", "link ls"},
      {"revokeLink", "link revoke"},
      {"serveLink", "link create"},  // by the address that it prints
      {"getAudit", "audit"},
      {"getStatus", "status"},
      {"reload", "reload"},
      {"getProof", "status"},  // by every command, where the service is reached over a port
      {"getConfig", "config show"},
      {"patchConfig", "config set"},
      {"getEvents", "events"},
      {"getDescription", "openapi"},
      {"getMetrics", "metrics"},
      {"getHealth", "health"},
      {"getReadiness", "health"}};
  return *commands;
}

std::set<std::string> Commands() {
  std::set<std::string> names;
  CommandLine line;
  for (const Json& command : AllHelp(line.app())) names.insert(command.value("command", ""));
  return names;
}

TEST(CommandLineWords, EveryCallOfTheApiHasACommand) {
  std::ifstream in(std::string(WAYPOST_SOURCE_DIR) + "/docs/openapi.yaml");
  const std::set<std::string> commands = Commands();
  std::size_t operations = 0;
  for (std::string line; std::getline(in, line);) {
    constexpr std::string_view kKey = "      operationId: ";
    if (line.rfind(kKey, 0) != 0) continue;
    const std::string operation = line.substr(kKey.size());
    ++operations;
    const auto found = CommandsByOperation().find(operation);
    if (found == CommandsByOperation().end()) {
      ADD_FAILURE() << "no command makes this call: " << operation;
    } else {
      EXPECT_TRUE(commands.contains(found->second)) << operation << ": " << found->second;
    }
  }
  EXPECT_EQ(operations, CommandsByOperation().size());
}

TEST(Help, EverySettingSaysItsDefault) {
  CommandLine line;
  std::map<std::string, std::string> helps;
  for (const Json& command : AllHelp(line.app())) {
    if (command.value("command", "") != "serve") continue;
    for (const Json& word : command["words"])
      helps[word.value("word", "")] = word.value("help", "");
  }
  for (const Setting& setting : Settings()) {
    const std::string standard = setting.standard.empty() ? "none" : setting.standard;
    EXPECT_THAT(helps["--" + setting.key], EndsWith(" (default " + standard + ")")) << setting.key;
  }
}

TEST(Help, WhatMayBeLeftOutSaysWhatHappensThen) {
  CommandLine line;
  std::map<std::string, std::string> helps;
  for (const Json& command : AllHelp(line.app())) {
    for (const Json& word : command["words"]) {
      helps[command.value("command", "") + " " + word.value("word", "")] = word.value("help", "");
    }
  }
  for (const auto& [word, standard] :
       std::map<std::string, std::string>{{"init --name", "(default: the host's name)"},
                                          {"init --listen", "(default 127.0.0.1:7440)"},
                                          {"init --peer-listen", "(default 0.0.0.0:7441)"},
                                          {"init --advertise", "(default: "},
                                          {"group invite --expires", "(default 24h)"},
                                          {"group invite --uses", "(default 1)"},
                                          {"group invite --authority", "(default writer)"},
                                          {"group invite --role", "(default server)"},
                                          {"group create --role", "(default: "},
                                          {"group set --inviters", "(default: as it is"},
                                          {"audit --since", "(default: all"},
                                          {"token create --expires", "(default: never)"},
                                          {"token create --group", "(default: all)"},
                                          {"link create --expires", "(default 7d)"},
                                          {"wait-complete --heard", "(the default)"},
                                          {"wait-complete --timeout", "(default 60s)"},
                                          {"wait-held --servers", "(default 1)"},
                                          {"events --kind", "(default: all)"},
                                          {"wanted --state", "(default: all)"}}) {
    EXPECT_THAT(helps[word], HasSubstr(standard)) << word;
  }
}

}  // namespace
}  // namespace waypost::service
