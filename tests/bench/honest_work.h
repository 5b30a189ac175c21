#pragma once

#include <array>
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "integration/peer.h"

namespace waypost::bench {

// A plain HTTP connection to a peer's app listener that is kept, and dialled again when it is gone.
// One thread.
class KeptLine {
 public:
  explicit KeptLine(const integration::Peer& peer);
  ~KeptLine();
  KeptLine(const KeptLine&) = delete;
  KeptLine& operator=(const KeptLine&) = delete;
  // The answer's status, its body read to the end; 0: none within ten seconds.
  int Ask(std::string_view method, std::string_view target, std::string_view body = {});

 private:
  int TryToAsk(std::string_view request);
  void Close();
  const std::string address_, token_;
  int fd_ = -1;
};

// What honest people do with a peer, each kind on a thread of its own with a pause after each, so
// that a slow one takes no turn of another.
enum class Work { kGet, kPut, kArrival, kHealth };
constexpr std::array kWorks = {Work::kGet, Work::kPut, Work::kArrival, Work::kHealth};

struct WorkTimes {
  std::vector<double> milliseconds;  // also of those that failed
  int failed = 0;
};
struct Honest {
  std::array<WorkTimes, kWorks.size()> of;  // by Work
  double cpu_seconds = 0;                   // of the threads that measured
  void Add(const Honest& other);
};

// kGet: a blob of `blobs`, which `peer` holds; kPut: a reference of `group` to one of them;
// kArrival: from the answer to a reference put at `other` until `peer` has it; kHealth: /healthz.
struct HonestWork {
  const integration::Peer& peer;
  const integration::Peer& other;
  std::string group;
  std::vector<std::string> blobs;  // ids

  // For as long; what has begun is brought to its end.
  Honest Run(std::chrono::milliseconds time) const;
};

}  // namespace waypost::bench
