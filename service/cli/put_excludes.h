#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

// What of a tree `put` leaves out. Pure.
namespace waypost::service {

// What desktops and office programs leave behind in folders, and nothing else.
inline constexpr std::string_view kDefaultExcludes[] = {".DS_Store", "Thumbs.db", "desktop.ini",
                                                        "~$*"};

// Patterns with * ? and [...]. One without a slash is held against the name of each file and
// folder; one with a slash against the path below the folder that is put, where * ends at a slash.
// One that ends with a slash means folders only. A folder that is left out is so with all in it.
class Excludes {
 public:
  // kInvalidArgument: an empty one.
  static absl::StatusOr<Excludes> Of(const std::vector<std::string>& patterns, bool with_defaults);
  // `below`: the path below the folder that is put, without a slash at either end.
  bool Match(const std::string& below, bool is_folder) const;

 private:
  struct Pattern {
    std::string text;
    bool whole_path = false, folders_only = false;
  };
  std::vector<Pattern> patterns_;
};

}  // namespace waypost::service
