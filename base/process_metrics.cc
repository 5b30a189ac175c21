#include "base/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>
#include <system_error>

// Memory, threads and the start from /proc/self, the rest from system calls: a few small reads at
// each rendering.

namespace waypost::base {
namespace {

struct ProcessMetrics {
  explicit ProcessMetrics(Metrics& metrics)
      : cpu(metrics.AddCounter("process_cpu_seconds_total", "CPU time of this process")),
        threads(metrics.AddGauge("process_threads", "Threads of this process")),
        open_fds(metrics.AddGauge("process_open_fds", "Open file descriptors")),
        max_fds(metrics.AddGauge("process_max_fds", "The soft limit of open file descriptors")),
        resident(metrics.AddGauge("process_resident_memory_bytes",
                                  "Memory in use, pages of mapped files among it")),
        virtual_memory(metrics.AddGauge("process_virtual_memory_bytes", "Address space in use")),
        started(metrics.AddGauge("process_start_time_seconds", "Start, in seconds of Unix time")) {}

  Counter cpu;
  Gauge threads, open_fds, max_fds, resident, virtual_memory, started;
};

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

// When the machine started, in seconds of Unix time; 0: unknown.
double BootTime() {
  std::ifstream file("/proc/stat");
  std::string line;
  while (std::getline(file, line)) {
    if (line.starts_with("btime ")) return static_cast<double>(std::atoll(line.c_str() + 6));
  }
  return 0;
}

// From the fields of /proc/self/stat, as proc(5) numbers them.
void RefreshFromStat(const ProcessMetrics& to) {
  std::ifstream file("/proc/self/stat");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  const std::size_t name_end = text.rfind(')');  // the name may have any character
  if (name_end == std::string::npos) return;
  std::istringstream fields(text.substr(name_end + 1));
  constexpr int kFirst = 3, kThreads = 20, kStart = 22, kVirtual = 23, kResident = 24;
  std::string field;
  for (int number = kFirst; number <= kResident && fields >> field; ++number) {
    const double value = std::atof(field.c_str());
    if (number == kThreads) to.threads.Set(value);
    if (number == kStart) {
      to.started.Set(BootTime() + value / static_cast<double>(sysconf(_SC_CLK_TCK)));
    }
    if (number == kVirtual) to.virtual_memory.Set(value);
    if (number == kResident) to.resident.Set(value * static_cast<double>(sysconf(_SC_PAGESIZE)));
  }
}

void Refresh(const ProcessMetrics& to) {
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    const double used = Seconds(usage.ru_utime) + Seconds(usage.ru_stime);
    if (used > to.cpu.value()) to.cpu.Add(used - to.cpu.value());
  }
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) to.max_fds.Set(static_cast<double>(limit.rlim_cur));
  std::error_code error;
  double open = 0;
  for (std::filesystem::directory_iterator at("/proc/self/fd", error), end; !error && at != end;
       at.increment(error)) {
    ++open;
  }
  if (open > 0) to.open_fds.Set(open - 1);  // without the one that reads the folder
  RefreshFromStat(to);
}

}  // namespace

void AddProcessMetrics(Metrics& metrics) {
  metrics.AddRefresher([all = ProcessMetrics(metrics)] { Refresh(all); });
}

}  // namespace waypost::base
