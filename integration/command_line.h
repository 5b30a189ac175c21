#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "integration/cluster.h"

namespace waypost::integration {

// Two peers, and the command line run against them.
class CommandLineTest : public ::testing::Test {
 protected:
  // Without the newlines at its end.
  static std::string Trimmed(std::string text) {
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
  }
  void SetUp() override {
    laptop_ = &cluster_.Add("laptop");
    server_ = &cluster_.Add("server");
  }
  // Runs it and expects `status`; what it printed without the last newline.
  static std::string Ok(const Peer& peer, std::vector<std::string> words, int status = 0,
                        const std::string& input = {}) {
    const CommandResult result = peer.Run(words, input);
    EXPECT_EQ(result.exit_status, status) << words[0] << ": " << result.err;
    return Trimmed(result.out);
  }
  std::string File(const std::string& name, const std::string& content) {
    const std::string path = cluster_.dir() + "/" + name;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    WriteWholeFile(path, content);
    return path;
  }

  Cluster cluster_;
  Peer* laptop_ = nullptr;
  Peer* server_ = nullptr;
};

}  // namespace waypost::integration
