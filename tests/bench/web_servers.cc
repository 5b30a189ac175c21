#include "tests/bench/web_servers.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "integration/eventually.h"
#include "integration/peer.h"
#include "integration/raw_socket.h"

// The servers that are compared, each begun with a configuration written here and ended with its
// object. Which settings of nginx they have is said in the header.

namespace waypost::bench {
namespace {

class Waypost final : public WebServer {
 public:
  explicit Waypost(const std::string& folder)
      : peer_(integration::WaypostProgram(), folder, "bench") {}
  ~Waypost() override { peer_.Stop(); }

  absl::Status Start() {
    RETURN_IF_ERROR(peer_.Init());
    return peer_.Start();
  }
  std::string name() const override { return "waypost"; }
  std::string address() const override { return peer_.http().address(); }
  absl::StatusOr<std::string> Publish(const std::string& bytes) override {
    const std::string id = peer_.PutBlob(bytes);
    if (id.empty()) return absl::InternalError("waypost did not take a blob");
    return "/v1/blobs/" + id;
  }
  std::string authorization() const override {
    std::string token = integration::ReadWholeFile(peer_.dir() + "/api.token");
    while (!token.empty() && token.back() == '\n') token.pop_back();
    return "Bearer " + token;
  }
  std::vector<int> pids() const override {
    return {const_cast<integration::Peer&>(peer_).process().pid()};
  }

 private:
  integration::Peer peer_;
};

std::string NginxConfig(const std::string& folder, const std::string& files, int port,
                        bool open_file_cache, const CertificateFiles& tls) {
  std::string config;
  // The folder is ours alone, so that the workers have to be us.
  if (geteuid() == 0) config += "user root;\n";
  absl::StrAppend(&config, "daemon off;\nworker_processes 2;\npid ", folder, "/pid;\nerror_log ",
                  folder, "/error.log;\nevents { worker_connections 1024; }\nhttp {\n");
  for (const char* kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"}) {
    absl::StrAppend(&config, "  ", kind, "_temp_path ", folder, "/", kind, ";\n");
  }
  absl::StrAppend(&config,
                  "  access_log off;\n  sendfile on;\n  tcp_nopush on;\n"
                  "  keepalive_requests 100000000;\n  default_type application/octet-stream;\n");
  if (open_file_cache) {
    config += "  open_file_cache max=1000 inactive=1h;\n  open_file_cache_valid 1h;\n";
  }
  const bool https = !tls.certificate.empty();
  absl::StrAppend(&config, "  server { listen 127.0.0.1:", port, https ? " ssl" : "",
                  " backlog=4096; root ", files, "; autoindex on; index none-such; ");
  if (https) {
    absl::StrAppend(&config, "ssl_protocols TLSv1.3; ssl_certificate ", tls.certificate,
                    "; ssl_certificate_key ", tls.key, "; ");
  }
  config += "}\n}\n";
  return config;
}

class Nginx final : public WebServer {
 public:
  Nginx(std::string folder, std::string files, bool open_file_cache, CertificateFiles tls)
      : folder_(std::move(folder)),
        files_(std::move(files)),
        open_file_cache_(open_file_cache),
        tls_(std::move(tls)) {}
  ~Nginx() override {
    // The master ends its workers when it is asked; killed, it would leave them.
    process_.Signal(SIGTERM);
    process_.Wait(base::Millis(10'000));
  }

  absl::Status Start() {
    std::filesystem::create_directories(folder_);
    std::filesystem::create_directories(files_);
    port_ = FreePort();
    integration::WriteWholeFile(folder_ + "/nginx.conf",
                                NginxConfig(folder_, files_, port_, open_file_cache_, tls_));
    ASSIGN_OR_RETURN(process_, integration::Process::Spawn(
                                   {.arguments = {"/usr/sbin/nginx", "-e", folder_ + "/error.log",
                                                  "-c", folder_ + "/nginx.conf"},
                                    .stderr_path = folder_ + "/error.log"}));
    const bool up = integration::Eventually(
        [&] {
          const int fd = integration::Connect(address());
          if (fd >= 0) close(fd);
          return (fd >= 0 && pids().size() == 3) || !process_.running();
        },
        base::Millis(20'000));
    if (up && process_.running()) return absl::OkStatus();
    return absl::InternalError("nginx: " + integration::ReadWholeFile(folder_ + "/error.log"));
  }
  std::string name() const override { return open_file_cache_ ? "nginx+cache" : "nginx"; }
  std::string address() const override { return absl::StrCat("127.0.0.1:", port_); }
  absl::StatusOr<std::string> Publish(const std::string& bytes) override {
    const std::string path = absl::StrCat("/", bytes.size());
    integration::WriteWholeFile(files_ + path, bytes);
    return path;
  }
  std::vector<int> pids() const override {
    std::vector<int> all{process_.pid()};
    std::istringstream children(integration::ReadWholeFile(
        absl::StrCat("/proc/", process_.pid(), "/task/", process_.pid(), "/children")));
    for (int pid; children >> pid;) all.push_back(pid);
    return all;
  }

 private:
  const std::string folder_, files_;
  const bool open_file_cache_;
  const CertificateFiles tls_;
  int port_ = 0;
  integration::Process process_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<WebServer>> StartWaypost(const std::string& folder) {
  auto server = std::make_unique<Waypost>(folder);
  RETURN_IF_ERROR(server->Start());
  return std::unique_ptr<WebServer>(std::move(server));
}

int FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(where);
  auto* const address = reinterpret_cast<sockaddr*>(&where);
  const bool bound = bind(fd, address, size) == 0 && getsockname(fd, address, &size) == 0;
  close(fd);
  return bound ? ntohs(where.sin_port) : 0;
}

absl::StatusOr<std::unique_ptr<WebServer>> StartNginx(const std::string& folder,
                                                      bool open_file_cache) {
  auto server =
      std::make_unique<Nginx>(folder, folder + "/files", open_file_cache, CertificateFiles());
  RETURN_IF_ERROR(server->Start());
  return std::unique_ptr<WebServer>(std::move(server));
}

absl::StatusOr<std::unique_ptr<WebServer>> ServeFolder(const std::string& folder,
                                                       const std::string& files,
                                                       const CertificateFiles& tls) {
  auto server = std::make_unique<Nginx>(folder, files, /*open_file_cache=*/false, tls);
  RETURN_IF_ERROR(server->Start());
  return std::unique_ptr<WebServer>(std::move(server));
}

double CpuSeconds(const std::vector<int>& pids) {
  double ticks = 0;
  for (int pid : pids) {
    const std::string stat = integration::ReadWholeFile(absl::StrCat("/proc/", pid, "/stat"));
    // The name in parentheses may hold spaces; utime, stime, cutime and cstime are the 12th to 15th
    // field behind.
    std::istringstream fields(stat.substr(std::min(stat.size(), stat.rfind(')') + 1)));
    std::string skipped;
    for (int i = 0; i < 11; ++i) fields >> skipped;
    double some = 0;
    for (int i = 0; i < 4 && fields >> some; ++i) ticks += some;
  }
  return ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace waypost::bench
