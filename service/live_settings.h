#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/index.h"
#include "base/mutex.h"
#include "http/app/app_api.h"
#include "service/config.h"

namespace waypost::service {

// The settings of a running service: shown, patched (kept in table `settings`: key -> text) and
// read again from the file. Owned by the service; thread-safe.
class LiveSettings final : public http::SettingsAccess {
 public:
  struct Options {
    std::string file;
    bool file_must_exist = false;
    Layer environment, command_line;
  };
  // Reads the file and the patches in the index. A kept patch that no longer fits is left out with
  // a warning: a setting is never what keeps a service from starting again.
  static absl::StatusOr<std::unique_ptr<LiveSettings>> Load(base::Index& index, Options options);

  // Called after each change with what is effective then, one call at a time. Set before use.
  void SetListener(std::function<void(const Config&)> listener);
  Config current() const;

  std::vector<Item> All() const override;
  absl::Status Patch(const Changes& changes) override;
  // What no running service knows yet: takes the patch of `key` out of the index; false if there
  // was none.
  static absl::StatusOr<bool> Unset(base::Index& index, const std::string& key);
  // The patches that fit, as they count at the next start.
  static absl::StatusOr<Layer> ReadPatches(base::Index& index);
  // SIGHUP. A mistake in the file changes nothing. What is not live keeps its value, with a
  // warning.
  absl::Status ReloadFile();

 private:
  LiveSettings(base::Index& index, Options options);
  absl::Status CheckPatch(const std::string& key, const std::optional<std::string>& value) const;
  void Apply();

  base::Index& index_;
  const Options options_;
  std::function<void(const Config&)> listener_;
  // Held while the listener is called, so that an older configuration never follows a newer one.
  base::Mutex apply_mutex_;
  mutable base::Mutex mutex_;
  Layers layers_ GUARDED_BY(mutex_);
  Resolved resolved_ GUARDED_BY(mutex_);
};

}  // namespace waypost::service
