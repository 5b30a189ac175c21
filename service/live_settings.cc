#include "service/live_settings.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/log.h"
#include "base/status.h"
#include "service/hidden_values.h"
#include "service/settings_table.h"
#include "service/unusable.h"

// Settings that change while the service runs. A patch is checked whole, stored, and then applied;
// what the environment or the command line fixes cannot be patched. A file that is read again
// replaces the file's layer alone.

namespace waypost::service {
namespace {

using base::Table;

// From the text that is kept.
RawValue PatchedValue(std::string_view key, std::string_view text) {
  const Setting* setting = FindSetting(key);
  return {.items = setting == nullptr ? std::vector<std::string>{std::string(text)}
                                      : setting->ItemsOf(text),
          .where = "patched"};
}

// Changes that were checked, into the layer of patches.
void Change(const http::SettingsAccess::Changes& changes, Layer& patched) {
  for (const auto& [key, value] : changes) {
    if (value) {
      patched[key] = PatchedValue(key, *value);
    } else {
      patched.erase(key);
    }
  }
}

absl::StatusOr<Layer> ReadPatched(base::Index& index) {
  Layer patched;
  RETURN_IF_ERROR(index.Read([&](base::ReadTxn& txn) {
    base::Cursor cursor(txn, Table::kSettings);
    for (bool more = cursor.Seek(""); more; more = cursor.Next()) {
      const auto text = cursor.payload();
      if (!text) continue;
      patched[std::string(cursor.key())] = PatchedValue(cursor.key(), *text);
    }
  }));
  for (auto it = patched.begin(); it != patched.end();) {
    const Setting* setting = FindSetting(it->first);
    Config scratch;
    const bool fits = setting != nullptr && setting->live() &&
                      setting->kind.parse(it->second.items, scratch).ok();
    if (!fits) {
      base::LogWarning("a patched setting no longer fits and is left out: ", it->first, " = ",
                       absl::StrJoin(it->second.items, ","));
    }
    it = fits ? std::next(it) : patched.erase(it);
  }
  return patched;
}

bool SameValue(const Layer& a, const Layer& b, const std::string& key) {
  const auto in_a = a.find(key), in_b = b.find(key);
  if (in_a == a.end() || in_b == b.end()) return in_a == a.end() && in_b == b.end();
  return in_a->second.items == in_b->second.items;
}

}  // namespace

LiveSettings::LiveSettings(base::Index& index, Options options)
    : index_(index), options_(std::move(options)) {}

absl::StatusOr<std::unique_ptr<LiveSettings>> LiveSettings::Load(base::Index& index,
                                                                 Options options) {
  std::unique_ptr<LiveSettings> settings(new LiveSettings(index, std::move(options)));
  Layers layers{.environment = settings->options_.environment,
                .command_line = settings->options_.command_line};
  ASSIGN_OR_RETURN(layers.file, Unusable(LayerFromFile(settings->options_.file,
                                                       settings->options_.file_must_exist)));
  ASSIGN_OR_RETURN(layers.patched, ReadPatched(index));
  Resolved resolved;
  ASSIGN_OR_RETURN(resolved, Unusable(Resolve(layers)));
  base::MutexLock lock(settings->mutex_);
  settings->layers_ = std::move(layers);
  settings->resolved_ = std::move(resolved);
  return settings;
}

void LiveSettings::SetListener(std::function<void(const Config&)> listener) {
  listener_ = std::move(listener);
}

Config LiveSettings::current() const {
  base::MutexLock lock(mutex_);
  return resolved_.config;
}

std::vector<LiveSettings::Item> LiveSettings::All() const {
  base::MutexLock lock(mutex_);
  std::vector<Item> items;
  for (const Setting& setting : Settings()) {
    items.push_back({.key = setting.key,
                     .value = setting.Show(resolved_.config),
                     .origin = OriginName(resolved_.origins.at(setting.key)),
                     .live = setting.live()});
    for (HiddenValue& hidden : HiddenValues(layers_, setting.key)) {
      items.back().hides.push_back({.value = std::move(hidden.value),
                                    .origin = OriginName(hidden.origin),
                                    .where = std::move(hidden.where)});
    }
  }
  return items;
}

absl::StatusOr<Layer> LiveSettings::ReadPatches(base::Index& index) { return ReadPatched(index); }

absl::StatusOr<bool> LiveSettings::Unset(base::Index& index, const std::string& key) {
  bool was_there = false;
  RETURN_IF_ERROR(index.Update(base::Index::Lane::kForeground, [&](base::WriteTxn& txn) {
    was_there = txn.Delete(Table::kSettings, key);
    return absl::OkStatus();
  }));
  return was_there;
}

absl::Status LiveSettings::CheckPatch(const std::string& key,
                                      const std::optional<std::string>& value) const {
  const Setting* setting = FindSetting(key);
  if (setting == nullptr) return UnknownSetting("patch", key);
  // What was patched can be undone, whatever else fixes it now.
  if (!value) return absl::OkStatus();
  if (!setting->live()) {
    return absl::FailedPreconditionError(absl::StrCat(
        key, " cannot change while the service runs: write it to ", options_.file, " and restart"));
  }
  for (const Layer* layer : {&options_.environment, &options_.command_line}) {
    const auto fixed = layer->find(key);
    if (fixed == layer->end()) continue;
    return absl::FailedPreconditionError(
        absl::StrCat(key, " is fixed by ", fixed->second.where, ": change it there"));
  }
  Config scratch;
  return base::Annotate(setting->kind.parse(setting->ItemsOf(*value), scratch), key);
}

absl::Status LiveSettings::Patch(const Changes& changes) {
  for (const auto& change : changes) RETURN_IF_ERROR(CheckPatch(change.first, change.second));
  {
    // What no setting can say alone is checked with all that is effective.
    base::MutexLock lock(mutex_);
    Layers layers = layers_;
    Change(changes, layers.patched);
    RETURN_IF_ERROR(Resolve(layers).status());
  }
  // What is in the table and what is in memory change in the same order: that of the commits.
  const auto remember = [this, changes] {
    base::MutexLock lock(mutex_);
    Layers layers = layers_;
    Change(changes, layers.patched);
    auto resolved = Resolve(layers);
    // Another patch came between: both are kept, this start uses the other.
    if (!resolved.ok()) return;
    layers_ = std::move(layers);
    resolved_ = *std::move(resolved);
  };
  RETURN_IF_ERROR(
      index_.Update(base::Index::Lane::kForeground, [&changes, remember](base::WriteTxn& txn) {
        for (const auto& [key, value] : changes) {
          if (value) {
            txn.Put(Table::kSettings, key, *value);
          } else {
            txn.Delete(Table::kSettings, key);
          }
        }
        txn.AfterCommit(remember);
        return absl::OkStatus();
      }));
  Apply();
  return absl::OkStatus();
}

absl::Status LiveSettings::ReloadFile() {
  Layer fresh;
  ASSIGN_OR_RETURN(fresh, LayerFromFile(options_.file, options_.file_must_exist));
  {
    base::MutexLock lock(mutex_);
    Layers layers = layers_;
    layers.file = fresh;
    RETURN_IF_ERROR(Resolve(layers).status());
    for (const Setting& setting : Settings()) {
      if (setting.live() || SameValue(fresh, layers_.file, setting.key)) continue;
      base::LogWarning(setting.key, " was changed in ", options_.file,
                       ": it counts from the next start");
      layers.file.erase(setting.key);
      const auto old = layers_.file.find(setting.key);
      if (old != layers_.file.end()) layers.file.insert(*old);
    }
    Resolved resolved;
    ASSIGN_OR_RETURN(resolved, Resolve(layers));
    layers_ = std::move(layers);
    resolved_ = std::move(resolved);
    for (const std::string& line : FileValuesInVain(layers_)) base::LogWarning(line);
  }
  Apply();
  return absl::OkStatus();
}

void LiveSettings::Apply() {
  base::MutexLock lock(apply_mutex_);
  if (listener_) listener_(current());
}

}  // namespace waypost::service
