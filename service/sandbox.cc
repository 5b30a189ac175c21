#include "service/sandbox.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <system_error>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"

// Two fences of the kernel, each complete without the other. Landlock says which files; its rules
// hold for what lies below a folder at the time of each access, mounts included. seccomp says which
// system calls: a list of those that a server of files never makes, not one of those that it makes,
// for the libraries below us change the latter with every version. What is refused ends the call
// with EPERM, not the process.

namespace waypost::service {
namespace {

namespace fs = std::filesystem;

#ifdef WAYPOST_SANITIZED
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

// What an access may be, as the kernel numbers it; kTruncate came with ABI 3, after the headers of
// Debian 12.
constexpr uint64_t kTruncate = uint64_t{1} << 14;
constexpr uint64_t kRead = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr uint64_t kChange = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                             LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
                             LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |
                             LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER;
// Granted nowhere: to run a program, to make devices and pipes.
constexpr uint64_t kNever = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
                            LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO;
constexpr int kOldestAbi = 2;
constexpr int kAbiOfTruncate = 3;

int LandlockAbi() {
  const long abi =
      syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return abi < kOldestAbi ? 0 : static_cast<int>(abi);
}

absl::Status Refused(const std::string& what) {
  return absl::InternalError(absl::StrCat("security.sandbox: ", what, ": ",
                                          std::generic_category().message(errno),
                                          "; security.sandbox = false starts without it"));
}

absl::Status Allow(int ruleset, const std::string& path, uint64_t rights) {
  const int folder = open(path.c_str(), O_PATH | O_CLOEXEC);
  if (folder < 0) return absl::OkStatus();  // not on this system
  const absl::Cleanup close_folder = [folder] { close(folder); };
  struct stat found {};
  if (fstat(folder, &found) != 0) return Refused(path);
  // The kernel refuses a rule on a file that has rights of folders.
  if (!S_ISDIR(found.st_mode)) {
    rights &= LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | kTruncate;
  }
  landlock_path_beneath_attr rule{};
  rule.allowed_access = rights;
  rule.parent_fd = folder;
  if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0) {
    return Refused(path);
  }
  return absl::OkStatus();
}

absl::Status FenceFiles(const SandboxPaths& paths, int abi) {
  const uint64_t change = kChange | (abi >= kAbiOfTruncate ? kTruncate : 0);
  landlock_ruleset_attr attributes{};
  attributes.handled_access_fs = kRead | change | kNever;
  const long made =
      syscall(SYS_landlock_create_ruleset, &attributes, sizeof(attributes.handled_access_fs), 0);
  if (made < 0) return Refused("landlock");
  const int ruleset = static_cast<int>(made);
  const absl::Cleanup close_ruleset = [ruleset] { close(ruleset); };
  for (const std::string& path : paths.write) {
    RETURN_IF_ERROR(Allow(ruleset, path, kRead | change));
  }
  for (const std::string& path : paths.read) RETURN_IF_ERROR(Allow(ruleset, path, kRead));
  const uint64_t devices = kRead | LANDLOCK_ACCESS_FS_WRITE_FILE;
  RETURN_IF_ERROR(Allow(ruleset, "/dev/null", devices));
  if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) return Refused("landlock");
  return absl::OkStatus();
}

// Programs, other processes, the machine itself, and ways around both fences.
constexpr auto kForbidden = std::to_array<int>({
    SCMP_SYS(execve),
    SCMP_SYS(execveat),
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(kcmp),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(bpf),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register),
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(move_mount),
    SCMP_SYS(open_tree),
    SCMP_SYS(fsopen),
    SCMP_SYS(fsmount),
    SCMP_SYS(fspick),
    SCMP_SYS(mount_setattr),
    SCMP_SYS(pivot_root),
    SCMP_SYS(chroot),
    SCMP_SYS(unshare),
    SCMP_SYS(setns),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(delete_module),
    SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load),
    SCMP_SYS(reboot),
    SCMP_SYS(swapon),
    SCMP_SYS(swapoff),
    SCMP_SYS(acct),
    SCMP_SYS(quotactl),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(keyctl),
    SCMP_SYS(setuid),
    SCMP_SYS(setgid),
    SCMP_SYS(setreuid),
    SCMP_SYS(setregid),
    SCMP_SYS(setresuid),
    SCMP_SYS(setresgid),
    SCMP_SYS(setfsuid),
    SCMP_SYS(setfsgid),
    SCMP_SYS(setgroups),
    SCMP_SYS(capset),
    SCMP_SYS(settimeofday),
    SCMP_SYS(clock_settime),
    SCMP_SYS(clock_adjtime),
    SCMP_SYS(adjtimex),
    SCMP_SYS(sethostname),
    SCMP_SYS(setdomainname),
    SCMP_SYS(syslog),
    SCMP_SYS(personality),
    SCMP_SYS(mknod),
    SCMP_SYS(mknodat),
    SCMP_SYS(iopl),
    SCMP_SYS(ioperm),
    SCMP_SYS(nfsservctl),
    SCMP_SYS(vhangup),
    SCMP_SYS(lookup_dcookie),
});

