#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
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
#include "integration/raw_socket.h"
#include "tests/bench/figures.h"
#include "tests/bench/put_many.h"
#include "tests/bench/raw_calls.h"

// How long an app's GET takes while the peer scans, fetches ten thousand blobs and takes puts, all
// at once, beside the same when nothing else goes on. Rounds alternate.
//   load_bench [rounds]

namespace waypost::bench {
namespace {

using integration::Json;
using integration::Peer;

constexpr std::size_t kBlobBytes = 4096;
constexpr int kServed = 500;  // blobs that are asked for
constexpr int kPutters = 2;
constexpr std::chrono::milliseconds kPause{1};  // between GETs: apps do not wait in a queue

struct Size {
  int blobs = 10'000;  // to be fetched in a round
  std::chrono::milliseconds idle{3000};
};

// GETs on one kept connection, one after the other, until `stop`.
class Reader {
 public:
  Reader(const Peer& peer, std::vector<std::string> blobs)
      : peer_(peer), blobs_(std::move(blobs)), fd_(integration::Connect(peer.http().address())) {
    CHECK(fd_ >= 0);
  }
  ~Reader() { close(fd_); }

  std::vector<double> Run(const std::atomic<bool>& stop) {
    std::vector<double> milliseconds;
    for (std::size_t i = 0; !stop; ++i) {
      const std::string request = absl::StrCat(
          "GET /v1/blobs/", blobs_[i % blobs_.size()], "?fetch=never HTTP/1.1\r\n",
          "Host: ", peer_.http().address(), "\r\nAuthorization: Bearer ", token_, "\r\n\r\n");
      const auto begin = Clock::now();
      CHECK(send(fd_, request.data(), request.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(request.size()));
      ReadAnswer();
      milliseconds.push_back(SecondsSince(begin) * 1e3);
      std::this_thread::sleep_for(kPause);
    }
    return milliseconds;
  }

 private:
  void ReadAnswer() {
    std::string answer;
    std::size_t whole = 0;
    char buffer[8192];
    while (whole == 0 || answer.size() < whole) {
      const ssize_t count = recv(fd_, buffer, sizeof(buffer), 0);
      CHECK(count > 0);
      answer.append(buffer, static_cast<std::size_t>(count));
      const std::size_t head = answer.find("\r\n\r\n");
      if (whole == 0 && head != std::string::npos) whole = head + 4 + kBlobBytes;
    }
    CHECK(answer.compare(0, 12, "HTTP/1.1 200") == 0);
  }

  const Peer& peer_;
  const std::vector<std::string> blobs_;
  const int fd_;
  const std::string token_ = integration::ReadWholeFile(peer_.dir() + "/api.token").substr(0, 64);
};

double At(const std::vector<double>& sorted, double part) {
  return sorted[std::min(sorted.size() - 1,
                         static_cast<std::size_t>(part * static_cast<double>(sorted.size())))];
}

class Load {
 public:
  explicit Load(const Size& size) : size_(size) {
    for (Peer* peer : {&holder_, &server_}) CHECK(peer->Init().ok() && peer->Start().ok());
    for (int i = 0; i < kServed; ++i) served_.push_back(server_.PutBlob(Bytes()));
  }
  ~Load() {
    holder_.Stop();
    server_.Stop();
  }

  std::vector<double> Idle() {
    std::atomic<bool> stop = false;
    std::vector<double> times;
    std::thread reader([&] { times = Reader(server_, served_).Run(stop); });
    std::this_thread::sleep_for(size_.idle);
    stop = true;
    reader.join();
    return times;
  }

