// What happens to the data behind the service's back: rows damaged or removed, files gone, disks
// full.
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>

#include "absl/strings/str_cat.h"
#include "base/index.h"
#include "integration/cluster.h"
#include "integration/eventually.h"

namespace waypost::integration {
namespace {

namespace fs = std::filesystem;
using base::Table;

// Runs on the index of a peer that is stopped.
void ChangeIndex(const Peer& peer, const std::function<void(base::WriteTxn&)>& change) {
  auto index = base::Index::Open({.dir = peer.dir() + "/index"});
  ASSERT_TRUE(index.ok()) << index.status();
  const absl::Status changed =
      (*index)->Update(base::Index::Lane::kForeground, [&](base::WriteTxn& txn) {
        change(txn);
        return absl::OkStatus();
      });
  ASSERT_TRUE(changed.ok()) << changed;
  (*index)->Shutdown();
}

std::vector<std::string> KeysOf(base::WriteTxn& txn, Table table) {
  std::vector<std::string> keys;
  base::Cursor cursor(txn, table);
  for (bool more = cursor.Seek(""); more; more = cursor.Next()) keys.emplace_back(cursor.key());
  return keys;
}

class DamageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    laptop_ = &cluster_.Add("laptop");
    server_ = &cluster_.Add("server");
    group_ = cluster_.Group("family", {{laptop_, "normal"}, {server_, "server"}});
  }
  int Wanted() { return server_->Get("/v1/groups/" + group_).value("wanted", -1); }

  Cluster cluster_;
  Peer* laptop_ = nullptr;
  Peer* server_ = nullptr;
  std::string group_;
};

