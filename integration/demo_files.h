#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace waypost::integration {

struct DemoFile {
  std::string path;
  uint64_t size_bytes = 0;
};

// Real files of this machine: at least `count` and `bytes` in all, small and large ones mixed, from
// the folders in order, later ones only while there is not enough. Fewer only if the machine has no
// more.
std::vector<DemoFile> PickFiles(const std::vector<std::string>& folders, std::size_t count,
                                uint64_t bytes);

}  // namespace waypost::integration
