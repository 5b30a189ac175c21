#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace waypost::base {

// Writes a long run of bytes past the page cache (O_DIRECT), a large piece at a time. One thread at
// a time.
class DirectWriter {
 public:
  // What a disk writes at its full speed: 0.6 s a GiB where this was chosen, 0.9 in pieces of
  // 256 KiB, 2.1 of 64.
  static constexpr std::size_t kPieceBytes = std::size_t{1} << 20;
  // Of offsets, lengths and memory: the most that disks ask for.
  static constexpr std::size_t kAlignment = 4096;

  // Writes to the file of `fd`. Null where that cannot be: tmpfs, or no /proc.
  static std::unique_ptr<DirectWriter> Open(int fd);
  ~DirectWriter();
  DirectWriter(const DirectWriter&) = delete;
  DirectWriter& operator=(const DirectWriter&) = delete;

  // Holds as much of `data` as the piece has room for; how much that was. A piece that is begun
  // belongs at `offset`, a multiple of kAlignment; what follows must follow on it.
  std::size_t Hold(uint64_t offset, std::string_view data);
  bool full() const { return held_ == kPieceBytes; }
  uint64_t offset() const { return offset_; }
  std::string_view held() const { return {piece_.get(), held_}; }
  // The full piece onto the disk. False, with errno: all of it is still held.
  bool WritePiece();
  // Forgets what is held: it was written otherwise, or nobody wants it.
  void Drop() { held_ = 0; }

 private:
  struct Free {
    void operator()(char* memory) const;
  };
  explicit DirectWriter(int direct_fd);

  const int direct_fd_;
  const std::unique_ptr<char, Free> piece_;
  uint64_t offset_ = 0;
  std::size_t held_ = 0;
};

}  // namespace waypost::base
