#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <string>

#include "absl/status/statusor.h"

namespace waypost::base {

// The address of a Unix socket at any path, for bind and connect: what the kernel takes is short
// (108 bytes), so a longer path goes through a descriptor of its folder in /proc, which must be
// mounted then. Good for as long as this object lives. One thread.
class LocalSocketAddress {
 public:
  // `path`: absolute. kInvalidArgument: its last part alone is too long; else what open says of its
  // folder, kNotFound among it.
  static absl::StatusOr<LocalSocketAddress> Of(const std::string& path);
  ~LocalSocketAddress();
  LocalSocketAddress(LocalSocketAddress&& other) noexcept;
  LocalSocketAddress& operator=(LocalSocketAddress&&) = delete;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address_); }
  socklen_t size() const { return sizeof(address_); }

 private:
  LocalSocketAddress() = default;
  sockaddr_un address_{};
  int folder_ = -1;
};

// The user at the other end of a connected Unix socket, as the kernel noted it when the connection
// was made; kNoUser where it cannot be known.
inline constexpr uid_t kNoUser = static_cast<uid_t>(-1);
uid_t UserAtOtherEnd(int fd);

}  // namespace waypost::base
