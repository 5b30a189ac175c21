#include "service/config.h"

#include <toml++/toml.h>

#include <cctype>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/log.h"
#include "base/status.h"
#include "service/settings_table.h"

// From layers of text to a configuration: default, file, patched, environment, command line, later
// ones winning. Every mistake names where it was written; what no setting can say alone is checked
// at the end.

namespace waypost::service {
namespace {

using base::Abs;

constexpr std::size_t kFileBytesMax = std::size_t{1} << 20;

// Variables of ours that are no settings.
constexpr std::string_view kOtherVariables[] = {"WAYPOST_DATA", "WAYPOST_FAULT_POINT"};

// A scalar as text; nullopt for a table, an array or a date.
std::optional<std::string> ScalarText(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return absl::StrCat(number->get());
  if (const auto* real = node.as_floating_point()) return absl::StrCat(real->get());
  if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
  return std::nullopt;
}

absl::Status AddTomlValue(const std::string& key, const toml::node& node, const std::string& where,
                          Layer& layer) {
  const Setting* setting = FindSetting(key);
  if (setting == nullptr) return UnknownSetting(where, key);
  RawValue value{.where = where};
  if (const auto* array = node.as_array()) {
    if (!setting->kind.list) {
      return absl::InvalidArgumentError(absl::StrCat(
          where, ": ", key, " takes one value, not a list; allowed: ", setting->kind.allowed));
    }
    for (const toml::node& element : *array) {
      const auto text = ScalarText(element);
      if (!text)
        return absl::InvalidArgumentError(absl::StrCat(where, ": ", key, ": texts are wanted"));
      value.items.push_back(*text);
    }
  } else {
    const auto text = ScalarText(node);
    if (!text || setting->kind.list) {
      return absl::InvalidArgumentError(absl::StrCat(where, ": ", key, " takes ",
                                                     setting->kind.list ? "a list" : "one value",
                                                     "; allowed: ", setting->kind.allowed));
    }
    value.items.push_back(*text);
  }
  layer[key] = std::move(value);
  return absl::OkStatus();
}

// Kubernetes tells every container of a service that is called waypost where it is.
bool IsOtherVariable(std::string_view name) {
  for (const std::string_view other : kOtherVariables) {
    if (name == other) return true;
  }
  return name == "WAYPOST_PORT" || name.substr(0, 16) == "WAYPOST_SERVICE_" ||
         name.substr(0, 13) == "WAYPOST_PORT_";
}

std::string Quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

// Numbers stay bare, everything else is a string.
std::string TomlItem(const std::string& text) {
  const bool number = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  return number ? text : Quoted(text);
}

std::string TomlValue(const Setting& setting, const std::vector<std::string>& items) {
  if (!setting.kind.list) return TomlItem(items.empty() ? "" : items[0]);
  std::vector<std::string> quoted;
  quoted.reserve(items.size());
  for (const std::string& item : items) quoted.push_back(Quoted(item));
  return absl::StrCat("[", absl::StrJoin(quoted, ", "), "]");
}

// "fetcher.retry_base = 2h (waypost.toml:3)", and how to undo what no file shows.
std::string ValueAndPlace(const Resolved& resolved, const Layers& layers, const char* key) {
  const Setting& setting = *FindSetting(key);
  std::string place = "the default";
  // The last one counts.
  for (const Layer* layer :
       {&layers.file, &layers.patched, &layers.environment, &layers.command_line}) {
    const auto found = layer->find(key);
    if (found != layer->end()) place = found->second.where;
  }
  if (resolved.origins.at(key) == Origin::kPatched) {
    absl::StrAppend(&place, "; undo it with: waypost config unset ", key);
  }
  const std::string shown = setting.Show(resolved.config);
  return absl::StrCat(key, " = ", shown.empty() ? "\"\"" : shown, " (", place, ")");
}

// What no setting can say alone.
absl::Status CheckTogether(const Resolved& resolved, const Layers& layers) {
  const Config& config = resolved.config;
  const auto both = [&](const char* a, const char* why, const char* b) {
    return absl::InvalidArgumentError(absl::StrCat(ValueAndPlace(resolved, layers, a), " ", why,
                                                   " ", ValueAndPlace(resolved, layers, b)));
  };
  if (config.http_tls_cert.empty() != config.http_tls_key.empty()) {
    return both("http.tls_cert", "is set together with the other, or not at all:", "http.tls_key");
  }
  if (config.fetcher.retry_base > config.fetcher.retry_max) {
    return both("fetcher.retry_base", "must not be over", "fetcher.retry_max");
  }
  return absl::OkStatus();
}

}  // namespace

const char* OriginName(Origin origin) {
  switch (origin) {
    case Origin::kDefault:
      return "default";
    case Origin::kFile:
      return "file";
    case Origin::kPatched:
      return "patched";
    case Origin::kEnvironment:
      return "environment";
    case Origin::kCommandLine:
      return "command_line";
  }
  return "default";
}

absl::StatusOr<Layer> LayerFromToml(std::string_view text, const std::string& name) {
  toml::table root;
  try {
    root = toml::parse(text);
  } catch (const toml::parse_error& error) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ":", error.source().begin.line, ": ", Abs(error.description())));
  }
  Layer layer;
  const auto where = [&](const toml::node& node) {
    return absl::StrCat(name, ":", node.source().begin.line);
  };
  for (auto&& [section, node] : root) {
    const auto* table = node.as_table();
    if (table == nullptr) return UnknownSetting(where(node), section.str());
    for (auto&& [key, value] : *table) {
      const std::string full = absl::StrCat(Abs(section.str()), ".", Abs(key.str()));
      RETURN_IF_ERROR(AddTomlValue(full, value, where(value), layer));
    }
  }
  return layer;
}

