#include "tests/bench/honest_work.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "integration/raw_socket.h"
#include "tests/bench/figures.h"

// Honest work, measured from outside by plain sockets. Whatever fails is counted with the time that
// it took, so that an attack which makes work fail does not look fast.

namespace waypost::bench {
namespace {

constexpr int kAnswerSecondsAtMost = 10;
constexpr std::chrono::milliseconds kPause{2};  // between two of a kind
constexpr std::chrono::milliseconds kLookEvery{1};
constexpr int kKeys = 500;

double ThreadCpuSeconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

std::string RefPath(const std::string& group, const std::string& key) {
  return absl::StrCat("/v1/groups/", group, "/refs/", key);
}
std::string RefBody(const std::string& blob) { return "{\"blob\":\"" + blob + "\"}"; }

}  // namespace

KeptLine::KeptLine(const integration::Peer& peer)
    : address_(peer.http().address()),
      token_(integration::ReadWholeFile(peer.dir() + "/api.token").substr(0, 64)) {}
KeptLine::~KeptLine() { Close(); }

void KeptLine::Close() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

int KeptLine::Ask(std::string_view method, std::string_view target, std::string_view body) {
  std::string request =
      absl::StrCat(std::string(method), " ", std::string(target), " HTTP/1.1\r\nHost: ", address_,
                   "\r\nAuthorization: Bearer ", token_, "\r\n");
  if (method != "GET") {
    absl::StrAppend(&request, "Content-Type: application/json\r\nContent-Length: ", body.size(),
                    "\r\n");
  }
  request += "\r\n";
  request += body;
  const bool kept = fd_ >= 0;
  const int status = TryToAsk(request);
  return status == 0 && kept ? TryToAsk(request) : status;
}

int KeptLine::TryToAsk(std::string_view request) {
  if (fd_ < 0) {
    fd_ = integration::Connect(address_);
    if (fd_ < 0) return 0;
    const timeval wait{.tv_sec = kAnswerSecondsAtMost, .tv_usec = 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
  }
  std::string answer;
  std::size_t whole = 0;  // bytes; 0: its head is not there yet
  bool good = integration::SendAll(fd_, request);
  while (good && (whole == 0 || answer.size() < whole)) {
    char piece[16384];
    const ssize_t got = recv(fd_, piece, sizeof(piece), 0);
    good = got > 0;
    if (!good) break;
    answer.append(piece, static_cast<std::size_t>(got));
    const std::size_t head = answer.find("\r\n\r\n");
    if (whole != 0 || head == std::string::npos) continue;
    const std::size_t length = answer.find("Content-Length: ");
    whole = head + 4;
    if (length < head) whole += std::strtoull(answer.c_str() + length + 16, nullptr, 10);
  }
  const std::size_t head = answer.find("\r\n\r\n");
  if (!good || answer.find("Connection: close") < head) Close();
  return good ? std::atoi(answer.c_str() + 9) : 0;
}

void Honest::Add(const Honest& other) {
  for (std::size_t i = 0; i < of.size(); ++i) {
    of[i].milliseconds.insert(of[i].milliseconds.end(), other.of[i].milliseconds.begin(),
                              other.of[i].milliseconds.end());
    of[i].failed += other.of[i].failed;
  }
  cpu_seconds += other.cpu_seconds;
}

Honest HonestWork::Run(std::chrono::milliseconds time) const {
  Honest result;
  const auto end = Clock::now() + time;
  std::array<double, kWorks.size()> cpu{};
  // `once` does it for the i-th time: did it work?
  const auto repeat = [&](Work work, const std::function<bool(int)>& once) {
    WorkTimes& times = result.of[static_cast<std::size_t>(work)];
    for (int i = 0; Clock::now() < end; ++i) {
      const auto begin = Clock::now();
      if (!once(i)) ++times.failed;
      times.milliseconds.push_back(SecondsSince(begin) * 1e3);
      std::this_thread::sleep_for(kPause);
    }
    cpu[static_cast<std::size_t>(work)] = ThreadCpuSeconds();
  };
  const auto blob = [&](int i) -> const std::string& {
    return blobs[static_cast<std::size_t>(i) % blobs.size()];
  };
  std::vector<std::thread> threads;
  threads.emplace_back([&] {
    KeptLine line(peer);
    repeat(Work::kGet, [&](int i) {
      return line.Ask("GET", absl::StrCat("/v1/blobs/", blob(i), "?fetch=never")) == 200;
    });
  });
  threads.emplace_back([&] {
    KeptLine line(peer);
    repeat(Work::kPut, [&](int i) {
      return line.Ask("PUT", RefPath(group, absl::StrCat("put-", i % kKeys)), RefBody(blob(i))) ==
             200;
    });
  });
  threads.emplace_back([&] {
    KeptLine line(peer), there(other);
    const auto run = Clock::now().time_since_epoch().count();
    repeat(Work::kArrival, [&](int i) {
      const std::string path = RefPath(group, absl::StrCat("come-", run, "-", i));
      if (there.Ask("PUT", path, RefBody(blob(i))) != 200) return false;
      const auto latest = Clock::now() + std::chrono::seconds(kAnswerSecondsAtMost);
      while (line.Ask("GET", path) != 200) {
        if (Clock::now() > latest) return false;
        std::this_thread::sleep_for(kLookEvery);
      }
      return true;
    });
  });
  threads.emplace_back([&] {
    KeptLine line(peer);
    repeat(Work::kHealth, [&](int) { return line.Ask("GET", "/healthz") == 200; });
  });
  for (std::thread& thread : threads) thread.join();
  for (const double seconds : cpu) result.cpu_seconds += seconds;
  return result;
}

}  // namespace waypost::bench
