// The public client against real services: every call, and what they refuse.
#include "waypost/client.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <sstream>
#include <thread>

#include "integration/cluster.h"
#include "integration/eventually.h"

namespace waypost::client {
namespace {

using integration::Cluster;
using integration::Eventually;
using integration::HexOfSha256;
using integration::Peer;
using integration::ReadWholeFile;
using integration::SomeBytes;
using integration::WriteWholeFile;
using std::chrono_literals::operator""h;
using std::chrono_literals::operator""min;
using std::chrono_literals::operator""s;
using std::chrono_literals::operator""ms;

// Generous: a loaded machine, under a sanitizer.
constexpr auto kLong = 60s;

// Two services for all tests of the suite, which is slow to start: "laptop" and the server "nas".
class ClientTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    cluster_ = new Cluster;
    laptop_ = &cluster_->Add("laptop", {"--store.max_blob=32MiB"});
    nas_ = &cluster_->Add("nas");
  }
  static void TearDownTestSuite() {
    delete cluster_;
    cluster_ = nullptr;
  }

  static Client Of(const Peer& peer, Options options = {}) {
    auto client = Client::OfDataFolder(peer.dir(), std::move(options));
    EXPECT_TRUE(client.ok()) << client.error().message;
    return *client;
  }
  std::string NewGroup(const std::string& name) const {
    const auto group = laptop.CreateGroup({.name = name, .role = Role::kNormal}, kLong);
    EXPECT_TRUE(group.ok()) << group.error().message;
    return group->id;
  }
  // Both are in it, the nas as a server.
  std::string SharedGroup(const std::string& name) const {
    const std::string group = NewGroup(name);
    const auto invite = laptop.CreateInvite(group, {}, kLong);
    EXPECT_TRUE(invite.ok()) << invite.error().message;
    const auto joined = nas.Join(invite->invite, Role::kServer, kLong);
    EXPECT_TRUE(joined.ok()) << joined.error().message;
    return group;
  }
  std::string PathOf(const std::string& name) const { return cluster_->dir() + "/" + name; }

  static Cluster* cluster_;
  static Peer* laptop_;
  static Peer* nas_;
  const Client laptop = Of(*laptop_);
  const Client nas = Of(*nas_);
};
Cluster* ClientTest::cluster_ = nullptr;
Peer* ClientTest::laptop_ = nullptr;
Peer* ClientTest::nas_ = nullptr;

