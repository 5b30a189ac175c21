#include "integration/process.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "integration/eventually.h"

// Children by fork and exec, waited for with deadlines. What one prints goes to a file, so that no
// pipe fills up; what must hold: unless it is told to outlive us, none outlives the test, also
// where that is killed.

extern char** environ;

namespace waypost::integration {
namespace {

// A number of /proc/PID/status.
uint64_t StatusField(pid_t pid, const std::string& name) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.compare(0, name.size() + 1, name + ":") == 0) {
      return std::strtoull(line.c_str() + name.size() + 1, nullptr, 10);
    }
  }
  return 0;
}

std::vector<std::string> MergedEnvironment(const std::map<std::string, std::string>& changes) {
  std::vector<std::string> merged;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (changes.count(text.substr(0, text.find('='))) == 0) merged.push_back(text);
  }
  for (const auto& change : changes) {
    if (!change.second.empty()) merged.push_back(absl::StrCat(change.first, "=", change.second));
  }
  return merged;
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// In the child, between fork and exec: only what is safe there.
[[noreturn]] void BecomeProgram(const ProcessOptions& options, char* const* arguments,
                                char* const* environment) {
  if (options.outlives_us) {
    setsid();
  } else {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
  }
  const int in = open(options.stdin_path.c_str(), O_RDONLY);
  const int out = open(options.stdout_path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  const int err = open(options.stderr_path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (in < 0 || out < 0 || err < 0) _exit(127);
  dup2(in, 0);
  dup2(out, 1);
  dup2(err, 2);
  for (int fd = 3; fd < 256; ++fd) close(fd);
  if (options.file_size_max_bytes != 0) {
    const rlimit limit{options.file_size_max_bytes, options.file_size_max_bytes};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  if (options.may_dump_core) {
    const rlimit limit{RLIM_INFINITY, RLIM_INFINITY};
    setrlimit(RLIMIT_CORE, &limit);
  }
  if (!options.dir.empty() && chdir(options.dir.c_str()) != 0) _exit(127);
  execve(arguments[0], arguments, environment);
  _exit(127);
}

}  // namespace

absl::StatusOr<Process> Process::Spawn(const ProcessOptions& options) {
  std::vector<std::string> arguments = options.arguments;
  std::vector<std::string> environment = MergedEnvironment(options.environment);
  const std::vector<char*> argument_pointers = Pointers(arguments);
  const std::vector<char*> environment_pointers = Pointers(environment);
  const pid_t pid = fork();
  if (pid < 0) return base::ErrnoStatus(errno, "fork");
  if (pid == 0) BecomeProgram(options, argument_pointers.data(), environment_pointers.data());
  Process process;
  process.pid_ = pid;
  return process;
}

Process::~Process() { Kill(); }

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      exit_(std::exchange(other.exit_, std::nullopt)),
      dumped_core_(other.dumped_core_) {}

Process& Process::operator=(Process&& other) noexcept {
  if (this != &other) {
    Kill();
    pid_ = std::exchange(other.pid_, -1);
    exit_ = std::exchange(other.exit_, std::nullopt);
    dumped_core_ = other.dumped_core_;
  }
  return *this;
}

void Process::Reap(int status) {
  dumped_core_ = WIFSIGNALED(status) && WCOREDUMP(status);
  exit_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool Process::running() { return pid_ > 0 && !Wait(base::Millis(0)).has_value(); }

void Process::Signal(int number) {
  if (running()) kill(pid_, number);
}

std::optional<int> Process::Wait(base::Millis timeout) {
  if (pid_ < 0) return exit_;
  Eventually(
      [this] {
        int status = 0;
        if (!exit_ && waitpid(pid_, &status, WNOHANG) == pid_) Reap(status);
        return exit_.has_value();
      },
      timeout);
  return exit_;
}

void Process::Kill() {
  if (!running()) return;
  kill(pid_, SIGKILL);
  int status = 0;
  if (waitpid(pid_, &status, 0) == pid_) Reap(status);
}

uint64_t AnonymousBytes(pid_t pid) { return StatusField(pid, "RssAnon") * 1024; }
int ThreadCount(pid_t pid) { return static_cast<int>(StatusField(pid, "Threads")); }

CommandResult RunCommand(std::vector<std::string> arguments,
                         const std::map<std::string, std::string>& environment,
                         const std::string& input, base::Millis timeout) {
  const TempDir dir;
  ProcessOptions options{.arguments = std::move(arguments), .environment = environment};
  options.stdout_path = dir.path() + "/out";
  options.stderr_path = dir.path() + "/err";
  if (!input.empty()) {
    options.stdin_path = dir.path() + "/in";
    WriteWholeFile(options.stdin_path, input);
  }
  CommandResult result;
  auto process = Process::Spawn(options);
  if (!process.ok()) {
    result.err = process.status().ToString();
    return result;
  }
  result.exit_status = process->Wait(timeout).value_or(-1);
  process->Kill();
  result.out = ReadWholeFile(options.stdout_path);
  result.err = ReadWholeFile(options.stderr_path);
  return result;
}

TempDir::TempDir() {
  std::string name = (std::filesystem::temp_directory_path() / "waypost-XXXXXX").string();
  CHECK(mkdtemp(name.data()) != nullptr);
  path_ = name;
}

TempDir::~TempDir() {
  std::error_code ignored;
  if (!keep_) std::filesystem::remove_all(path_, ignored);
}

std::string ReadWholeFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void WriteWholeFile(const std::string& path, const std::string& content) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(content.data(), static_cast<std::streamsize>(content.size()));
  CHECK(file.good());
}

}  // namespace waypost::integration
