#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace waypost::service {

// Absolute paths; what is not there is left out.
struct SandboxPaths {
  // Everything below may be read, written, made, renamed and removed.
  std::vector<std::string> write;
  // Everything below may be read.
  std::vector<std::string> read;
};

// What a service that keeps its files in `data_dir` needs, and what the system's libraries read
// (names, certificates, time zones). `files` are read now and again after they were replaced, a
// renamed one too: what counts is their folder, and where they are links, that of their target.
// A link in the data folder leads to another disk: the parent of its target counts, for a rule on
// the target itself would deny what is mounted over it later.
SandboxPaths PathsOfService(const std::string& data_dir, const std::vector<std::string>& files);

// What this process gave up.
struct Sandbox {
  int landlock_abi = 0;  // 0: the kernel has none, or one that is too old
  bool seccomp = false;
  // "landlock 7, seccomp", or "none" and why.
  std::string Text() const;
};

// Gives up, for this thread and all that it starts later, whatever a service never needs: files
// elsewhere (Landlock from its ABI 2 on; ABI 1 forbids renames between folders), programs, other
// processes, mounts, modules, keys of the kernel, raw sockets, memory that is written and run
// (seccomp). What the kernel does not have is left out, and said by Text. There is no way back.
// Call it before the first thread. An error: the kernel has it and refused; nothing may run then.
// In sanitizer builds it does nothing: their runtimes need more than the service does.
absl::StatusOr<Sandbox> EnterSandbox(const SandboxPaths& paths);

}  // namespace waypost::service