TEST_F(ClientTest, BytesFilesAndStreamsArePutAndComeBackInEveryWay) {
  const std::string bytes = SomeBytes(3 << 20, 1);
  const std::string id = HexOfSha256(bytes);
  const auto put = laptop.PutBytes(bytes, {}, kLong);
  ASSERT_TRUE(put.ok()) << put.error().message;
  EXPECT_EQ(put->id, id);
  EXPECT_EQ(put->size_bytes, bytes.size());
  EXPECT_FALSE(put->was_here);

  WriteWholeFile(PathOf("film"), bytes);
  const auto again = laptop.PutFile(PathOf("film"), {.id = id}, kLong);
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_TRUE(again->was_here);
  std::istringstream stream("0123456789");
  stream.get();
  const auto part = laptop.PutStream(stream, 5, {}, kLong);
  ASSERT_TRUE(part.ok()) << part.error().message;
  EXPECT_EQ(part->id, HexOfSha256("12345"));
  const auto empty = laptop.PutBytes("", {}, kLong);
  ASSERT_TRUE(empty.ok()) << empty.error().message;
  EXPECT_EQ(empty->id, HexOfSha256(""));
  EXPECT_EQ(*laptop.GetBytes(empty->id, {}, kLong), "");

  EXPECT_TRUE(*laptop.GetBytes("sha256:" + id, {}, kLong) == bytes);
  const auto got = laptop.GetFile(id, PathOf("copy"), {}, kLong);
  ASSERT_TRUE(got.ok()) << got.error().message;
  EXPECT_EQ(got->bytes, bytes.size());
  EXPECT_TRUE(ReadWholeFile(PathOf("copy")) == bytes);
  std::string begin;
  const auto begun = laptop.Get(
      id,
      [&](std::string_view piece) {
        begin.append(piece);
        return begin.size() < 100'000;
      },
      {}, kLong);
  ASSERT_TRUE(begun.ok()) << begun.error().message;
  EXPECT_EQ(begun->blob_bytes, bytes.size());
  EXPECT_EQ(begun->bytes, begin.size());
  EXPECT_LT(begin.size(), 200'000u);
  EXPECT_EQ(begin, bytes.substr(0, begin.size()));

  EXPECT_TRUE(*laptop.Has(id, kLong));
  EXPECT_FALSE(*laptop.Has(HexOfSha256("nowhere"), kLong));
}

TEST_F(ClientTest, RangesAreCutAtTheEndAndRefusedBeyondIt) {
  const auto put = laptop.PutBytes("0123456789", {}, kLong);
  const auto range = [&](uint64_t first, std::optional<uint64_t> count) {
    return laptop.GetBytes(put->id, {.range = Range{first, count}}, kLong);
  };
  EXPECT_EQ(*range(2, 3), "234");
  EXPECT_EQ(*range(7, std::nullopt), "789");
  EXPECT_EQ(*range(8, 100), "89");
  EXPECT_EQ(*range(0, 1), "0");
  const auto beyond = range(10, 1);
  ASSERT_FALSE(beyond.ok());
  EXPECT_EQ(beyond.error().kind, ErrorKind::kRefused);
  EXPECT_EQ(beyond.error().http_status, 416);
  EXPECT_EQ(range(0, 0).error().kind, ErrorKind::kUsage);
  const auto got = laptop.Get(
      put->id, [](std::string_view) { return true; }, {.range = Range{2, 3}}, kLong);
  EXPECT_EQ(got->bytes, 3u);
  EXPECT_EQ(got->blob_bytes, 10u);
}

TEST_F(ClientTest, ReferencesAreSetReadListedByPagesChangedTogetherAndDeleted) {
  const std::string group = NewGroup("references");
  const std::string odd = "a b/\xc3\xbc?#%+&=x";
  const auto put = laptop.PutBytes("content", {.group = group, .key = odd}, kLong);
  ASSERT_TRUE(put.ok()) << put.error().message;
  const auto ref = laptop.GetRef(group, odd, kLong);
  ASSERT_TRUE(ref.ok()) << ref.error().message;
  EXPECT_EQ(ref->key, odd);
  EXPECT_EQ(ref->blob, put->id);
  EXPECT_EQ(ref->size_bytes, 7u);
  EXPECT_EQ(ref->origin, laptop_->id());
  ASSERT_TRUE(ref->updated.has_value());
  const auto age = std::chrono::system_clock::now() - *ref->updated;
  EXPECT_LT(age, 10min);
  EXPECT_GT(age, -1min);

  const std::string other = HexOfSha256("not here");
  EXPECT_EQ(laptop.SetRef(group, "other", other, kLong)->blob, other);
  RefChanges changes{.remove = {odd}};
  for (int i = 0; i < 250; ++i) changes.put.emplace_back("many/" + std::to_string(i), put->id);
  ASSERT_TRUE(laptop.ChangeRefs(group, changes, kLong).ok());
  EXPECT_EQ(laptop.GetRef(group, odd, kLong).error().http_status, 404);

  const auto first = laptop.ListRefs(group, "many/", {.limit = 100}, kLong);
  ASSERT_TRUE(first.ok()) << first.error().message;
  EXPECT_EQ(first->items.size(), 100u);
  EXPECT_FALSE(first->next.empty());
  std::vector<std::string> keys;
  const auto all = ForEach(
      [&](PageRequest page) {
        page.limit = 100;
        return laptop.ListRefs(group, "", page, kLong);
      },
      [&](const Ref& each) {
        keys.push_back(each.key);
        return true;
      });
  ASSERT_TRUE(all.ok()) << all.error().message;
  EXPECT_EQ(keys.size(), 251u);
  EXPECT_TRUE(std::is_sorted(keys.begin(), keys.end()));
  ASSERT_TRUE(laptop.DeleteRef(group, "other", kLong).ok());
  EXPECT_EQ(laptop.DeleteRef(group, "other", kLong).error().code, "not_found");
}

TEST_F(ClientTest, GroupsInvitesAndMembersGoThroughTheirLife) {
  const auto made = laptop.CreateGroup(
      {.name = "life", .description = "of a group", .role = Role::kNormal}, kLong);
  ASSERT_TRUE(made.ok()) << made.error().message;
  EXPECT_EQ(made->role, Role::kNormal);
  EXPECT_EQ(made->authority, Authority::kAdmin);
  EXPECT_FALSE(made->is_public);
  const std::string group = made->id;
  EXPECT_EQ(laptop.CreateGroup({.name = "life"}, kLong).error().code, "already_exists");
  const auto twin = laptop.CreateGroup({.name = "life", .duplicate = true}, kLong);
  ASSERT_TRUE(twin.ok()) << twin.error().message;
  // Its only admin may not go.
  EXPECT_EQ(laptop.LeaveGroup(twin->id, kLong).error().code, "failed_precondition");
  const auto changed =
      laptop.ChangeGroup(group, {.description = "", .inviters = Authority::kWriter}, kLong);
  ASSERT_TRUE(changed.ok()) << changed.error().message;
  EXPECT_EQ(changed->name, "life");
  EXPECT_EQ(changed->description, "");
  EXPECT_EQ(changed->inviters, Authority::kWriter);
  EXPECT_EQ(laptop.GetGroup(group, kLong)->inviters, Authority::kWriter);
  bool listed = false;
  ASSERT_TRUE(ForEach([&](const PageRequest& page) { return laptop.ListGroups(page, kLong); },
                      [&](const Group& each) {
                        listed = listed || each.id == group;
                        return true;
                      })
                  .ok());
  EXPECT_TRUE(listed);

  const auto revoked = laptop.CreateInvite(group, {.uses = 3, .expires = 2h}, kLong);
  ASSERT_TRUE(revoked.ok()) << revoked.error().message;
  EXPECT_EQ(revoked->group, group);
  const auto open = laptop.ListInvites(group, {}, kLong);
  ASSERT_EQ(open->items.size(), 1u);
  EXPECT_EQ(open->items[0].id, revoked->id);
  EXPECT_EQ(open->items[0].uses_left, 3u);
  EXPECT_GT(*open->items[0].expires - *open->items[0].created, 110min);
  ASSERT_TRUE(laptop.RevokeInvite(group, revoked->id, kLong).ok());
  const auto refused = nas.Join(revoked->invite, std::nullopt, kLong);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::kRefused);
  EXPECT_FALSE(refused.error().code.empty());

  const auto invite =
      laptop.CreateInvite(group, {.role = Role::kLeaf, .authority = Authority::kReader}, kLong);
  ASSERT_TRUE(invite.ok()) << invite.error().message;
  const auto joined = nas.Join(invite->invite, std::nullopt, kLong);
  ASSERT_TRUE(joined.ok()) << joined.error().message;
  EXPECT_EQ(joined->role, Role::kLeaf);
  EXPECT_EQ(joined->authority, Authority::kReader);
  const auto members = laptop.ListMembers(group, {}, kLong);
  ASSERT_EQ(members->items.size(), 2u);
  ASSERT_TRUE(
      laptop.ChangeMember(group, nas_->id(), {.authority = Authority::kWriter}, kLong).ok());
  EXPECT_TRUE(Eventually([&] {
    const auto now = nas.GetGroup(group, kLong);
    return now.ok() && now->authority == Authority::kWriter;
  }));
  ASSERT_TRUE(nas.LeaveGroup(group, kLong).ok());
  EXPECT_EQ(nas.GetGroup(group, kLong).error().http_status, 404);
  const std::string another = SharedGroup("removal");
  ASSERT_TRUE(laptop.RemoveMember(another, nas_->id(), kLong).ok());
  EXPECT_EQ(laptop.ListMembers(another, {}, kLong)->items.size(), 1u);
}

