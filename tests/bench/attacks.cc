#include "tests/bench/attacks.h"

#include <chrono>
#include <thread>

#include "tests/bench/attack_lists.h"

// The table of attacks. It begins with two that are none: nothing, for what differs from one moment
// to the next on this machine, and threads that compute, for what it costs honest work that an
// attacker on the same machine keeps its processors warm.

namespace waypost::bench {
namespace {

std::function<void()> Nothing(Stage& stage) {
  return [&stage] {
    while (!stage.stop) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  };
}

std::function<void()> Spin(Stage& stage) {
  return [&stage] {
    const auto spin = [&stage] {
      while (!stage.stop) {
      }
    };
    std::thread second(spin);
    spin();
    second.join();
  };
}

std::vector<Attack> AllOfThem() {
  std::vector<Attack> all = {{"(nothing)", Nothing}, {"(two threads that compute)", Spin}};
  for (const auto& more : {AttacksByPages(), AttacksByCalls()}) {
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

}  // namespace

const std::vector<Attack>& Attacks() {
  static const std::vector<Attack> all = AllOfThem();
  return all;
}

}  // namespace waypost::bench
