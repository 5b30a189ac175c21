#include "service/sandbox.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "tests/fakes/temp_dir.h"

namespace waypost::service {
namespace {

namespace fs = std::filesystem;

// There is no way out of a sandbox: every case is a process of its own, whose end says which of its
// expectations failed first.
#define NEED(condition)   \
  do {                    \
    if (!(condition)) {   \
      perror(#condition); \
      _exit(1);           \
    }                     \
  } while (false)

template <typename Body>
int InAProcess(const Body& body) {
  const pid_t child = fork();
  if (child == 0) {
    body();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

class SandboxTest : public ::testing::Test {
 protected:
  void SetUp() override {
    int fences = 0;
    ASSERT_EQ(pipe(pipe_), 0);
    EXPECT_EQ(InAProcess([&] {
                const auto sandbox = EnterSandbox({.write = {dir_.path()}, .read = {}});
                NEED(sandbox.ok());
                const int has = (sandbox->landlock_abi > 0 ? 1 : 0) | (sandbox->seccomp ? 2 : 0);
                NEED(write(pipe_[1], &has, sizeof(has)) == sizeof(has));
              }),
              0);
    ASSERT_EQ(read(pipe_[0], &fences, sizeof(fences)), static_cast<ssize_t>(sizeof(fences)));
    landlock_ = (fences & 1) != 0;
    seccomp_ = (fences & 2) != 0;
    fs::create_directories(data());
    fs::create_directories(elsewhere());
    std::ofstream(elsewhere() + "/secret") << "x";
  }
  void TearDown() override {
    close(pipe_[0]);
    close(pipe_[1]);
  }
  std::string data() const { return dir_.path() + "/data"; }
  std::string elsewhere() const { return dir_.path() + "/elsewhere"; }
  static bool Makes(const std::string& path) {
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return false;
    const bool written = write(fd, "x", 1) == 1 && ftruncate(fd, 0) == 0;
    close(fd);
    return written;
  }

  base::TempDir dir_;
  int pipe_[2] = {-1, -1};
  bool landlock_ = false, seccomp_ = false;
};

TEST_F(SandboxTest, TheDataFolderIsUsedAsBefore) {
  EXPECT_EQ(InAProcess([&] {
              NEED(EnterSandbox(PathsOfService(data(), {})).ok());
              NEED(mkdir((data() + "/a").c_str(), 0700) == 0);
              NEED(mkdir((data() + "/b").c_str(), 0700) == 0);
              NEED(Makes(data() + "/a/file"));
              NEED(rename((data() + "/a/file").c_str(), (data() + "/b/file").c_str()) == 0);
              NEED(link((data() + "/b/file").c_str(), (data() + "/a/twin").c_str()) == 0);
              NEED(truncate((data() + "/b/file").c_str(), 100) == 0);
              NEED(unlink((data() + "/b/file").c_str()) == 0);
              NEED(open("/dev/null", O_RDWR) >= 0);
              NEED(open("/etc/hosts", O_RDONLY) >= 0);
            }),
            0);
}

TEST_F(SandboxTest, NoFileElsewhereIsReadOrWritten) {
  if (!landlock_) GTEST_SKIP() << "no landlock here";
  EXPECT_EQ(InAProcess([&] {
              NEED(EnterSandbox(PathsOfService(data(), {})).ok());
              NEED(open((elsewhere() + "/secret").c_str(), O_RDONLY) < 0 && errno == EACCES);
              NEED(!Makes(elsewhere() + "/new") && errno == EACCES);
              NEED(unlink((elsewhere() + "/secret").c_str()) != 0 && errno == EACCES);
              NEED(!Makes("/etc/waypost-must-not-be-here"));
              // A thread that begins later is inside too.
              std::thread([&] { NEED(!Makes(elsewhere() + "/new")); }).join();
            }),
            0);
}

TEST_F(SandboxTest, WhatAReloadReadsIsReadAfterItWasReplaced) {
  fs::create_directories(dir_.path() + "/archive");
  std::ofstream(dir_.path() + "/archive/cert1.pem") << "1";
  fs::create_symlink(dir_.path() + "/archive/cert1.pem", elsewhere() + "/cert.pem");
  EXPECT_EQ(InAProcess([&] {
              NEED(EnterSandbox(PathsOfService(data(), {elsewhere() + "/cert.pem"})).ok());
              NEED(open((elsewhere() + "/cert.pem").c_str(), O_RDONLY) >= 0);
              NEED(!landlock_ || !Makes(elsewhere() + "/new"));
            }),
            0);
}

TEST_F(SandboxTest, ADiskBehindALinkMayBeMountedLater) {
  if (geteuid() != 0) GTEST_SKIP() << "mounting takes root";
  const std::string disk = dir_.path() + "/disks/one";
  fs::create_directories(disk);
  fs::create_symlink(disk, data() + "/blobs");
  int begun[2], mounted[2];
  ASSERT_EQ(pipe(begun), 0);
  ASSERT_EQ(pipe(mounted), 0);
  const int ended = InAProcess([&] {
    // A namespace of mounts that ends with this process.
    if (unshare(CLONE_NEWNS) != 0 ||
        mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
      _exit(77);
    }
    const pid_t service = fork();
    if (service == 0) {
      NEED(EnterSandbox(PathsOfService(data(), {})).ok());
      char byte = 0;
      NEED(write(begun[1], "x", 1) == 1 && read(mounted[0], &byte, 1) == 1);
      NEED(Makes(data() + "/blobs/file"));
      _exit(0);
    }
    char byte = 0;
    NEED(read(begun[0], &byte, 1) == 1);
    NEED(mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=64k") == 0);
    NEED(write(mounted[1], "x", 1) == 1);
    int status = 0;
    NEED(waitpid(service, &status, 0) == service);
    NEED(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  });
  for (const int fd : {begun[0], begun[1], mounted[0], mounted[1]}) close(fd);
  if (ended == 77) GTEST_SKIP() << "no namespace of mounts here";
  EXPECT_EQ(ended, 0);
}

TEST_F(SandboxTest, NoProgramNoOtherProcessNoRawSocketNoWrittenCode) {
  if (!seccomp_) GTEST_SKIP() << "no seccomp here";
  EXPECT_EQ(InAProcess([&] {
              NEED(EnterSandbox(PathsOfService(data(), {})).ok());
              execl("/bin/true", "true", nullptr);
              NEED(errno == EPERM || errno == EACCES);
              NEED(ptrace(PTRACE_ATTACH, getppid(), nullptr, nullptr) != 0 && errno == EPERM);
              NEED(socket(AF_PACKET, SOCK_RAW, 0) < 0 && errno == EPERM);
              NEED(socket(AF_VSOCK, SOCK_STREAM, 0) < 0 && errno == EPERM);
              NEED(mmap(nullptr, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                        0) == MAP_FAILED &&
                   errno == EPERM);
              NEED(unshare(CLONE_NEWUSER) != 0 && errno == EPERM);
              NEED(setuid(1) != 0 && errno == EPERM);
              for (const int family : {AF_INET, AF_INET6, AF_UNIX, AF_NETLINK}) {
                NEED(socket(family, family == AF_NETLINK ? SOCK_RAW : SOCK_STREAM, 0) >= 0 ||
                     errno != EPERM);
              }
              NEED(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                        0) != MAP_FAILED);
            }),
            0);
}

TEST_F(SandboxTest, WhatItGaveUpIsSaidInWords) {
  EXPECT_NE(Sandbox{}.Text().find("none: "), std::string::npos);
}

}  // namespace
}  // namespace waypost::service
