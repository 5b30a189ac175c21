#include "service/cli/download.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/units.h"
#include "service/cli/shown.h"

// A blob never changes under its id, so what came of it is good for ever: a call that goes on names
// where, and the blob's tag. Whether all of it is right is judged by its hash, by the caller.

namespace waypost::service {
namespace {

// Cuts in a row that are borne: some six seconds in all, which a restart takes.
constexpr int kCutsMax = 6;
constexpr base::Millis kFirstPause{100};
// How long one waiting call lasts where the state is shown between them.
constexpr base::Millis kStateSlice{1'000};
constexpr base::Millis kNoHurry{1'000};
// The longest that the service waits in one call.
constexpr base::Millis kWaitMax{600'000};
constexpr std::size_t kStateBytesMax = 64 << 10;

}  // namespace

struct Download::Answer {
  int status = 0;
  std::string body;  // of what is not the blob
  bool done = false;
};

std::string FetchLine(const Json& line) {
  std::string text = TextOf(line, "state");
  const std::string source = TextOf(line, "source");
  if (!source.empty()) absl::StrAppend(&text, " from ", BriefPeer(source));
  const std::string blocked = TextOf(line, "blocked_by");
  if (!blocked.empty()) absl::StrAppend(&text, ", waits: ", blocked);
  for (const char* key : {"until", "error", "next_attempt"}) {
    std::string value = TextOf(line, key);
    if (value.empty() && line.contains(key) && line[key].is_object())
      value = TextOf(line[key], "class");
    if (!value.empty()) absl::StrAppend(&text, ", ", key, " ", value);
  }
  return text;
}

base::Millis Download::Left() const {
  const auto left = std::chrono::duration_cast<base::Millis>(deadline_ - world_.now());
  return std::clamp(left, base::Millis(0), kWaitMax);
}

// Of the next call.
std::string Download::Query() const {
  if (asks_state_) return "?fetch=async";
  if (options_.watch) return "?timeout=" + base::FormatDuration(std::min(Left(), kStateSlice));
  return "?timeout=" + base::FormatDuration(Left());
}

absl::StatusOr<Download::Answer> Download::Once(Take take) {
  Answer answer;
  http::AppClient::Call call{.target = BlobPath(options_.blob.ToHex()) + Query()};
  if (at_ != 0) {
    call.headers = {{"Range", absl::StrCat("bytes=", at_, "-")},
                    {"If-Range", absl::StrCat("\"", options_.blob.ToHex(), "\"")}};
  }
  uint64_t skip = 0;
  absl::Status taken;  // an error of our own side
  call.on_head = [&](int status, std::optional<uint64_t> bytes) {
    answer.status = status;
    // All of it where a part was asked for.
    if (status == 200) skip = at_;
    total_ = bytes.value_or(0) + (status == 206 ? at_ : 0);
    return absl::OkStatus();
  };
  call.sink = [&](std::string_view data) -> absl::Status {
    if (answer.status == 202) {
      answer.body.append(
          data.substr(0, kStateBytesMax - std::min(kStateBytesMax, answer.body.size())));
      return absl::OkStatus();
    }
    const std::size_t known = std::min<uint64_t>(skip, data.size());
    skip -= known;
    data.remove_prefix(known);
    if (data.empty()) return absl::OkStatus();
    taken = take(data);
    RETURN_IF_ERROR(taken);
    cuts_ = 0;
    at_ += data.size();
    world_.show(at_, total_, "");
    return absl::OkStatus();
  };
  const auto reply = world_.ask(call);
  RETURN_IF_ERROR(taken);
  if (!reply.ok()) {
    // Nothing came for long, or the way there is gone.
    if (!absl::IsUnavailable(reply.status()) && !absl::IsDeadlineExceeded(reply.status()))
      return reply.status();
    RETURN_IF_ERROR(Cut(reply.status()));
    return Answer();
  }
  answer.status = reply->status;
  if (answer.body.empty()) answer.body = reply->body;
  // Behind the last byte nothing is satisfiable: all of it is there.
  answer.done = answer.status == 200 || answer.status == 206 || (answer.status == 416 && at_ != 0);
  return answer;
}

// Bears a cut, with a pause that grows, or says that it is one too many.
absl::Status Download::Cut(const absl::Status& error) {
  if (++cuts_ <= kCutsMax) {
    world_.show(at_, total_, "the connection was cut, goes on");
    world_.pause_until(world_.now() + kFirstPause * (1 << (cuts_ - 1)));
    return absl::OkStatus();
  }
  const auto alive = world_.ask({.target = "/healthz"});
  if (!alive.ok()) return error;
  return absl::UnavailableError(
      absl::StrCat("the connection was cut ", cuts_,
                   " times in a row, the last time: ", std::string(error.message())));
}

// After an answer that is not the blob: whether to go on.
absl::Status Download::Waited(const Answer& answer) {
  if (answer.status == 0) return absl::OkStatus();  // it was cut
  Json body = Json::parse(answer.body, nullptr, /*allow_exceptions=*/false);
  if (answer.status == 202) {
    world_.show(at_, NumberOf(body, "total"), FetchLine(body));
    asks_state_ = false;
    return absl::OkStatus();
  }
  const absl::Status error = ErrorOfAnswer(answer.status, answer.body);
  const bool blocked = answer.status == 503 && body.is_object() && body.contains("state");
  if (answer.status != 504 && !blocked) return error;
  if (!options_.watch) {
    // The service waits ten minutes at most in one call.
    return blocked || Left() == base::Millis(0) ? error : absl::OkStatus();
  }
  if (Left() == base::Millis(0)) return error;
  asks_state_ = true;
  if (!blocked) return absl::OkStatus();
  world_.show(at_, 0, FetchLine(body["state"]));
  const auto retry_after =
      base::Millis(static_cast<int64_t>(NumberOf(body.value("error", Json()), "retry_after_ms")));
  if (options_.wait && retry_after > Left()) return error;
  world_.pause_until(world_.now() + std::min(kNoHurry, Left()));
  return absl::OkStatus();
}

absl::Status Download::Run(uint64_t from, Take take) {
  deadline_ = options_.wait ? world_.now() + *options_.wait : base::SteadyTime::max();
  at_ = from;
  asks_state_ = options_.watch;
  while (true) {
    Answer answer;
    ASSIGN_OR_RETURN(answer, Once(take));
    if (answer.done) return absl::OkStatus();
    RETURN_IF_ERROR(Waited(answer));
  }
}

}  // namespace waypost::service
