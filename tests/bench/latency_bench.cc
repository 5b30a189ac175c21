#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/standard_descriptors.h"
#include "base/status.h"
#include "integration/peer.h"
#include "tests/bench/figures.h"
#include "tests/bench/raw_calls.h"

// From a reference at one peer to the blob held by a server peer, one blob at a time.
//   latency_bench [blobs]

namespace waypost::bench {
namespace {

using integration::Peer;

void Run(const Peer& holder, const Peer& server, const std::string& group, std::size_t bytes,
         int blobs) {
  const RawCalls raw_holder(holder), raw_server(server);
  std::vector<double> times;
  for (int i = 0; i < blobs; ++i) {
    const std::string content =
        integration::SomeBytes(bytes, static_cast<uint64_t>(i) * 1000003 + bytes);
    const std::string id = holder.PutBlob(content);
    const auto begin = Clock::now();
    raw_holder.SetRef(group, absl::StrCat(bytes, "-", i), id);
    while (!raw_server.Has(id)) {
      CHECK(Clock::now() - begin < std::chrono::seconds(60));
      std::this_thread::sleep_for(std::chrono::microseconds(500));
    }
    times.push_back(SecondsSince(begin) * 1e3);
    // Not in step with anything that happens every so often.
    std::this_thread::sleep_for(std::chrono::milliseconds(i * 7 % 41));
  }
  std::sort(times.begin(), times.end());
  const auto at = [&](double part) {
    return times[std::min(times.size() - 1,
                          static_cast<std::size_t>(part * static_cast<double>(times.size())))];
  };
  std::printf("| %zu KiB | %d | %.1f | %.1f | %.1f | %.1f |\n", bytes / 1024, blobs, at(0.5),
              at(0.9), at(0.99), times.back());
  std::fflush(stdout);
  Record({{"bench", "latency"},
          {"bytes", bytes},
          {"p50_ms", at(0.5)},
          {"p90_ms", at(0.9)},
          {"p99_ms", at(0.99)},
          {"most_ms", times.back()}});
}

int Main(int blobs) {
  const integration::TempDir work;
  Peer holder(integration::WaypostProgram(), work.path() + "/holder", "holder");
  Peer server(integration::WaypostProgram(), work.path() + "/server", "server");
  for (Peer* peer : {&holder, &server}) CHECK(peer->Init().ok() && peer->Start().ok());
  const std::string group = holder.CreateGroup("files", "normal");
  CHECK(server.Join(holder.Invite(group), "server") == group);
  std::printf("| blob | blobs | p50 ms | p90 ms | p99 ms | most ms |\n|---|---|---|---|---|---|\n");
  Run(holder, server, group, 4096, blobs);
  Run(holder, server, group, std::size_t{1} << 20, blobs / 5);
  holder.Stop();
  server.Stop();
  return 0;
}

}  // namespace
}  // namespace waypost::bench

int main(int argc, char** argv) {
  if (!waypost::base::FillStandardDescriptors()) return 1;
  const bool quick = waypost::bench::TakeQuick(argc, argv);
  return waypost::bench::Main(argc > 1 ? std::max(10, std::atoi(argv[1])) : quick ? 10 : 500);
}
