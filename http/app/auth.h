#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/attempt_limiter.h"
#include "base/clock.h"
#include "base/log_bound.h"
#include "base/metrics.h"
#include "http/app/allowed_sites.h"
#include "http/app/token_store.h"
#include "http/message/message.h"
#include "http/message/router.h"

namespace waypost::http {

// Who may use the app API, and from where. Thread-safe.
class Auth {
 public:
  // Wrong tokens of one address (IPv6: of one /64) within a minute that are answered at once; each
  // further one is held back for kHeldBack, and of those only so many at a time for everybody: what
  // is beyond hears 429. A right token never waits, whatever its address did.
  static constexpr std::size_t kWrongAtOnce = 10;
  static constexpr base::Millis kWrongWithin{60'000};
  static constexpr base::Millis kHeldBack{1'000};
  static constexpr std::size_t kHeldBackMax = 64;

  struct Options {
    const TokenStore& tokens;  // outlives it
    const base::Clock& clock;
    base::Metrics& metrics;
    const AllowedSites& sites;  // outlives it
    std::function<std::vector<std::string>()> bound_hosts;
  };
  explicit Auth(Options options)
      : options_(std::move(options)),
        wrong_(options_.metrics.AddCounter("waypost_wrong_tokens_total",
                                           "Calls of the app API with a token that is none")) {}

  // The answer that refuses the request, or nothing. 403, also for what anybody may ask: a Host
  // that is not ours (a name that some page let point here), or an Origin other than the Host and
  // those that are allowed (a page of someone else's in a browser); 401: no or a wrong token; 403:
  // a token for less. Who comes as the owner of the data folder, who could read its tokens, needs
  // none. Else it notes in the request who asks.
  std::optional<Response> Check(Request& request, Right right) const;
  // The answer to a browser that asks whether a page of an allowed origin may call; it sends no
  // token with that.
  std::optional<Response> Preflight(const Request& request) const;
  // What lets such a page read `response`, now and when it comes later.
  void LetRead(const Request& request, Response& response) const;

 private:
  std::optional<Response> CheckOrigin(const Request& request) const;
  bool HostAllowed(std::string_view host) const;
  // The request's Origin, if it is one of those that are allowed.
  std::optional<std::string> AllowedOrigin(const Request& request) const;
  Response Wrong(const Request& request) const;
  const Options options_;
  const base::Counter wrong_;
  mutable base::AttemptLimiter limiter_{kWrongAtOnce, kWrongWithin};
  mutable base::LogBound log_;
  // Answers that are held back now.
  const std::shared_ptr<std::atomic<std::size_t>> held_back_ =
      std::make_shared<std::atomic<std::size_t>>(0);
};

// The token of "Authorization: Bearer <token>"; empty for anything else.
std::string_view BearerOf(const Request& request);

// The host of "host", "host:port", "[v6]" or "[v6]:port", in lower case, brackets kept; empty when
// malformed.
std::string HostOf(std::string_view authority);

}  // namespace waypost::http
