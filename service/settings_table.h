#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "service/config.h"

namespace waypost::service {

// One setting: all that file, environment, command line, PATCH and help know of it.
struct Setting {
  std::string key;    // "fetcher.concurrency"
  bool live = false;  // may change while the service runs
  bool list = false;
  std::vector<std::string> standard;  // the default, as it would be written; empty list: []
  std::string allowed;                // for messages: "1-256"
  std::string help;
  // Sets it from what was written; the message says what is allowed.
  std::function<absl::Status(const std::vector<std::string>&, Config&)> apply;
  // As it would be written, normalised; a list has an item each.
  std::function<std::vector<std::string>(const Config&)> show;

  std::string EnvironmentName() const;  // "WAYPOST_FETCHER_CONCURRENCY"
};

// In the order in which they are shown. Built once, never changed.
const std::vector<Setting>& Settings();
// nullptr: no such setting.
const Setting* FindSetting(std::string_view key);
// "no setting ...; did you mean ...?" with all keys of the section.
absl::Status UnknownSetting(std::string_view where, std::string_view key);

// A list joined by commas, for people and for GET /v1/config.
std::string ShowSetting(const Setting& setting, const Config& config);

}  // namespace waypost::service
