#include "http/client/app_client.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/random.h"
#include "base/status.h"
#include "http/client/exchange.h"
#include "http/message/errors.h"
#include "http/message/json.h"
#include "http/message/service_proof.h"

// One call after the other over one kept connection. A GET or HEAD whose kept connection was found
// dead before a byte of an answer came is made once more on a fresh one. Any other failure is the
// caller's, because the service may have acted on what was sent.

namespace waypost::http {
namespace {

// Of what is kept in Reply::body; larger answers need a sink.
constexpr std::size_t kReplyBytesMax = std::size_t{64} << 20;
constexpr std::size_t kLineBytesMax = std::size_t{1} << 20;
constexpr std::size_t kUploadPiece = 256 * 1024;

// Cuts a stream into lines.
class LineCutter {
 public:
  explicit LineCutter(const std::function<absl::Status(std::string_view)>& sink) : sink_(sink) {}
  absl::Status Add(std::string_view piece) {
    while (!piece.empty()) {
      const std::size_t newline = piece.find('\n');
      if (newline == std::string_view::npos) {
        line_.append(piece);
        if (line_.size() > kLineBytesMax)
          return absl::InvalidArgumentError("a line of the answer is too long");
        return absl::OkStatus();
      }
      line_.append(piece.substr(0, newline));
      piece.remove_prefix(newline + 1);
      const std::string line = std::move(line_);
      line_.clear();
      RETURN_IF_ERROR(sink_(line));
    }
    return absl::OkStatus();
  }
  absl::Status End() { return line_.empty() ? absl::OkStatus() : sink_(line_); }

 private:
  const std::function<absl::Status(std::string_view)>& sink_;
  std::string line_;
};

}  // namespace

struct AppClient::Impl {
  explicit Impl(Options client_options) : options(std::move(client_options)) {}

  base::SteadyTime Deadline() const { return base::SteadyNow() + options.idle_timeout; }
  absl::Status Connect(const Interrupt& interrupt);
  absl::Status HaveProved(const Interrupt& interrupt);
  absl::Status SendRequest(const Call& call, const Interrupt& interrupt);
  absl::StatusOr<Reply> ReadReply(const Call& call, const Interrupt& interrupt);
  absl::StatusOr<Reply> Once(const Call& call, const Interrupt& interrupt);

  const Options options;
  std::unique_ptr<Exchange> exchange;
};

absl::Status AppClient::Impl::Connect(const Interrupt& interrupt) {
  if (exchange != nullptr && exchange->Reusable()) return absl::OkStatus();
  exchange.reset();
  auto socket =
      options.socket_path.empty()
          ? Socket::Connect({options.address}, {.each = options.connect_timeout}, interrupt)
          : Socket::ConnectAtPath(options.socket_path, options.owner);
  if (!socket.ok()) return base::Annotate(socket.status(), "the service is not reachable");
  if (!options.tls_sha256.empty()) {
    RETURN_IF_ERROR(socket->StartTls(options.tls_sha256, Deadline(), interrupt));
  }
  exchange = std::make_unique<Exchange>(std::move(*socket));
  if (!options.prove) return absl::OkStatus();
  const absl::Status proved = HaveProved(interrupt);
  if (!proved.ok()) exchange.reset();
  return proved;
}

absl::Status AppClient::Impl::HaveProved(const Interrupt& interrupt) {
  const ProofOf of{.nonce = base::ToHex(base::RandomBytes(32)), .address = options.address};
  ASSIGN_OR_RETURN(const std::string expected, ProofFor(ProofKeyOf(options.token), of));
  const Call call{.target = "/v1/proof?token=api&nonce=" + of.nonce};
  RETURN_IF_ERROR(exchange->Send(FormatRequest(call.method, call.target, options.address, {}, {}),
                                 Deadline(), interrupt));
  const auto reply = ReadReply(call, interrupt);
  const Json json = reply.ok() && reply->status == 200
                        ? Json::parse(reply->body, nullptr, /*allow_exceptions=*/false)
                        : Json();
  const bool said = json.is_object() && json.contains("proof") && json["proof"].is_string();
  if (said && base::ConstantTimeEqual(json["proof"].get_ref<const std::string&>(), expected)) {
    return absl::OkStatus();
  }
  return absl::UnavailableError(
      absl::StrCat("what listens on ", options.address,
                   " is not the service of this token, and was not told it"));
}

absl::Status AppClient::Impl::SendRequest(const Call& call, const Interrupt& interrupt) {
  auto headers = call.headers;
  if (!options.token.empty()) headers.emplace_back("Authorization", "Bearer " + options.token);
  std::optional<uint64_t> length;
  if (call.upload) length = call.upload_bytes;
  if (!call.upload && call.body) length = call.body->size();
  if (!call.upload && !call.body && call.method != "GET" && call.method != "HEAD") length = 0;
  if (length.value_or(0) > 0) headers.emplace_back("Content-Type", call.content_type);
  const auto is_line = [](std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c != 0x7f; });
  };
  if (call.target.find_first_of(" \r\n") != std::string::npos ||
      !std::all_of(headers.begin(), headers.end(),
                   [&](const auto& header) { return is_line(header.second); })) {
    return absl::InvalidArgumentError("a target or header that cannot be sent: it must be escaped");
  }
  std::string head = FormatRequest(call.method, call.target, options.address, headers, length);
  if (!call.upload) {
    if (call.body) head += *call.body;
    return exchange->Send(head, Deadline(), interrupt);
  }
  RETURN_IF_ERROR(exchange->Send(head, Deadline(), interrupt));
  std::string buffer(kUploadPiece, '\0');
  uint64_t sent = 0;
  while (sent < call.upload_bytes) {
    // A refusal is read at once instead of after the rest of a body that nobody wants.
    if (exchange->AnswerWaiting()) return absl::OkStatus();
    const std::size_t want = std::min<uint64_t>(buffer.size(), call.upload_bytes - sent);
    ASSIGN_OR_RETURN(const std::size_t got, call.upload(std::span<char>(buffer).first(want)));
    if (got == 0 || got > want) {
      return absl::FailedPreconditionError(
          absl::StrCat("what is uploaded ended after ", sent, " of ", call.upload_bytes, " bytes"));
    }
    const absl::Status status =
        exchange->Send(std::string_view(buffer).substr(0, got), Deadline(), interrupt);
    if (!status.ok()) return exchange->AnswerWaiting() ? absl::OkStatus() : status;
    sent += got;
    if (call.on_sent) call.on_sent(sent);
  }
  return absl::OkStatus();
}

