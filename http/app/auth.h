#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "http/message/message.h"
#include "http/message/router.h"

namespace waypost::http {

// The two secrets of the app API.
struct Tokens {
  std::string api;
  std::string read;  // empty: there is none
};

// Who may use the app API, and from where. Thread-safe.
class Auth {
 public:
  struct Options {
    Tokens tokens;
    std::vector<std::string> allowed_hosts;
    std::function<std::vector<std::string>()> bound_hosts;
  };
  explicit Auth(Options options)
      : options_(std::move(options)), tokens_(std::make_shared<const Tokens>(options_.tokens)) {}
  // From now on these are asked for, and those of before are no good.
  void SetTokens(Tokens tokens);

  // The answer that refuses the request, or nothing. 403, also for what anybody may ask: a Host
  // that is not ours (a name that some page let point here), or an Origin other than the Host (a
  // page of someone else's in a browser); 401: no or a wrong token; 403: the read token for more
  // than reading.
  std::optional<Response> Check(const Request& request, Right right) const;

 private:
  std::optional<Response> CheckOrigin(const Request& request) const;
  bool HostAllowed(std::string_view host) const;
  const Options options_;
  mutable base::Mutex mutex_;
  std::shared_ptr<const Tokens> tokens_ GUARDED_BY(mutex_);
};

// The host of "host", "host:port", "[v6]" or "[v6]:port", in lower case, brackets kept; empty when
// malformed.
std::string HostOf(std::string_view authority);

}  // namespace waypost::http
