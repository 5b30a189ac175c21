#pragma once

#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "http/message/message.h"

namespace waypost::support {

// The body of a request that no socket brought.
class MemoryBody final : public http::BodySource {
 public:
  explicit MemoryBody(std::string bytes) : bytes_(std::move(bytes)) {}
  std::optional<uint64_t> length() const override { return bytes_.size(); }
  absl::Status Read(absl::FunctionRef<absl::Status(std::string_view)> take) override {
    return take(bytes_);
  }

 private:
  const std::string bytes_;
};

}  // namespace waypost::support
