#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/ids.h"
#include "service/cli/client.h"
#include "service/cli/output_file.h"

namespace waypost::service {

// Gets the bytes of one blob from the service, with patience: where the connection is cut it goes
// on behind what came, and where the blob is not here yet it waits as long as it may and tells how
// that goes. One thread.
class Download {
 public:
  struct Options {
    base::BlobId blob;
    // How long to wait for a blob that is not here; nullopt: without limit.
    std::optional<base::Millis> wait;
    // The service tells how the fetch goes while it is waited for; else it is asked once, and says
    // what blocks it.
    bool watch = false;
  };
  // What it needs of the world; tests have others.
  struct World {
    std::function<absl::StatusOr<http::AppClient::Reply>(const http::AppClient::Call&)> ask;
    // Bytes so far and of how many (0: unknown), and the state of a fetch in words.
    std::function<void(uint64_t, uint64_t, const std::string&)> show;
    std::function<base::SteadyTime()> now = base::SteadyNow;
    std::function<void(base::SteadyTime)> pause_until = base::WaitUntil;
  };
  Download(const Options& options, World world) : options_(options), world_(std::move(world)) {}

  // Hands all bytes behind the first `from` to `take`. kDeadlineExceeded: it did not come in time;
  // kUnavailable: it cannot start in time, or the service went away (then with exit status 4) or
  // cuts every connection.
  absl::Status Run(uint64_t from, Take take);

 private:
  struct Answer;
  absl::StatusOr<Answer> Once(Take take);
  std::string Query() const;
  base::Millis Left() const;
  absl::Status Waited(const Answer& answer);
  absl::Status Cut(const absl::Status& error);

  const Options options_;
  const World world_;
  base::SteadyTime deadline_;
  uint64_t at_ = 0;  // bytes that are there
  uint64_t total_ = 0;
  bool asks_state_ = false;  // with the next call
  int cuts_ = 0;             // in a row, without a byte between
};

// How far a fetch is, for people.
std::string FetchLine(const Json& state);

}  // namespace waypost::service
