#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "base/log.h"
#include "base/standard_descriptors.h"
#include "tests/sim/world.h"

// sim_world [SEEDS [FIRST [PEERS_MIN PEERS_MAX]]]: runs worlds one after the other, every third
// with hostile members (all with SIM_HOSTILE=1). A seed that fails is shown with what the oracle
// found and how it is run again; one seed alone tells what happens.

namespace {

uint64_t NumberOr(int argc, char** argv, int at, uint64_t otherwise) {
  return argc > at ? std::strtoull(argv[at], nullptr, 10) : otherwise;
}

}  // namespace

int main(int argc, char** argv) {
  if (!waypost::base::FillStandardDescriptors()) return 1;
  using waypost::sim::Outcome;
  using waypost::sim::WorldOptions;
  waypost::base::ConfigureLog(waypost::base::LogLevel::kError, waypost::base::LogFormat::kText);
  const uint64_t seeds = NumberOr(argc, argv, 1, 10);
  const uint64_t first = NumberOr(argc, argv, 2, 1);
  WorldOptions options;
  options.peers_min = NumberOr(argc, argv, 3, options.peers_min);
  options.peers_max = NumberOr(argc, argv, 4, options.peers_max);
  options.tell = seeds == 1;
  options.tell_calls = std::getenv("SIM_CALLS") != nullptr;
  const bool all_hostile = std::getenv("SIM_HOSTILE") != nullptr;
  uint64_t failed = 0;
  long long settled_longest_ms = 0;
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    options.seed = seed;
    options.hostile = seed % 3 == 0 || all_hostile;
    const Outcome outcome = waypost::sim::RunWorld(options);
    settled_longest_ms = std::max<long long>(settled_longest_ms, outcome.settled_after.count());
    if (seeds == 1) {
      std::printf(
          "seed %llu: %zu peers, %.0f virtual s, settled after %.0f s, %llu calls, "
          "%llu decisions, trace %016llx\n",
          static_cast<unsigned long long>(seed), outcome.peers,
          static_cast<double>(outcome.virtual_time.count()) / 1000,
          static_cast<double>(outcome.settled_after.count()) / 1000,
          static_cast<unsigned long long>(outcome.calls),
          static_cast<unsigned long long>(outcome.decisions),
          static_cast<unsigned long long>(outcome.trace));
    }
    if (outcome.problems.empty()) continue;
    ++failed;
    std::printf("seed %llu failed, %zu peers; again: ./dev sim 1 %llu\n",
                static_cast<unsigned long long>(seed), outcome.peers,
                static_cast<unsigned long long>(seed));
    for (const std::string& problem : outcome.problems) std::printf("  %s\n", problem.c_str());
    std::fflush(stdout);
  }
  const double core_hours = static_cast<double>(std::clock()) / CLOCKS_PER_SEC / 3600;
  std::printf("%llu seeds from %llu: %llu failed; %.0f seeds a core-hour, settled within %.1f s\n",
              static_cast<unsigned long long>(seeds), static_cast<unsigned long long>(first),
              static_cast<unsigned long long>(failed), static_cast<double>(seeds) / core_hours,
              static_cast<double>(settled_longest_ms) / 1000);
  return failed == 0 ? 0 : 1;
}
