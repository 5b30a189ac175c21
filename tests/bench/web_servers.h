#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace waypost::bench {

// A web server under test, in processes of its own that end with it. One thread.
class WebServer {
 public:
  virtual ~WebServer() = default;
  virtual std::string name() const = 0;
  // "127.0.0.1:1234"
  virtual std::string address() const = 0;
  // Makes `bytes` available; the path to GET them at.
  virtual absl::StatusOr<std::string> Publish(const std::string& bytes) = 0;
  // What a request has to carry besides; empty for nothing.
  virtual std::string authorization() const { return ""; }
  virtual std::vector<int> pids() const = 0;
};

// `waypost serve` with its default settings for HTTP; blobs are put through its API.
absl::StatusOr<std::unique_ptr<WebServer>> StartWaypost(const std::string& folder);

// nginx with sendfile, tcp_nopush as Debian has it, two workers and no access log.
absl::StatusOr<std::unique_ptr<WebServer>> StartNginx(const std::string& folder,
                                                      bool open_file_cache);

// The same nginx, with the files of a folder; with HTTPS where a certificate and its key are given.
struct CertificateFiles {
  std::string certificate, key;
};
absl::StatusOr<std::unique_ptr<WebServer>> ServeFolder(const std::string& folder,
                                                       const std::string& files,
                                                       const CertificateFiles& tls = {});

// On loopback, free a moment ago: for programs that cannot pick one themselves.
int FreePort();

// User and system time that these processes, and those of their children that ended,
// have used so far, in seconds.
double CpuSeconds(const std::vector<int>& pids);

}  // namespace waypost::bench