  // From the beginning of the fetch to its end; `puts` and `scans` meanwhile.
  std::vector<double> Busy(double& seconds, uint64_t& puts, uint64_t& scans) {
    const std::string group = Prepare();
    std::atomic<bool> stop = false;
    std::atomic<uint64_t> put{0}, scanned{0};
    std::vector<double> times;
    std::vector<std::thread> threads;
    threads.emplace_back([&] { times = Reader(server_, served_).Run(stop); });
    for (int i = 0; i < kPutters; ++i) {
      threads.emplace_back([&] {
        for (; !stop; ++put) RawCalls(server_).PutBlob(Bytes());
      });
    }
    threads.emplace_back([&] {
      // One after the other, as one who never stops asking.
      for (; !stop; ++scanned) {
        const double before = server_.Metric("waypost_scan_duration_seconds_count");
        server_.Post("/v1/scan", Json::object(), 202);
        while (!stop && server_.Metric("waypost_scan_duration_seconds_count") == before) {
          std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
      }
    });
    const auto begin = Clock::now();
    CHECK(server_.Call("POST", "/v1/fetcher/resume", "{}").status == 204);
    CHECK(integration::Eventually(
        [&] { return Count(group, "blobs") == static_cast<uint64_t>(size_.blobs); },
        base::Millis(120'000)));
    seconds += SecondsSince(begin);
    stop = true;
    for (std::thread& thread : threads) thread.join();
    puts += put;
    scans += scanned;
    server_.Call("POST", "/v1/groups/" + group + "/leave", "{}");
    return times;
  }

 private:
  std::string Bytes() { return integration::SomeBytes(kBlobBytes, ++number_); }
  uint64_t Count(const std::string& group, const char* what) {
    return server_.Get("/v1/groups/" + group).value(what, uint64_t{0});
  }
  // A group whose blobs are all wanted, and the fetcher paused.
  std::string Prepare() {
    CHECK(server_.Call("POST", "/v1/fetcher/pause", "{}").status == 204);
    const std::string group = holder_.CreateGroup(absl::StrCat("load ", ++number_), "normal");
    PutMany(holder_, group, static_cast<std::size_t>(size_.blobs), [this](std::size_t i) {
      return KeyedBlob{absl::StrCat(i), Bytes()};
    });
    CHECK(server_.Join(holder_.Invite(group), "server") == group);
    CHECK(integration::Eventually(
        [&] { return Count(group, "wanted") == static_cast<uint64_t>(size_.blobs); },
        base::Millis(120'000)));
    return group;
  }

  const Size size_;
  const integration::TempDir work_;
  Peer holder_{integration::WaypostProgram(), work_.path() + "/holder", "holder"};
  Peer server_{integration::WaypostProgram(), work_.path() + "/server", "server"};
  std::vector<std::string> served_;
  std::atomic<uint64_t> number_{0};
};

int Main(int rounds, const Size& size) {
  Load load(size);
  std::vector<double> idle, busy, p50_ratios;
  double seconds = 0;
  uint64_t puts = 0, scans = 0;
  for (int round = 0; round < rounds; ++round) {
    std::vector<double> alone = load.Idle(), beside = load.Busy(seconds, puts, scans);
    p50_ratios.push_back(Median(beside) / Median(alone));
    idle.insert(idle.end(), alone.begin(), alone.end());
    busy.insert(busy.end(), beside.begin(), beside.end());
  }
  std::sort(idle.begin(), idle.end());
  std::sort(busy.begin(), busy.end());
  std::printf(
      "| | GETs | p50 ms | p99 ms | most ms |\n|---|---|---|---|---|\n"
      "| idle | %zu | %.2f | %.2f | %.2f |\n"
      "| busy | %zu | %.2f | %.2f | %.2f |\n\n"
      "Busy: %d x 4 KiB fetched in %.2f s a round, %.0f puts/s, %.1f scans/s; p50 %.1f times "
      "idle.\n",
      idle.size(), At(idle, 0.5), At(idle, 0.99), idle.back(), busy.size(), At(busy, 0.5),
      At(busy, 0.99), busy.back(), size.blobs, seconds / rounds,
      static_cast<double>(puts) / seconds, static_cast<double>(scans) / seconds,
      Median(p50_ratios));
  Record({{"bench", "load"},
          {"idle_p50_ms", At(idle, 0.5)},
          {"idle_p99_ms", At(idle, 0.99)},
          {"busy_p50_ms", At(busy, 0.5)},
          {"busy_p99_ms", At(busy, 0.99)},
          {"p50_ratio", Median(p50_ratios)},
          {"fetch_s", seconds / rounds}});
  return 0;
}

}  // namespace
}  // namespace waypost::bench

int main(int argc, char** argv) {
  if (!waypost::base::FillStandardDescriptors()) return 1;
  const bool quick = waypost::bench::TakeQuick(argc, argv);
  waypost::bench::Size size;
  if (quick) size = {.blobs = 300, .idle = std::chrono::milliseconds(200)};
  const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : quick ? 1 : 5;
  return waypost::bench::Main(rounds, size);
}
