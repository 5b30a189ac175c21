#include "http/client/dial_rules.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/host_port.h"
#include "base/status.h"

// Which addresses may be dialled, judged on the binary address that connect() will get, after name
// resolution: a name that resolves to loopback is loopback. IPv4 addresses inside IPv6 ones are
// judged as what they stand for.

namespace waypost::http {
namespace {

bool Within(const std::string& address, const AddressRange& range) {
  if (address.size() != range.bytes.size()) return false;
  for (unsigned bit = 0; bit < range.bits; ++bit) {
    const auto mask = static_cast<unsigned char>(0x80u >> (bit % 8));
    if (((address[bit / 8] ^ range.bytes[bit / 8]) & mask) != 0) return false;
  }
  return true;
}

struct Refused {
  const char* range;
  const char* what;
};
// RFC 6890 and what the large clouds answer on.
constexpr Refused kNowhere[] = {
    {"0.0.0.0/8", "unspecified"}, {"224.0.0.0/4", "multicast"}, {"240.0.0.0/4", "reserved"},
    {"::/128", "unspecified"},    {"ff00::/8", "multicast"},
};
constexpr Refused kNotForPeers[] = {
    {"127.0.0.0/8", "loopback"},
    {"169.254.0.0/16", "link-local"},
    {"100.100.100.200/32", "metadata"},
    {"192.0.0.192/32", "metadata"},
    {"::1/128", "loopback"},
    {"fe80::/10", "link-local"},
    {"fd00:ec2::254/128", "metadata"},
};

// The IPv4 address that an IPv6 one stands for; empty: none.
std::string Embedded(const std::string& v6) {
  static const std::string kMapped("\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
  static const std::string kNat64("\0\x64\xff\x9b\0\0\0\0\0\0\0\0", 12);
  static const std::string kZeros(12, '\0');
  const std::string head = v6.substr(0, 12);
  const bool small = v6.compare(12, 3, std::string(3, '\0')) == 0;  // ::, ::1
  if (head == kMapped || head == kNat64 || (head == kZeros && !small)) return v6.substr(12);
  if (v6.compare(0, 2, "\x20\x02") == 0) return v6.substr(2, 4);  // 6to4
  return {};
}

template <std::size_t kCount>
const char* Find(const Refused (&refused)[kCount], const std::string& address) {
  for (const Refused& one : refused) {
    if (Within(address, *ParseAddressRange(one.range))) return one.what;
  }
  return nullptr;
}

}  // namespace

absl::StatusOr<AddressRange> ParseAddressRange(std::string_view text) {
  const std::size_t slash = text.find('/');
  AddressRange range{.bytes = base::NumericAddress(std::string(text.substr(0, slash)))};
  uint32_t bits = 0;
  if (slash == std::string_view::npos || range.bytes.empty() || text.size() - slash > 4 ||
      text.find_first_not_of("0123456789", slash + 1) != std::string_view::npos ||
      !absl::SimpleAtoi(base::Abs(text.substr(slash + 1)), &bits) ||
      bits > range.bytes.size() * 8) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", base::Abs(text), "\" is no range; write 127.0.0.0/8 or fd00::/8"));
  }
  range.bits = bits;
  return range;
}

DialRules DialRules::Anywhere() {
  DialRules rules;
  rules.anywhere_ = true;
  return rules;
}

DialRules DialRules::ForPeers(std::vector<AddressRange> allowed) {
  DialRules rules;
  rules.allowed_ = std::move(allowed);
  return rules;
}

std::string DialRules::WhyNot(const sockaddr& address) const {
  std::string bytes;
  bool port = false;
  if (address.sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &address, sizeof(v4));
    port = v4.sin_port != 0;
    bytes.assign(reinterpret_cast<const char*>(&v4.sin_addr), 4);
  } else if (address.sa_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &address, sizeof(v6));
    port = v6.sin6_port != 0;
    bytes.assign(reinterpret_cast<const char*>(&v6.sin6_addr), 16);
    if (std::string v4 = Embedded(bytes); !v4.empty()) bytes = std::move(v4);
  }
  if (bytes.empty()) return "no internet address";
  if (!port) return "its port is 0";
  if (const char* what = Find(kNowhere, bytes)) return absl::StrCat("a ", what, " address");
  if (anywhere_) return {};
  const char* what = Find(kNotForPeers, bytes);
  if (what == nullptr) return {};
  const bool allowed = std::any_of(allowed_.begin(), allowed_.end(),
                                   [&](const AddressRange& range) { return Within(bytes, range); });
  if (allowed) return {};
  return absl::StrCat("a ", what,
                      " address, which is dialled only if peer.allow_cidr names its range");
}

}  // namespace waypost::http
