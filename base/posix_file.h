#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/direct_writer.h"
#include "base/file_system.h"

namespace waypost::base {

// A descriptor and what the errors call it. Only file_system.cc makes these.
class PosixFile final : public File {
 public:
  // A run is long from here on: see KeepOutOfCache.
  static constexpr uint64_t kDirectFromBytes = uint64_t{8} << 20;

  // Owns `fd`. `hidden_name`: what an unnamed file is called where O_TMPFILE is missing, else
  // empty.
  PosixFile(int fd, std::string path, std::string hidden_name = "")
      : fd_(fd), path_(std::move(path)), hidden_name_(std::move(hidden_name)) {}
  ~PosixFile() override;
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;

  void KeepOutOfCache() override { wants_direct_ = true; }
  absl::Status WriteAt(uint64_t offset, std::string_view data) override;
  absl::Status Flush() override;
  absl::StatusOr<std::size_t> ReadAt(uint64_t offset, std::span<char> buffer) const override;
  absl::Status Sync() override;
  absl::Status CheckSynced() override;
  absl::Status Truncate(uint64_t size) override;
  absl::StatusOr<State> Look() const override;
  int fd() const override { return fd_; }

  // kAlreadyExists if the name is taken.
  absl::Status LinkTo(const std::string& path);

 private:
  // Through the page cache, at once.
  absl::Status WriteCached(uint64_t offset, std::string_view data);
  // How many of the next bytes, of `count`, go that way; 0: hold them for direct_.
  std::size_t NextCached(std::size_t count);
  absl::Status WritePiece();
  void PassOn();

  const int fd_;
  uint64_t run_from_ = 0, run_to_ = 0;    // written in order, up to the last write
  uint64_t passed_on_to_ = 0;             // of the run, to the disk
  bool wants_direct_ = false;             // and the file system has not refused
  std::unique_ptr<DirectWriter> direct_;  // since a run was long
  std::string path_;
  std::string hidden_name_;
};

}  // namespace waypost::base
