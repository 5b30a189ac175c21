#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/standard_descriptors.h"
#include "base/status.h"
#include "integration/eventually.h"
#include "integration/peer.h"
#include "tests/bench/attacks.h"
#include "tests/bench/figures.h"
#include "tests/bench/honest_work.h"
#include "tests/bench/web_servers.h"

// How long honest work at a peer takes while a member, a stranger or an app does its worst, beside
// the same right before and after. The attacked peer and the honest one are processes of their own;
// the attacker's threads, in this one, give way to all others, so that what is slow is so by what
// the attacked peer does and not because the attacker sits on its processors.
//   attack_bench [seconds of each phase [part of an attack's name]]

namespace waypost::bench {
namespace {

using integration::Json;
using integration::Peer;
using std::chrono::milliseconds;

constexpr int kAttackersNice = 10;

struct Size {
  milliseconds phase{3000};
  bool quick = false;  // one group for all attacks, small pages
};

// Runs it as the attacker: what it starts is nice too.
std::thread Attacker(std::function<void()> run) {
  return std::thread([run = std::move(run)] {
    if (nice(kAttackersNice) == -1) std::fprintf(stderr, "the attacker cannot be nice\n");
    run();
  });
}

// A group of three, of which the attacked peer fetches what others mention, somebody outside, and
// what all attacks find there.
class World {
 public:
  explicit World(const Size& size) {
    constexpr int kBlobs = 200, kBatches = 5, kRefsABatch = 1000;
    for (Peer* peer : {&victim_, &honest_}) CHECK(peer->Init().ok() && peer->Start().ok());
    const std::string group = victim_.CreateGroup("attacked", "server");
    CHECK(honest_.Join(victim_.Invite(group), "normal") == group);
    std::vector<std::string> blobs;
    for (uint64_t i = 0; i < kBlobs; ++i) {
      blobs.push_back(victim_.PutBlob(integration::SomeBytes(4096, i)));
    }
    large_ = victim_.PutBlob(integration::SomeBytes(std::size_t{16} << 20, 1), group, "large");
    for (int i = 0; i < (size.quick ? 0 : kBatches); ++i) {
      Json batch = Json::array();
      for (int j = 0; j < kRefsABatch; ++j) {
        batch.push_back({{"key", absl::StrCat("known-", i, "-", j)}, {"blob", blobs.front()}});
      }
      CHECK(victim_.Call("POST", "/v1/groups/" + group + "/refs:batch", Json{{"put", batch}}.dump())
                .status == 200);
    }
    Attacker([&] {
      member_ = std::make_unique<support::HostilePeer>(clock_, work_.path() + "/member");
      stranger_ = std::make_unique<support::HostilePeer>(clock_, work_.path() + "/stranger");
    }).join();
    const auto invite = syncgroup::ParseInvite(victim_.Invite(group));
    CHECK(invite.ok() && member_->Join(*invite).ok());
    work = std::make_unique<HonestWork>(
        HonestWork{.peer = victim_, .other = honest_, .group = group, .blobs = std::move(blobs)});
    // The first of everything takes longer.
    work->Run(size.phase / 3);
  }
  ~World() {
    stop = true;
    member_.reset();
    stranger_.reset();
    victim_.Stop();
    honest_.Stop();
  }
  Stage MakeStage(bool quick) {
    return {.peer = victim_,
            .group = *base::GroupId::FromHex(work->group),
            .endpoint = {.peer = *base::PeerId::FromHex(victim_.id()),
                         .addresses = {victim_.peer_address()}},
            .large_blob = large_,
            .member = *member_,
            .stranger = *stranger_,
            .quick = quick,
            .stop = stop,
            .done = done,
            .refused = refused};
  }
  pid_t pid() { return victim_.process().pid(); }

  std::unique_ptr<HonestWork> work;
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> done{0}, refused{0};

