#pragma once

#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "integration/peer.h"

namespace waypost::bench {

struct KeyedBlob {
  std::string key;
  std::string bytes;
};

// Puts `count` blobs, several at once so that they share commits, and refers to each in the group
// by its key. Their ids, in order. `blob` is asked by several threads, once for each number. Ends
// the program where the peer refuses one.
std::vector<std::string> PutMany(const integration::Peer& peer, const std::string& group,
                                 std::size_t count, absl::FunctionRef<KeyedBlob(std::size_t)> blob);

}  // namespace waypost::bench
