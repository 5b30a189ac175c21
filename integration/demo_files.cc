#include "integration/demo_files.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>

// Picks files from a machine of which nothing is known: links, what cannot be read and what is too
// large are passed over. The same files give the same pick.

namespace waypost::integration {
namespace {

namespace fs = std::filesystem;

// Held in memory while they are sent.
constexpr uint64_t kLargest = uint64_t{64} << 20;
// Of the wanted number, how many come from the small end; the rest is what gives the bytes.
constexpr uint64_t kSmall = 64 * 1024;

void Collect(const std::string& folder, std::vector<DemoFile>& files) {
  std::error_code error;
  fs::recursive_directory_iterator it(folder, fs::directory_options::skip_permission_denied, error),
      end;
  for (; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    if (!fs::is_regular_file(it->symlink_status(ignored))) continue;
    const uint64_t size = it->file_size(ignored);
    if (ignored || size == 0 || size > kLargest || access(it->path().c_str(), R_OK) != 0) continue;
    files.push_back({.path = it->path().string(), .size_bytes = size});
  }
}

}  // namespace

std::vector<DemoFile> PickFiles(const std::vector<std::string>& folders, std::size_t count,
                                uint64_t bytes) {
  std::vector<DemoFile> picked;
  uint64_t total = 0;
  for (const std::string& folder : folders) {
    if (picked.size() >= count && total >= bytes) break;
    std::vector<DemoFile> files;
    Collect(folder, files);
    std::sort(files.begin(), files.end(), [](const DemoFile& a, const DemoFile& b) {
      return a.size_bytes != b.size_bytes ? a.size_bytes > b.size_bytes : a.path < b.path;
    });
    const auto small = std::find_if(files.begin(), files.end(),
                                    [](const DemoFile& file) { return file.size_bytes <= kSmall; });
    // The largest first, for the bytes; then small ones, for the number.
    for (auto it = files.begin(); it != small && total < bytes; ++it) {
      picked.push_back(*it);
      total += it->size_bytes;
    }
    for (auto it = small; it != files.end() && picked.size() < count; ++it) {
      picked.push_back(*it);
      total += it->size_bytes;
    }
  }
  return picked;
}

}  // namespace waypost::integration
