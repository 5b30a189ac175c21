#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/host_port.h"
#include "base/mutex.h"
#include "syncgroup/protocol/types.h"

// Checks of configured addresses, and those that a peer tells others to use.
namespace waypost::service {

// A numeric address and a port, 0 included.
absl::Status CheckListenAddress(std::string_view text);
// An address or DNS name, and a port from 1.
absl::Status CheckAdvertisedAddress(std::string_view text);
// "127.0.0.0/8", "fd00::/8".
absl::Status CheckCidr(std::string_view text);

// True for "0.0.0.0" and "::".
bool IsWildcard(const std::string& host);
// True for a global or private address: one that others can be told. Not for loopback, link-local,
// multicast, unspecified.
bool IsAdvertisable(const std::string& address);

// What this peer tells others. Pure: `interfaces` are the numeric addresses of those that are up,
// in the order of the system: of more than `addresses_max` IPv4 and then the first ones are kept.
std::vector<std::string> AddressesToAdvertise(const std::vector<std::string>& configured,
                                              const base::HostPort& bound,
                                              const std::vector<std::string>& interfaces,
                                              std::size_t addresses_max = syncgroup::kAddressesMax);
// As the operating system says now.
std::vector<std::string> InterfaceAddresses();

// Looks at the interfaces once a minute at most. Thread-safe.
class AdvertisedAddresses {
 public:
  static constexpr base::Millis kLookedAtEvery{60'000};

  AdvertisedAddresses(const base::Clock& clock, std::vector<std::string> configured,
                      base::HostPort bound,
                      std::function<std::vector<std::string>()> interfaces = InterfaceAddresses,
                      std::size_t addresses_max = syncgroup::kAddressesMax);
  std::vector<std::string> Get();

 private:
  const base::Clock& clock_;
  const std::vector<std::string> configured_;
  const base::HostPort bound_;
  const std::function<std::vector<std::string>()> interfaces_;
  const std::size_t addresses_max_;
  base::Mutex mutex_;
  std::vector<std::string> current_ GUARDED_BY(mutex_);
  std::optional<base::SteadyTime> looked_ GUARDED_BY(mutex_);
};

// A port of `host` that nobody listens on now, outside the range from which the system takes ports
// for outgoing connections, so that it is still free at the next start.
absl::StatusOr<uint16_t> PickFreePort(const std::string& host);

}  // namespace waypost::service
