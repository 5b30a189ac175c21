// Data folders that programs of before wrote: opened, migrated whatever ends the process meanwhile,
// served; and folders of programs to come, which are left alone.
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <memory>

#include "absl/strings/str_cat.h"
#include "base/fault_point.h"
#include "integration/cluster.h"
#include "integration/eventually.h"

namespace waypost::integration {
namespace {

namespace fs = std::filesystem;

// What integration/golden/make.sh put there.
std::string Numbers() {
  std::string hundred, all;
  for (int i = 1; i <= 100; ++i) absl::StrAppend(&hundred, i, "\n");
  for (int i = 0; i < 1000; ++i) all += hundred;
  return all;
}

// Every archive of a folder, by its name: "format-2".
std::map<std::string, std::string> Archives() {
  std::map<std::string, std::string> found;
  for (const auto& file : fs::directory_iterator(WAYPOST_SOURCE_DIR "/integration/golden")) {
    const std::string name = file.path().filename().string();
    if (name.ends_with(".tar.gz")) found[name.substr(0, name.find('.'))] = file.path();
  }
  return found;
}

class GoldenFolder : public ::testing::Test {
 protected:
  void Unpack(const std::string& archive) {
    fs::remove_all(data_);
    const CommandResult tar = RunCommand(
        {"/usr/bin/env", "tar", "-C", temp_.path(), "--no-same-owner", "-xzpf", archive});
    ASSERT_EQ(tar.exit_status, 0) << tar.err;
    peer_ = std::make_unique<Peer>(WaypostProgram(), data_, "golden");
  }
  void TearDown() override { peer_.reset(); }

  // What FORMAT says of every folder; whose this one is it must say as well.
  std::string FormatWithoutPeer() {
    std::string format = ReadWholeFile(data_ + "/FORMAT");
    const std::size_t begin = format.find(" peer-");
    EXPECT_NE(begin, std::string::npos) << format;
    if (begin != std::string::npos) {
      format.erase(begin, format.find_first_of(" \n", begin + 1) - begin);
    }
    return format;
  }
  // The group's id by its name.
  std::string Group(const std::string& name) {
    const Json groups = peer_->Get("/v1/groups");
    for (const Json& group : groups.value("items", Json::array())) {
      if (group.value("name", "") == name) return group.value("id", "");
    }
    return "";
  }
  std::string Ref(const std::string& group, const std::string& key) {
    return peer_->Call("GET", absl::StrCat("/v1/groups/", Group(group), "/refs/", key, "?content"))
        .body;
  }
  void ExpectEverything() {
    EXPECT_EQ(Ref("family", "note"), "hello\n");
    EXPECT_EQ(Ref("letters", "a%2Fnote"), "hello\n");
    EXPECT_EQ(Ref("family", "empty"), "");
    EXPECT_EQ(Ref("family", "many%2Fnumbers") == Numbers(), true);
    const std::string family = "/v1/groups/" + Group("family");
    EXPECT_EQ(peer_->Call("GET", family + "/refs/gone").status, 404);
    EXPECT_EQ(peer_->Get(family + "/refs")["items"].size(), 4u);
    EXPECT_EQ(peer_->Get(family).value("wanted", 0), 1);  // nobody has it
    EXPECT_EQ(peer_->Get(family + "/members")["items"].size(), 1u);
    EXPECT_EQ(peer_->Get("/v1/groups/" + Group("letters")).value("public", false), true);
    EXPECT_EQ(peer_->Get("/v1/config")["settings"]["fetcher.concurrency"].value("value", ""), "3");
    EXPECT_EQ(peer_->Status().value("bad_rows", 1), 0);
    // It takes what is new as well.
    EXPECT_EQ(PutRef(*peer_, Group("family"), "new", "news"), HexOfSha256("news"));
    EXPECT_EQ(Ref("family", "new"), "news");
    peer_->DeleteRef(Group("family"), "new");
  }

