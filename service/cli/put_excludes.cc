#include "service/cli/put_excludes.h"

#include <fnmatch.h>

#include <utility>

#include "base/status.h"
#include "service/cli/client.h"

// The shell's own patterns, by fnmatch: whoever knows `ls *.tmp` knows these. Letters count as they
// are, so that what one peer leaves out another does as well.

namespace waypost::service {

absl::StatusOr<Excludes> Excludes::Of(const std::vector<std::string>& patterns,
                                      bool with_defaults) {
  std::vector<std::string> all = patterns;
  if (with_defaults)
    all.insert(all.end(), std::begin(kDefaultExcludes), std::end(kDefaultExcludes));
  Excludes excludes;
  for (std::string& text : all) {
    Pattern pattern;
    if (!text.empty() && text.back() == '/') {
      pattern.folders_only = true;
      text.pop_back();
    }
    pattern.whole_path = text.find('/') != std::string::npos;
    if (!text.empty() && text.front() == '/') text.erase(0, 1);
    if (text.empty()) return UsageError("--exclude: an empty pattern");
    pattern.text = std::move(text);
    excludes.patterns_.push_back(std::move(pattern));
  }
  return excludes;
}

bool Excludes::Match(const std::string& below, bool is_folder) const {
  const std::string name = below.substr(below.rfind('/') + 1);
  for (const Pattern& pattern : patterns_) {
    if (pattern.folders_only && !is_folder) continue;
    const std::string& text = pattern.whole_path ? below : name;
    if (fnmatch(pattern.text.c_str(), text.c_str(), FNM_PATHNAME) == 0) return true;
  }
  return false;
}

}  // namespace waypost::service
