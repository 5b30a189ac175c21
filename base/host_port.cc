#include "base/host_port.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"

// The one grammar of an address with a port, for settings, for what peers publish and for sockets:
// what one of them takes the others understand alike.
namespace waypost::base {
namespace {

absl::Status BadHostPort(std::string_view text) {
  return absl::InvalidArgumentError(
      absl::StrCat("\"", Abs(text),
                   "\" is no address with a port; write 127.0.0.1:7440, [::1]:7440 or name:7440"));
}

bool IsHostName(std::string_view host) {
  if (host.empty() || host.size() > 253 || host.front() == '-' || host.front() == '.') return false;
  return std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
  });
}

}  // namespace

std::string NumericAddress(const std::string& address) {
  std::array<char, 16> bytes{};
  if (inet_pton(AF_INET, address.c_str(), bytes.data()) == 1) return {bytes.data(), 4};
  if (inet_pton(AF_INET6, address.c_str(), bytes.data()) == 1) return {bytes.data(), 16};
  return {};
}

std::string NetworkOf(const std::string& address) {
  static constexpr std::string_view kMapped("\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
  constexpr std::size_t kNetworkBytes = 8;
  const std::string bytes = NumericAddress(address);
  if (bytes.size() != 16) return bytes.empty() ? address : bytes;
  if (bytes.starts_with(kMapped)) return bytes.substr(kMapped.size());
  return bytes.substr(0, kNetworkBytes);
}

std::string HostPort::ToString() const {
  if (host.find(':') != std::string::npos) return absl::StrCat("[", host, "]:", port);
  return absl::StrCat(host, ":", port);
}

absl::StatusOr<HostPort> ParseHostPort(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return BadHostPort(text);
  std::string_view host = text.substr(0, colon);
  const std::string_view port_text = text.substr(colon + 1);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    if (NumericAddress(std::string(host)).size() != 16) return BadHostPort(text);
  } else if (!IsHostName(host)) {
    return BadHostPort(text);
  }
  uint32_t port = 0;
  if (port_text.empty() || port_text.size() > 5 ||
      port_text.find_first_not_of("0123456789") != std::string_view::npos ||
      !absl::SimpleAtoi(Abs(port_text), &port) || port > 65535) {
    return BadHostPort(text);
  }
  return HostPort{.host = std::string(host), .port = static_cast<uint16_t>(port)};
}

bool IsLoopback(const std::string& address) {
  std::string bytes = NumericAddress(address);
  if (bytes.size() == 16) {
    if (bytes == std::string(15, '\0') + '\1') return true;
    if (bytes.compare(0, 12, std::string(10, '\0') + "\xff\xff") != 0) return false;
    bytes.erase(0, 12);
  }
  return !bytes.empty() && bytes[0] == 127;
}

}  // namespace waypost::base
