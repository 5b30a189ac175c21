#include "tests/bench/raw_calls.h"

#include <unistd.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "integration/raw_socket.h"

// Calls without a client's cost: of the answer, read to its end, only the status is looked at. What
// must succeed ends the program where it does not.

namespace waypost::bench {
namespace {

constexpr base::Millis kAnswerAtMost{60'000};

}  // namespace

int RawCalls::Status(const integration::HttpCall& call) const {
  const std::string answer = integration::SendRaw(peer_.http().address(), peer_.http().Format(call),
                                                  /*end_early=*/false, kAnswerAtMost);
  // "HTTP/1.1 200"
  return answer.size() < 12 ? 0 : std::atoi(answer.c_str() + 9);
}

void RawCalls::PutBlob(std::string_view bytes) const {
  const int status = Status({.method = "POST", .target = "/v1/blobs", .body = std::string(bytes)});
  CHECK(status == 200 || status == 201);
}

void RawCalls::SetRef(const std::string& group, const std::string& key,
                      const std::string& blob) const {
  CHECK(Status({.method = "PUT",
                .target = absl::StrCat("/v1/groups/", group, "/refs/", key),
                .body = "{\"blob\":\"" + blob + "\"}",
                .headers = {{"Content-Type", "application/json"}}}) == 200);
}

bool RawCalls::Has(const std::string& blob) const {
  return Status({.method = "HEAD", .target = "/v1/blobs/" + blob}) == 200;
}

}  // namespace waypost::bench
