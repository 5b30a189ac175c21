#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"

namespace waypost::integration {

// What one peer must never say: its tokens and its key, and the invites that it made. Every answer,
// every output of a command and every log of every test is held against it. Any thread.
class Secrets {
 public:
  // Those in the files of a data folder, as they are now; older ones stay secret too.
  void LearnFolder(const std::string& dir);
  void LearnInvite(const std::string& invite);
  // Fails the running test where `said` holds one of them. `where` is for people.
  void ExpectNoneIn(std::string_view said, const std::string& where) const;

 private:
  struct Secret {
    std::string what, text;
  };
  void Learn(const std::string& what, std::string text);

  mutable base::Mutex mutex_;
  std::vector<Secret> all_ GUARDED_BY(mutex_);
};

}  // namespace waypost::integration
