#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/standard_descriptors.h"
#include "base/status.h"
#include "integration/calls.h"
#include "integration/peer.h"
#include "integration/process.h"
#include "tests/bench/figures.h"
#include "tests/bench/web_servers.h"

// How fast blobs are served, beside nginx with static files, on loopback in one go. Rounds
// alternate between the servers, because only ratios within a round mean anything on a machine that
// does other things too. Needs nginx and wrk. Prints a table.
//   http_bench [--rounds N] [--seconds S] [--sizes 1024,4096] [--connections 16,64]

namespace waypost::bench {
namespace {

constexpr std::size_t kServers = 3;  // Waypost, nginx, nginx with open_file_cache

struct Plan {
  int rounds = 5;
  int seconds = 2;
  std::vector<uint64_t> sizes{1 << 10, 4 << 10, 64 << 10, 1 << 20, 16 << 20};
  std::vector<uint64_t> connections{16, 64};
};

struct Figures {
  double per_second = 0;
  double p50_us = 0;
  double p99_us = 0;
  double cpu_us = 0;  // of the server, a request
};

// What wrk says at its end, for a machine.
constexpr char kReport[] =
    "done = function(summary, latency, requests)\n"
    "  local e = summary.errors\n"
    "  io.write(string.format('REPORT %d %d %d %d %d\\n', summary.requests, summary.duration,\n"
    "    e.connect + e.read + e.write + e.status + e.timeout,\n"
    "    latency:percentile(50), latency:percentile(99)))\n"
    "end\n";

absl::StatusOr<Figures> Measure(const WebServer& server, const std::string& path,
                                uint64_t connections, int seconds, const std::string& folder) {
  std::vector<std::string> arguments = {"/usr/bin/wrk",
                                        "-t2",
                                        absl::StrCat("-c", connections),
                                        absl::StrCat("-d", seconds, "s"),
                                        "--timeout",
                                        "30s",
                                        "-s",
                                        folder + "/report.lua"};
  if (!server.authorization().empty()) {
    arguments.insert(arguments.end(), {"-H", "Authorization: " + server.authorization()});
  }
  arguments.push_back(absl::StrCat("http://", server.address(), path));
  const double cpu_before = CpuSeconds(server.pids());
  const auto result = integration::RunCommand(arguments);
  const double cpu = CpuSeconds(server.pids()) - cpu_before;
  const std::size_t at = result.out.find("REPORT ");
  if (at == std::string::npos) return absl::InternalError("wrk: " + result.out + result.err);
  std::istringstream report(result.out.substr(at + 7));
  double requests = 0, duration_us = 0, errors = 0;
  Figures figures;
  report >> requests >> duration_us >> errors >> figures.p50_us >> figures.p99_us;
  if (requests < 1 || errors > 0) {
    return absl::InternalError(absl::StrCat(server.name(), " answered ", requests,
                                            " requests with ", errors, " errors: ", result.out));
  }
  figures.per_second = requests / duration_us * 1e6;
  figures.cpu_us = cpu * 1e6 / requests;
  return figures;
}

// That a server answers with these bytes.
absl::Status CheckBytes(const WebServer& server, const std::string& path,
                        const std::string& bytes) {
  integration::Headers headers;
  if (!server.authorization().empty()) {
    headers.emplace_back("Authorization", server.authorization());
  }
  ASSIGN_OR_RETURN(
      const auto reply,
      integration::HttpClient(server.address(), "").Send({.target = path, .headers = headers}));
  if (reply.status == 200 && reply.body == bytes) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat(server.name(), " answers ", reply.status, " or other bytes"));
}

// One line of the table: every round of one size and number of connections.
class Line {
 public:
  Line(uint64_t size, uint64_t connections) : size_(size), connections_(connections) {}

  void Add(const std::array<Figures, kServers>& round) { rounds_.push_back(round); }

  void Print() const {
    const std::string size =
        size_ < (1 << 20) ? absl::StrCat(size_ >> 10, " KiB") : absl::StrCat(size_ >> 20, " MiB");
    for (std::size_t server = 0; server < kServers; ++server) {
      static const char* const kNames[] = {"waypost", "nginx", "nginx+cache"};
      const auto median = [&](double Figures::*field) {
        std::vector<double> values;
        for (const auto& round : rounds_) values.push_back(round[server].*field);
        return Median(values);
      };
      std::printf("| %-7s | %2d | %-11s | %8.0f | %8.0f | %8.0f | %8.1f |", size.c_str(),
                  static_cast<int>(connections_), kNames[server], median(&Figures::per_second),
                  median(&Figures::p50_us), median(&Figures::p99_us), median(&Figures::cpu_us));
      Record({{"bench", "http"},
              {"bytes", size_},
              {"connections", connections_},
              {"server", kNames[server]},
              {"per_s", median(&Figures::per_second)},
              {"p50_us", median(&Figures::p50_us)},
              {"p99_us", median(&Figures::p99_us)},
              {"cpu_us", median(&Figures::cpu_us)}});
      if (server == 0) {
        std::printf(" %s | %s |\n", Ratio(1).c_str(), Ratio(2).c_str());
      } else {
        std::printf(" | |\n");
      }
    }
  }

 private:
  // Median, least and greatest of the rounds.
  std::string Ratio(std::size_t to) const {
    std::vector<double> ratios;
    for (const auto& round : rounds_) {
      ratios.push_back(round[0].per_second / round[to].per_second);
    }
    char text[64];
    std::snprintf(text, sizeof(text), "%.2f (%.2f-%.2f)", Median(ratios),
                  *std::min_element(ratios.begin(), ratios.end()),
                  *std::max_element(ratios.begin(), ratios.end()));
    return text;
  }

