#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/standard_descriptors.h"
#include "integration/demo_files.h"
#include "integration/eventually.h"
#include "integration/peer.h"

// The main job on real files: a laptop and a camera put files of this machine into a group, and a
// home server fetches, verifies and keeps every one. Three real processes; nothing is faked.

namespace waypost::integration {
namespace {

constexpr std::size_t kFilesMin = 2'000;
constexpr std::size_t kFilesWanted = 2'400;
constexpr uint64_t kBytesMin = uint64_t{300} << 20;
constexpr std::size_t kThreads = 6;
constexpr base::Millis kPatienceForAll{15 * 60'000};

std::atomic<bool> interrupted{false};
extern "C" void Interrupt(int) { interrupted = true; }

double SecondsSince(base::SteadyTime start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// One file on its way through the demo.
struct Item {
  DemoFile file;
  std::size_t from = 0;  // index of the peer that puts it
  std::string blob;      // what sha256 of the file on disk says
  bool put = false, verified = false;
};

// A line drawn anew on a terminal, one now and then elsewhere.
class Line {
 public:
  void Show(const std::string& text, bool last) {
    const bool terminal = isatty(STDERR_FILENO) == 1;
    if (!terminal && !last && SecondsSince(shown_) < 5) return;
    shown_ = std::chrono::steady_clock::now();
    std::cerr << (terminal ? "\r\x1b[K" : "") << text << (terminal && !last ? "" : "\n")
              << std::flush;
  }

 private:
  base::SteadyTime shown_ = std::chrono::steady_clock::now();
};

std::string Bar(double share) {
  const auto filled = static_cast<std::size_t>(std::clamp(share, 0.0, 1.0) * 30);
  return "[" + std::string(filled, '#') + std::string(30 - filled, '.') + "]";
}

// Runs `work` for each item on several threads, drawing a line meanwhile; false as soon as one
// fails.
bool ForEachItem(std::vector<Item>& items, const std::string& label,
                 const std::function<bool(Item&)>& work) {
  std::atomic<std::size_t> next{0}, done{0};
  std::atomic<uint64_t> bytes{0};
  std::atomic<bool> failed{false};
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (std::size_t i = next++; i < items.size() && !failed && !interrupted; i = next++) {
        if (!work(items[i])) failed = true;
        bytes += items[i].file.size_bytes;
        ++done;
      }
    });
  }
  Line line;
  const auto text = [&] {
    return absl::StrFormat("%s %s %d of %d files, %.0f MB", label,
                           Bar(static_cast<double>(done) / static_cast<double>(items.size())),
                           done.load(), items.size(), static_cast<double>(bytes) / 1e6);
  };
  Eventually(
      [&] {
        line.Show(text(), false);
        return done >= items.size() || failed || interrupted;
      },
      kPatienceForAll);
  for (std::thread& thread : threads) thread.join();
  line.Show(text(), true);
  return !failed && !interrupted;
}

class Demo {
 public:
  explicit Demo(bool keep) : keep_(keep) {}

  bool Run() {
    return Pick() && StartPeers() && MakeGroup() && PutAll() && WaitForServer() && Verify();
  }
  void PrintTable() const;
  void PrintHowToReach();
  // The files of the peers stay on disk only while the peers run.
  void KeepRunning() {
    for (const auto& peer : peers_) peer->process().Release();
    dir_.Keep();
  }

 private:
  enum Who : std::size_t { kLaptop, kCamera, kServer };
  Peer& At(std::size_t who) { return *peers_[who]; }

  bool Pick();
  bool StartPeers();
  bool MakeGroup();
  bool PutAll();
  bool WaitForServer();
  bool Verify();

