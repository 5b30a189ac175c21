#pragma once

#include <cstdint>
#include <string>

#include "base/file_system.h"

namespace waypost::base {

// A descriptor and what the errors call it. Only file_system.cc makes these.
class PosixFile final : public File {
 public:
  // Owns `fd`. `hidden_name`: what an unnamed file is called where O_TMPFILE is missing, else
  // empty.
  PosixFile(int fd, std::string path, std::string hidden_name = "")
      : fd_(fd), path_(std::move(path)), hidden_name_(std::move(hidden_name)) {}
  ~PosixFile() override;
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;

  absl::Status WriteAt(uint64_t offset, std::string_view data) override;
  absl::StatusOr<std::size_t> ReadAt(uint64_t offset, std::span<char> buffer) const override;
  absl::Status Sync() override;
  absl::Status CheckSynced() override;
  absl::Status Truncate(uint64_t size) override;
  absl::StatusOr<State> Look() const override;
  int fd() const override { return fd_; }

  // kAlreadyExists if the name is taken.
  absl::Status LinkTo(const std::string& path);

 private:
  // What was written one after the other and of which the disk does not know yet.
  void PassOn(uint64_t begin, uint64_t end);

  const int fd_;
  uint64_t waiting_from_ = 0, waiting_to_ = 0;
  std::string path_;
  std::string hidden_name_;
};

}  // namespace waypost::base