// seccomp_* of the library answer 0 or a negative errno.
absl::Status Checked(int result, const char* what) {
  if (result >= 0) return absl::OkStatus();
  errno = -result;
  return Refused(absl::StrCat("seccomp: ", what));
}

absl::Status FenceCalls() {
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
  if (filter == nullptr) return absl::InternalError("security.sandbox: no seccomp filter");
  const absl::Cleanup release = [filter] { seccomp_release(filter); };
  const auto refuse = [&](int call, std::initializer_list<scmp_arg_cmp> when) {
    return Checked(seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), call,
                                          static_cast<unsigned>(when.size()), when.begin()),
                   "rule");
  };
  for (const int call : kForbidden) RETURN_IF_ERROR(refuse(call, {}));
  // Sockets: of this machine, of the two internets, and what the system's resolver asks for routes.
  for (unsigned family = 0; family < AF_NETLINK; ++family) {
    if (family == AF_UNIX || family == AF_INET || family == AF_INET6) continue;
    RETURN_IF_ERROR(
        refuse(SCMP_SYS(socket), {{.arg = 0, .op = SCMP_CMP_EQ, .datum_a = family, .datum_b = 0}}));
  }
  RETURN_IF_ERROR(refuse(SCMP_SYS(socket),
                         {{.arg = 0, .op = SCMP_CMP_GT, .datum_a = AF_NETLINK, .datum_b = 0}}));
  // Memory is written or run, never both.
  constexpr uint64_t kBoth = PROT_WRITE | PROT_EXEC;
  for (const int call : {SCMP_SYS(mmap), SCMP_SYS(mprotect), SCMP_SYS(pkey_mprotect)}) {
    RETURN_IF_ERROR(
        refuse(call, {{.arg = 2, .op = SCMP_CMP_MASKED_EQ, .datum_a = kBoth, .datum_b = kBoth}}));
  }
  return Checked(seccomp_load(filter), "load");
}

// The folder of a path that may be a link: its own, and that of where it leads.
void AddFoldersOf(const std::string& file, std::vector<std::string>& folders) {
  std::error_code error;
  const fs::path path = fs::absolute(file, error);
  folders.push_back(path.parent_path().string());
  const fs::path target = fs::weakly_canonical(path, error);
  if (!error && target.parent_path() != path.parent_path()) {
    folders.push_back(target.parent_path().string());
  }
}

}  // namespace

SandboxPaths PathsOfService(const std::string& data_dir, const std::vector<std::string>& files) {
  SandboxPaths paths{.write = {data_dir},
                     .read = {"/etc", "/usr", "/lib", "/lib64", "/proc", "/sys", "/dev", "/run"}};
  std::error_code error;
  for (fs::directory_iterator it(data_dir, error), end; !error && it != end; it.increment(error)) {
    std::error_code unread;
    if (!it->is_symlink(unread)) continue;
    const fs::path target = fs::weakly_canonical(it->path(), unread);
    if (!unread) paths.write.push_back(target.parent_path().string());
  }
  for (const std::string& file : files) {
    if (!file.empty()) AddFoldersOf(file, paths.read);
  }
  return paths;
}

std::string Sandbox::Text() const {
  if (kSanitized) return "none: a build with sanitizers";
  if (landlock_abi == 0 && !seccomp) return "none: this kernel has neither landlock 2 nor seccomp";
  if (landlock_abi == 0) return "seccomp; no landlock 2 in this kernel";
  return absl::StrCat("landlock ", landlock_abi, seccomp ? ", seccomp" : "; no seccomp");
}

absl::StatusOr<Sandbox> EnterSandbox(const SandboxPaths& paths) {
  Sandbox sandbox;
  if (kSanitized) return sandbox;
  // Both fences ask for it: no program that is started later may gain rights.
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return Refused("no_new_privs");
  const int abi = LandlockAbi();
  if (abi > 0) RETURN_IF_ERROR(FenceFiles(paths, abi));
  sandbox.landlock_abi = abi;
  // EINVAL without a filter: the kernel was built without them; EFAULT: it looked for one.
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, nullptr) == 0 || errno != EFAULT) return sandbox;
  RETURN_IF_ERROR(FenceCalls());
  sandbox.seccomp = true;
  return sandbox;
}

}  // namespace waypost::service
