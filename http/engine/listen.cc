#include "http/engine/listen.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/host_port.h"
#include "base/local_socket.h"
#include "base/status.h"
#include "http/message/text.h"

// Opens the listening socket. An address that is taken is an error that says so, and port 0 becomes
// the port that the kernel chose. A Unix socket is for its owner alone before anybody can connect.

namespace waypost::http {
namespace {

// As many as the kernel allows by default; a burst of clients waits instead of being refused.
constexpr int kBacklog = 4096;

std::string AddressOf(int fd) {
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) return "";
  char host[NI_MAXHOST], port[NI_MAXSERV];
  if (::getnameinfo(reinterpret_cast<sockaddr*>(&address), length, host, sizeof(host), port,
                    sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return "";
  }
  return base::HostPort{.host = host, .port = static_cast<uint16_t>(*ParseDecimal(port))}
      .ToString();
}

absl::Status CannotListen(const std::string& address, const std::string& instead) {
  char buffer[128];
  return absl::UnavailableError(absl::StrCat("cannot listen on ", address, ": ",
                                             strerror_r(errno, buffer, sizeof(buffer)), "; ",
                                             instead));
}

absl::StatusOr<Listening> ListenAtPath(const std::string& path, const std::string& setting) {
  ASSIGN_OR_RETURN(const auto where, base::LocalSocketAddress::Of(path));
  struct stat there {};
  if (::lstat(path.c_str(), &there) == 0) {
    if (!S_ISSOCK(there.st_mode)) {
      return absl::UnavailableError(
          absl::StrCat(path, " is in the way: it is no socket; remove it, or change ", setting));
    }
    ::unlink(path.c_str());
  }
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return base::ErrnoStatus(errno, "socket");
  auto closer = absl::MakeCleanup([fd] { ::close(fd); });
  // Nobody can connect before listen().
  if (::bind(fd, where.get(), where.size()) != 0 || ::chmod(path.c_str(), 0600) != 0 ||
      ::listen(fd, kBacklog) != 0) {
    const absl::Status why = CannotListen(path, absl::StrCat("see ", setting));
    ::unlink(path.c_str());  // who finds one would call here
    return why;
  }
  std::move(closer).Cancel();
  return Listening{.fd = fd, .bound_address = path};
}

}  // namespace

bool IsSocketPath(const std::string& address) { return !address.empty() && address[0] == '/'; }

absl::StatusOr<Listening> Listen(const std::string& address, const std::string& setting) {
  if (IsSocketPath(address)) return ListenAtPath(address, setting);
  auto where = base::ParseHostPort(address);
  if (!where.ok()) return base::Annotate(where.status(), setting);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  if (where->host != "localhost") hints.ai_flags |= AI_NUMERICHOST;
  addrinfo* found = nullptr;
  const int failed =
      ::getaddrinfo(where->host.c_str(), std::to_string(where->port).c_str(), &hints, &found);
  if (failed != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(setting, ": \"", where->host, "\" is not a numeric address of this machine"));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, ::freeaddrinfo);
  const int fd = ::socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return base::ErrnoStatus(errno, "socket");
  auto closer = absl::MakeCleanup([fd] { ::close(fd); });
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (::bind(fd, found->ai_addr, found->ai_addrlen) != 0 || ::listen(fd, kBacklog) != 0) {
    return CannotListen(address, absl::StrCat("change ", setting, " or end what uses the address"));
  }
  std::move(closer).Cancel();
  return Listening{.fd = fd, .bound_address = AddressOf(fd)};
}

}  // namespace waypost::http