TEST_F(ClientTest, ABlobIsFetchedWatchedAndFoundCompleteAndHeld) {
  const std::string group = SharedGroup("fetch");
  const std::string bytes = SomeBytes(1 << 20, 2);
  const auto put = laptop.PutBytes(bytes, {.group = group, .key = "k"}, kLong);
  ASSERT_TRUE(put.ok()) << put.error().message;
  ASSERT_TRUE(Eventually([&] { return nas.GetRef(group, "k", kLong).ok(); }));
  std::vector<FetchState::Kind> kinds;
  const auto last = nas.Fetch(
      put->id,
      [&](const FetchState& state) {
        kinds.push_back(state.kind);
        return true;
      },
      kLong);
  ASSERT_TRUE(last.ok()) << last.error().message;
  EXPECT_EQ(last->kind, FetchState::Kind::kDone);
  EXPECT_EQ(kinds.back(), FetchState::Kind::kDone);
  EXPECT_TRUE(*nas.GetBytes(put->id, {.wait = 30s}, kLong) == bytes);
  const auto complete = nas.Complete(group, 30s, kLong);
  ASSERT_TRUE(complete.ok()) << complete.error().message;
  EXPECT_TRUE(complete->complete) << complete->because;
  EXPECT_EQ(complete->because, "complete");
  ASSERT_EQ(complete->heard.size(), 1u);
  EXPECT_EQ(complete->heard[0].first, laptop_->id());
  const auto not_server = laptop.Complete(group, 0ms, kLong);
  EXPECT_FALSE(not_server->complete);
  EXPECT_EQ(not_server->because, "not_a_server");
  const auto held = laptop.IsHeld(group, 1, 30s, kLong);
  ASSERT_TRUE(held.ok()) << held.error().message;
  EXPECT_TRUE(held->held);
  EXPECT_EQ(held->blobs, 1u);
  EXPECT_EQ(held->answered, std::vector<std::string>{nas_->id()});
}

