#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

struct sockaddr;

namespace waypost::http {

// A range of numeric addresses, "127.0.0.0/8" or "fd00::/8".
struct AddressRange {
  std::string bytes;  // 4 or 16
  unsigned bits = 0;
};
// kInvalidArgument says what is wanted.
absl::StatusOr<AddressRange> ParseAddressRange(std::string_view text);

// Which addresses may be dialled. Where a peer is to be found is that peer's own word, and must not
// make us knock at doors that it cannot reach itself: ours, those of our link, a cloud's metadata.
class DialRules {
 public:
  // Everything but a port of 0 and unspecified, multicast and broadcast addresses.
  static DialRules Anywhere();
  // Global and private addresses, and what `allowed` names.
  static DialRules ForPeers(std::vector<AddressRange> allowed);

  // Empty: it may be dialled. Otherwise why not, for people. An IPv4 address inside an IPv6 one
  // (mapped, compatible, NAT64, 6to4) is judged as what it is.
  std::string WhyNot(const sockaddr& address) const;

 private:
  bool anywhere_ = false;
  std::vector<AddressRange> allowed_;
};

}  // namespace waypost::http
