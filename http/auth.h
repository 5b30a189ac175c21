#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"

namespace waypost::http {

// Who may use the app API, and from where. Thread-safe; constant after construction.
class Auth {
 public:
  struct Options {
    std::string api_token;
    std::string read_token;  // empty: there is none
    std::vector<std::string> allowed_hosts;
    std::function<std::vector<std::string>()> bound_hosts;
  };
  explicit Auth(Options options) : options_(std::move(options)) {}

  // The answer that refuses the request, or nothing. 403: a Host that is not ours (a name that some
  // page let point here), or an Origin other than the Host (a page of someone else's in a browser);
  // 401: no or a wrong token; 403: the read token for more than reading.
  std::optional<Response> Check(const Request& request) const;

  // Of /healthz and /readyz: Host and Origin only.
  std::optional<Response> CheckOrigin(const Request& request) const;

 private:
  bool HostAllowed(std::string_view host) const;
  const Options options_;
};

// The host of "host", "host:port", "[v6]" or "[v6]:port", in lower case, brackets kept; empty when
// malformed.
std::string HostOf(std::string_view authority);

}  // namespace waypost::http