absl::StatusOr<Layer> LayerFromFile(const std::string& path, bool must_exist) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    const int error = errno;
    if (error == ENOENT && !must_exist) return Layer();
    return base::ErrnoStatus(error, path);
  }
  std::string text(kFileBytesMax + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (file.bad() || (text.empty() && !file.eof())) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": cannot be read as a file"));
  }
  if (text.size() > kFileBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": at most 1 MiB is read"));
  }
  return LayerFromToml(text, path);
}

absl::StatusOr<Layer> LayerFromEnvironment(const char* const* environment) {
  Layer layer;
  for (; *environment != nullptr; ++environment) {
    const std::string_view variable = *environment;
    const std::size_t equals = variable.find('=');
    const std::string_view name = variable.substr(0, equals);
    if (name.substr(0, 8) != "WAYPOST_" || equals == std::string_view::npos) continue;
    const std::string where = absl::StrCat("environment variable ", Abs(name));
    const Setting* setting = nullptr;
    for (const Setting& candidate : Settings()) {
      if (candidate.EnvironmentName() == name) setting = &candidate;
    }
    if (setting == nullptr && IsOtherVariable(name)) continue;
    if (setting == nullptr) {
      std::string key = absl::AsciiStrToLower(Abs(name.substr(8)));
      const std::size_t underscore = key.find('_');
      if (underscore != std::string::npos) key[underscore] = '.';
      base::LogWarning("ignored: ", std::string(UnknownSetting(where, key).message()));
      continue;
    }
    layer[setting->key] = {.items = setting->ItemsOf(variable.substr(equals + 1)), .where = where};
  }
  return layer;
}

absl::StatusOr<Layer> LayerFromCommandLine(
    const std::vector<std::pair<std::string, std::string>>& arguments) {
  Layer layer;
  for (const auto& argument : arguments) {
    const std::string where = absl::StrCat("--", argument.first);
    const Setting* setting = FindSetting(argument.first);
    if (setting == nullptr) return UnknownSetting(where, argument.first);
    RawValue& value = layer[argument.first];
    value.where = where;
    if (!setting->kind.list) value.items.clear();
    for (std::string& item : setting->ItemsOf(argument.second)) {
      value.items.push_back(std::move(item));
    }
  }
  return layer;
}

absl::StatusOr<Resolved> Resolve(const Layers& layers) {
  Resolved resolved;
  const std::pair<Origin, const Layer*> ascending[] = {
      {Origin::kFile, &layers.file},
      {Origin::kPatched, &layers.patched},
      {Origin::kEnvironment, &layers.environment},
      {Origin::kCommandLine, &layers.command_line}};
  for (const Setting& setting : Settings()) {
    CHECK(setting.kind.parse(setting.ItemsOf(setting.standard), resolved.config).ok());
    Origin& origin = resolved.origins[setting.key];
    origin = Origin::kDefault;
    // Also what is overruled is checked: a mistake in the file shows before the day it counts.
    for (const auto& layer : ascending) {
      const auto found = layer.second->find(setting.key);
      if (found == layer.second->end()) continue;
      const RawValue& value = found->second;
      const absl::Status applied = setting.kind.parse(value.items, resolved.config);
      if (!applied.ok()) {
        return base::Annotate(applied, absl::StrCat(value.where, ": ", setting.key));
      }
      origin = layer.first;
    }
  }
  RETURN_IF_ERROR(CheckTogether(resolved, layers));
  return resolved;
}

std::string TemplateToml(const Layer& values) {
  std::string out = "# Settings of this Waypost. What is commented out shows the default.\n";
  std::vector<std::string> sections;
  for (const Setting& setting : Settings()) {
    const std::string section = setting.section();
    if (sections.empty() || sections.back() != section) {
      sections.push_back(section);
      absl::StrAppend(&out, "\n[", section, "]\n");
    }
    const auto given = values.find(setting.key);
    const bool is_given = given != values.end();
    absl::StrAppend(
        &out, "# ", setting.help, " (", setting.kind.allowed, ")\n", is_given ? "" : "#",
        setting.name(), " = ",
        TomlValue(setting, is_given ? given->second.items : setting.ItemsOf(setting.standard)),
        "\n");
  }
  return out;
}

}  // namespace waypost::service
