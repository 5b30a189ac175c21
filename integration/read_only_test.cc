// A disk that stops taking writes while the service runs on it.
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "integration/cluster.h"
#include "integration/eventually.h"

namespace waypost::integration {
namespace {

// A folder as a file system of its own, which can be made read-only. Needs root.
class BoundFolder {
 public:
  explicit BoundFolder(const std::string& path) : path_(path) {
    mounted_ = mount(path_.c_str(), path_.c_str(), nullptr, MS_BIND, nullptr) == 0;
    if (!mounted_) why_ = std::strerror(errno);
  }
  ~BoundFolder() {
    if (mounted_) umount2(path_.c_str(), MNT_DETACH);
  }
  BoundFolder(const BoundFolder&) = delete;
  BoundFolder& operator=(const BoundFolder&) = delete;
  bool mounted() const { return mounted_; }
  const std::string& why() const { return why_; }
  // As an error of its disk would. False while a file there is open for writing.
  bool SetReadOnly(bool read_only) {
    unsigned long flags = MS_REMOUNT | MS_BIND;  // NOLINT: the type that mount takes
    if (read_only) flags |= MS_RDONLY;
    return mount(nullptr, path_.c_str(), nullptr, flags, nullptr) == 0;
  }

 private:
  const std::string path_;
  bool mounted_ = false;
  std::string why_;
};

std::string ReasonIn(const HttpReply& reply) {
  const Json body = Json::parse(reply.body, nullptr, /*allow_exceptions=*/false);
  return body.is_object() ? body.dump() : "";
}

TEST(ReadOnlyTest, ABlobsFolderThatTakesNoWritesIsSaidAndReadsGoOn) {
  Cluster cluster;
  Peer& peer = cluster.Prepare("peer");
  const std::string blobs = peer.dir() + "/blobs";
  std::filesystem::create_directory(blobs);
  BoundFolder disk(blobs);
  if (!disk.mounted()) {
    GTEST_SKIP() << "NOT TESTED: a disk that turns read-only; mounting is not permitted here ("
                 << disk.why() << "). Run as root to test it.";
  }
  ASSERT_TRUE(peer.Start().ok());
  const std::string bytes = SomeBytes(100'000, 1);
  const std::string blob = peer.PutBlob(bytes);
  EXPECT_EQ(peer.Call("GET", "/readyz").status, 200);
  ASSERT_TRUE(Eventually([&] { return disk.SetReadOnly(true); }));

  const HttpReply put = peer.Call("POST", "/v1/blobs", SomeBytes(100'000, 2));
  EXPECT_EQ(put.status, 503);
  // Found out by the file that could not be made, or told by what was found out before.
  EXPECT_NE(ReasonIn(put).find(blobs), std::string::npos) << put.body;
  EXPECT_NE(ReasonIn(put).find("see why its disk takes no writes"), std::string::npos) << put.body;
  EXPECT_NE(put.Header("retry-after"), "");
  const HttpReply ready = peer.Call("GET", "/readyz");
  EXPECT_EQ(ready.status, 503);
  EXPECT_NE(ReasonIn(ready).find("read-only: "), std::string::npos) << ready.body;
  EXPECT_EQ(peer.Call("GET", "/healthz").status, 200) << "a restart would mend nothing";
  EXPECT_EQ(peer.Status().value("mode", ""), "read-only");
  EXPECT_EQ(peer.Metric("waypost_mode{mode=\"read-only\"}"), 1);
  EXPECT_EQ(peer.Bytes(blob) == bytes, true);

  ASSERT_TRUE(disk.SetReadOnly(false));
  EXPECT_TRUE(Eventually([&] { return peer.Status().value("mode", "") == "normal"; }));
  EXPECT_EQ(peer.Call("GET", "/readyz").status, 200);
  EXPECT_EQ(peer.Call("POST", "/v1/blobs", SomeBytes(100'000, 2)).status, 201);
  // Whoever follows events has heard of both.
  const std::string events =
      peer.Call("GET", "/v1/events?since=0&kinds=mode.changed&follow=false").body;
  const std::size_t begins = events.find("\"mode\":\"read-only\"");
  ASSERT_NE(begins, std::string::npos) << events;
  EXPECT_NE(events.find("\"mode\":\"normal\"", begins), std::string::npos) << events;
  // Without the disk under it the service would keep the mount.
  EXPECT_EQ(peer.Stop(), 0);
}

}  // namespace
}  // namespace waypost::integration
