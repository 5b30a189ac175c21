#include "tests/bench/put_many.h"

#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

// Fills a peer before something is measured. Puts share commits because many run at once; whatever
// is refused ends the program, so that no bench measures less than it says.

namespace waypost::bench {
namespace {

constexpr std::size_t kPutters = 16;
constexpr std::size_t kRefsMax = 1000;  // of one request

}  // namespace

std::vector<std::string> PutMany(const integration::Peer& peer, const std::string& group,
                                 std::size_t count,
                                 absl::FunctionRef<KeyedBlob(std::size_t)> blob) {
  std::vector<std::string> ids(count);
  const auto put_some = [&](std::size_t first) {
    integration::Json refs = integration::Json::array();
    for (std::size_t i = first; i < count; i += kPutters) {
      KeyedBlob one = blob(i);
      ids[i] = peer.PutBlob(one.bytes);
      CHECK(!ids[i].empty());
      refs.push_back({{"key", std::move(one.key)}, {"blob", ids[i]}});
      if (refs.size() < kRefsMax && i + kPutters < count) continue;
      const auto reply = peer.Call("POST", absl::StrCat("/v1/groups/", group, "/refs:batch"),
                                   integration::Json{{"put", refs}}.dump());
      CHECK(reply.status == 200);
      refs = integration::Json::array();
    }
  };
  std::vector<std::thread> putters;
  for (std::size_t first = 0; first < kPutters; ++first) putters.emplace_back(put_some, first);
  for (std::thread& putter : putters) putter.join();
  return ids;
}

}  // namespace waypost::bench
