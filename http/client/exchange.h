#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "http/client/response_reader.h"
#include "http/client/socket.h"

namespace waypost::http {

// The client's side of one connection: requests go out, answers are read strictly. Answers one
// request after another; after an error it must be thrown away. One thread at a time.
class Exchange {
 public:
  explicit Exchange(Socket socket) : socket_(std::move(socket)) {}

  // When a body counts as stalled: fewer than `bytes` within `window`, each window anew.
  struct Pace {
    base::Millis window{30000};
    uint64_t bytes = 1;
  };

  absl::Status Send(std::string_view bytes, base::SteadyTime deadline, const Interrupt& interrupt);
  // The head of the final answer; interim ones (1xx) are skipped.
  absl::StatusOr<ResponseHead> ReadHead(bool head_request, const ResponseLimits& limits,
                                        base::SteadyTime deadline, const Interrupt& interrupt);
  // The body that the head announces, all of it, to `take`. kUnavailable: it ended early;
  // kDeadlineExceeded: it stalled or `deadline` passed; kInvalidArgument: malformed; else what
  // `take` returned (see take_status).
  absl::Status ReadBody(const ResponseHead& head, const Pace& pace, base::SteadyTime deadline,
                        const Interrupt& interrupt,
                        absl::FunctionRef<absl::Status(std::string_view)> take);
  // What `take` returned, when that is why ReadBody failed.
  const absl::Status& take_status() const { return take_status_; }
  // An answer, or a part of one, is waiting: while a body is still being sent, this is a refusal.
  bool AnswerWaiting() const { return !buffer_.empty() || socket_.Readable(); }
  // Bytes that belong to no answer.
  bool HasSurplus() const { return !buffer_.empty(); }
  // May carry another request.
  bool Reusable() const { return reusable_ && buffer_.empty() && socket_.Idle(); }

  // Gives the connection away after a whole answer, to be served on.
  std::unique_ptr<TurnedConnection> Turn() && {
    return std::move(socket_).Turn(std::move(buffer_));
  }

  // Has any byte of an answer to the last request arrived?
  bool answer_begun() const { return answer_begun_; }
  const std::string& address() const { return socket_.address(); }
  uint64_t bytes_in() const { return bytes_in_; }
  uint64_t bytes_out() const { return bytes_out_; }

 private:
  absl::StatusOr<std::size_t> Fill(base::SteadyTime deadline, const Interrupt& interrupt);
  // More into `buffer_`, until a line has ended or it holds more than `bytes_max`: a head that
  // drips is read anew for each of its lines, not for each of its bytes.
  absl::Status FillLine(std::size_t bytes_max, base::SteadyTime deadline,
                        const Interrupt& interrupt);
  absl::Status Take(std::string_view piece, absl::FunctionRef<absl::Status(std::string_view)> take);

  Socket socket_;
  std::string buffer_;    // received and not yet used
  std::string incoming_;  // where Receive puts it
  bool reusable_ = true;
  bool answer_begun_ = false;
  absl::Status take_status_;
  uint64_t bytes_in_ = 0;
  uint64_t bytes_out_ = 0;
};

// A request's head. `target` and `headers` must be free of line breaks (CHECKed).
std::string FormatRequest(std::string_view method, std::string_view target, std::string_view host,
                          const std::vector<std::pair<std::string, std::string>>& headers,
                          std::optional<uint64_t> content_length);

}  // namespace waypost::http