TEST_F(ClientTest, WhatIsWantedAndCannotBeHadSaysWhy) {
  const std::string group = NewGroup("wanted");
  const std::string blob = HexOfSha256("nobody has this");
  ASSERT_TRUE(laptop.SetRef(group, "k", blob, kLong).ok());
  const auto last = laptop.Fetch(blob, nullptr, kLong);
  ASSERT_TRUE(last.ok()) << last.error().message;
  EXPECT_EQ(last->kind, FetchState::Kind::kFailed);
  ASSERT_TRUE(last->error.has_value());
  EXPECT_EQ(last->error->error_class, "nobody");
  const auto steps = laptop.Why(blob, kLong);
  ASSERT_TRUE(steps.ok()) << steps.error().message;
  EXPECT_FALSE(steps->empty());
  EXPECT_FALSE(steps->front().detail.empty());
  const auto in_time = laptop.GetBytes(blob, {.wait = 100ms}, kLong);
  ASSERT_FALSE(in_time.ok());
  EXPECT_EQ(in_time.error().http_status, 503);
  EXPECT_TRUE(in_time.error().retry_after.has_value());
  EXPECT_EQ(laptop.GetBytes(blob, {.fetch = false}, kLong).error().http_status, 404);
  EXPECT_EQ(laptop.Fetch(HexOfSha256("never heard of"), nullptr, kLong).error().code, "not_found");

  // A server of that group wants it for good.
  ASSERT_TRUE(laptop.ChangeMember(group, "self", {.role = Role::kServer}, kLong).ok());
  const auto wanted = [&] { return laptop.ListWanted({.group = group}, {}, kLong); };
  ASSERT_TRUE(Eventually([&] { return wanted()->items.size() == 1; }));
  EXPECT_EQ(wanted()->items[0].blob, blob);
  EXPECT_EQ(wanted()->items[0].groups, std::vector<std::string>{group});
  EXPECT_TRUE(laptop.RetryWanted(blob, kLong).ok());
  EXPECT_GE(*laptop.RetryAllWanted(kLong), 0u);
  ASSERT_TRUE(laptop.StopWanted(blob, kLong).ok());
  EXPECT_EQ(laptop.ListWanted({.state = "stopped", .group = group}, {}, kLong)->items.size(), 1u);
  ASSERT_TRUE(laptop.PauseFetching(1h, kLong).ok());
  EXPECT_EQ(laptop.GetStatus(kLong)->pause_reason, "operator");
  ASSERT_TRUE(laptop.ResumeFetching(kLong).ok());
  const auto status = laptop.GetStatus(kLong);
  EXPECT_FALSE(status->paused);
  EXPECT_EQ(status->name, "laptop");
  EXPECT_EQ(status->peer, laptop_->id());
  EXPECT_GT(status->disk_free, 0u);
}

