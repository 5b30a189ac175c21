#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "service/cli/client.h"
#include "service/cli/progress.h"
#include "service/cli/put_sources.h"

namespace waypost::service {

// What is known of one file that is put.
struct PutResult {
  base::BlobId blob;
  uint64_t size = 0;
  bool sent = false;     // else its bytes were here already
  bool created = false;  // by sending it
};

// Puts what was found: hashes all of it, asks the service what of it is here, sends the rest, and
// sets the references. Goes on in parts, so that the first bytes are on their way before the last
// are read. Several files are hashed and sent at once; one that fails does not keep the others from
// going, unless the service is gone or full. One use.
class PutRun {
 public:
  PutRun(std::vector<PutItem> items, std::string group, bool dry_run, bool quiet);
  void Run(Client& client);

  const std::vector<PutItem>& items() const { return items_; }
  // One for each item. Where it was not reached because an earlier one failed for good, kCancelled.
  const std::vector<absl::StatusOr<PutResult>>& results() const { return results_; }

 private:
  using Each = std::function<void(Client&, std::size_t)>;
  // Calls `each` for begin..end-1, by several threads.
  void InParallel(Client& client, std::size_t begin, std::size_t end, const Each& each);
  void RunPart(Client& client, std::size_t begin, std::size_t end);
  void Fail(std::size_t i, const absl::Status& status);
  absl::StatusOr<PutResult> Hash(PutItem& item);
  // Marks those whose bytes are here.
  absl::Status AskWhatIsHere(Client& client, std::size_t begin, std::size_t end);
  // References to what is here, as many at once as may be.
  void Reference(Client& client, std::size_t begin, std::size_t end);
  absl::Status Send(Client& client, const PutItem& item, PutResult& result);
  absl::Status SendOnce(Client& client, const PutItem& item, PutResult& result);
  // How far the pass over the bytes is that `what` names.
  void Draw(const char* what, uint64_t bytes);

  std::vector<PutItem> items_;  // each used by one thread at a time
  const std::string group_;
  const bool dry_run_;
  uint64_t total_bytes_ = 0;
  std::vector<absl::StatusOr<PutResult>> results_;  // as items_
  std::vector<char> here_;                          // as items_: whether its bytes are here
  std::vector<std::unique_ptr<Client>> clients_;
  std::atomic<bool> gave_up_{false};
  std::atomic<uint64_t> hashed_{0}, bytes_{0}, files_{0};
  std::unique_ptr<Progress> progress_;  // null: quiet
};

}  // namespace waypost::service
