#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"

namespace waypost::integration {

struct ProcessOptions {
  std::vector<std::string> arguments;  // the program first
  // Set besides our own environment; an empty value unsets.
  std::map<std::string, std::string> environment;
  std::string stdin_path = "/dev/null";
  std::string stdout_path = "/dev/null";  // appended to
  std::string stderr_path = "/dev/null";  // appended to
  uint64_t file_size_max_bytes = 0;       // RLIMIT_FSIZE; 0: as ours
  bool outlives_us = false;               // it goes on after Release and our own end
  std::string dir;                        // it works there; empty: where we do
  bool may_dump_core = false;             // whatever our own limit says
};

// One child process, ended when this is destroyed, whatever the test came to, and by the kernel
// when the test itself dies. One thread.
class Process {
 public:
  static absl::StatusOr<Process> Spawn(const ProcessOptions& options);
  Process() = default;
  ~Process();
  Process(Process&& other) noexcept;
  Process& operator=(Process&& other) noexcept;

  pid_t pid() const { return pid_; }
  bool running();
  void Signal(int number);
  // Its exit status, or 128 + the signal that ended it; nullopt if it still runs after `timeout`.
  std::optional<int> Wait(base::Millis timeout);
  // The kernel says that it left one.
  bool dumped_core() const { return dumped_core_; }
  // SIGKILL, and waits.
  void Kill();
  // Leaves it running for good.
  void Release() { pid_ = -1; }

 private:
  void Reap(int status);

  pid_t pid_ = -1;
  std::optional<int> exit_;
  bool dumped_core_ = false;
};

// What /proc says of a running process; 0 when it is gone.
uint64_t AnonymousBytes(pid_t pid);  // RssAnon
int ThreadCount(pid_t pid);

struct CommandResult {
  int exit_status = -1;
  std::string out, err;
};
// Runs it to its end; killed after `timeout`.
CommandResult RunCommand(std::vector<std::string> arguments,
                         const std::map<std::string, std::string>& environment = {},
                         const std::string& input = {},
                         base::Millis timeout = base::Millis(120'000));

// A folder of its own under the system's temporary folder, removed when destroyed unless Keep was
// called.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::string& path() const { return path_; }
  void Keep() { keep_ = true; }

 private:
  std::string path_;
  bool keep_ = false;
};

std::string ReadWholeFile(const std::string& path);
void WriteWholeFile(const std::string& path, const std::string& content);

}  // namespace waypost::integration
