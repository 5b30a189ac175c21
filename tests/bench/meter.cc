#include "tests/bench/meter.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "integration/process.h"
#include "tests/bench/web_servers.h"

// Reads what the kernel has counted: CPU of children and of servers, bytes on loopback, the most
// memory of a process. What a meter tells is the difference between two looks.

namespace waypost::bench {
namespace {

uint64_t LoopbackBytes() {
  std::istringstream lines(integration::ReadWholeFile("/proc/net/dev"));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string name;
    uint64_t received = 0;
    if (fields >> name >> received && name == "lo:") return received;
  }
  return 0;
}

}  // namespace

Meter::Meter(std::vector<int> servers)
    : servers_(std::move(servers)),
      cpu_(CpuSeconds(servers_) + CpuSecondsOf(RUSAGE_CHILDREN)),
      wire_(LoopbackBytes()),
      begin_(Clock::now()) {}

Cost Meter::End() const {
  return {.seconds = SecondsSince(begin_),
          .cpu_seconds = CpuSeconds(servers_) + CpuSecondsOf(RUSAGE_CHILDREN) - cpu_,
          .wire_bytes = LoopbackBytes() - wire_};
}

uint64_t PeakBytes(pid_t pid) {
  const std::string status = integration::ReadWholeFile(absl::StrCat("/proc/", pid, "/status"));
  const std::size_t at = status.find("VmHWM:");
  if (at == std::string::npos) return 0;
  return std::strtoull(status.c_str() + at + 6, nullptr, 10) * 1024;
}

void TouchMemory(uint64_t bytes) {
  void* const memory =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return;
  madvise(memory, bytes, MADV_POPULATE_WRITE);
  munmap(memory, bytes);
}

absl::Status SyncFileSystem(const std::string& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && syncfs(fd) == 0;
  if (fd >= 0) close(fd);
  return synced ? absl::OkStatus() : absl::InternalError("cannot sync " + folder);
}

}  // namespace waypost::bench
