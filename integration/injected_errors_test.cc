// Errors of the network that are rare in life, put into the service's system calls by strace: only
// the connection that is concerned may notice.
#include <gtest/gtest.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "integration/cluster.h"
#include "integration/eventually.h"

namespace waypost::integration {
namespace {

constexpr char kStrace[] = "/usr/bin/strace";

class InjectedErrorsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // Some containers forbid tracing.
    if (RunCommand({kStrace, "-qq", "-o", "/dev/null", "/bin/true"}).exit_status != 0) {
      GTEST_SKIP() << "strace cannot trace here";
    }
  }
  // The service with these "-e inject=" of strace; every thread counts for itself.
  void Begin(const std::vector<std::string>& injections) {
    peer_ = &cluster_.Prepare("peer");
    StartOptions options;
    options.under = {
        kStrace,         "-f", "-D",
        "-qq",           "-o", cluster_.dir() + "/trace",
        "--seccomp-bpf", "-e", "trace=accept4,recvfrom,sendmsg,sendto,sendfile,epoll_wait"};
    for (const std::string& injection : injections) {
      options.under.insert(options.under.end(), {"-e", "inject=" + injection});
    }
    const absl::Status started = peer_->Start(options);
    ASSERT_TRUE(started.ok()) << started;
    for (std::size_t size : {1u, 1000u, 50'000u, 3'000'000u}) {
      blobs_.push_back(SomeBytes(size, size));
      std::string id;
      // Also a put may meet an error, where it is one that ends its connection.
      ASSERT_TRUE(Eventually([&] { return !(id = peer_->PutBlob(blobs_.back())).empty(); }));
      ids_.push_back(id);
    }
  }
  // Whole and right answers of `count` requests, each on a connection of its own.
  int Right(int count) {
    int right = 0;
    for (int i = 0; i < count; ++i) {
      const std::size_t which = static_cast<std::size_t>(i) % ids_.size();
      const HttpReply reply = peer_->Call("GET", "/v1/blobs/" + ids_[which]);
      if (reply.status == 200 && reply.body == blobs_[which]) ++right;
      // What came, came right.
      if (reply.status == 200) {
        EXPECT_TRUE(reply.body == blobs_[which]);
      }
    }
    return right;
  }
  // How often strace did it.
  int Injected() const {
    const std::string trace = ReadWholeFile(cluster_.dir() + "/trace");
    int count = 0;
    for (std::size_t at = 0; (at = trace.find("(INJECTED)", at)) != std::string::npos; ++at) {
      ++count;
    }
    return count;
  }

  Cluster cluster_;
  Peer* peer_ = nullptr;
  std::vector<std::string> blobs_, ids_;
};

TEST_F(InjectedErrorsTest, InterruptionsAndFalseAlarmsChangeNothing) {
  Begin({"accept4:error=EINTR:when=2+3", "recvfrom:error=EAGAIN:when=2+3",
         "sendmsg:error=EAGAIN:when=2+3", "sendto:error=EINTR:when=2+3",
         "sendfile:error=EAGAIN:when=2+3", "epoll_wait:error=EINTR:when=5+7"});
  EXPECT_EQ(Right(200), 200) << peer_->Log();
  EXPECT_GT(Injected(), 100);
  EXPECT_EQ(peer_->Stop(), 0);
}

// strace takes one error for a call.
class FailedAcceptTest : public InjectedErrorsTest,
                         public ::testing::WithParamInterface<const char*> {};

TEST_P(FailedAcceptTest, IsTriedAgain) {
  Begin({absl::StrCat("accept4:error=", GetParam(), ":when=2+3")});
  EXPECT_EQ(Right(16), 16) << peer_->Log();
  EXPECT_GT(Injected(), 8);
  EXPECT_EQ(peer_->Stop(), 0);
}

INSTANTIATE_TEST_SUITE_P(Transient, FailedAcceptTest,
                         ::testing::Values("EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "ECONNABORTED",
                                           "EPROTO", "EINTR"));

TEST_F(InjectedErrorsTest, AResetEndsItsConnectionOnly) {
  Begin({"recvfrom:error=ECONNRESET:when=10+20", "sendmsg:error=EPIPE:when=10+20",
         "sendfile:error=ECONNRESET:when=10+20"});
  const int injected = Injected();
  const int right = Right(200);
  EXPECT_LT(right, 200);
  EXPECT_GE(right, 200 - (Injected() - injected)) << peer_->Log();
  EXPECT_EQ(peer_->Stop(), 0);
}

}  // namespace
}  // namespace waypost::integration
