#include <sys/utsname.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/standard_descriptors.h"
#include "base/status.h"
#include "integration/process.h"
#include "tests/bench/copiers.h"
#include "tests/bench/figures.h"
#include "tests/bench/meter.h"

// The whole main job, beside the tools that people use instead, on loopback in one go. Rounds
// alternate between them, because only ratios within a round mean anything on a machine that does
// other things too; each copies to a folder of its own that did not exist. Needs rsync, rclone,
// aria2, curl and nginx. Prints a table.
//   fetch_bench [--rounds N] [--sets small,medium,large,tree] [--only waypost,rsync]

namespace waypost::bench {
namespace {

struct Set {
  const char* option;
  const char* name;
  std::size_t count;
  std::size_t bytes;
};
constexpr Set kQuickSets[] = {{"small", "100 x 4 KiB", 100, 4096}};
constexpr Set kSets[] = {
    {"small", "10,000 x 4 KiB", 10000, 4096},
    {"medium", "1,000 x 256 KiB", 1000, std::size_t{256} << 10},
    {"large", "8 x 128 MiB", 8, std::size_t{128} << 20},
    {"tree", "files of /usr/share", 0, 0},
};
constexpr std::size_t kLarge = std::size_t{128} << 20;
// Of the real tree: enough to have every kind of file, and not all day.
constexpr std::size_t kTreeFiles = 10000;
constexpr uint64_t kTreeBytes = uint64_t{300} << 20;
constexpr uint64_t kTouchedBytesMin = uint64_t{128} << 20;

void MakeFiles(const Set& set, const std::string& folder) {
  std::filesystem::create_directories(folder);
  std::mt19937_64 random(set.count);
  std::string bytes(set.bytes, '\0');
  for (std::size_t i = 0; i < set.count; ++i) {
    for (std::size_t at = 0; at + 8 <= bytes.size(); at += 8) {
      const uint64_t word = random();
      std::memcpy(bytes.data() + at, &word, 8);
    }
    integration::WriteWholeFile(absl::StrCat(folder, "/", i), bytes);
  }
}

// Real files, those with plain names, each content once.
void CopyTree(const std::string& folder) {
  uint64_t bytes = 0;
  std::size_t files = 0;
  for (const std::string& file : FilesOf("/usr/share")) {
    if (files == kTreeFiles || bytes > kTreeBytes) break;
    const bool plain = std::all_of(file.begin(), file.end(), [](unsigned char c) {
      return std::isalnum(c) != 0 || std::strchr("/._-", c) != nullptr;
    });
    const auto size = std::filesystem::file_size("/usr/share/" + file);
    if (!plain || size == 0) continue;
    const std::string to = folder + "/" + file;
    std::filesystem::create_directories(std::filesystem::path(to).parent_path());
    std::filesystem::copy_file("/usr/share/" + file, to);
    bytes += size;
    ++files;
  }
}

// Gives back the room of a copy, in memory and on the disk. Its files stay: where a file system has
// no journal, ext4 looks at every inode freed in the last minutes before it makes a file, which
// made the next tool's 10,000 files take 8 s, not 1.
void Empty(const std::string& copy) {
  for (const std::string& file : FilesOf(copy)) {
    std::filesystem::resize_file(copy + "/" + file, 0);
  }
}

struct Series {
  std::unique_ptr<Copier> copier;
  std::vector<Cost> costs;
  std::string error;
};

template <class Value>
double MedianOf(const std::vector<Cost>& costs, Value value) {
  std::vector<double> values;
  for (const Cost& cost : costs) values.push_back(static_cast<double>(cost.*value));
  return Median(values);
}

void RecordSeries(const Set& set, const Series& series, double seconds) {
  nlohmann::json rounds = nlohmann::json::array();
  for (const Cost& cost : series.costs) rounds.push_back(cost.seconds);
  Record({{"bench", "fetch"},
          {"set", set.name},
          {"tool", series.copier->name()},
          {"seconds", seconds},
          {"rounds", rounds},
          {"cpu_s", MedianOf(series.costs, &Cost::cpu_seconds)},
          {"peak_bytes", MedianOf(series.costs, &Cost::peak_bytes)},
          {"wire_bytes", MedianOf(series.costs, &Cost::wire_bytes)},
          {"commits", MedianOf(series.costs, &Cost::commits)}});
}

void Print(const Set& set, const std::vector<Series>& all) {
  double rsync = 0;
  for (const Series& series : all) {
    if (series.copier->name() == "rsync" && !series.costs.empty()) {
      rsync = MedianOf(series.costs, &Cost::seconds);
    }
  }
  for (const Series& series : all) {
    if (series.costs.empty()) {
      std::printf("| %s | %s | %s |\n", set.name, series.copier->name().c_str(),
                  series.error.c_str());
      continue;
    }
    const double seconds = MedianOf(series.costs, &Cost::seconds);
    RecordSeries(set, series, seconds);
    const auto [least, most] =
        std::minmax_element(series.costs.begin(), series.costs.end(),
                            [](const Cost& a, const Cost& b) { return a.seconds < b.seconds; });
    std::printf(
        "| %s | %s | %.2f (%.2f-%.2f) | %s | %.2f | %.0f | %.0f | %s |\n", set.name,
        series.copier->name().c_str(), seconds, least->seconds, most->seconds,
        rsync == 0
            ? ""
            : absl::StrCat(static_cast<double>(static_cast<int>(rsync / seconds * 100)) / 100)
                  .c_str(),
        MedianOf(series.costs, &Cost::cpu_seconds), MedianOf(series.costs, &Cost::peak_bytes) / 1e6,
        MedianOf(series.costs, &Cost::wire_bytes) / 1e6,
        series.costs[0].commits == 0
            ? ""
            : absl::StrCat(MedianOf(series.costs, &Cost::commits)).c_str());
  }
  std::fflush(stdout);
}

int Main(int argc, char** argv) {
  const bool quick = TakeQuick(argc, argv);
  int rounds = quick ? 1 : 5;
  std::vector<std::string> sets = {"small", "medium", "large", "tree"};
  std::vector<std::string> only;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string option = argv[i];
    if (option == "--rounds" && absl::SimpleAtoi(argv[i + 1], &rounds) && rounds > 0) continue;
    if (option == "--sets") {
      sets = absl::StrSplit(argv[i + 1], ',');
    } else if (option == "--only") {
      only = absl::StrSplit(argv[i + 1], ',');
    } else {
      std::fprintf(stderr,
                   "fetch_bench [--rounds N] [--sets small,medium,large,tree] [--only NAMES]\n");
      return 2;
    }
  }
  utsname system{};
  uname(&system);
  std::printf("%s %s, %d rounds\n\n", system.sysname, system.release, rounds);
  std::printf(
      "| set | tool | s (spread) | times as fast as rsync | CPU s, both sides | peak MB, receiver "
      "| "
      "MB on the wire | commits |\n|---|---|---|---|---|---|---|---|\n");
  std::vector<Set> all_sets(std::begin(kSets), std::end(kSets));
  if (quick) all_sets.assign(std::begin(kQuickSets), std::end(kQuickSets));
  for (const Set& set : all_sets) {
    if (std::find(sets.begin(), sets.end(), set.option) == sets.end()) continue;
    const integration::TempDir work;
    const std::string source = work.path() + "/source";
    if (set.count > 0) {
      MakeFiles(set, source);
    } else {
      CopyTree(source);
    }
    uint64_t bytes = 0;
    for (const std::string& file : FilesOf(source)) {
      bytes += std::filesystem::file_size(source + "/" + file);
    }
    std::vector<Series> all;
    const auto add = [&](std::unique_ptr<Copier> copier) {
      const bool wanted =
          only.empty() || std::find(only.begin(), only.end(), copier->name()) != only.end();
      if (wanted) all.push_back({.copier = std::move(copier), .costs = {}, .error = {}});
    };
    add(NewWaypost(work.path()));
    const bool large = set.bytes >= kLarge;
    add(NewRsync(work.path(), RsyncKind::kDaemon));
    if (!large) add(NewRsync(work.path(), RsyncKind::kDaemonFsync));
    add(NewRsync(work.path(), RsyncKind::kSsh));
    for (const bool https : {false, true}) {
      add(NewWebCopier(work.path(), WebClient::kRclone, https));
      if (!https || large) add(NewWebCopier(work.path(), WebClient::kCurl, https));
      if (!https) add(NewWebCopier(work.path(), WebClient::kAria2, https));
    }
    add(NewSyncthing(work.path()));
    for (Series& series : all) {
      const absl::Status offered = series.copier->Offer(source);
      if (!offered.ok()) series.error = offered.ToString();
    }
    for (int round = 0; round < rounds; ++round) {
      for (std::size_t turn = 0; turn < all.size(); ++turn) {
        // Each is first at some time, and after another.
        const std::size_t at = (turn + static_cast<std::size_t>(round)) % all.size();
        Series& series = all[at];
        if (!series.error.empty()) continue;
        const std::string to = absl::StrCat(work.path(), "/to-", round, "-", at);
        TouchMemory(bytes + bytes / 2 + kTouchedBytesMin);
        const auto cost = series.copier->Copy(to);
        if (cost.ok()) {
          series.costs.push_back(*cost);
        } else {
          series.error = cost.status().ToString();
        }
        Empty(to);
      }
    }
    Print(set, all);
    for (const Series& series : all) {
      if (series.copier->name() == "waypost" && !series.error.empty()) return 1;
    }
  }
  return 0;
}

}  // namespace
}  // namespace waypost::bench

int main(int argc, char** argv) {
  if (!waypost::base::FillStandardDescriptors()) return 1;
  return waypost::bench::Main(argc, argv);
}
