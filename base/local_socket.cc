#include "base/local_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

// Unix sockets by path. Data folders lie deep in the trees of NAS systems and test runners, where
// the short path that the kernel takes does not reach.

namespace waypost::base {

absl::StatusOr<LocalSocketAddress> LocalSocketAddress::Of(const std::string& path) {
  LocalSocketAddress made;
  made.address_.sun_family = AF_UNIX;
  std::string reached = path;
  if (path.size() >= sizeof(made.address_.sun_path)) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) return absl::InvalidArgumentError(path + " is too long");
    made.folder_ = ::open(path.substr(0, slash + 1).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (made.folder_ < 0) return ErrnoStatus(errno, path.substr(0, slash));
    reached = absl::StrCat("/proc/self/fd/", made.folder_, path.substr(slash));
  }
  if (reached.size() >= sizeof(made.address_.sun_path)) {
    return absl::InvalidArgumentError(path + ": the name of a socket is too long");
  }
  std::memcpy(made.address_.sun_path, reached.data(), reached.size());
  return made;
}

LocalSocketAddress::LocalSocketAddress(LocalSocketAddress&& other) noexcept
    : address_(other.address_), folder_(std::exchange(other.folder_, -1)) {}

LocalSocketAddress::~LocalSocketAddress() {
  if (folder_ >= 0) ::close(folder_);
}

uid_t UserAtOtherEnd(int fd) {
  ucred who{};
  socklen_t size = sizeof(who);
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) return kNoUser;
  return who.uid;
}

}  // namespace waypost::base
