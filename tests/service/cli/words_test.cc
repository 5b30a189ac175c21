#include "service/cli/words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>
#include <string>

#include "service/cli/help.h"

namespace waypost::service {
namespace {

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

TEST(EventLine, NamesPeopleThingsFirst) {
  const std::string group(64, 'a'), blob(64, 'b');
  const struct {
    const char* name;
    Json event;
    std::string line;
  } cases[] = {
      {"a reference",
       {{"id", "boot-7"},
        {"at", "2026-11-29T01:00:00Z"},
        {"kind", "ref.set"},
        {"count", 1},
        {"key", "2026/a.jpg"},
        {"group", group},
        {"blob", blob}},
       "2026-11-29T01:00:00Z  ref.set  key=2026/a.jpg  group=aaaaaaaaaaaa  blob=bbbbbbbbbbbb"},
      {"many as one",
       {{"at", "T"}, {"kind", "blob.stored"}, {"count", 12}},
       "T  blob.stored  count=12"},
      {"a gap", {{"kind", "gap"}}, "-  gap"},
  };
  for (const auto& c : cases) EXPECT_EQ(EventLine(c.event), c.line) << c.name;
}

}  // namespace
}  // namespace waypost::service