absl::StatusOr<AppClient::Reply> AppClient::Impl::ReadReply(const Call& call,
                                                            const Interrupt& interrupt) {
  const ResponseLimits limits{.allow_streams = true};
  const bool head_request = call.method == "HEAD";
  ASSIGN_OR_RETURN(ResponseHead head,
                   exchange->ReadHead(head_request, limits, Deadline(), interrupt));
  Reply reply;
  reply.status = head.status;
  reply.headers = head.headers;
  const bool good = head.status >= 200 && head.status < 300;
  if (good && call.on_head) RETURN_IF_ERROR(call.on_head(head.status, head.content_length));
  if (head_request) return reply;
  LineCutter lines(call.line_sink);
  const auto take = [&](std::string_view piece) -> absl::Status {
    if (good && call.line_sink) return lines.Add(piece);
    if (good && call.sink) return call.sink(piece);
    if (reply.body.size() + piece.size() > kReplyBytesMax) {
      return absl::OutOfRangeError("the answer is too long");
    }
    reply.body.append(piece);
    return absl::OkStatus();
  };
  const Exchange::Pace pace{.window = options.idle_timeout, .bytes = 1};
  RETURN_IF_ERROR(exchange->ReadBody(head, pace, base::SteadyTime::max(), interrupt, take));
  if (good && call.line_sink) RETURN_IF_ERROR(lines.End());
  return reply;
}

absl::StatusOr<AppClient::Reply> AppClient::Impl::Once(const Call& call,
                                                       const Interrupt& interrupt) {
  RETURN_IF_ERROR(Connect(interrupt));
  RETURN_IF_ERROR(SendRequest(call, interrupt));
  return ReadReply(call, interrupt);
}

AppClient::AppClient(Options options) : impl_(std::make_unique<Impl>(std::move(options))) {}
AppClient::~AppClient() = default;

absl::StatusOr<AppClient::Reply> AppClient::Send(const Call& call) {
  const Interrupt interrupt(impl_->options.stop);
  const bool kept = impl_->exchange != nullptr;
  absl::StatusOr<Reply> reply = impl_->Once(call, interrupt);
  const bool answered = impl_->exchange != nullptr && impl_->exchange->answer_begun();
  // A kept connection may have been closed while the request was on its way; what may have had an
  // effect is not sent twice.
  if (kept && absl::IsUnavailable(reply.status()) && !answered && !call.upload &&
      (call.method == "GET" || call.method == "HEAD")) {
    impl_->exchange.reset();
    reply = impl_->Once(call, interrupt);
  }
  if (!reply.ok() || reply->status >= 400) impl_->exchange.reset();
  return reply;
}

absl::StatusOr<AppClient::Reply> AppClient::Must(const Call& call) {
  auto reply = Send(call);
  if (!reply.ok() || (reply->status >= 200 && reply->status < 300)) return reply;
  return StatusOf(reply->status, reply->body);
}

std::optional<std::string_view> AppClient::Reply::Header(std::string_view lower_case_name) const {
  for (const auto& header : headers) {
    if (header.first == lower_case_name) return header.second;
  }
  return std::nullopt;
}

std::string EscapeSegment(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (char c : text) {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
        c == '_' || c == '.' || c == '~') {
      out.push_back(c);
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out.push_back('%');
    out.push_back(kDigits[byte >> 4]);
    out.push_back(kDigits[byte & 15]);
  }
  return out;
}

}  // namespace waypost::http
