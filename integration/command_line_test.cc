// The command line against running services.
#include "integration/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "integration/eventually.h"
#include "integration/raw_socket.h"

namespace waypost::integration {
namespace {

using ::testing::HasSubstr;

TEST_F(CommandLineTest, WaitCompleteSaysThatNobodyWasHeardAndEndsWhereNobodyServes) {
  // Nobody's server: final at once.
  const CommandResult none = laptop_->Run({"wait-complete", "--timeout", "60s", "--json"});
  EXPECT_EQ(none.exit_status, 3);
  EXPECT_EQ(Parsed(none).value("because", ""), "no_groups");
  cluster_.Group("family", {{laptop_, "normal"}, {server_, "server"}});
  Ok(*server_, {"wait-complete", "--group", "family", "--heard", "all"});
  Ok(*server_, {"wait-complete", "--heard", "everybody"}, 2);
  EXPECT_EQ(server_->Call("GET", "/v1/complete?heard=everybody").status, 400);
  // After a start that hears nobody.
  laptop_->Kill();
  ASSERT_EQ(server_->Stop(), 0);
  ASSERT_TRUE(server_->Start().ok());
  for (const char* heard : {"servers", "any", "all", "1"}) {
    const CommandResult alone = server_->Run(
        {"wait-complete", "--group", "family", "--timeout", "1s", "--heard", heard, "--json"});
    EXPECT_EQ(alone.exit_status, 3) << heard << alone.out;
  }
  EXPECT_TRUE(
      Eventually([&] { return server_->Get("/v1/complete").value("because", "") == "not_heard"; }));
}

TEST_F(CommandLineTest, CommandsAreKnownByTheNamesThatPeopleTry) {
  laptop_->CreateGroup("family", "normal");
  const std::string path = File("one", "hello");
  for (const char* name : {"del", "rm", "delete"}) {
    Ok(*laptop_, {"put", path, "--group", "family"});
    Ok(*laptop_, {"ref", name, "family", "one"});
    EXPECT_EQ(Ok(*laptop_, {"ref", "list", "family"}), "");
  }
  EXPECT_EQ(Ok(*laptop_, {"list"}), Ok(*laptop_, {"ls"}));
  EXPECT_EQ(Ok(*laptop_, {"group", "ls"}), Ok(*laptop_, {"group", "list"}));
  EXPECT_EQ(Ok(*laptop_, {"token", "list"}), Ok(*laptop_, {"token", "ls"}));
  EXPECT_THAT(laptop_->Run({"config", "set", "fetcher.concurency", "3"}).err,
              HasSubstr("fetcher.concurrency"));
}

TEST_F(CommandLineTest, WhatOthersWroteNeverReachesTheTerminalRaw) {
  const std::string group = laptop_->CreateGroup("family\xe2\x80\xa8laptop  admin", "normal");
  const std::string override_key =
      "invoice\xe2\x80\xae"
      "fdp.exe";
  PutRef(*laptop_, group, override_key, "hello");
  EXPECT_THAT(Ok(*laptop_, {"ref", "ls", group}), HasSubstr("invoice\\u202efdp.exe"));
  EXPECT_THAT(Ok(*laptop_, {"group", "list"}), HasSubstr("family\\u2028laptop"));
  // A program reads what is meant.
  const std::string json = Ok(*laptop_, {"ref", "ls", group, "--json"});
  EXPECT_EQ(json.find("\xe2\x80\xae"), std::string::npos);
  EXPECT_EQ(Json::parse(json)[0].value("key", ""), override_key);
}

TEST_F(CommandLineTest, ExitStatusesSayWhatKindOfFailure) {
  EXPECT_EQ(laptop_->Run({"frobnicate"}).exit_status, 2);
  EXPECT_EQ(laptop_->Run({"put"}).exit_status, 2);
  EXPECT_EQ(laptop_->Run({"put", cluster_.dir()}).exit_status, 2);  // a folder without -r
  EXPECT_EQ(laptop_->Run({"retry"}).exit_status, 2);
  EXPECT_EQ(laptop_->Run({"put", "/does/not/exist"}).exit_status, 1);
  const std::string group = laptop_->CreateGroup("family", "normal");
  EXPECT_EQ(laptop_->Run({"wait-complete", "--timeout", "100ms"}).exit_status,
            3);  // no server here
  laptop_->SetRef(group, "k", HexOfSha256("nowhere"));
  EXPECT_EQ(laptop_->Run({"wait-held", "family", "--timeout", "100ms"}).exit_status, 3);
  EXPECT_EQ(
      RunCommand({WaypostProgram(), "status", "--data", cluster_.dir() + "/none"}).exit_status, 4);
  laptop_->Kill();  // endpoints.json stays
  EXPECT_EQ(laptop_->Run({"status"}).exit_status, 4);
}

TEST_F(CommandLineTest, WhatPeopleLookAtCanBePrintedForPeopleAndForPrograms) {
  const std::string group = cluster_.Group("family", {{laptop_, "normal"}, {server_, "server"}});
  const std::string blob = HexOfSha256("nobody has this");
  laptop_->SetRef(group, "k", blob);
  ASSERT_TRUE(Eventually([&] { return !WantedItem(*server_, blob).empty(); }));
  const std::vector<std::vector<std::string>> commands = {{"status"},
                                                          {"wanted"},
                                                          {"why", blob},
                                                          {"peers"},
                                                          {"group", "list"},
                                                          {"config", "show"},
                                                          {"group", "members", "family"},
                                                          {"group", "show", "family"},
                                                          {"version"}};
  for (std::vector<std::string> words : commands) {
    EXPECT_FALSE(Ok(*server_, words).empty()) << words[0];
    words.emplace_back("--json");
    const CommandResult result = server_->Run(words);
    EXPECT_EQ(result.exit_status, 0) << words[0] << result.err;
    EXPECT_FALSE(Parsed(result).is_discarded()) << words[0] << ": " << result.out;
  }
  EXPECT_THAT(Ok(*server_, {"wanted", "--long"}), HasSubstr(blob));
  const Json shown = Parsed(server_->Run({"identity", "show", "--json"}));
  const std::string short_id = shown.value("short", "");
  EXPECT_THAT(Ok(*laptop_, {"group", "members", "family"}), HasSubstr(short_id));
  EXPECT_THAT(Ok(*laptop_, {"group", "members", "family", "--json"}), HasSubstr(server_->id()));
  // People may type it.
  Ok(*laptop_, {"group", "authority", "family", short_id, "reader"});
  Ok(*laptop_, {"group", "authority", "family", short_id, "writer"});
  EXPECT_THAT(Ok(*server_, {"retry", blob}), HasSubstr("1 moved"));
  Ok(*server_, {"retry", "--all"});
  // A member may lower its own role; another's is an admin's.
  Ok(*server_, {"group", "role", "family", "normal"});
  EXPECT_TRUE(Eventually(
      [&] { return server_->Get("/v1/groups/" + group).value("role", "") == "normal"; }));
  Ok(*server_, {"group", "role", "family", laptop_->id().substr(0, 8), "server"}, 1);
  Ok(*server_, {"group", "leave", "family"});
  EXPECT_TRUE(
      Eventually([&] { return server_->Call("GET", "/v1/groups/" + group).status == 404; }));
}

TEST_F(CommandLineTest, AGroupWithoutAServerIsSaidToWhoeverPutsThere) {
  const std::string note = "group \"family\" has no server: nobody collects what is put there";
  const CommandResult made = laptop_->Run({"group", "create", "family", "--role", "normal"});
  EXPECT_EQ(made.exit_status, 0);
  EXPECT_THAT(made.err, HasSubstr(note));
  const std::string group = Trimmed(made.out), one = File("one", "hello");
  const CommandResult put = laptop_->Run({"put", one, "--group", "family"});
  EXPECT_EQ(put.exit_status, 0);
  EXPECT_THAT(put.err, HasSubstr(note));
  const CommandResult joined =
      server_->Run({"join", laptop_->Invite(group), "--role", "normal", "--json"});
  EXPECT_EQ(joined.exit_status, 0);
  EXPECT_THAT(Json::parse(joined.err, nullptr, false).value("note", ""), HasSubstr(note));
  for (const Peer* peer : {laptop_, server_}) {
    EXPECT_EQ(peer->Status()["groups_without_server"],
              Json::array({{{"id", group}, {"name", "family"}}}));
    EXPECT_THAT(Ok(*peer, {"status"}), HasSubstr("family  NO SERVER  normal"));
    EXPECT_THAT(peer->Log(), HasSubstr(group + " (family) has no server"));
  }
  // Who has one is told nothing.
  Ok(*laptop_, {"group", "role", "family", "server"});
  for (const Peer* peer : {laptop_, server_}) {
    EXPECT_TRUE(Eventually([&] { return peer->Status()["groups_without_server"].empty(); }));
  }
  EXPECT_EQ(laptop_->Run({"put", one, "--group", "family"}).err, "");
  EXPECT_EQ(Ok(*laptop_, {"status"}).find("NO SERVER"), std::string::npos);
  EXPECT_EQ(laptop_->Run({"group", "create", "clan"}).err, "");
}

TEST_F(CommandLineTest, WhoIsMeantIsSaidByAnIdAndANameIsAskedAbout) {
  const std::string group = cluster_.Group("family", {{laptop_, "normal"}, {server_, "server"}});
  const auto authority = [&] {
    const Json members = laptop_->Get("/v1/groups/" + group + "/members");
    for (const Json& member : members.value("items", Json::array())) {
      if (member.value("peer", "") == server_->id()) return member.value("authority", "");
    }
    return std::string("gone");
  };
  const std::string before = authority();
  const std::string short_id =
      Parsed(server_->Run({"identity", "show", "--json"})).value("short", "");
  // A name is what that peer calls itself: nothing happens without a yes.
  for (const char* answer : {"", "no\n", "y\n"}) {
    const CommandResult asked =
        laptop_->Run({"group", "authority", "family", "server", "reader"}, answer);
    EXPECT_EQ(asked.exit_status, 2) << answer;
    EXPECT_THAT(asked.err, HasSubstr(short_id));
  }
  Ok(*laptop_, {"group", "authority", "family", "server", "reader", "--yes"}, 2);
  Ok(*laptop_, {"group", "remove", "family", "server", "--yes"}, 2);
  EXPECT_EQ(authority(), before);
  Ok(*laptop_, {"group", "authority", "family", "server", "reader"}, 0, "yes\n");
  EXPECT_EQ(authority(), "reader");
  Ok(*laptop_, {"group", "authority", "family", short_id, "writer"});
  EXPECT_EQ(authority(), "writer");
  // One that names itself like another's id is not taken for it.
  Ok(*laptop_, {"group", "authority", "family", server_->id().substr(0, 8), "reader", "--yes"});
  EXPECT_EQ(authority(), "reader");

  // An admin that is older can answer its removal; one that is younger cannot.
  Ok(*laptop_, {"group", "authority", "family", short_id, "admin"});
  ASSERT_TRUE(Eventually(
      [&] { return server_->Get("/v1/groups/" + group).value("authority", "") == "admin"; }));
  const std::string founder = laptop_->id().substr(0, 12);
  const CommandResult answered = server_->Run({"group", "remove", "family", founder});
  EXPECT_EQ(answered.exit_status, 2);
  EXPECT_THAT(answered.err, HasSubstr("admitted before this peer"));
  const CommandResult younger = laptop_->Run({"group", "remove", "family", short_id});
  EXPECT_EQ(younger.exit_status, 0) << younger.err;
  EXPECT_EQ(younger.err, "");
  EXPECT_EQ(authority(), "gone");
  // It is told who did that, and when.
  ASSERT_TRUE(
      Eventually([&] { return server_->Get("/v1/groups/" + group)["removed"].is_object(); }));
  EXPECT_EQ(server_->Get("/v1/groups/" + group)["removed"].value("by", ""), laptop_->id());
  const std::string remover =
      Parsed(laptop_->Run({"identity", "show", "--json"})).value("short", "?");
  EXPECT_THAT(Ok(*server_, {"group", "show", "family"}), HasSubstr("removed: by " + remover));
  EXPECT_THAT(Ok(*server_, {"group", "show", "family"}), HasSubstr("role: removed"));
  EXPECT_THAT(Ok(*server_, {"group", "list"}), HasSubstr("family  removed"));
  EXPECT_THAT(Ok(*server_, {"status"}), HasSubstr("family  removed"));
}

TEST_F(CommandLineTest, TokensAreMadeListedAndRevokedAndTheAuditTells) {
  const std::string group = laptop_->CreateGroup("family", "normal");
  const std::string token = Ok(*laptop_, {"token", "create", "backup", "--rights", "read",
                                          "--group", "family", "--expires", "90d"});
  const HttpClient backup(laptop_->http().address(), token);
  const auto status = [&backup](const std::string& target) {
    const auto reply = backup.Send({.target = target});
    return reply.ok() ? reply->status : 0;
  };
  EXPECT_EQ(status("/v1/groups/" + group), 200);
  EXPECT_EQ(status("/v1/status"), 404);
  const std::string listed = Ok(*laptop_, {"token", "ls"});
  EXPECT_THAT(listed, HasSubstr("backup"));
  EXPECT_EQ(listed.find(token), std::string::npos);
  EXPECT_EQ(Parsed(laptop_->Run({"token", "ls", "--json"}))[0].value("rights", ""), "read");
  Ok(*laptop_, {"token", "create", "backup", "--rights", "read"}, 1);
  Ok(*laptop_, {"token", "create", "other", "--rights", "root"}, 2);
  Ok(*laptop_, {"token", "create", "other"}, 2);

  // It outlives a restart, and not its revocation.
  ASSERT_EQ(laptop_->Stop(), 0);
  ASSERT_TRUE(laptop_->Start().ok());
  EXPECT_EQ(status("/v1/groups/" + group), 200);
  Ok(*laptop_, {"token", "revoke", "backup"});
  EXPECT_EQ(status("/v1/groups/" + group), 401);
  Ok(*laptop_, {"token", "revoke", "backup"}, 1);

  const std::string audit = Ok(*laptop_, {"audit", "--since", "1h"});
  for (const char* act : {"token api", "group.create", "token.create", "token.revoke"}) {
    EXPECT_THAT(audit, HasSubstr(act));
  }
  EXPECT_EQ(audit.find(token), std::string::npos);
  const Json of_group = Parsed(laptop_->Run({"audit", "--group", "family", "--json"}));
  EXPECT_THAT(of_group.dump(), HasSubstr("group.create"));
  EXPECT_EQ(of_group.dump().find("token.create"), std::string::npos);  // it is about this peer
}

TEST_F(CommandLineTest, WhatTheServiceDoesOfItselfIsPausedStoppedAndWatched) {
  const std::string group = laptop_->CreateGroup("family", "server");
  Ok(*laptop_, {"put", File("one", "hello"), "--group", "family"});
  const auto status = [&] { return Parsed(laptop_->Run({"status", "--json"})); };
  Ok(*laptop_, {"pause", "--for", "1h"});
  Ok(*laptop_, {"pause", "scan"});
  EXPECT_EQ(status()["pause"]["reason"], "operator");
  EXPECT_EQ(status()["scan"]["paused"], true);
  Ok(*laptop_, {"scan", "--wait"}, 1);
  Ok(*laptop_, {"resume", "fetch"});
  EXPECT_EQ(Parsed(laptop_->Run({"resume", "scan", "--json"})).value("paused", true), false);
  EXPECT_EQ(status()["scan"]["paused"], false);
  EXPECT_EQ(status()["paused"], false);
  Ok(*laptop_, {"pause", "sleep"}, 2);
  Ok(*laptop_, {"pause", "--for", "soon"}, 1);

  const std::string missing = HexOfSha256("nobody has it");
  Ok(*laptop_, {"ref", "set", "family", "gone", missing});
  Ok(*laptop_, {"stop", "family", "gone"});
  EXPECT_THAT(Ok(*laptop_, {"wanted", "--state", "stopped", "--group", "family"}),
              HasSubstr("gone  family  " + missing.substr(0, 8) + "  stopped"));
  EXPECT_THAT(Ok(*laptop_, {"wanted", "--long"}), HasSubstr(missing));
  const std::string why = Ok(*laptop_, {"why", "family", "gone"});
  EXPECT_THAT(why, HasSubstr("gone: by laptop ("));
  EXPECT_THAT(why, HasSubstr("`waypost retry` starts it again"));
  EXPECT_THAT(Ok(*laptop_, {"wait-held", "family", "--timeout", "0s"}, 3),
              HasSubstr("not there: gone"));
  EXPECT_THAT(Ok(*laptop_, {"signpost", missing.substr(0, 8)}), HasSubstr("stopped"));
  EXPECT_EQ(Ok(*laptop_, {"retry", "family", "gone"}), "1 moved");

  const std::string set = Ok(*laptop_, {"events", "--kind", "ref.set", "--group", "family"});
  EXPECT_THAT(set, HasSubstr("key=gone"));
  EXPECT_EQ(set.find("blob.stored"), std::string::npos);
  EXPECT_GT(Parsed(laptop_->Run({"events", "--json"})).size(), 2u);
  Ok(*laptop_, {"events", "--kind", "ref.sett"}, 1);

  const std::string address = Ok(*laptop_, {"link", "create", "family", "one", "--expires", "1h"});
  EXPECT_THAT(address, HasSubstr("http://127.0.0.1:"));
  EXPECT_EQ(laptop_->Call("GET", address.substr(address.find("/s/"))).body, "hello");
  const Json links = Parsed(laptop_->Run({"link", "ls", "--json"}));
  ASSERT_EQ(links.size(), 1u);
  Ok(*laptop_, {"link", "revoke", links[0].value("id", "")});
  EXPECT_EQ(Parsed(laptop_->Run({"link", "ls", "--json"})).size(), 0u);

  EXPECT_EQ(Ok(*laptop_, {"health"}), "alive  ok\nready  ok");
  EXPECT_THAT(Ok(*laptop_, {"metrics"}), HasSubstr("waypost_http_requests_total"));
  EXPECT_THAT(Ok(*laptop_, {"openapi"}), HasSubstr("operationId: postBlob"));
}

TEST_F(CommandLineTest, AGroupsSettingsAreChangedOneByOne) {
  const std::string group = cluster_.Group("family", {{laptop_, "normal"}, {server_, "server"}});
  const auto shown = [&] { return Parsed(laptop_->Run({"group", "show", "family", "--json"})); };
  EXPECT_EQ(shown().value("public", true), false);
  EXPECT_EQ(shown().value("inviters", ""), "admin");

  Ok(*laptop_, {"group", "set", "family", "--public"});
  EXPECT_EQ(shown().value("public", false), true);
  Ok(*laptop_, {"group", "set", "family", "--inviters", "writer"});
  EXPECT_EQ(shown().value("public", false), true);
  EXPECT_EQ(shown().value("inviters", ""), "writer");
  Ok(*laptop_, {"group", "set", "family", "--private"});
  EXPECT_EQ(shown().value("public", true), false);
  EXPECT_EQ(shown().value("inviters", ""), "writer");
  // It reaches the other members: the server may invite now.
  EXPECT_TRUE(Eventually([&] {
    return server_->Run({"group", "invite", "family"}).exit_status == 0;
  }));

  Ok(*laptop_, {"group", "set", "family", "--description", "of ours"});
  Ok(*laptop_, {"group", "set", "family", "--name", "clan"});
  const Json named = Parsed(laptop_->Run({"group", "show", "clan", "--json"}));
  EXPECT_EQ(named.value("id", ""), group);
  EXPECT_EQ(named.value("description", ""), "of ours");

  // Nothing to change, no such authority, and not one's to change.
  Ok(*laptop_, {"group", "set", "clan"}, 2);
  Ok(*laptop_, {"group", "set", "clan", "--inviters", "everybody"}, 2);
  Ok(*server_, {"group", "set", group, "--public"}, 1);
}

TEST_F(CommandLineTest, EveryCommandPrintsAJsonValueOrAnErrorAsJson) {
  laptop_->CreateGroup("family", "server");
  const std::string one = File("one", "hello"), phrase = File("phrase", "correct horse battery");
  const std::string blob = HexOfSha256("hello"), missing = HexOfSha256("nobody has it");
  const std::string dir = cluster_.dir();
  // In an order in which each can succeed; ID and GROUP stand for themselves in what fails.
  const std::vector<std::pair<std::string, std::vector<std::string>>> table = {
      {"help", {}},
      {"version", {}},
      {"init", {}},
      {"identity show", {}},
      {"identity backup", {dir + "/backup", "--passphrase-file", phrase}},
      {"identity restore", {dir + "/backup", "--passphrase-file", phrase}},
      {"put", {one, "--group", "family", "--key", "one"}},
      {"get", {"family", "one", "-o", dir + "/got"}},
      {"fetch", {blob}},
      {"ls", {"--group", "family"}},
      {"export", {"family", dir + "/out"}},
      {"ref set", {"family", "gone", missing}},
      {"ref get", {"family", "one"}},
      {"ref ls", {"family"}},
      {"link create", {"family", "one"}},
      {"link ls", {}},
      {"group create", {"other"}},
      {"group list", {}},
      {"group show", {"family"}},
      {"group set", {"family", "--description", "of ours"}},
      {"group members", {"family"}},
      {"group invite", {"family"}},
      {"group invites", {"family"}},
      {"group role", {"family", "server"}},
      {"status", {}},
      {"wanted", {}},
      {"why", {"family", "gone"}},
      {"signpost", {"family", "gone"}},
      {"stop", {"family", "gone"}},
      {"retry", {"--all"}},
      {"scan", {"--wait"}},
      {"pause", {"scan"}},
      {"resume", {"scan"}},
      {"peers", {}},
      {"health", {}},
      {"metrics", {}},
      {"openapi", {}},
      {"events", {}},
      {"ref del", {"family", "gone"}},
      {"wait-complete", {"--group", "family", "--timeout", "20s"}},
      {"wait-held", {"family", "--timeout", "20s"}},
      {"config show", {}},
      {"config get", {"fetcher.concurrency"}},
      {"config set", {"fetcher.concurrency", "3"}},
      {"config unset", {"fetcher.concurrency"}},
      {"config check", {}},
      {"reload", {}},
      {"token create", {"robot", "--rights", "read"}},
      {"token ls", {}},
      {"token revoke", {"robot"}},
      {"audit", {}},
      {"token rotate", {}},
  };
  std::set<std::string> tried = {"serve"};
  for (const auto& [command, words] : table) {
    tried.insert(command);
    std::vector<std::string> line = {WaypostProgram()};
    for (const auto& word : absl::StrSplit(command, ' ')) line.emplace_back(word);
    line.insert(line.end(), words.begin(), words.end());
    line.emplace_back("--json");
    const bool makes = command == "init" || command == "identity restore";
    std::vector<std::string> here = line, nowhere = line;
    here.insert(here.end(), {"--data", makes ? dir + "/new-" + command : laptop_->dir()});
    nowhere.insert(nowhere.end(), {"--data", "/proc/none"});
    const CommandResult result = RunCommand(here);
    EXPECT_EQ(result.exit_status, 0) << command << ": " << result.err;
    EXPECT_FALSE(Json::parse(result.out, nullptr, false).is_discarded()) << command << result.out;
    if (tried.size() % 3 != 0) continue;
    const CommandResult failed = RunCommand(nowhere);
    if (failed.exit_status == 0) continue;  // it needs no data folder
    EXPECT_EQ(failed.out, "") << command;
    const std::vector<std::string> lines = absl::StrSplit(failed.err, '\n', absl::SkipWhitespace());
    const Json error =
        lines.empty() ? Json() : Json::parse(lines.back(), nullptr, /*allow_exceptions=*/false);
    ASSERT_TRUE(error.is_object() && error.contains("error")) << command << ": " << failed.err;
    EXPECT_NE(error["error"].value("code", ""), "") << command;
    EXPECT_NE(error["error"].value("message", ""), "") << command;
  }
  // These need somebody else, or what another printed.
  const auto value_of = [&](const Peer& peer, const std::string& command,
                            const std::vector<std::string>& words) {
    tried.insert(command);
    std::vector<std::string> line = absl::StrSplit(command, ' ');
    line.insert(line.end(), words.begin(), words.end());
    line.emplace_back("--json");
    const CommandResult result = peer.Run(line);
    EXPECT_EQ(result.exit_status, 0) << command << ": " << result.err;
    const Json value = Parsed(result);
    EXPECT_FALSE(value.is_discarded()) << command << ": " << result.out;
    return value.is_discarded() ? Json::object() : value;
  };
  const std::string invite = value_of(*laptop_, "group invite", {"family"}).value("invite", "none");
  EXPECT_EQ(value_of(*server_, "join", {invite}).value("name", ""), "family");
  EXPECT_EQ(value_of(*laptop_, "group authority", {"family", server_->id(), "reader"})["authority"],
            "reader");
  EXPECT_EQ(value_of(*laptop_, "group remove", {"family", server_->id()})["removed"], true);
  const std::string invite_id =
      value_of(*laptop_, "group invites", {"family"}).at(0).value("id", "none");
  EXPECT_EQ(value_of(*laptop_, "group revoke", {"family", invite_id})["revoked"], true);
  const std::string link_id =
      value_of(*laptop_, "link create", {"family", "one"}).value("id", "none");
  EXPECT_EQ(value_of(*laptop_, "link revoke", {link_id})["revoked"], true);
  EXPECT_EQ(value_of(*server_, "group leave", {"family"})["left"], true);
  const Json commands = Parsed(RunCommand({WaypostProgram(), "help", "--json"}));
  for (const Json& command : commands) {
    const bool above = command.value("examples", "").empty();
    const std::string path = command.value("command", "");
    EXPECT_TRUE(above || tried.contains(path)) << path;
  }
  // What the service said of it; what is wrong with a line; a wrong option.
  const auto error_of = [&](std::vector<std::string> words) {
    words.emplace_back("--json");
    const Json error = Json::parse(laptop_->Run(words).err, nullptr, false);
    return error.is_object() && error.contains("error") ? error["error"] : Json::object();
  };
  const Json unknown = error_of({"ref", "get", "family", "none"});
  EXPECT_EQ(unknown.value("code", ""), "not_found");
  EXPECT_NE(unknown.value("request_id", ""), "");
  EXPECT_EQ(error_of({"stauts"}).value("code", ""), "usage");
  EXPECT_EQ(error_of({"get"}).value("code", ""), "usage");
  EXPECT_EQ(error_of({"put", "--gruop", "x"}).value("code", ""), "usage");
}

TEST(HelpTest, EveryCommandAndEveryWordSaysWhatItDoes) {
  const CommandResult all = RunCommand({WaypostProgram(), "help", "--json"});
  ASSERT_EQ(all.exit_status, 0) << all.err;
  const Json commands = Parsed(all);
  ASSERT_GT(commands.size(), 40u);
  for (const Json& command : commands) {
    const std::string path = command.value("command", "");
    EXPECT_NE(command.value("help", ""), "") << path;
    for (const Json& word : command["words"]) {
      EXPECT_NE(word.value("help", ""), "") << path << " " << word;
      const bool setting = path == "serve" && absl::StrContains(word.value("word", ""), ".");
      EXPECT_EQ(setting, path == "serve" && absl::StrContains(word.value("help", ""), " (default "))
          << word;
    }
    std::vector<std::string> words = {WaypostProgram(), "help"};
    for (const auto& word : absl::StrSplit(path, ' ')) words.emplace_back(word);
    const CommandResult one = RunCommand(words);
    EXPECT_EQ(one.exit_status, 0) << path;
    EXPECT_THAT(one.out, HasSubstr("Usage: waypost " + path));
    // A command of others has none of its own.
    const bool above = absl::StrContains(all.out, absl::StrCat("\"command\": \"", path, " "));
    const std::vector<std::string> lines =
        absl::StrSplit(command.value("examples", ""), '\n', absl::SkipWhitespace());
    EXPECT_EQ(lines.size(), above ? 0u : 3u) << path << ": " << command.value("examples", "");
  }
}

TEST(HelpTest, WrongWordsAreNamedWithTheNearestRightOnes) {
  const auto says = [](std::vector<std::string> words, const std::string& what) {
    words.insert(words.begin(), WaypostProgram());
    const CommandResult result = RunCommand(words);
    EXPECT_EQ(result.exit_status, 2) << result.out;
    EXPECT_THAT(result.err, HasSubstr(what));
  };
  says({"stauts"}, "\"stauts\"; did you mean: status");
  says({"group", "membres", "x"}, "\"group membres\"; did you mean: members");
  says({"put", "x", "--gruop", "y"}, "\"--gruop\"; did you mean: --group");
  says({"serve", "--fetcher.concurency=3"}, "--fetcher.concurrency");
  says({"help", "puts"}, "did you mean: put");
  says({"frobnicate"}, "see: waypost help");
  const std::string version = RunCommand({WaypostProgram(), "version"}).out;
  EXPECT_EQ(RunCommand({WaypostProgram(), "--version"}).out, version);
  EXPECT_THAT(RunCommand({WaypostProgram(), "help"}).out, HasSubstr("wait-complete"));
}

}  // namespace
}  // namespace waypost::integration
