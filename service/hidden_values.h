#pragma once

#include <string>
#include <vector>

#include "service/config.h"

// What was written for settings and does not count, because another value goes before it. Pure.
namespace waypost::service {

struct HiddenValue {
  Origin origin = Origin::kFile;
  std::string value, where;  // "waypost.toml:12"
};

// Of one setting, from the least to the one that goes before all but what counts.
std::vector<HiddenValue> HiddenValues(const Layers& layers, const std::string& key);

// A line for each setting of the file that something else overrules with another value: what it
// is, where it stands, and how to let the file's count.
std::vector<std::string> FileValuesInVain(const Layers& layers);

}  // namespace waypost::service