TEST_F(ClientTest, EventsComeUntilTheCallerHasEnoughAndGoOnFromOne) {
  std::atomic<bool> begun{false}, stored{false};
  std::string last;
  std::thread watcher([&] {
    begun = true;
    const auto watched = laptop.Events(
        "",
        [&](const Event& event) {
          last = event.id;
          stored = event.kind == "blob.stored";
          return !stored;
        },
        kLong);
    EXPECT_TRUE(watched.ok()) << watched.error().message;
  });
  int number = 0;
  EXPECT_TRUE(Eventually([&] {
    if (begun) (void)laptop.PutBytes("event " + std::to_string(++number), {}, kLong).ok();
    return stored.load();
  }));
  watcher.join();
  ASSERT_TRUE(laptop.PutBytes("after the events", {}, kLong).ok());
  const auto next = laptop.Events(
      last,
      [&](const Event& event) {
        EXPECT_NE(event.kind, "gap");
        EXPECT_TRUE(event.at.has_value());
        return event.fields.empty();
      },
      kLong);
  EXPECT_TRUE(next.ok()) << next.error().message;

  std::stop_source stop;
  std::thread stopper([&] {
    std::this_thread::sleep_for(100ms);
    stop.request_stop();
  });
  const auto stopped = laptop.Events(
      "", [](const Event&) { return true; }, Deadline(kLong, stop.get_token()));
  stopper.join();
  EXPECT_EQ(stopped.error().kind, ErrorKind::kStopped);
  const auto late = laptop.Events(
      "", [](const Event&) { return true; }, 200ms);
  EXPECT_EQ(late.error().kind, ErrorKind::kDeadline);
}

TEST_F(ClientTest, EachKindOfErrorIsToldApart) {
  const auto no_group = laptop.GetGroup(std::string(64, '7'), kLong);
  EXPECT_EQ(no_group.error().kind, ErrorKind::kRefused);
  EXPECT_EQ(no_group.error().http_status, 404);
  EXPECT_EQ(no_group.error().code, "not_found");
  EXPECT_FALSE(no_group.error().message.empty());
  EXPECT_EQ(laptop.GetGroup("../status", kLong).error().http_status, 400);
  const auto other = laptop.PutBytes("these", {.id = HexOfSha256("those")}, kLong);
  EXPECT_EQ(other.error().code, "digest_mismatch");

  Endpoint stranger = laptop.endpoint();
  stranger.token = std::string(64, 'a');
  EXPECT_EQ(Client(stranger).GetStatus(kLong).error().code, "unauthenticated");
  stranger.token = "a\r\nX: y";
  EXPECT_EQ(Client(stranger).GetStatus(kLong).error().kind, ErrorKind::kUsage);
  stranger.address = "nowhere";
  EXPECT_EQ(Client(stranger).GetStatus(kLong).error().kind, ErrorKind::kUsage);
  const auto nobody = Client(Endpoint{.address = "127.0.0.1:1", .token = "x"}).GetStatus(kLong);
  EXPECT_EQ(nobody.error().kind, ErrorKind::kConnection);
  EXPECT_EQ(nobody.error().http_status, 0);

  EXPECT_EQ(laptop.Has("no id", kLong).error().kind, ErrorKind::kUsage);
  EXPECT_EQ(laptop.CreateGroup({.name = "\xff"}, kLong).error().kind, ErrorKind::kUsage);
  EXPECT_EQ(laptop.PutFile(PathOf("no such file"), {}, kLong).error().kind, ErrorKind::kFile);
  EXPECT_EQ(laptop.PutFile(cluster_->dir(), {}, kLong).error().kind, ErrorKind::kFile);
  EXPECT_EQ(laptop.PutFile("/proc/version", {}, kLong).error().kind, ErrorKind::kFile);
  {
    const std::string path = PathOf("restless");
    std::ofstream(path) << std::string(1 << 20, 'a');
    std::jthread writer([&path](const std::stop_token& stop) {
      while (!stop.stop_requested()) std::fstream(path, std::ios::in | std::ios::out) << "b";
    });
    // On a busy machine the writer may sleep through a whole put.
    EXPECT_TRUE(Eventually([&] {
      const auto changed = laptop.PutFile(path, {}, kLong);
      return !changed.ok() && changed.error().kind == ErrorKind::kFile;
    }));
  }
  std::istringstream short_stream("123");
  EXPECT_EQ(laptop.PutStream(short_stream, 5, {}, kLong).error().kind, ErrorKind::kFile);
  const auto put = laptop.PutBytes("some", {}, kLong);
  EXPECT_EQ(laptop.GetFile(put->id, PathOf("no/such/folder"), {}, kLong).error().kind,
            ErrorKind::kFile);
  // What is there is not made another thing.
  const std::string pipe = PathOf("pipe"), secret = PathOf("secret");
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_FALSE(laptop.GetFile(put->id, pipe, {}, kLong).ok());
  EXPECT_TRUE(std::filesystem::is_fifo(pipe));
  std::ofstream(secret) << "old";
  ASSERT_EQ(chmod(secret.c_str(), 0600), 0);
  ASSERT_TRUE(laptop.GetFile(put->id, secret, {}, kLong).ok());
  EXPECT_EQ(std::filesystem::status(secret).permissions(), std::filesystem::perms(0600));
  EXPECT_EQ(Client::OfDataFolder(PathOf("no such data")).error().kind, ErrorKind::kConnection);
  EXPECT_EQ(laptop.GetStatus(0ms).error().kind, ErrorKind::kDeadline);
}

