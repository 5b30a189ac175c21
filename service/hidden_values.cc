#include "service/hidden_values.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

// Whoever changes a file and sees nothing change is told why: the file's value is one of several,
// and a later one wins.

namespace waypost::service {
namespace {

std::string TextOfItems(const RawValue& value) { return absl::StrJoin(value.items, ","); }

// All that was written for the key; the last one counts.
std::vector<std::pair<Origin, const RawValue*>> Written(const Layers& layers,
                                                        const std::string& key) {
  std::vector<std::pair<Origin, const RawValue*>> written;
  const auto add = [&](Origin origin, const Layer& layer) {
    const auto found = layer.find(key);
    if (found != layer.end()) written.emplace_back(origin, &found->second);
  };
  add(Origin::kFile, layers.file);
  add(Origin::kPatched, layers.patched);
  add(Origin::kEnvironment, layers.environment);
  add(Origin::kCommandLine, layers.command_line);
  return written;
}

}  // namespace

std::vector<HiddenValue> HiddenValues(const Layers& layers, const std::string& key) {
  const auto written = Written(layers, key);
  std::vector<HiddenValue> hidden;
  for (std::size_t i = 0; i + 1 < written.size(); ++i) {
    hidden.push_back({.origin = written[i].first,
                      .value = TextOfItems(*written[i].second),
                      .where = written[i].second->where});
  }
  return hidden;
}

std::vector<std::string> FileValuesInVain(const Layers& layers) {
  std::vector<std::string> lines;
  for (const auto& [key, in_file] : layers.file) {
    const auto written = Written(layers, key);
    const auto& [origin, counts] = written.back();
    if (origin == Origin::kFile || counts->items == in_file.items) continue;
    const bool patched = origin == Origin::kPatched;
    lines.push_back(absl::StrCat(
        key, " = ", TextOfItems(in_file), " (", in_file.where, ") does not count: ",
        patched ? "\"config set\"" : counts->where, " says ", TextOfItems(*counts),
        patched ? absl::StrCat("; undo that: waypost config unset ", key) : "; change it there"));
  }
  return lines;
}

}  // namespace waypost::service
