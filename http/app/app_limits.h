#pragma once

#include <cstdint>

#include "base/time.h"

namespace waypost::http {

// What apps may make this peer keep for them. Data.
struct AppLimits {
  uint64_t tokens = 1'000;  // named ones
  // Of the audit; the oldest rows go, a few with each new one.
  uint64_t audit_rows = 100'000;
  base::Millis audit_age{int64_t{90} * 24 * 3600 * 1000};
};

}  // namespace waypost::http
