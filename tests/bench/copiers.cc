#include "tests/bench/copiers.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "integration/eventually.h"
#include "integration/peer.h"
#include "integration/raw_socket.h"
#include "tests/bench/meter.h"
#include "tests/bench/put_many.h"
#include "tests/bench/web_servers.h"

// Each way to copy, run by the same rules: a folder that did not exist, everything durable when the
// clock stops, and the CPU and memory of both sides counted.

namespace waypost::bench {
namespace {

using integration::Peer;
using integration::Process;

constexpr base::Millis kCopyTimeout{600'000};

// Runs a program that copies to `to`, and makes durable what it wrote.
absl::StatusOr<Cost> RunCopy(const std::vector<std::string>& arguments, const std::string& to,
                             const std::vector<int>& servers, bool sync) {
  std::filesystem::create_directories(to);
  const std::string errors = to + ".errors";
  const Meter meter(servers);
  uint64_t peak = 0;
  ASSIGN_OR_RETURN(Process process,
                   Process::Spawn({.arguments = arguments, .stderr_path = errors}));
  std::optional<int> exit;
  while (!exit) {
    peak = std::max(peak, PeakBytes(process.pid()));
    exit = process.Wait(base::Millis(2));
    if (meter.End().seconds > 600) return absl::DeadlineExceededError(arguments[0]);
  }
  if (*exit != 0) {
    return absl::InternalError(
        absl::StrCat(arguments[0], " ended with ", *exit, ": ",
                     integration::LastOf(integration::ReadWholeFile(errors), 500)));
  }
  if (sync) RETURN_IF_ERROR(SyncFileSystem(to));
  Cost cost = meter.End();
  cost.peak_bytes = peak;
  return cost;
}

// ---- waypost ----

class Waypost final : public Copier {
 public:
  explicit Waypost(std::string work) : work_(std::move(work)) {}
  ~Waypost() override {
    if (holder_) holder_->Stop();
  }
  std::string name() const override { return "waypost"; }

  absl::Status Offer(const std::string& folder) override {
    if (holder_) holder_->Stop();
    holder_.emplace(integration::WaypostProgram(), absl::StrCat(work_, "/holder-", ++offers_),
                    "holder");
    RETURN_IF_ERROR(holder_->Init());
    RETURN_IF_ERROR(holder_->Start());
    group_ = holder_->CreateGroup("files", "normal");
    const std::vector<std::string> files = FilesOf(folder);
    const std::vector<std::string> ids =
        PutMany(*holder_, group_, files.size(), [&](std::size_t i) {
          return KeyedBlob{files[i], integration::ReadWholeFile(folder + "/" + files[i])};
        });
    blobs_ = {ids.begin(), ids.end()};
    return absl::OkStatus();
  }

  absl::StatusOr<Cost> Copy(const std::string& to) override {
    Peer server(integration::WaypostProgram(), to, "server");
    RETURN_IF_ERROR(server.Init());
    RETURN_IF_ERROR(server.Start());
    if (server.Call("POST", "/v1/fetcher/pause", "{}").status != 204) {
      return absl::InternalError("waypost did not pause");
    }
    server.Join(holder_->Invite(group_), "server");
    const std::string group = "/v1/groups/" + group_;
    const auto count = [&](const char* what) { return server.Get(group).value(what, uint64_t{0}); };
    if (!integration::Eventually([&] { return count("wanted") == blobs_.size(); }, kCopyTimeout)) {
      return absl::InternalError("waypost did not learn of every blob");
    }
    const auto commits = [&] {
      return static_cast<uint64_t>(server.Metric("waypost_index_commit_seconds_count"));
    };
    const uint64_t commits_before = commits();
    const Meter meter({holder_->process().pid(), server.process().pid()});
    server.Call("POST", "/v1/fetcher/resume", "{}");
    while (count("blobs") < blobs_.size()) {
      std::this_thread::sleep_for(base::Millis(5));
      if (meter.End().seconds > 600) return absl::DeadlineExceededError("waypost");
    }
    Cost cost = meter.End();
    cost.peak_bytes = PeakBytes(server.process().pid());
    cost.commits = commits() - commits_before;
    // Not of the time: a sample is served, and hashes to its id.
    std::size_t number = 0;
    for (const std::string& blob : blobs_) {
      if (number++ % (blobs_.size() / 20 + 1) != 0) continue;
      const auto bytes = server.Bytes(blob);
      if (!bytes || integration::HexOfSha256(*bytes) != blob) {
        return absl::DataLossError("waypost does not serve " + blob);
      }
    }
    const std::string self = server.id();
    server.Stop();
    holder_->Call("DELETE", group + "/members/" + self);
    return cost;
  }

 private:
  const std::string work_;
  int offers_ = 0;
  std::optional<Peer> holder_;
  std::string group_;
  std::set<std::string> blobs_;
};

// ---- rsync ----

bool Answers(int port) {
  const int fd = integration::Connect(absl::StrCat("127.0.0.1:", port));
  if (fd >= 0) close(fd);
  return fd >= 0;
}

class Rsync final : public Copier {
 public:
  Rsync(std::string work, RsyncKind kind) : work_(std::move(work)), kind_(kind) {}
  ~Rsync() override { End(); }
  std::string name() const override {
    return kind_ == RsyncKind::kSsh           ? "rsync over ssh"
           : kind_ == RsyncKind::kDaemonFsync ? "rsync --fsync"
                                              : "rsync";
  }

  absl::Status Offer(const std::string& folder) override {
    End();
    folder_ = folder;
    port_ = FreePort();
    std::vector<std::string> daemon;
    if (kind_ == RsyncKind::kSsh) {
      ASSIGN_OR_RETURN(daemon, PrepareSshd());
    } else {
      const std::string config = work_ + "/rsyncd.conf";
      integration::WriteWholeFile(
          config,
          absl::StrCat("use chroot = no\n", geteuid() == 0 ? "uid = root\ngid = root\n" : "",
                       "log file = ", work_, "/rsyncd.log\n[files]\npath = ", folder,
                       "\nread only = yes\n"));
      daemon = {"/usr/bin/rsync",
                "--daemon",
                "--no-detach",
                "--address=127.0.0.1",
                absl::StrCat("--port=", port_),
                "--config=" + config};
    }
    ASSIGN_OR_RETURN(
        daemon_, Process::Spawn({.arguments = daemon, .stderr_path = work_ + "/rsync-daemon.log"}));
    const bool up = integration::Eventually([&] { return Answers(port_); }, base::Millis(20'000));
    return up ? absl::OkStatus() : absl::InternalError("the server of " + name() + " is not up");
  }
  absl::StatusOr<Cost> Copy(const std::string& to) override {
    std::vector<std::string> arguments = {"/usr/bin/rsync", "-a"};
    if (kind_ == RsyncKind::kDaemonFsync) arguments.push_back("--fsync");
    if (kind_ == RsyncKind::kSsh) {
      arguments.push_back("-e");
      arguments.push_back(absl::StrCat("ssh -F none -i ", work_, "/ssh-key -p ", port_,
                                       " -o BatchMode=yes -o StrictHostKeyChecking=no",
                                       " -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"));
      arguments.push_back(absl::StrCat(user_, "@127.0.0.1:", folder_, "/"));
    } else {
      arguments.push_back(absl::StrCat("rsync://127.0.0.1:", port_, "/files/"));
    }
    arguments.push_back(to + "/");
    return RunCopy(arguments, to, {daemon_.pid()}, kind_ != RsyncKind::kDaemonFsync);
  }

 private:
  // Keys of its own, and nothing of the machine's.
  absl::StatusOr<std::vector<std::string>> PrepareSshd() {
    constexpr const char* kSshd = "/usr/sbin/sshd";
    if (access(kSshd, X_OK) != 0) {
      return absl::NotFoundError(
          "no sshd here; it is not installed by itself, because that would open a port");
    }
    user_ = integration::RunCommand({"/usr/bin/id", "-un"}).out;
    user_ = user_.substr(0, user_.find('\n'));
    for (const char* key : {"ssh-key", "ssh-host-key"}) {
      const std::string path = absl::StrCat(work_, "/", key);
      if (std::filesystem::exists(path)) continue;
      const auto made = integration::RunCommand(
          {"/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path});
      if (made.exit_status != 0) return absl::InternalError("ssh-keygen: " + made.err);
    }
    // sshd wants it, and the package makes it only when its service starts.
    std::error_code ignored;
    std::filesystem::create_directory("/run/sshd", ignored);
    const std::string config = work_ + "/sshd_config";
    integration::WriteWholeFile(
        config, absl::StrCat("ListenAddress 127.0.0.1\nPort ", port_, "\nHostKey ", work_,
                             "/ssh-host-key\nAuthorizedKeysFile ", work_,
                             "/ssh-key.pub\nStrictModes no\nUsePAM no\nPidFile none\n",
                             "PasswordAuthentication no\n"));
    return std::vector<std::string>{kSshd, "-D", "-e", "-f", config};
  }
  void End() {
    if (daemon_.pid() <= 0) return;
    daemon_.Signal(SIGTERM);
    daemon_.Wait(base::Millis(10'000));
  }
  const std::string work_;
  const RsyncKind kind_;
  std::string folder_, user_;
  int port_ = 0;
  Process daemon_;
};

// ---- from nginx ----

// Signed by itself, for 127.0.0.1.
absl::StatusOr<CertificateFiles> MakeCertificate(const std::string& folder) {
  std::filesystem::create_directories(folder);
  CertificateFiles files{.certificate = folder + "/crt", .key = folder + "/key"};
  const auto made = integration::RunCommand(
      {"/usr/bin/openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
       "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
       "-keyout", files.key, "-out", files.certificate});
  if (made.exit_status != 0) return absl::InternalError("openssl: " + made.err);
  return files;
}

class WebCopier final : public Copier {
 public:
  WebCopier(std::string work, WebClient client, bool https)
      : work_(std::move(work)), client_(client), https_(https) {}
  std::string name() const override {
    const char* const tool = client_ == WebClient::kAria2  ? "aria2c"
                             : client_ == WebClient::kCurl ? "curl"
                                                           : "rclone";
    return absl::StrCat(tool, https_ ? " https" : "");
  }
  absl::Status Offer(const std::string& folder) override {
    folder_ = folder;
    if (https_) {
      ASSIGN_OR_RETURN(tls_, MakeCertificate(ServerDir()));
    }
    ASSIGN_OR_RETURN(server_, ServeFolder(ServerDir(), folder, tls_));
    return absl::OkStatus();
  }
  absl::StatusOr<Cost> Copy(const std::string& to) override {
    const std::string url = absl::StrCat(https_ ? "https://" : "http://", server_->address(), "/");
    const std::string list = work_ + "/list";
    std::ofstream out(list, std::ios::trunc);
    for (const std::string& file : FilesOf(folder_)) {
      if (client_ == WebClient::kAria2) {
        out << url << file << "\n out=" << file << "\n";
      } else {
        out << "url = \"" << url << file << "\"\noutput = \"" << to << "/" << file << "\"\n";
      }
    }
    out.close();
    return RunCopy(Command(url, list, to), to, server_->pids(), /*sync=*/true);
  }

 private:
  // Of this copier alone.
  std::string ServerDir() const {
    return absl::StrCat(work_, https_ ? "/tls-" : "/plain-", static_cast<int>(client_));
  }
  std::vector<std::string> Command(const std::string& url, const std::string& list,
                                   const std::string& to) const {
    std::vector<std::string> command;
    switch (client_) {
      case WebClient::kAria2:
        command = {"/usr/bin/aria2c",
                   "--quiet",
                   "--no-conf",
                   "-j16",
                   "--file-allocation=none",
                   "-i",
                   list,
                   "-d",
                   to};
        if (https_) command.push_back("--ca-certificate=" + tls_.certificate);
        break;
      case WebClient::kCurl:
        command = {"/usr/bin/curl", "-s", "-S", "-f", "-Z", "--parallel-max", "16",
                   "--create-dirs", "-K", list};
        if (https_) command.insert(command.end(), {"--cacert", tls_.certificate});
        break;
      case WebClient::kRclone:
        command = {"/usr/bin/rclone",
                   "copy",
                   "--config=/dev/null",
                   "--transfers=16",
                   "--checkers=16",
                   "--http-url",
                   url,
                   ":http:",
                   to};
        if (https_) command.insert(command.end(), {"--ca-cert", tls_.certificate});
        break;
    }
    return command;
  }

  const std::string work_;
  const WebClient client_;
  const bool https_;
  std::string folder_;
  CertificateFiles tls_;
  std::unique_ptr<WebServer> server_;
};

}  // namespace

std::vector<std::string> FilesOf(const std::string& folder) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file() && !entry.is_symlink()) {
      files.push_back(std::filesystem::relative(entry.path(), folder).string());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::unique_ptr<Copier> NewWaypost(const std::string& work) {
  return std::make_unique<Waypost>(work);
}
std::unique_ptr<Copier> NewRsync(const std::string& work, RsyncKind kind) {
  return std::make_unique<Rsync>(work, kind);
}
std::unique_ptr<Copier> NewWebCopier(const std::string& work, WebClient client, bool https) {
  return std::make_unique<WebCopier>(work, client, https);
}

}  // namespace waypost::bench
