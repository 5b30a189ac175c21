#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/standard_descriptors.h"
#include "base/status.h"
#include "integration/eventually.h"
#include "integration/peer.h"
#include "tests/bench/figures.h"

// A late joiner of a group with many references, and a steady stream of new ones.
//   sync_bench [references]

namespace waypost::bench {
namespace {

using integration::Json;
using integration::Peer;

// References `count` blobs that nobody has: what is measured is what the log costs.
void Reference(const Peer& peer, const std::string& group, std::size_t from, std::size_t count) {
  Json batch = Json::array();
  for (std::size_t i = from; i < from + count; ++i) {
    const std::string key = absl::StrCat("folder ", i % 1000, "/file ", i);
    batch.push_back({{"key", key}, {"blob", integration::HexOfSha256(key)}});
  }
  const auto reply = peer.Call("POST", absl::StrCat("/v1/groups/", group, "/refs:batch"),
                               Json{{"put", batch}}.dump());
  CHECK(reply.status / 100 == 2);
}

int Main(std::size_t count) {
  const integration::TempDir work;
  Peer holder(integration::WaypostProgram(), work.path() + "/holder", "holder");
  Peer joiner(integration::WaypostProgram(), work.path() + "/joiner", "joiner");
  for (Peer* peer : {&holder, &joiner}) {
    // A member as new as this one could not say so much.
    peer->SetSettings({"--limits.mention_burst=5000000"});
    CHECK(peer->Init().ok() && peer->Start().ok());
  }
  const std::string group = holder.CreateGroup("many", "normal");
  for (std::size_t i = 0; i < count; i += 1000) Reference(holder, group, i, 1000);
  CHECK(joiner.Call("POST", "/v1/fetcher/pause", "{}").status == 204);
  const auto wanted = [&] {
    return joiner.Get("/v1/groups/" + group).value("wanted", uint64_t{0});
  };
  uint64_t most_bytes = 0;
  const auto wait_for = [&](uint64_t total) {
    return integration::Eventually(
        [&] {
          most_bytes = std::max(most_bytes, integration::AnonymousBytes(joiner.process().pid()));
          return wanted() >= total;
        },
        base::Millis(600'000));
  };
  const std::string invite = holder.Invite(group);
  const auto begin = Clock::now();
  CHECK(joiner.Join(invite, "server") == group);
  CHECK(wait_for(count));
  const double seconds = Seconds(Clock::now() - begin);
  // A thousand a second, for ten seconds.
  const auto steady = Clock::now();
  for (std::size_t i = 0; i < 100; ++i) {
    std::this_thread::sleep_until(steady + i * base::Millis(100));
    Reference(holder, group, count + i * 100, 100);
  }
  const auto last = Clock::now();
  CHECK(wait_for(count + 10'000));
  const double behind = Seconds(Clock::now() - last);
  std::printf(
      "| references | to a late joiner, s | a second | RssAnon at most, MB | behind a stream of "
      "1,000 a second, s |\n");
  std::printf("|---|---|---|---|---|\n| %zu | %.1f | %.0f | %.0f | %.2f |\n", count, seconds,
              static_cast<double>(count) / seconds, static_cast<double>(most_bytes) / 1e6, behind);
  Record({{"bench", "sync"},
          {"references", count},
          {"seconds", seconds},
          {"rss_anon_bytes", most_bytes},
          {"behind_s", behind}});
  holder.Stop();
  joiner.Stop();
  return 0;
}

}  // namespace
}  // namespace waypost::bench

int main(int argc, char** argv) {
  if (!waypost::base::FillStandardDescriptors()) return 1;
  const bool quick = waypost::bench::TakeQuick(argc, argv);
  return waypost::bench::Main(argc > 1 ? std::strtoull(argv[1], nullptr, 10)
                              : quick  ? 2'000
                                       : 1'000'000);
}
