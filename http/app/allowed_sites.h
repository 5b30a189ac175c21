#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"

namespace waypost::http {

// Where browsers may call from, besides this service's own addresses.
struct Sites {
  std::vector<std::string> hosts;    // Host values besides localhost and the bound addresses
  std::vector<std::string> origins;  // of pages elsewhere: "https://app.example.org"
};

// Those that count now. Thread-safe.
class AllowedSites {
 public:
  void Set(Sites sites) {
    auto fresh = std::make_shared<const Sites>(std::move(sites));
    base::MutexLock lock(mutex_);
    sites_ = std::move(fresh);
  }
  std::shared_ptr<const Sites> now() const {
    base::MutexLock lock(mutex_);
    return sites_;
  }

 private:
  mutable base::Mutex mutex_;
  std::shared_ptr<const Sites> sites_ GUARDED_BY(mutex_) = std::make_shared<const Sites>();
};

}  // namespace waypost::http
