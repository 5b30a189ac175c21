#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/crypto.h"
#include "base/file_system.h"
#include "base/index.h"
#include "base/status.h"
#include "service/cli/commands.h"
#include "service/cli/print.h"
#include "service/data_dir.h"
#include "service/live_settings.h"
#include "service/settings_table.h"

// Settings: of a running service, and of a folder whose service does not start because of them. The
// folder's lock keeps the two apart.

extern char** environ;

namespace waypost::service {
namespace {

// A data folder without its service, for as long as this lives.
struct IdleFolder {
  std::unique_ptr<base::FileSystem> fs = base::NewPosixFileSystem();
  std::unique_ptr<DataDir> data;
  std::unique_ptr<base::Index> index;

  absl::Status Open(const std::string& path) {
    if (!base::InitCrypto()) return absl::InternalError("the crypto library does not start");
    ASSIGN_OR_RETURN(data, DataDir::Open(*fs, path));
    if (data->migrating()) {
      return absl::FailedPreconditionError(
          absl::StrCat(path, " is of an older format: start its service once"));
    }
    RETURN_IF_ERROR(data->CheckIndexIsThere(/*may_be_new=*/false));
    ASSIGN_OR_RETURN(index, base::Index::Open({.dir = data->index_dir()}));
    return data->ClaimIndex(*index);
  }
};

// What the running service answers; nullopt where none runs.
absl::StatusOr<std::optional<Json>> AskService(const Common& common, const std::string& method,
                                               const Json& body) {
  if (!base::InitCrypto()) return absl::InternalError("the crypto library does not start");
  const auto client = Client::Connect(common.data);
  const auto answer = client.ok() ? (*client)->Send(method, "/v1/config", body)
                                  : absl::StatusOr<Json>(client.status());
  if (answer.ok()) return std::optional<Json>(*answer);
  if (ExitOf(answer.status()) == kExitNotReachable) return std::optional<Json>();
  return answer.status();
}

absl::StatusOr<Layer> PatchesOf(const Common& common) {
  std::optional<Json> answer;
  ASSIGN_OR_RETURN(answer, AskService(common, "GET", nullptr));
  if (!answer) {
    IdleFolder folder;
    RETURN_IF_ERROR(folder.Open(common.data));
    return LiveSettings::ReadPatches(*folder.index);
  }
  Layer patched;
  const Json settings = answer->contains("settings") ? (*answer)["settings"] : Json::object();
  for (const auto& entry : settings.items()) {
    if (TextOf(entry.value(), "origin") != "patched") continue;
    const Setting* setting = FindSetting(entry.key());
    if (setting == nullptr) continue;  // of a newer service
    patched[entry.key()] = {.items = setting->ItemsOf(TextOf(entry.value(), "value")),
                            .where = "patched"};
  }
  return patched;
}

// Of an answer about settings.
Json SettingIn(const Json& config, const std::string& key) {
  const Json settings = config.contains("settings") ? config["settings"] : Json::object();
  return settings.contains(key) ? settings[key] : Json::object();
}

void PrintChange(const Common& common, const std::string& key, const Json& before,
                 const Json& after) {
  if (common.json) {
    PrintJson({{"key", key}, {"old", before}, {"new", after}});
  } else {
    for (const std::string& line : SettingChangeLines(key, before, after)) PrintLine(line);
  }
}

}  // namespace

std::vector<std::string> SettingChangeLines(const std::string& key, const Json& before,
                                            const Json& after) {
  const auto shown = [](const Json& setting) {
    const std::string value = TextOf(setting, "value");
    return absl::StrCat(value.empty() ? "\"\"" : value, " (", TextOf(setting, "origin"), ")");
  };
  std::vector<std::string> lines = {absl::StrCat(key, ": ", shown(before), " -> ", shown(after))};
  if (!after.contains("hides") || !after["hides"].is_array()) return lines;
  for (const Json& hidden : after["hides"]) {
    lines.push_back(absl::StrCat("  ", TextOf(hidden, "value"), " of ", TextOf(hidden, "where"),
                                 " does not count while this is set"));
  }
  return lines;
}

Exit ConfigCheck(const Common& common, const std::string& named) {
  Layers layers;
  const std::string file = named.empty() ? common.data + "/waypost.toml" : named;
  ASSIGN_OR_RETURN(layers.file, LayerFromFile(file, /*must_exist=*/!named.empty()));
  if (named.empty()) {
    ASSIGN_OR_RETURN(layers.environment, LayerFromEnvironment(environ));
    ASSIGN_OR_RETURN(layers.patched, PatchesOf(common));
  }
  const std::size_t count = layers.file.size() + layers.environment.size() + layers.patched.size();
  RETURN_IF_ERROR(Resolve(layers).status());
  if (common.json) {
    PrintJson({{"ok", true}, {"settings", count}});
  } else {
    PrintLine(absl::StrCat(named.empty() ? common.data : file, ": ", count, " settings, all fine"));
  }
  return kExitOk;
}

Exit ConfigUnset(const Common& common, const std::string& key) {
  std::optional<Json> before, after;
  ASSIGN_OR_RETURN(before, AskService(common, "GET", nullptr));
  if (before) {
    ASSIGN_OR_RETURN(after, AskService(common, "PATCH", {{key, nullptr}}));
  }
  if (after) {
    PrintChange(common, key, SettingIn(*before, key), SettingIn(*after, key));
    return kExitOk;
  }
  IdleFolder folder;
  RETURN_IF_ERROR(folder.Open(common.data));
  bool was_set = false;
  ASSIGN_OR_RETURN(was_set, LiveSettings::Unset(*folder.index, key));
  if (!was_set && FindSetting(key) == nullptr) return UnknownSetting("unset", key);
  if (common.json) {
    PrintJson({{"key", key}, {"was_set", was_set}});
  } else {
    PrintLine(absl::StrCat(key, was_set ? " is as if \"config set\" had never been, from the next "
                                          "start on"
                                        : " was not set by \"config set\": nothing changes"));
  }
  return kExitOk;
}

Exit ConfigGet(const Common& common, Client& client, const std::string& key) {
  Json config;
  ASSIGN_OR_RETURN(config, client.Get("/v1/config"));
  if (FindSetting(key) == nullptr) return UnknownSetting("get", key);
  const Json setting = SettingIn(config, key);
  if (common.json) {
    PrintJson(setting);
  } else {
    PrintLine(TextOf(setting, "value"));
  }
  return kExitOk;
}

Exit ReloadFiles(const Common& common, Client& client) {
  RETURN_IF_ERROR(client.Send("POST", "/v1/reload", Json()).status());
  if (common.json) PrintJson({{"reloaded", true}});
  return kExitOk;
}

Exit ConfigShow(const Common& common, Client& client) {
  Json config;
  ASSIGN_OR_RETURN(config, client.Get("/v1/config"));
  if (common.json) {
    PrintJson(config);
    return kExitOk;
  }
  std::vector<std::vector<std::string>> rows = {{"KEY", "VALUE", "ORIGIN", "LIVE"}};
  const Json settings = config.contains("settings") ? config["settings"] : Json::object();
  for (const auto& setting : settings.items()) {
    rows.push_back({setting.key(), TextOf(setting.value(), "value"),
                    TextOf(setting.value(), "origin"), TextOf(setting.value(), "live")});
  }
  PrintTable(rows);
  return kExitOk;
}

Exit ConfigSet(const Common& common, Client& client, const std::string& key,
               const std::string& value) {
  Json before, after;
  ASSIGN_OR_RETURN(before, client.Get("/v1/config"));
  ASSIGN_OR_RETURN(after, client.Send("PATCH", "/v1/config", {{key, value}}));
  PrintChange(common, key, SettingIn(before, key), SettingIn(after, key));
  return kExitOk;
}

}  // namespace waypost::service