TEST_F(DamageTest, TheScanRestoresDueRowsRemovedBehindTheServicesBack) {
  server_->Post("/v1/fetcher/pause", Json::object(), 204);
  std::vector<std::string> blobs;
  for (int i = 0; i < 20; ++i) {
    blobs.push_back(
        PutRef(*laptop_, group_, absl::StrCat("k", i), SomeBytes(5'000, static_cast<uint64_t>(i))));
  }
  ASSERT_TRUE(Eventually([&] { return Wanted() == 20; }));
  ASSERT_EQ(server_->Stop(), 0);
  std::size_t removed = 0;
  ChangeIndex(*server_, [&](base::WriteTxn& txn) {
    removed = 0;
    for (const std::string& key : KeysOf(txn, Table::kDue))
      removed += txn.Delete(Table::kDue, key) ? 1 : 0;
    // And one that nothing stands behind.
    std::string stray(73, '\x01');
    stray[32] = '\x01';
    txn.PutRaw(Table::kDue, stray, std::string(8, '\0'));
  });
  EXPECT_EQ(removed, 20u);
  // Nobody scans: nothing is fetched, although the operator resumes.
  ASSERT_TRUE(server_->Start({.settings = {"--scan.initial_delay=1h"}}).ok());
  server_->Post("/v1/fetcher/resume", Json::object(), 204);
  EXPECT_EQ(server_->Get("/v1/complete?group=" + group_).value("complete", true), false);
  EXPECT_FALSE(server_->Has(blobs[0]));
  const CommandResult scan = server_->Run({"scan", "--wait", "--json"});
  EXPECT_EQ(scan.exit_status, 0) << scan.err;
  const Json pass = Parsed(scan);
  ASSERT_TRUE(pass.is_object()) << scan.out;
  EXPECT_EQ(pass.value("missing_found", 0), 20) << pass;
  EXPECT_TRUE(Eventually([&] { return HoldsAll(*server_, blobs); }));
  EXPECT_TRUE(Eventually([&] {
    return server_->Get("/v1/complete?group=" + group_ + "&wait=1s").value("complete", false);
  }));
}

TEST_F(DamageTest, ADamagedRowIsCountedAndStopsNothing) {
  std::vector<std::string> blobs;
  for (int i = 0; i < 6; ++i) {
    blobs.push_back(PutRef(*laptop_, group_, absl::StrCat("k", i),
                           SomeBytes(40'000, static_cast<uint64_t>(i))));
  }
  ASSERT_TRUE(Eventually([&] { return HoldsAll(*server_, blobs); }));
  std::size_t references = blobs.size();
  for (const Table table :
       {Table::kSignposts, Table::kBlobs, Table::kRefs, Table::kPeers, Table::kCounts}) {
    ASSERT_EQ(server_->Stop(), 0);
    ChangeIndex(*server_, [&](base::WriteTxn& txn) {
      const std::vector<std::string> keys = KeysOf(txn, table);
      ASSERT_FALSE(keys.empty()) << base::TableName(table);
      std::string value(*txn.GetRaw(table, keys[0]));
      value[value.size() / 2] = static_cast<char>(value[value.size() / 2] ^ 0x10);
      txn.PutRaw(table, keys[0], value);
    });
    ASSERT_TRUE(server_->Start({.settings = {"--scan.initial_delay=0s"}}).ok())
        << base::TableName(table);
    EXPECT_EQ(server_->Run({"scan", "--wait"}).exit_status, 0) << base::TableName(table);
    // What was lost with the row has been made again: nothing is forgotten.
    const Json refs = server_->Get("/v1/groups/" + group_ + "/refs?limit=1000");
    EXPECT_EQ(refs.at("items").size(), references) << base::TableName(table);
    EXPECT_TRUE(Eventually([&] {
      const Json group = server_->Get("/v1/groups/" + group_);
      return group.value("refs", 0u) == references && group.value("wanted", 1u) == 0;
    })) << base::TableName(table)
        << server_->Get("/v1/groups/" + group_);
    const std::string fresh = PutRef(
        *laptop_, group_, absl::StrCat("after/", base::TableName(table)), base::TableName(table));
    ++references;
    EXPECT_TRUE(Eventually([&] { return server_->Has(fresh); })) << base::TableName(table);
    EXPECT_GE(server_->Metric("waypost_bad_rows_total"), 1) << base::TableName(table);
  }
  // The bytes are all still here, or here again.
  EXPECT_TRUE(Eventually([&] { return HoldsAll(*server_, blobs); }));
}

TEST_F(DamageTest, ABlobWhoseFileIsGoneOrWrongIsFetchedAgain) {
  const std::string bytes = SomeBytes(100'000, 1), others = SomeBytes(100'000, 2);
  const std::string gone = PutRef(*laptop_, group_, "gone", bytes);
  const std::string cut = PutRef(*laptop_, group_, "cut", others);
  ASSERT_TRUE(Eventually([&] { return HoldsAll(*server_, {gone, cut}); }));
  const auto path = [&](const std::string& blob) {
    return absl::StrCat(server_->dir(), "/blobs/", blob.substr(0, 2), "/", blob.substr(2, 2), "/",
                        blob);
  };
  ASSERT_TRUE(fs::remove(path(gone)));
  fs::resize_file(path(cut), 10);
  // Noticed when it is read: it is wanted again, and comes again.
  EXPECT_TRUE(Eventually([&] { return server_->Call("GET", "/v1/blobs/" + gone).body == bytes; }));
  EXPECT_TRUE(Eventually([&] { return server_->Call("GET", "/v1/blobs/" + cut).body == others; }));
  EXPECT_GE(server_->Metric("waypost_lost_blobs_total"), 1);
  // A put of what is stored and not whole takes its place.
  fs::resize_file(path(cut), 10);
  EXPECT_EQ(server_->PutBlob(others), cut);
  EXPECT_EQ(server_->Bytes(cut), others);
  // Missing at the start: the first scan finds it.
  ASSERT_EQ(server_->Stop(), 0);
  ASSERT_TRUE(fs::remove(path(gone)));
  ASSERT_TRUE(server_->Start({.settings = {"--scan.initial_delay=0s"}}).ok());
  EXPECT_TRUE(Eventually([&] { return fs::exists(path(gone)) && server_->Bytes(gone) == bytes; }));
}

// A disk of blobs/ that is not mounted at one start. The server is the only one that has the bytes.
TEST_F(DamageTest, ABlobsFolderThatIsAwayLosesNothingAndComesBack) {
  const std::string bytes = SomeBytes(100'000, 1);
  const std::string blob = PutRef(*server_, group_, "film", bytes);
  // No file of it is kept open.
  const std::string unread = PutRef(*server_, group_, "unread", SomeBytes(100'000, 3));
  const fs::path blobs = server_->dir() + "/blobs", elsewhere = server_->dir() + "/elsewhere";
  const auto unmount = [&] {
    fs::rename(blobs, elsewhere);
    fs::create_directory(blobs);
  };
  const auto mount = [&] {
    fs::remove_all(blobs);
    fs::rename(elsewhere, blobs);
  };
  ASSERT_EQ(server_->Stop(), 0);
  unmount();
  ASSERT_TRUE(server_->Start({.settings = {"--scan.initial_delay=0s"}}).ok());
  EXPECT_EQ(server_->Status().value("mode", ""), "away: blobs");
  const HttpReply ready = server_->Call("GET", "/readyz");
  EXPECT_EQ(ready.status, 503);
  EXPECT_NE(ready.body.find("Is its disk mounted?"), std::string::npos) << ready.body;
  EXPECT_EQ(server_->Call("GET", "/v1/blobs/" + blob).status, 503);
  EXPECT_EQ(server_->Call("POST", "/v1/blobs", SomeBytes(100'000, 2)).status, 503);
  EXPECT_EQ(server_->Call("POST", "/v1/blobs", "small").status, 201);
  EXPECT_TRUE(fs::is_empty(blobs)) << "nothing is written under the mount point";
  EXPECT_EQ(server_->Metric("waypost_lost_blobs_total"), 0);
  // While it runs, and without anybody doing anything.
  mount();
  EXPECT_TRUE(Eventually([&] { return server_->Status().value("mode", "") == "normal"; }));
  EXPECT_EQ(server_->Call("GET", "/readyz").status, 200);
  const std::string changes = "/v1/events?since=0&kinds=mode.changed&follow=false";
  EXPECT_TRUE(Eventually([&] {
    return server_->Call("GET", changes).body.find("\"mode\":\"normal\"") != std::string::npos;
  })) << server_->Call("GET", changes).body;
  EXPECT_EQ(server_->Bytes(blob) == bytes, true);
  // It goes while the service runs: what is asked for is not lost for that.
  unmount();
  EXPECT_EQ(server_->Call("GET", "/v1/blobs/" + unread).status, 503);
  EXPECT_EQ(server_->Status().value("mode", ""), "away: blobs");
  EXPECT_NE(server_->Call("GET", changes).body.find("\"mode\":\"away: blobs\""), std::string::npos);
  mount();
  EXPECT_TRUE(Eventually([&] { return laptop_->Call("GET", "/v1/blobs/" + blob).body == bytes; }))
      << "members read it again";
  EXPECT_EQ(server_->Metric("waypost_lost_blobs_total"), 0);
}

TEST_F(DamageTest, ALostFileThatComesBackServesWhomItServed) {
  const std::string bytes = SomeBytes(100'000, 1);
  const std::string blob = PutRef(*server_, group_, "film", bytes);
  const fs::path path =
      absl::StrCat(server_->dir(), "/blobs/", blob.substr(0, 2), "/", blob.substr(2, 2), "/", blob);
  ASSERT_EQ(server_->Stop(), 0);
  fs::rename(path, server_->dir() + "/kept");
  ASSERT_TRUE(server_->Start({.settings = {"--scan.initial_delay=0s"}}).ok());
  ASSERT_TRUE(Eventually([&] { return server_->Metric("waypost_lost_blobs_total") == 1; }));
  ASSERT_EQ(server_->Stop(), 0);
  fs::rename(server_->dir() + "/kept", path);
  ASSERT_TRUE(server_->Start({.settings = {"--scan.initial_delay=0s"}}).ok());
  EXPECT_TRUE(Eventually([&] { return laptop_->Call("GET", "/v1/blobs/" + blob).body == bytes; }));
}

// A small file system of its own. Needs root.
class SmallDisk {
 public:
  explicit SmallDisk(const std::string& where) : path_(where) {
    fs::create_directory(path_);
    mounted_ = mount("tmpfs", path_.c_str(), "tmpfs", 0, "size=24m,mode=0700") == 0;
    if (!mounted_) why_ = std::strerror(errno);
  }
  ~SmallDisk() {
    if (mounted_) umount2(path_.c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }
  const std::string& why() const { return why_; }
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
  bool mounted_ = false;
  std::string why_;
};

#define SKIP_WITHOUT(disk)                                                                 \
  if (!(disk).mounted()) {                                                                 \
    GTEST_SKIP()                                                                           \
        << "NOT TESTED: a full disk; mounting a small file system is not permitted here (" \
        << (disk).why() << "). Run as root to test it.";                                   \
  }

TEST(FullDiskTest, APutOnAFullDiskIsRefusedWith507AndNothingAcknowledgedIsLost) {
  TempDir dir;
  SmallDisk disk(dir.path() + "/disk");
  SKIP_WITHOUT(disk);
  Peer peer(WaypostProgram(), disk.path() + "/peer", "peer");
  ASSERT_TRUE(peer.Init().ok());
  ASSERT_TRUE(peer.Start().ok());
  const std::string group = peer.CreateGroup("family", "server");
  std::vector<std::string> blobs;
  HttpReply refused;
  for (uint64_t i = 0; i < 100; ++i) {
    const std::string bytes = SomeBytes(1 << 20, i);
    const HttpReply reply =
        peer.Call("POST", absl::StrCat("/v1/blobs?group=", group, "&key=k", i), bytes);
    if (reply.status != 201) {
      refused = reply;
      break;
    }
    blobs.push_back(HexOfSha256(bytes));
  }
  EXPECT_EQ(refused.status, 507) << refused.body;
  EXPECT_NE(refused.body.find("no_space"), std::string::npos) << refused.body;
  ASSERT_GE(blobs.size(), 5u);
  EXPECT_EQ(peer.Call("GET", "/healthz").status, 200);
  for (std::size_t i = 0; i < blobs.size(); ++i)
    EXPECT_EQ(peer.Bytes(blobs[i]) == SomeBytes(1 << 20, i), true);
  // Also after a start on the full disk. The log lies on it too: space for one line is needed.
  peer.Kill();
  ASSERT_TRUE(peer.Start().ok());
  EXPECT_TRUE(HoldsAll(peer, blobs));
  EXPECT_EQ(peer.Get("/v1/groups/" + group).value("refs", 0), static_cast<int>(blobs.size()));
}

// Some folders of the data folder on another file system than the rest.
struct Elsewhere {
  const char* name;
  std::vector<std::string> folders;
};
class TwoFileSystemsTest : public testing::TestWithParam<Elsewhere> {};

TEST_P(TwoFileSystemsTest, LargeBlobsComeAndGoAllTheSame) {
  Cluster cluster;
  SmallDisk disk(cluster.dir() + "/disk");
  SKIP_WITHOUT(disk);
  Peer& laptop = cluster.Add("laptop");
  Peer& server = cluster.Add("server");
  const std::string group = cluster.Group("family", {{&laptop, "normal"}, {&server, "server"}});
  ASSERT_EQ(server.Stop(), 0);
  for (const std::string& folder : GetParam().folders) {
    const fs::path there = disk.path() + "/" + folder, here = server.dir() + "/" + folder;
    fs::copy(here, there, fs::copy_options::recursive);
    fs::remove_all(here);
    fs::create_directory_symlink(there, here);
  }
  ASSERT_TRUE(server.Start().ok());
  const std::string bytes = SomeBytes(6 << 20, 3);
  const std::string film = PutRef(laptop, group, "film", bytes);
  EXPECT_TRUE(Eventually([&] { return server.Has(film); })) << server.Status();
  EXPECT_EQ(server.Bytes(film) == bytes, true);
  EXPECT_EQ(server.Status().value("paused", true), false);
  EXPECT_TRUE(fs::is_empty(server.dir() + "/partial")) << "what was copied is gone";
  // A damaged file goes to quarantine, and comes again.
  const fs::path path =
      absl::StrCat(server.dir(), "/blobs/", film.substr(0, 2), "/", film.substr(2, 2), "/", film);
  fs::resize_file(path, 10);
  EXPECT_TRUE(Eventually([&] { return server.Bytes(film) == bytes; }));
  EXPECT_FALSE(fs::is_empty(server.dir() + "/quarantine"));
}

INSTANTIATE_TEST_SUITE_P(Cases, TwoFileSystemsTest,
                         testing::Values(Elsewhere{"AllButBlobs",
                                                   {"partial", "trash", "quarantine"}},
                                         Elsewhere{"Blobs", {"blobs"}}),
                         [](const auto& tested) { return std::string(tested.param.name); });

// A server on a disk of 24 MiB, of which a filler takes some, and a laptop with a film of 6 MiB.
class FullServerTest : public ::testing::Test {
 protected:
  // The server knows of the film, fetches nothing yet, and sees that its disk has got full.
  void Begin(std::size_t filler_bytes) {
    laptop_ = &cluster_.Add("laptop");
    server_ = std::make_unique<Peer>(WaypostProgram(), disk_.path() + "/server", "server");
    ASSERT_TRUE(server_->Init().ok());
    ASSERT_TRUE(server_->Start({.settings = {"--store.min_free=1MiB"}}).ok());
    server_->Post("/v1/fetcher/pause", Json::object(), 204);
    group_ = cluster_.Group("family", {{laptop_, "normal"}, {server_.get(), "server"}});
    film_ = PutRef(*laptop_, group_, "film", bytes_);
    ASSERT_TRUE(Eventually([&] { return server_->Status().value("wanted", 0) == 1; }));
    WriteWholeFile(disk_.path() + "/filler", SomeBytes(filler_bytes, 1));
    // It looks at the disk once a second.
    ASSERT_TRUE(Eventually([&] {
      const Json status = server_->Status();
      return status.value("disk_free", uint64_t{0}) + filler_bytes <=
             status.value("disk_total", uint64_t{0});
    }));
    server_->Post("/v1/fetcher/resume", Json::object(), 204);
  }
  // It comes by itself: nobody retries.
  void MakeRoomAndExpectTheFilm() {
    EXPECT_EQ(WantedItem(*server_, film_).value("failures", -1), 0);
    EXPECT_EQ(WantedItem(*server_, film_).value("fetch_attempts", -1), 0);
    fs::remove(disk_.path() + "/filler");
    EXPECT_TRUE(Eventually([&] { return server_->Has(film_); })) << server_->Status();
    EXPECT_EQ(server_->Bytes(film_) == bytes_, true);
    EXPECT_EQ(server_->Stop(), 0);
  }

  Cluster cluster_;
  SmallDisk disk_{cluster_.dir() + "/disk"};
  const std::string bytes_ = SomeBytes(6 << 20, 2);
  Peer* laptop_ = nullptr;
  std::unique_ptr<Peer> server_;
  std::string group_, film_;
};

TEST_F(FullServerTest, OnAFullDiskItPausesSaysWhyAndGoesOn) {
  SKIP_WITHOUT(disk_);
  ASSERT_NO_FATAL_FAILURE(Begin(std::size_t{22} << 20));
  ASSERT_TRUE(Eventually([&] {
    const Json status = server_->Status();
    return status.value("paused", false) && status["pause"].value("reason", "") == "space";
  })) << server_->Status();
  MakeRoomAndExpectTheFilm();
}

TEST_F(FullServerTest, OneBlobThatDoesNotFitHoldsUpNoOther) {
  SKIP_WITHOUT(disk_);
  ASSERT_NO_FATAL_FAILURE(Begin(std::size_t{17} << 20));
  ASSERT_TRUE(Eventually([&] {
    const Json item = WantedItem(*server_, film_);
    return item.contains("last_error") && item["last_error"].is_object() &&
           item["last_error"].dump().find("no_space") != std::string::npos;
  })) << WantedItem(*server_, film_);
  const std::string small = PutRef(*laptop_, group_, "note", SomeBytes(30'000, 3));
  EXPECT_TRUE(Eventually([&] { return server_->Has(small); })) << server_->Status();
  EXPECT_FALSE(server_->Has(film_));
  MakeRoomAndExpectTheFilm();
}

}  // namespace
}  // namespace waypost::integration
