#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace waypost::bench {

// What one copy cost both sides together.
struct Cost {
  double seconds = 0;
  double cpu_seconds = 0;
  uint64_t wire_bytes = 0;  // over loopback, whoever sent them
  uint64_t peak_bytes = 0;  // resident, of the process that receives
  uint64_t commits = 0;     // of the index of the peer that receives, each with one fsync
};

// One way in which people bring the files of one machine to another. One thread.
class Copier {
 public:
  virtual ~Copier() = default;
  virtual std::string name() const = 0;
  // Makes the files of `folder` ready to be copied. Costs nothing.
  virtual absl::Status Offer(const std::string& folder) = 0;
  // Copies all of them to where nothing is yet (`to` does not exist); they are durable at the end.
  virtual absl::StatusOr<Cost> Copy(const std::string& to) = 0;
};

// Two peers. From the references present at a server peer that has no blob, to every blob verified,
// durable and served by it.
std::unique_ptr<Copier> NewWaypost(const std::string& work);
// From a daemon, in plain text, or over ssh, to a sshd of its own. What does not sync by itself is
// followed by syncfs.
enum class RsyncKind { kDaemon, kDaemonFsync, kSsh };
std::unique_ptr<Copier> NewRsync(const std::string& work, RsyncKind kind);
// From nginx; `https`: with a certificate that the client checks.
enum class WebClient { kAria2, kCurl, kRclone };
std::unique_ptr<Copier> NewWebCopier(const std::string& work, WebClient client, bool https);
// Two of them, which sync their files themselves.
std::unique_ptr<Copier> NewSyncthing(const std::string& work);

// Relative paths of the regular files of a folder, in order.
std::vector<std::string> FilesOf(const std::string& folder);

}  // namespace waypost::bench
