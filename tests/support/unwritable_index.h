#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "base/status.h"

namespace waypost::support {

// The descriptors of this process that are open on `path`, in the order of their numbers.
inline std::vector<int> DescriptorsOf(const std::string& path) {
  struct stat wanted;
  CHECK(stat(path.c_str(), &wanted) == 0);
  std::vector<int> fds;
  for (int fd = 3; fd < 1024; ++fd) {
    struct stat info;
    if (fstat(fd, &info) == 0 && info.st_dev == wanted.st_dev && info.st_ino == wanted.st_ino) {
      fds.push_back(fd);
    }
  }
  return fds;
}

// LMDB writes meta pages through a descriptor of its own, opened after the one for data: it becomes
// one that cannot be written to.
inline void MakeMetaPagesUnwritable(const std::string& file) {
  const std::vector<int> fds = DescriptorsOf(file);
  ASSERT_EQ(fds.size(), 2u);
  const int read_only = open(file.c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_GE(read_only, 0);
  ASSERT_EQ(dup3(read_only, fds[1], O_CLOEXEC), fds[1]);
  close(read_only);
}

}  // namespace waypost::support