  const uint64_t size_, connections_;
  std::vector<std::array<Figures, kServers>> rounds_;
};

std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

void PrintMachine(const Plan& plan) {
  std::string model = "unknown CPU";
  std::istringstream cpus(integration::ReadWholeFile("/proc/cpuinfo"));
  for (std::string line; std::getline(cpus, line);) {
    if (line.rfind("model name", 0) == 0) model = line.substr(line.find(':') + 2);
  }
  utsname system{};
  uname(&system);
  const std::time_t now = std::time(nullptr);
  char date[16];
  std::strftime(date, sizeof(date), "%Y-%m-%d", std::gmtime(&now));
  const auto nginx = integration::RunCommand({"/usr/sbin/nginx", "-v"});
  const auto wrk = integration::RunCommand({"/usr/bin/wrk", "-v"});
  const auto waypost = integration::RunCommand({integration::WaypostProgram(), "version"});
  std::printf("%s, %ld x %s, Linux %s, %s, %s, %s; %d rounds of %d s, wrk with 2 threads\n\n", date,
              sysconf(_SC_NPROCESSORS_ONLN), model.c_str(), system.release,
              FirstLine(waypost.out).c_str(), FirstLine(nginx.err).c_str(),
              FirstLine(wrk.out).substr(0, FirstLine(wrk.out).find(" [")).c_str(), plan.rounds,
              plan.seconds);
}

absl::Status Run(const Plan& plan) {
  const integration::TempDir folder;
  integration::WriteWholeFile(folder.path() + "/report.lua", kReport);
  std::array<std::unique_ptr<WebServer>, kServers> servers;
  ASSIGN_OR_RETURN(servers[0], StartWaypost(folder.path() + "/waypost"));
  ASSIGN_OR_RETURN(servers[1], StartNginx(folder.path() + "/nginx", false));
  ASSIGN_OR_RETURN(servers[2], StartNginx(folder.path() + "/nginx-cache", true));
  PrintMachine(plan);

  std::vector<Line> lines;
  std::vector<std::array<std::string, kServers>> paths;  // by size
  for (uint64_t size : plan.sizes) {
    const std::string bytes = integration::SomeBytes(size, size);
    paths.emplace_back();
    for (std::size_t server = 0; server < kServers; ++server) {
      ASSIGN_OR_RETURN(paths.back()[server], servers[server]->Publish(bytes));
      RETURN_IF_ERROR(CheckBytes(*servers[server], paths.back()[server], bytes));
    }
    for (uint64_t connections : plan.connections) lines.emplace_back(size, connections);
  }
  for (int round = 0; round < plan.rounds; ++round) {
    std::fprintf(stderr, "round %d of %d\n", round + 1, plan.rounds);
    for (std::size_t line = 0; line < lines.size(); ++line) {
      const std::size_t size = line / plan.connections.size();
      const uint64_t connections = plan.connections[line % plan.connections.size()];
      std::array<Figures, kServers> figures;
      for (std::size_t turn = 0; turn < kServers; ++turn) {
        const std::size_t server = (turn + static_cast<std::size_t>(round)) % kServers;
        ASSIGN_OR_RETURN(figures[server], Measure(*servers[server], paths[size][server],
                                                  connections, plan.seconds, folder.path()));
      }
      lines[line].Add(figures);
    }
  }
  std::printf(
      "| size | connections | server | requests/s | p50 us | p99 us | server CPU us/request | "
      "ratio to nginx | to nginx+cache |\n|---|---|---|---|---|---|---|---|---|\n");
  for (const Line& line : lines) line.Print();
  return absl::OkStatus();
}

std::vector<uint64_t> NumbersIn(const std::string& text) {
  std::vector<uint64_t> numbers;
  std::istringstream items(text);
  for (std::string item; std::getline(items, item, ',');) {
    numbers.push_back(std::strtoull(item.c_str(), nullptr, 10));
  }
  return numbers;
}

int Main(int argc, char** argv) {
  Plan plan;
  if (TakeQuick(argc, argv)) {
    plan = {.rounds = 1, .seconds = 1, .sizes = {1 << 10}, .connections = {16}};
    for (const char* needed : {"/usr/sbin/nginx", "/usr/bin/wrk"}) {
      if (access(needed, X_OK) == 0) continue;
      std::printf("nothing to compare with: no %s\n", needed);
      return 0;
    }
  }
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    const std::vector<uint64_t> values = NumbersIn(i + 1 < argc ? argv[i + 1] : "");
    const bool positive = !values.empty() && *std::min_element(values.begin(), values.end()) > 0;
    if (positive && name == "--rounds") {
      plan.rounds = static_cast<int>(values[0]);
    } else if (positive && name == "--seconds") {
      plan.seconds = static_cast<int>(values[0]);
    } else if (positive && name == "--sizes") {
      plan.sizes = values;
    } else if (positive && name == "--connections") {
      plan.connections = values;
    } else {
      std::fprintf(stderr,
                   "http_bench [--rounds N] [--seconds S] [--sizes BYTES,...] "
                   "[--connections N,...]\n");
      return 2;
    }
  }
  const absl::Status done = Run(plan);
  if (!done.ok()) std::fprintf(stderr, "%s\n", done.ToString().c_str());
  return done.ok() ? 0 : 1;
}

}  // namespace
}  // namespace waypost::bench

int main(int argc, char** argv) {
  if (!waypost::base::FillStandardDescriptors()) return 1;
  return waypost::bench::Main(argc, argv);
}
