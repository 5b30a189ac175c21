#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "http/message/message.h"

namespace waypost::http {

// What If-Match and If-None-Match of a request ask of the resource that it changes (RFC 9110,
// 13.1). Pure.
class Condition {
 public:
  // kInvalidArgument: a list that is none. One that nobody understands must not pass for met.
  static absl::StatusOr<Condition> Of(const Request& request);

  // Whether anything is asked at all.
  bool any() const { return if_match_.has_value() || if_none_match_.has_value(); }
  // `etag`: of what is there now, with its quotes; nullopt: nothing is there.
  bool Holds(const std::optional<std::string>& etag) const;

 private:
  std::optional<std::string> if_match_, if_none_match_;
};

}  // namespace waypost::http
