#include "service/addresses.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/status.h"
#include "http/client/dial_rules.h"

// Addresses in settings: what may be listened on, dialled and advertised. Only text and bind() are
// looked at here; no name is resolved.

namespace waypost::service {
namespace {

using base::Abs;

// A socket address of a numeric host; its length, 0 when it is none.
socklen_t SocketAddress(const std::string& host, uint16_t port, sockaddr_storage& storage) {
  storage = {};
  const std::string bytes = base::NumericAddress(host);
  if (bytes.size() == 4) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    std::memcpy(&v4->sin_addr, bytes.data(), 4);
    return sizeof(sockaddr_in);
  }
  if (bytes.size() == 16) {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    std::memcpy(&v6->sin6_addr, bytes.data(), 16);
    return sizeof(sockaddr_in6);
  }
  return 0;
}

// True when a listener could bind there now.
bool CanBind(const std::string& host, uint16_t port) {
  sockaddr_storage storage;
  const socklen_t length = SocketAddress(host, port, storage);
  if (length == 0) return false;
  const int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const absl::Cleanup closer = [fd] { close(fd); };
  return bind(fd, reinterpret_cast<const sockaddr*>(&storage), length) == 0;
}

}  // namespace

absl::Status CheckListenAddress(std::string_view text) {
  base::HostPort parsed;
  ASSIGN_OR_RETURN(parsed, base::ParseHostPort(text));
  if (base::NumericAddress(parsed.host).empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", Abs(text), "\": a numeric address is wanted, as in 127.0.0.1:7440"));
  }
  return absl::OkStatus();
}

absl::Status CheckAdvertisedAddress(std::string_view text) {
  base::HostPort parsed;
  ASSIGN_OR_RETURN(parsed, base::ParseHostPort(text));
  if (parsed.port == 0 || IsWildcard(parsed.host)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", Abs(text), "\": others must be able to connect to it"));
  }
  return absl::OkStatus();
}

absl::Status CheckCidr(std::string_view text) { return http::ParseAddressRange(text).status(); }

bool IsWildcard(const std::string& host) {
  const std::string bytes = base::NumericAddress(host);
  return !bytes.empty() && bytes.find_first_not_of('\0') == std::string::npos;
}

bool IsAdvertisable(const std::string& address) {
  const std::string bytes = base::NumericAddress(address);
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  if (bytes.empty() || IsWildcard(address)) return false;
  if (bytes.size() == 4) {
    const bool link_local = at(0) == 169 && at(1) == 254;
    return at(0) != 0 && at(0) != 127 && at(0) < 224 && !link_local;
  }
  if (at(0) == 0xff) return false;                            // multicast
  if (at(0) == 0xfe && (at(1) & 0xc0) == 0x80) return false;  // link-local
  // Global (2000::/3) or unique local (fc00::/7).
  return (at(0) & 0xe0) == 0x20 || (at(0) & 0xfe) == 0xfc;
}

std::vector<std::string> AddressesToAdvertise(const std::vector<std::string>& configured,
                                              const base::HostPort& bound,
                                              const std::vector<std::string>& interfaces,
                                              std::size_t addresses_max) {
  if (!configured.empty()) return configured;
  if (!IsWildcard(bound.host)) return {bound.ToString()};
  const bool any_family = bound.host.find(':') != std::string::npos;
  std::vector<std::string> v4, v6;
  for (const std::string& address : interfaces) {
    const bool is_v6 = address.find(':') != std::string::npos;
    if (!IsAdvertisable(address) || (is_v6 && !any_family)) continue;
    std::string told = base::HostPort{.host = address, .port = bound.port}.ToString();
    std::vector<std::string>& family = is_v6 ? v6 : v4;
    if (std::find(family.begin(), family.end(), told) == family.end()) {
      family.push_back(std::move(told));
    }
  }
  // Who has more than others take has bridges of containers, and temporary IPv6 addresses: the
  // interfaces that lead out come before these.
  std::vector<std::string> addresses = std::move(v4);
  addresses.insert(addresses.end(), v6.begin(), v6.end());
  addresses.resize(std::min(addresses.size(), addresses_max));
  std::sort(addresses.begin(), addresses.end());
  return addresses;
}

std::vector<std::string> InterfaceAddresses() {
  std::vector<std::string> addresses;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return addresses;
  const absl::Cleanup freer = [list] { freeifaddrs(list); };
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr || (entry->ifa_flags & IFF_UP) == 0) continue;
    std::array<char, INET6_ADDRSTRLEN> text{};
    const void* address = nullptr;
    if (entry->ifa_addr->sa_family == AF_INET) {
      address = &reinterpret_cast<const sockaddr_in*>(entry->ifa_addr)->sin_addr;
    } else if (entry->ifa_addr->sa_family == AF_INET6) {
      address = &reinterpret_cast<const sockaddr_in6*>(entry->ifa_addr)->sin6_addr;
    } else {
      continue;
    }
    if (inet_ntop(entry->ifa_addr->sa_family, address, text.data(), text.size()) != nullptr) {
      addresses.emplace_back(text.data());
    }
  }
  return addresses;
}

AdvertisedAddresses::AdvertisedAddresses(const base::Clock& clock,
                                         std::vector<std::string> configured, base::HostPort bound,
                                         std::function<std::vector<std::string>()> interfaces,
                                         std::size_t addresses_max)
    : clock_(clock),
      configured_(std::move(configured)),
      bound_(std::move(bound)),
      interfaces_(std::move(interfaces)),
      addresses_max_(addresses_max) {}

std::vector<std::string> AdvertisedAddresses::Get() {
  const base::SteadyTime now = clock_.SteadyNow();
  {
    base::MutexLock lock(mutex_);
    if (looked_ && now - *looked_ < kLookedAtEvery) return current_;
  }
  std::vector<std::string> fresh =
      AddressesToAdvertise(configured_, bound_, interfaces_(), addresses_max_);
  base::MutexLock lock(mutex_);
  looked_ = now;
  current_ = std::move(fresh);
  return current_;
}

absl::StatusOr<uint16_t> PickFreePort(const std::string& host) {
  // Linux hands out 32768 and up to connections; a kept port from there could be taken meanwhile.
  constexpr uint16_t kLow = 10'240, kHigh = 32'000;
  constexpr int kTries = 200;
  base::SystemRandom random;
  for (int i = 0; i < kTries; ++i) {
    const uint16_t port = static_cast<uint16_t>(kLow + random.Next() % (kHigh - kLow));
    if (CanBind(host, port)) return port;
  }
  return absl::UnavailableError(absl::StrCat("no free port found on ", host, "; set one"));
}

}  // namespace waypost::service
