#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/standard_descriptors.h"
#include "base/status.h"
#include "integration/peer.h"
#include "tests/bench/figures.h"
#include "tests/bench/raw_calls.h"

// Durable puts of blobs by several clients, beside what the disk gives to as many programs that
// write as much and sync it. Rounds alternate.
//   ingest_bench [rounds]

namespace waypost::bench {
namespace {

// How often a second `clients` threads together come round `once`, each with its own number.
double PerSecond(int clients, base::Millis round,
                 const std::function<void(int client, uint64_t turn)>& once) {
  std::atomic<uint64_t> done{0};
  const auto begin = Clock::now();
  std::vector<std::thread> threads;
  for (int client = 0; client < clients; ++client) {
    threads.emplace_back([&, client] {
      for (uint64_t turn = 0; Clock::now() - begin < round; ++turn) {
        once(client, turn);
        ++done;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return static_cast<double>(done) / SecondsSince(begin);
}

// Each appends to a file of its own and syncs it.
double OfTheDisk(const std::string& folder, int clients, base::Millis round,
                 const std::string& bytes) {
  std::vector<int> files;
  for (int client = 0; client < clients; ++client) {
    const std::string path = absl::StrCat(folder, "/", client);
    files.push_back(open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600));
    CHECK(files.back() >= 0);
  }
  const double per_second = PerSecond(clients, round, [&](int client, uint64_t turn) {
    const int fd = files[static_cast<std::size_t>(client)];
    CHECK(pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(turn * bytes.size())) ==
          static_cast<ssize_t>(bytes.size()));
    CHECK(fdatasync(fd) == 0);
  });
  for (const int fd : files) close(fd);
  return per_second;
}

int Main(int rounds, base::Millis each) {
  const integration::TempDir work;
  integration::Peer peer(integration::WaypostProgram(), work.path() + "/peer", "peer");
  CHECK(peer.Init().ok() && peer.Start().ok());
  const RawCalls raw(peer);
  std::printf("| blob | clients | puts/s | the disk, writes/s | ratio |\n|---|---|---|---|---|\n");
  std::atomic<uint64_t> number{0};
  for (const std::size_t size : {std::size_t{4096}, std::size_t{1} << 20}) {
    for (const int clients : {1, 4, 16}) {
      std::vector<double> puts, writes, ratios;
      for (int round = 0; round < rounds; ++round) {
        std::vector<std::string> bytes;
        for (int client = 0; client < clients; ++client) {
          bytes.push_back(integration::SomeBytes(size, static_cast<uint64_t>(client)));
        }
        puts.push_back(PerSecond(clients, each, [&](int client, uint64_t) {
          // Every blob is another one.
          std::string& mine = bytes[static_cast<std::size_t>(client)];
          const uint64_t different = ++number;
          mine.replace(0, sizeof(different), reinterpret_cast<const char*>(&different),
                       sizeof(different));
          raw.PutBlob(mine);
        }));
        writes.push_back(OfTheDisk(work.path(), clients, each, bytes[0]));
        ratios.push_back(puts.back() / writes.back());
      }
      std::printf("| %zu KiB | %d | %.0f | %.0f | %.2f |\n", size / 1024, clients, Median(puts),
                  Median(writes), Median(ratios));
      std::fflush(stdout);
      Record({{"bench", "ingest"},
              {"bytes", size},
              {"clients", clients},
              {"puts_per_s", Median(puts)},
              {"disk_per_s", Median(writes)},
              {"ratio", Median(ratios)}});
    }
  }
  peer.Stop();
  return 0;
}

}  // namespace
}  // namespace waypost::bench

int main(int argc, char** argv) {
  if (!waypost::base::FillStandardDescriptors()) return 1;
  const bool quick = waypost::bench::TakeQuick(argc, argv);
  return waypost::bench::Main(argc > 1 ? std::max(1, std::atoi(argv[1]))
                              : quick  ? 1
                                       : 3,
                              waypost::base::Millis(quick ? 100 : 3000));
}