 private:
  const integration::TempDir work_;
  const base::SystemClock clock_;
  Peer victim_{integration::WaypostProgram(), work_.path() + "/victim", "victim"};
  Peer honest_{integration::WaypostProgram(), work_.path() + "/honest", "honest"};
  std::string large_;
  std::unique_ptr<support::HostilePeer> member_, stranger_;
};

struct Result {
  Honest before, during, after;
  double seconds = 0;
  double victim_cpu = 0, attacker_cpu = 0;
  double grown_mib = 0;  // anonymous memory at most, over what it was
  uint64_t done = 0, refused = 0;
};

Result Run(World& world, const Attack& attack, const Size& size) {
  world.stop = false;
  world.done = world.refused = 0;
  Stage stage = world.MakeStage(size.quick);
  const std::function<void()> go = attack.prepare(stage);
  Result result;
  result.before = world.work->Run(size.phase);
  const double memory = static_cast<double>(integration::AnonymousBytes(world.pid()));
  std::atomic<double> most = memory;
  const double victim = CpuSeconds({world.pid()}), own = CpuSecondsOf(RUSAGE_SELF);
  const auto begin = Clock::now();
  std::thread attacker = Attacker(go);
  std::thread look([&] {
    while (!world.stop) {
      most = std::max<double>(most, static_cast<double>(integration::AnonymousBytes(world.pid())));
      std::this_thread::sleep_for(milliseconds(20));
    }
  });
  result.during = world.work->Run(size.phase);
  result.seconds = SecondsSince(begin);
  result.victim_cpu = CpuSeconds({world.pid()}) - victim;
  result.attacker_cpu = CpuSecondsOf(RUSAGE_SELF) - own - result.during.cpu_seconds;
  result.done = world.done;
  result.refused = world.refused;
  world.stop = true;
  attacker.join();
  look.join();
  result.grown_mib = (most - memory) / (1 << 20);
  result.after = world.work->Run(size.phase);
  return result;
}

double At(std::vector<double> values, double part) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1,
                         static_cast<std::size_t>(part * static_cast<double>(values.size())))];
}

constexpr const char* kWorkNames[] = {"get", "put", "arrival", "health"};

void Print(const Attack& attack, const Result& result) {
  Honest calm = result.before;
  calm.Add(result.after);
  nlohmann::json record = {{"bench", "attack"},
                           {"attack", attack.name},
                           {"victim_cpu_s", result.victim_cpu},
                           {"attacker_cpu_s", result.attacker_cpu},
                           {"seconds", result.seconds},
                           {"rss_anon_grown_mib", result.grown_mib}};
  std::printf("| %s |", std::string(attack.name).c_str());
  int failed = 0;
  double least = 1e9, greatest = 0;
  for (std::size_t i = 0; i < kWorks.size(); ++i) {
    const std::vector<double>& quiet = calm.of[i].milliseconds;
    const std::vector<double>& busy = result.during.of[i].milliseconds;
    const double times = Median(busy) / std::max(Median(quiet), 1e-3);
    std::printf(" %.2f/%.1f, %.2f/%.1f, **%.1f** |", Median(quiet), At(quiet, 0.99), Median(busy),
                At(busy, 0.99), times);
    const double again = Median(result.after.of[i].milliseconds) /
                         std::max(Median(result.before.of[i].milliseconds), 1e-3);
    least = std::min(least, again);
    greatest = std::max(greatest, again);
    failed += result.during.of[i].failed;
    record[kWorkNames[i]] = {{"calm_p50_ms", Median(quiet)},
                             {"calm_p99_ms", At(quiet, 0.99)},
                             {"p50_ms", Median(busy)},
                             {"p99_ms", At(busy, 0.99)},
                             {"times", times},
                             {"calm_again", again}};
  }
  std::printf(" %d | %.1f-%.1f | %.0f (%.0f %%) | %.2f | %.2f | %.1f |\n", failed, least, greatest,
              static_cast<double>(result.done) / result.seconds,
              100.0 * static_cast<double>(result.refused) /
                  static_cast<double>(std::max<uint64_t>(1, result.done)),
              result.victim_cpu / result.seconds, result.attacker_cpu / result.seconds,
              result.grown_mib);
  std::fflush(stdout);
  record["failed"] = failed;
  Record(record);
}

int Main(const Size& size, const std::string& name) {
  signal(SIGPIPE, SIG_IGN);
  CHECK(base::InitCrypto());
  base::SetLogLevel(base::LogLevel::kError);
  std::printf(
      "Milliseconds: calm p50/p99, attacked p50/p99, **how many times the calm p50**. Calm again: "
      "p50 after the attack over p50 before, least and most of the four.\n\n"
      "| attack | GET 4 KiB | PUT a reference | a reference arrives | /healthz | failed | calm "
      "again | done/s (refused) | cores used by the attacked | by the attacker | RssAnon grows by, "
      "MiB |\n"
      "|---|---|---|---|---|---|---|---|---|---|---|\n");
  std::unique_ptr<World> world;
  for (const Attack& attack : Attacks()) {
    if (attack.name.find(name) == std::string_view::npos) continue;
    if (world == nullptr || !size.quick) {
      world.reset();
      world = std::make_unique<World>(size);
    }
    Print(attack, Run(*world, attack, size));
  }
  return 0;
}

}  // namespace
}  // namespace waypost::bench

int main(int argc, char** argv) {
  if (!waypost::base::FillStandardDescriptors()) return 1;
  waypost::bench::Size size;
  if (waypost::bench::TakeQuick(argc, argv)) {
    size = {.phase = std::chrono::milliseconds(100), .quick = true};
  }
  if (argc > 1) size.phase = std::chrono::milliseconds(std::max(1, std::atoi(argv[1])) * 1000);
  return waypost::bench::Main(size, argc > 2 ? argv[2] : "");
}