  TempDir temp_;
  const std::string data_ = temp_.path() + "/data";
  std::unique_ptr<Peer> peer_;
};

class GoldenTest : public GoldenFolder,
                   public ::testing::WithParamInterface<std::pair<const std::string, std::string>> {
 protected:
  void Unpack() { GoldenFolder::Unpack(GetParam().second); }
};

TEST_P(GoldenTest, IsOpenedAndServedAndSoItIsAgain) {
  ASSERT_NO_FATAL_FAILURE(Unpack());
  for (int start = 0; start < 2; ++start) {
    const absl::Status started = peer_->Start();
    ASSERT_TRUE(started.ok()) << started;
    ExpectEverything();
    EXPECT_EQ(peer_->Stop(), 0);
    EXPECT_EQ(ReadWholeFile(data_ + "/FORMAT").find("migrating"), std::string::npos);
  }
}

TEST_P(GoldenTest, AMigrationThatWasBrokenOffGoesOn) {
  if (GetParam().first >= "format-3") GTEST_SKIP() << "nothing to migrate";
  for (const char* point : {"migrate.marked", "migrate.page", "migrate.page:3", "migrate.done"}) {
    ASSERT_NO_FATAL_FAILURE(Unpack());
    const absl::Status killed = peer_->Start({.environment = {{"WAYPOST_FAULT_POINT", point}}});
    EXPECT_FALSE(killed.ok()) << point << " was not reached";
    EXPECT_NE(ReadWholeFile(data_ + "/FORMAT").find("migrating"), std::string::npos) << point;
    const absl::Status started = peer_->Start();
    ASSERT_TRUE(started.ok()) << point << ": " << started;
    ExpectEverything();
    EXPECT_EQ(peer_->Stop(), 0);
    EXPECT_EQ(ReadWholeFile(data_ + "/FORMAT").find("migrating"), std::string::npos) << point;
  }
}

// Those of the programs that had them.
TEST_P(GoldenTest, ItsTokensAndItsAuditAreKept) {
  if (GetParam().first < "format-3") GTEST_SKIP() << "there were none";
  ASSERT_NO_FATAL_FAILURE(Unpack());
  ASSERT_TRUE(peer_->Start().ok());
  const Json tokens = peer_->Get("/v1/tokens")["items"];
  ASSERT_EQ(tokens.size(), 1u);
  EXPECT_EQ(tokens[0].value("name", ""), "robot");
  EXPECT_EQ(tokens[0]["groups"], Json::array({Group("family")}));
  // As it was said when it was made.
  const HttpClient robot(peer_->http().address(), ReadWholeFile(temp_.path() + "/robot.token"));
  const auto read = [&](const std::string& group, const std::string& key) {
    const auto reply = robot.Send(
        {.target = absl::StrCat("/v1/groups/", Group(group), "/refs/", key, "?content")});
    return reply.ok() ? reply->status : 0;
  };
  EXPECT_EQ(read("family", "note"), 200);
  EXPECT_EQ(read("letters", "a%2Fnote"), 404);
  EXPECT_NE(peer_->Get("/v1/audit").dump().find("token.create"), std::string::npos);
}

// A change of what is stored needs a folder of before, which integration/golden/make.sh makes.
TEST_F(GoldenFolder, OneOfTodaysFormatIsThereAndCanBeMadeAgain) {
  const std::string archive = temp_.path() + "/made.tar.gz";
  const CommandResult made = RunCommand(
      {"/bin/bash", WAYPOST_SOURCE_DIR "/integration/golden/make.sh", WaypostProgram(), archive});
  ASSERT_EQ(made.exit_status, 0) << made.err;
  ASSERT_NO_FATAL_FAILURE(Unpack(archive));
  const std::string format = FormatWithoutPeer();
  const std::string first = "waypost data folder, ";
  ASSERT_TRUE(format.starts_with(first)) << format;
  std::string name = format.substr(first.size(), format.find('\n') - first.size());
  name[name.find(' ')] = '-';
  ASSERT_TRUE(peer_->Start().ok());
  ExpectEverything();
  EXPECT_EQ(peer_->Stop(), 0);
  const auto archives = Archives();
  ASSERT_TRUE(archives.contains(name)) << "no integration/golden/" << name << ".tar.gz";
  ASSERT_NO_FATAL_FAILURE(Unpack(archives.at(name)));
  EXPECT_EQ(FormatWithoutPeer(), format) << name << " lacks words of today";
}

std::string NameOf(const ::testing::TestParamInfo<GoldenTest::ParamType>& of) {
  std::string name = of.param.first;
  std::erase(name, '-');
  return name;
}
INSTANTIATE_TEST_SUITE_P(Formats, GoldenTest, ::testing::ValuesIn(Archives()), NameOf);

// What a folder holds, by path.
std::map<std::string, std::string> Everything(const std::string& dir) {
  std::map<std::string, std::string> found;
  for (const auto& entry : fs::recursive_directory_iterator(dir)) {
    found[entry.path()] = entry.is_directory() ? "a folder" : ReadWholeFile(entry.path());
  }
  return found;
}

TEST(FormatTest, AFolderWithAFeatureThatNobodyHereKnowsEndsServeWith78AndStaysAsItIs) {
  Cluster cluster;
  Peer& peer = cluster.Add("peer");
  PutRef(peer, peer.CreateGroup("family", "server"), "k", "hello");
  ASSERT_EQ(peer.Stop(), 0);
  const std::string format = ReadWholeFile(peer.dir() + "/FORMAT");
  for (const char* list : {"\nincompatible:", "\nread-compatible:"}) {
    std::string later = format;
    later.insert(later.find(list) + std::string(list).size(), " from-2030");
    WriteWholeFile(peer.dir() + "/FORMAT", later);
    const auto before = Everything(peer.dir());
    const CommandResult serve = peer.Run({"serve", "--http.listen=127.0.0.1:0"});
    EXPECT_EQ(serve.exit_status, 78) << serve.err;
    EXPECT_NE(serve.err.find("from-2030"), std::string::npos) << serve.err;
    EXPECT_EQ(Everything(peer.dir()) == before, true) << list;
  }
  WriteWholeFile(peer.dir() + "/FORMAT", format);
  EXPECT_TRUE(peer.Start().ok());
}

}  // namespace
}  // namespace waypost::integration
