#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/file_system.h"

namespace waypost::base {

// Hands every call on: for tests that change one of them.
class PassingFileSystem : public FileSystem {
 public:
  explicit PassingFileSystem(std::unique_ptr<FileSystem> below) : below_(std::move(below)) {}

  absl::StatusOr<std::unique_ptr<File>> OpenRead(const std::string& path) override {
    return below_->OpenRead(path);
  }
  absl::StatusOr<std::unique_ptr<File>> OpenWrite(const std::string& path) override {
    return below_->OpenWrite(path);
  }
  absl::StatusOr<std::unique_ptr<File>> CreateExclusive(const std::string& path) override {
    return below_->CreateExclusive(path);
  }
  absl::StatusOr<std::unique_ptr<File>> CreateUnnamed(const std::string& dir) override {
    return below_->CreateUnnamed(dir);
  }
  absl::Status Link(File& unnamed, const std::string& path) override {
    return below_->Link(unnamed, path);
  }
  absl::Status Rename(const std::string& from, const std::string& to) override {
    return below_->Rename(from, to);
  }
  absl::Status Remove(const std::string& path) override { return below_->Remove(path); }
  absl::StatusOr<bool> MakeDir(const std::string& path) override { return below_->MakeDir(path); }
  absl::Status SyncDir(const std::string& path) override { return below_->SyncDir(path); }
  absl::Status SyncAll(const std::string& path) override { return below_->SyncAll(path); }
  absl::StatusOr<std::vector<std::string>> List(const std::string& dir) override {
    return below_->List(dir);
  }
  absl::StatusOr<std::optional<Info>> Stat(const std::string& path) override {
    return below_->Stat(path);
  }
  absl::StatusOr<Space> FreeSpace(const std::string& dir) override {
    return below_->FreeSpace(dir);
  }

 private:
  const std::unique_ptr<FileSystem> below_;
};

}  // namespace waypost::base
