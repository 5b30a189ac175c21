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
#include "integration/eventually.h"
#include "integration/peer.h"
#include "tests/bench/figures.h"
#include "tests/bench/put_many.h"
#include "tests/bench/raw_calls.h"

// A holder of many wanted blobs comes back: how long until all of them are here, and does a new
// blob of another group wait for that?
//   return_bench [blobs]

namespace waypost::bench {
namespace {

using integration::Peer;

int Main(std::size_t count) {
  const integration::TempDir work;
  Peer holder(integration::WaypostProgram(), work.path() + "/holder", "holder");
  Peer other(integration::WaypostProgram(), work.path() + "/other", "other");
  Peer server(integration::WaypostProgram(), work.path() + "/server", "server");
  for (Peer* peer : {&holder, &other, &server}) CHECK(peer->Init().ok() && peer->Start().ok());
  const std::string group = holder.CreateGroup("many", "normal");
  const std::string another = other.CreateGroup("another", "normal");
  PutMany(holder, group, count, [](std::size_t i) {
    return KeyedBlob{absl::StrCat(i), integration::SomeBytes(4096, i)};
  });
  CHECK(server.Call("POST", "/v1/fetcher/pause", "{}").status == 204);
  CHECK(server.Join(holder.Invite(group), "server") == group);
  CHECK(server.Join(other.Invite(another), "server") == another);
  const auto blobs = [&] { return server.Get("/v1/groups/" + group).value("blobs", uint64_t{0}); };
  CHECK(integration::Eventually(
      [&] { return server.Get("/v1/groups/" + group).value("wanted", uint64_t{0}) == count; },
      base::Millis(600'000)));
  // It leaves before anything was fetched, and the server notices.
  holder.Stop();
  CHECK(server.Call("POST", "/v1/fetcher/resume", "{}").status == 204);
  std::this_thread::sleep_for(std::chrono::seconds(3));
  CHECK(blobs() == 0);
  CHECK(holder.Start().ok());
  CHECK(integration::Eventually([&] { return blobs() > 0; }, base::Millis(600'000)));
  const RawCalls raw_other(other), raw_server(server);
  const auto begin = Clock::now();
  uint64_t before = 0;
  double peak = 0, slowest = 0;
  int fresh = 0;
  auto tick = begin;
  while (true) {
    // One of the other group, while the many are on their way.
    const std::string id =
        other.PutBlob(integration::SomeBytes(4096, 1'000'000'000u + static_cast<uint64_t>(fresh)));
    const auto referenced = Clock::now();
    raw_other.SetRef(another, absl::StrCat(fresh++), id);
    CHECK(integration::Eventually([&] { return raw_server.Has(id); }, base::Millis(60'000)));
    const uint64_t now = blobs();
    if (now < count) slowest = std::max(slowest, Seconds(Clock::now() - referenced));
    const double passed = Seconds(Clock::now() - tick);
    if (passed >= 0.5 || now == count) {
      peak = std::max(peak, static_cast<double>(now - before) / passed);
      before = now;
      tick = Clock::now();
    }
    if (now == count) break;
    CHECK(Clock::now() - begin < std::chrono::minutes(10));
  }
  const double seconds = Seconds(Clock::now() - begin);
  std::printf(
      "| wanted | drained in s | blobs/s | most blobs/s | another group's new blobs | the slowest "
      "of them, s |\n");
  std::printf("|---|---|---|---|---|---|\n| %zu x 4 KiB | %.1f | %.0f | %.0f | %d | %.2f |\n",
              count, seconds, static_cast<double>(count) / seconds, peak, fresh, slowest);
  Record({{"bench", "return"},
          {"blobs", count},
          {"drained_s", seconds},
          {"most_per_s", peak},
          {"other_group_slowest_s", slowest}});
  for (Peer* peer : {&holder, &other, &server}) peer->Stop();
  return 0;
}

}  // namespace
}  // namespace waypost::bench

int main(int argc, char** argv) {
  if (!waypost::base::FillStandardDescriptors()) return 1;
  const bool quick = waypost::bench::TakeQuick(argc, argv);
  return waypost::bench::Main(argc > 1 ? std::strtoull(argv[1], nullptr, 10)
                              : quick  ? 500
                                       : 100'000);
}