TEST_F(ClientTest, ARefusalIsReadWhileTheBlobIsStillBeingSent) {
  const auto refused = laptop.PutBytes(std::string(64 << 20, 'x'), {}, kLong);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::kRefused) << refused.error().message;
  EXPECT_EQ(refused.error().code, "too_large");
}

TEST_F(ClientTest, OneClientServesManyThreadsAndAnObserverSeesAllThatIsSaid) {
  std::mutex mutex;
  std::map<std::string, std::string> seen;
  Options options;
  options.observer = [&](const Request& request, const Answer& answer) {
    const std::lock_guard lock(mutex);
    seen[request.method + " " + request.target] += answer.body;
  };
  const Client client = Of(*laptop_, options);
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&client, i] {
      for (int j = 0; j < 20; ++j) {
        const std::string bytes = SomeBytes(10'000, static_cast<uint64_t>(i * 100 + j + 1000));
        const auto put = client.PutBytes(bytes, {}, kLong);
        ASSERT_TRUE(put.ok()) << put.error().message;
        EXPECT_TRUE(*client.GetBytes(put->id, {}, kLong) == bytes);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(seen.size(), 161u);
  // What goes to a callback is not kept.
  EXPECT_EQ(seen["GET /v1/blobs/" + HexOfSha256(SomeBytes(10'000, 1000))], "");
  EXPECT_NE(seen["POST /v1/blobs"].find("\"id\""), std::string::npos);
}

TEST(ClientHttpsTest, OnlyTheCertificateOfTheDataFolderIsSpokenTo) {
  Cluster cluster;
  const std::string certificate = cluster.dir() + "/certificate.pem";
  const std::string key = cluster.dir() + "/key.pem";
  const auto made =
      integration::RunCommand({"/usr/bin/openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                               "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                               "/CN=localhost", "-keyout", key, "-out", certificate});
  ASSERT_EQ(made.exit_status, 0) << made.err;
  Peer& peer = cluster.Prepare("peer", {"--http.tls_cert=" + certificate, "--http.tls_key=" + key});
  ASSERT_TRUE(peer.Start().ok());
  // By its address, as from where the data folder's socket is not to be had.
  auto endpoint = ReadDataFolder(peer.dir());
  ASSERT_TRUE(endpoint.ok()) << endpoint.error().message;
  EXPECT_EQ(Client(*endpoint).GetGroup(std::string(64, '7'), kLong).error().http_status, 404);
  endpoint->socket_path.clear();
  ASSERT_EQ(endpoint->tls_sha256.size(), 64u);
  const auto client = std::make_unique<Client>(*endpoint);
  const std::string bytes = SomeBytes(3 << 20, 4);
  const auto put = client->PutBytes(bytes, {}, kLong);
  ASSERT_TRUE(put.ok()) << put.error().message;
  EXPECT_TRUE(*client->GetBytes(put->id, {}, kLong) == bytes);
  EXPECT_EQ(client->GetGroup(std::string(64, '7'), kLong).error().http_status, 404);

  Endpoint other = client->endpoint();
  other.tls_sha256[0] = other.tls_sha256[0] == '0' ? '1' : '0';
  EXPECT_EQ(Client(other).GetStatus(kLong).error().kind, ErrorKind::kIntegrity);
  // Plain HTTP to a service of HTTPS is told so.
  other.tls_sha256.clear();
  EXPECT_EQ(Client(other).GetStatus(kLong).error().kind, ErrorKind::kRefused);
  const auto late = client->Events(
      "", [](const Event&) { return true; }, 300ms);
  EXPECT_EQ(late.error().kind, ErrorKind::kDeadline);
}

}  // namespace
}  // namespace waypost::client
