#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/log.h"
#include "base/standard_descriptors.h"
#include "http/client/socket.h"
#include "syncgroup/protocol/invite.h"
#include "tests/bench/figures.h"
#include "tests/http/node.h"

// What TLS between peers costs: the whole fetch of two sets with and without it, in turns, and
// handshakes. Usage: tls_bench [rounds]

namespace waypost {
namespace {

using bench::Clock;
using http::Node;

struct Set {
  const char* name;
  std::size_t count;
  std::size_t bytes;
  double wanted;  // of the speed without TLS
};
constexpr Set kQuickSets[] = {{"100 x 4 KiB", 100, 4096, 0}};
constexpr Set kSets[] = {{"8 x 128 MiB", 8, std::size_t{128} << 20, 0.6},
                         {"10,000 x 4 KiB", 10000, 4096, 0.8}};

void PutAll(Node& holder, const base::GroupId& group, const Set& set) {
  std::mt19937_64 random(set.count);
  std::string bytes(set.bytes, '\0');
  for (std::size_t i = 0; i < set.count; ++i) {
    // Every blob differs; most of its bytes may be those of the last one.
    for (std::size_t at = 0; at + 8 <= std::min<std::size_t>(bytes.size(), 4096); at += 8) {
      const uint64_t word = random();
      std::memcpy(bytes.data() + at, &word, 8);
    }
    auto writer = *holder.parts->blobs->StartPut(bytes.size());
    CHECK(writer->Append(bytes).ok());
    const auto staged = writer->Finish(std::nullopt);
    CHECK(staged.ok());
    CHECK(holder.parts->refs->Put(*staged, syncgroup::Refs::Target{group, std::to_string(i)}).ok());
  }
}

struct Result {
  double seconds = 0;
  double cpu = 0;
};

// From a member that has nothing to one that holds everything.
Result Fetch(const Set& set, bool tls) {
  const uint64_t max_blob = uint64_t{1} << 30;
  Node holder({.name = "holder", .max_blob_bytes = max_blob, .tls = tls});
  const auto group = holder.parts->groups->Create({.name = "bench"});
  CHECK(group.ok());
  PutAll(holder, group->id, set);
  Node server({.name = "server", .max_blob_bytes = max_blob, .tls = tls});
  const auto invite = holder.parts->invites->Create(group->id, {});
  CHECK(invite.ok());
  const double cpu = bench::CpuSecondsOf(RUSAGE_SELF);
  const auto begin = Clock::now();
  server.Call("POST", "/v1/join",
              http::Json{{"invite", syncgroup::EncodeInvite(*invite)}, {"role", "server"}}.dump());
  while (true) {
    const auto now = server.parts->groups->Find(group->id);
    if (now.ok() && now->counts.blobs == set.count) break;
    CHECK(Clock::now() - begin < std::chrono::minutes(5));
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return {bench::SecondsSince(begin), bench::CpuSecondsOf(RUSAGE_SELF) - cpu};
}

double HandshakesPerSecond() {
  Node node({.tls = true});
  const auto caller = base::Identity::Generate();
  const auto tls = *http::PeerTls::Create(*caller);
  const http::Interrupt interrupt{std::stop_token()};
  const auto begin = Clock::now();
  int done = 0;
  while (Clock::now() - begin < std::chrono::seconds(3)) {
    auto socket = http::Socket::Connect({node.peer->bound_address()}, {}, interrupt);
    CHECK(socket.ok());
    CHECK(socket
              ->StartPeerTls(*tls, node.identity->peer_id(), Clock::now() + std::chrono::seconds(5),
                             interrupt)
              .ok());
    ++done;
  }
  return done / bench::SecondsSince(begin);
}

int Main(int rounds, const std::vector<Set>& sets) {
  signal(SIGPIPE, SIG_IGN);
  base::SetLogLevel(base::LogLevel::kError);
  std::printf(
      "| set | plain, s | TLS, s | speed kept | wanted | CPU s/GB plain | CPU s/GB TLS |\n");
  std::printf("|---|---|---|---|---|---|---|\n");
  for (const Set& set : sets) {
    std::vector<double> plain, tls, kept, plain_cpu, tls_cpu;
    const double gb = static_cast<double>(set.count) * static_cast<double>(set.bytes) / 1e9;
    for (int round = 0; round < rounds; ++round) {
      const bool tls_first = round % 2 == 1;
      const Result first = Fetch(set, tls_first), second = Fetch(set, !tls_first);
      const Result& without = tls_first ? second : first;
      const Result& with = tls_first ? first : second;
      plain.push_back(without.seconds);
      tls.push_back(with.seconds);
      kept.push_back(without.seconds / with.seconds);
      plain_cpu.push_back(without.cpu / gb);
      tls_cpu.push_back(with.cpu / gb);
    }
    const auto [least, most] = std::minmax_element(kept.begin(), kept.end());
    std::printf("| %s | %.2f | %.2f | %.2f (%.2f-%.2f) | %.1f | %.2f | %.2f |\n", set.name,
                bench::Median(plain), bench::Median(tls), bench::Median(kept), *least, *most,
                set.wanted, bench::Median(plain_cpu), bench::Median(tls_cpu));
    std::fflush(stdout);
    bench::Record({{"bench", "tls"},
                   {"set", set.name},
                   {"plain_s", bench::Median(plain)},
                   {"tls_s", bench::Median(tls)},
                   {"kept", bench::Median(kept)}});
  }
  std::printf("\nHandshakes a second, both sides in one process, one after the other: %.0f\n",
              HandshakesPerSecond());
  return 0;
}

}  // namespace
}  // namespace waypost

int main(int argc, char** argv) {
  if (!waypost::base::FillStandardDescriptors()) return 1;
  const bool quick = waypost::bench::TakeQuick(argc, argv);
  const std::vector<waypost::Set> sets =
      quick ? std::vector<waypost::Set>(std::begin(waypost::kQuickSets),
                                        std::end(waypost::kQuickSets))
            : std::vector<waypost::Set>(std::begin(waypost::kSets), std::end(waypost::kSets));
  return waypost::Main(argc > 1 ? std::max(1, std::atoi(argv[1])) : quick ? 1 : 3, sets);
}
