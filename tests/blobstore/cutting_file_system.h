#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "base/file_system.h"
#include "base/status.h"

namespace waypost::blobstore {

// Stands before another file system and counts the calls that change something. Before the one that
// the test chose it calls `cut`; from then on every call fails, as for a process whose machine is
// gone.
class CuttingFileSystem final : public base::FileSystem {
 public:
  explicit CuttingFileSystem(base::FileSystem& below) : below_(below) {}

  // `step` 1: before the next change.
  void CutBefore(int step, std::function<void()> cut) {
    cut_ = std::move(cut);
    steps_left_ = step;
    dead_ = false;
  }
  bool dead() const { return dead_; }
  // The machine starts again.
  void Revive() {
    cut_ = nullptr;
    dead_ = false;
  }

  absl::StatusOr<std::unique_ptr<base::File>> OpenRead(const std::string& path) override {
    return Wrap(false, [&] { return below_.OpenRead(path); });
  }
  absl::StatusOr<std::unique_ptr<base::File>> OpenWrite(const std::string& path) override {
    return Wrap(false, [&] { return below_.OpenWrite(path); });
  }
  absl::StatusOr<std::unique_ptr<base::File>> CreateExclusive(const std::string& path) override {
    return Wrap(true, [&] { return below_.CreateExclusive(path); });
  }
  absl::StatusOr<std::unique_ptr<base::File>> CreateUnnamed(const std::string& dir) override {
    return Wrap(true, [&] { return below_.CreateUnnamed(dir); });
  }
  absl::Status Link(base::File& unnamed, const std::string& path) override {
    RETURN_IF_ERROR(Change());
    return below_.Link(*static_cast<CutFile&>(unnamed).below_, path);
  }
  absl::Status Rename(const std::string& from, const std::string& to) override {
    RETURN_IF_ERROR(Change());
    return below_.Rename(from, to);
  }
  absl::Status Remove(const std::string& path) override {
    RETURN_IF_ERROR(Change());
    return below_.Remove(path);
  }
  absl::StatusOr<bool> MakeDir(const std::string& path) override {
    RETURN_IF_ERROR(Change());
    return below_.MakeDir(path);
  }
  absl::Status SyncDir(const std::string& path) override {
    RETURN_IF_ERROR(Change());
    return below_.SyncDir(path);
  }
  absl::Status SyncAll(const std::string& path) override {
    RETURN_IF_ERROR(Change());
    return below_.SyncAll(path);
  }
  absl::StatusOr<std::vector<std::string>> List(const std::string& dir) override {
    RETURN_IF_ERROR(Look());
    return below_.List(dir);
  }
  absl::StatusOr<std::optional<Info>> Stat(const std::string& path) override {
    RETURN_IF_ERROR(Look());
    return below_.Stat(path);
  }
  absl::StatusOr<Space> FreeSpace(const std::string& dir) override {
    RETURN_IF_ERROR(Look());
    return below_.FreeSpace(dir);
  }

 private:
  class CutFile final : public base::File {
   public:
    CutFile(CuttingFileSystem& fs, std::unique_ptr<base::File> below)
        : below_(std::move(below)), fs_(fs) {}
    void KeepOutOfCache() override { below_->KeepOutOfCache(); }
    absl::Status WriteAt(uint64_t offset, std::string_view data) override {
      RETURN_IF_ERROR(fs_.Change());
      return below_->WriteAt(offset, data);
    }
    absl::Status Flush() override {
      RETURN_IF_ERROR(fs_.Look());
      return below_->Flush();
    }
    absl::StatusOr<std::size_t> ReadAt(uint64_t offset, std::span<char> buffer) const override {
      RETURN_IF_ERROR(fs_.Look());
      return below_->ReadAt(offset, buffer);
    }
    absl::Status Sync() override {
      RETURN_IF_ERROR(fs_.Change());
      return below_->Sync();
    }
    absl::Status CheckSynced() override {
      RETURN_IF_ERROR(fs_.Look());
      return below_->CheckSynced();
    }
    absl::Status Truncate(uint64_t size) override {
      RETURN_IF_ERROR(fs_.Change());
      return below_->Truncate(size);
    }
    absl::StatusOr<State> Look() const override {
      RETURN_IF_ERROR(fs_.Look());
      return below_->Look();
    }
    int fd() const override { return below_->fd(); }

    const std::unique_ptr<base::File> below_;

   private:
    CuttingFileSystem& fs_;
  };

  absl::Status Look() const {
    return dead_ ? absl::InternalError("the machine is gone") : absl::OkStatus();
  }
  absl::Status Change() {
    RETURN_IF_ERROR(Look());
    if (cut_ == nullptr || --steps_left_ > 0) return absl::OkStatus();
    dead_ = true;
    cut_();
    return Look();
  }
  template <class Open>
  absl::StatusOr<std::unique_ptr<base::File>> Wrap(bool changes, const Open& open) {
    RETURN_IF_ERROR(changes ? Change() : Look());
    ASSIGN_OR_RETURN(auto file, open());
    return std::make_unique<CutFile>(*this, std::move(file));
  }

  base::FileSystem& below_;
  std::function<void()> cut_;
  int steps_left_ = 0;
  bool dead_ = false;
};

}  // namespace waypost::blobstore