  const bool keep_;
  TempDir dir_;
  std::vector<std::unique_ptr<Peer>> peers_;
  std::string group_;
  std::vector<Item> items_;
  base::SteadyTime started_;
  double put_seconds_ = 0, held_seconds_ = 0, verify_seconds_ = 0;
};

bool Demo::Pick() {
  std::cerr << "looking for files ..." << std::flush;
  const auto files =
      PickFiles({"/usr/share/doc", "/usr/lib", "/usr/share", "/usr/bin"}, kFilesWanted, kBytesMin);
  uint64_t bytes = 0;
  for (const DemoFile& file : files) {
    // The camera has every third one.
    items_.push_back({.file = file, .from = items_.size() % 3 == 2 ? kCamera : kLaptop});
    bytes += file.size_bytes;
  }
  std::cerr << absl::StrFormat(" %d files, %.0f MB\n", items_.size(),
                               static_cast<double>(bytes) / 1e6);
  if (items_.size() >= kFilesMin && bytes >= kBytesMin) return true;
  std::cerr << "this machine has too few files for the demo\n";
  return false;
}

bool Demo::StartPeers() {
  for (const char* name : {"laptop", "camera", "server"}) {
    peers_.push_back(std::make_unique<Peer>(WaypostProgram(), dir_.path() + "/" + name, name));
    Peer& peer = *peers_.back();
    absl::Status status = peer.Init();
    if (status.ok()) status = peer.Start({.outlives_us = keep_});
    if (!status.ok()) {
      std::cerr << status << "\n";
      return false;
    }
    std::cerr << absl::StrFormat("%-6s  %s  app API %s, data in %s\n", name,
                                 peer.id().substr(0, 12), peer.http().address(), peer.dir());
  }
  return true;
}

bool Demo::MakeGroup() {
  group_ = At(kLaptop).CreateGroup("family", "normal");
  const std::string invite = At(kLaptop).Invite(group_, 2);
  return !group_.empty() && At(kCamera).Join(invite, "leaf") == group_ &&
         At(kServer).Join(invite, "server") == group_;
}

bool Demo::PutAll() {
  started_ = std::chrono::steady_clock::now();
  const bool ok = ForEachItem(items_, "put and reference", [this](Item& item) {
    const std::string bytes = ReadWholeFile(item.file.path);
    item.blob = HexOfSha256(bytes);
    item.file.size_bytes = bytes.size();
    item.put = At(item.from).PutFile(item.file.path, group_, item.file.path.substr(1)) == item.blob;
    if (!item.put) std::cerr << "\n" << item.file.path << " was not put\n";
    return item.put;
  });
  put_seconds_ = SecondsSince(started_);
  return ok;
}

bool Demo::WaitForServer() {
  Line line;
  Json complete, group;
  const auto text = [&] {
    return absl::StrFormat(
        "the server holds  %s %d of %d references, %d blobs wanted",
        Bar(group.is_object() ? group.value("refs", 0.0) / static_cast<double>(items_.size()) : 0),
        group.is_object() ? group.value("refs", 0) : 0, items_.size(),
        complete.is_object() ? complete.value("wanted", 0) : 0);
  };
  const auto all_referenced = [&] {
    return group.is_object() && group.value("refs", std::size_t{0}) == items_.size();
  };
  const bool ok = Eventually(
      [&] {
        group = At(kServer).Get("/v1/groups/" + group_);
        complete = At(kServer).Get("/v1/complete?group=" + group_ + "&wait=500ms");
        line.Show(text(), false);
        if (interrupted) return true;
        return complete.is_object() && complete.value("complete", false) && all_referenced();
      },
      kPatienceForAll);
  held_seconds_ = SecondsSince(started_);
  line.Show(text(), true);
  if (!ok) std::cerr << "the server did not get everything: " << complete.dump(2) << "\n";
  return ok && !interrupted;
}

bool Demo::Verify() {
  const auto start = std::chrono::steady_clock::now();
  // Files in use may change meanwhile; what was put is what must come back.
  const bool ok = ForEachItem(items_, "verify at server  ", [this](Item& item) {
    const auto bytes = At(kServer).Bytes(item.blob);
    item.verified =
        bytes && bytes->size() == item.file.size_bytes && HexOfSha256(*bytes) == item.blob;
    if (!item.verified) std::cerr << "\nMISMATCH: " << item.file.path << " (" << item.blob << ")\n";
    return true;
  });
  verify_seconds_ = SecondsSince(start);
  return ok &&
         std::all_of(items_.begin(), items_.end(), [](const Item& item) { return item.verified; });
}

void Demo::PrintTable() const {
  struct Sum {
    std::size_t files = 0, verified = 0;
    uint64_t bytes = 0;
  };
  Sum sums[3];
  for (const Item& item : items_) {
    for (Sum* sum : {&sums[item.from], &sums[2]}) {
      ++sum->files;
      sum->bytes += item.file.size_bytes;
      if (item.verified) ++sum->verified;
    }
  }
  std::cout << absl::StrFormat("\n%-16s %8s %14s %10s %10s\n", "from", "files", "bytes", "seconds",
                               "verified");
  const char* const names[] = {"laptop (normal)", "camera (leaf)", "all, at server"};
  for (std::size_t i = 0; i < 3; ++i) {
    std::cout << absl::StrFormat(
        "%-16s %8d %14d %10s %10d\n", names[i], sums[i].files, sums[i].bytes,
        i == 2 ? absl::StrFormat("%.1f", held_seconds_) : "", sums[i].verified);
  }
  std::cout << absl::StrFormat(
      "\nput and referenced in %.1f s; everything held by the server %.1f s after the last "
      "reference;\n"
      "served again and checked by sha256 in %.1f s\n",
      put_seconds_, std::max(0.0, held_seconds_ - put_seconds_), verify_seconds_);
}

void Demo::PrintHowToReach() {
  std::cout << "\nThe three peers go on. To look around:\n";
  for (const auto& peer : peers_) {
    std::cout << "  " << WaypostProgram() << " status --data " << peer->dir() << "\n";
  }
  Peer& server = At(kServer);
  std::cout << "  curl -H \"Authorization: Bearer $(cat " << server.dir() << "/api.token)\" http://"
            << server.http().address() << "/v1/status\nTo stop them: kill";
  for (const auto& peer : peers_) std::cout << " " << peer->process().pid();
  std::cout << "; rm -r " << dir_.path() << "\n";
}

int Main(int argc, char** argv) {
  bool keep = false;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--keep") != 0) {
      std::cerr << "usage: demo [--keep]\n";
      return 2;
    }
    keep = true;
  }
  for (const int number : {SIGINT, SIGTERM}) std::signal(number, Interrupt);
  Demo demo(keep);
  const bool ok = demo.Run();
  demo.PrintTable();
  std::cout << (ok ? "every file is held by the server and verified\n" : "FAILED\n");
  if (ok && keep) {
    demo.PrintHowToReach();
    demo.KeepRunning();
  }
  return ok ? 0 : 1;
}

}  // namespace
}  // namespace waypost::integration

int main(int argc, char** argv) {
  if (!waypost::base::FillStandardDescriptors()) return 1;
  return waypost::integration::Main(argc, argv);
}
