#include "integration/calls.h"

#include <iostream>
#include <stop_token>
#include <thread>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "base/status.h"
#include "integration/peer.h"
#include "waypost/client.h"

// Everything that needs the client's header: plain calls, streams, and a peer's typed calls. It
// stands in no other file, because that header is heavy to compile.

namespace waypost::integration {
namespace {

// Blobs of tests come into memory.
constexpr uint64_t kAnswerBytesMax = uint64_t{1} << 30;
constexpr base::Millis kTypedCall{300'000};

HttpReply ReplyOf(const client::Answer& answer) {
  HttpReply reply{.status = answer.status, .body = answer.body};
  for (const auto& [name, value] : answer.headers) {
    reply.headers[absl::AsciiStrToLower(name)] = value;
  }
  return reply;
}

absl::Status StatusOf(const client::Error& error) {
  const std::string text = absl::StrCat(NameOf(error.kind), ": ", error.message);
  switch (error.kind) {
    case client::ErrorKind::kDeadline:
      return absl::DeadlineExceededError(text);
    case client::ErrorKind::kIntegrity:
      return absl::DataLossError(text);
    case client::ErrorKind::kStopped:
      return absl::CancelledError(text);
    case client::ErrorKind::kUsage:
    case client::ErrorKind::kFile:
    case client::ErrorKind::kRefused:
      return absl::InvalidArgumentError(text);
    case client::ErrorKind::kConnection:
      break;
  }
  return absl::UnavailableError(text);
}

client::Request RequestOf(const HttpCall& call) {
  return {.method = call.method, .target = call.target, .headers = call.headers, .body = call.body};
}

}  // namespace

std::string HttpReply::Header(const std::string& lower_case_name) const {
  const auto found = headers.find(lower_case_name);
  return found == headers.end() ? "" : found->second;
}

// ---- HttpClient ----

HttpClient::HttpClient(std::string address, std::string token, Observer observer)
    : address_(std::move(address)), token_(std::move(token)) {
  client::Options options{.kept_bytes_max = kAnswerBytesMax};
  if (observer) {
    options.observer = [observer = std::move(observer)](const client::Request& request,
                                                        const client::Answer& answer) {
      observer(request.method, request.target, answer.status, answer.body);
    };
  }
  typed_ = std::make_shared<const client::Client>(
      client::Endpoint{.address = address_, .token = token_}, std::move(options));
}

absl::StatusOr<HttpReply> HttpClient::Send(const HttpCall& call) const {
  const auto answer = typed_->Send(RequestOf(call), call.timeout);
  if (!answer.ok()) return StatusOf(answer.error());
  return ReplyOf(*answer);
}

std::string HttpClient::Format(const HttpCall& call) const {
  std::string request = absl::StrCat(call.method, " ", call.target, " HTTP/1.1\r\n");
  bool host = false;
  for (const auto& header : call.headers) {
    absl::StrAppend(&request, header.first, ": ", header.second, "\r\n");
    host = host || header.first == "Host";
  }
  if (!host) absl::StrAppend(&request, "Host: ", address_, "\r\n");
  if (!token_.empty()) absl::StrAppend(&request, "Authorization: Bearer ", token_, "\r\n");
  if (call.method != "GET" && call.method != "HEAD") {
    absl::StrAppend(&request, "Content-Length: ", call.body.size(), "\r\n");
  }
  return absl::StrCat(request, "Connection: close\r\n\r\n", call.body);
}

// ---- HttpStream ----

// The client pushes, a test pulls: between them a thread and what has come so far.
struct HttpStream::State {
  explicit State(HttpCall made) : call(std::move(made)) {}

  void Run(const client::Client& service) {
    const client::Receiver receiver{.head =
                                        [this](const client::Answer& answer) {
                                          base::MutexLock lock(mutex);
                                          head = ReplyOf(answer);
                                          changed.NotifyAll();
                                          return true;
                                        },
                                    .bytes =
                                        [this](std::string_view bytes) {
                                          base::MutexLock lock(mutex);
                                          text.append(bytes);
                                          changed.NotifyAll();
                                          return true;
                                        }};
    const auto answer =
        service.Send(RequestOf(call), receiver, client::Deadline(call.timeout, stop.get_token()));
    base::MutexLock lock(mutex);
    ended = true;
    if (!answer.ok()) failed = StatusOf(answer.error());
    changed.NotifyAll();
  }

  const HttpCall call;
  std::stop_source stop;
  base::Mutex mutex;
  base::CondVar changed;
  std::optional<HttpReply> head GUARDED_BY(mutex);
  std::string text GUARDED_BY(mutex);  // not yet read
  bool ended GUARDED_BY(mutex) = false;
  absl::Status failed GUARDED_BY(mutex);
  std::thread thread;
  HttpReply read_head;  // of `head`, once it is there
};

HttpStream::HttpStream(std::unique_ptr<State> state) : state_(std::move(state)) {}

HttpStream::~HttpStream() {
  state_->stop.request_stop();
  state_->thread.join();
}

const HttpReply& HttpStream::head() const { return state_->read_head; }

absl::StatusOr<std::optional<std::string>> HttpStream::ReadLine() {
  State& state = *state_;
  base::MutexLock lock(state.mutex);
  while (true) {
    const std::size_t end = state.text.find('\n');
    if (end != std::string::npos) {
      std::string line = state.text.substr(0, end);
      state.text.erase(0, end + 1);
      return std::optional<std::string>(std::move(line));
    }
    if (state.ended) {
      RETURN_IF_ERROR(state.failed);
      return std::optional<std::string>();
    }
    state.changed.Wait(state.mutex);
  }
}

absl::StatusOr<std::unique_ptr<HttpStream>> HttpClient::OpenStream(const HttpCall& call) const {
  auto state = std::make_unique<HttpStream::State>(call);
  HttpStream::State& shared = *state;
  shared.thread = std::thread([&shared, service = typed_] { shared.Run(*service); });
  std::unique_ptr<HttpStream> stream(new HttpStream(std::move(state)));
  base::MutexLock lock(shared.mutex);
  while (!shared.head && !shared.ended) shared.changed.Wait(shared.mutex);
  if (!shared.head) return shared.failed;
  shared.read_head = *shared.head;
  return stream;
}

// ---- Peer: typed calls ----

namespace {

// What a failed call is told on standard error.
void Say(const std::string& name, const std::string& what, const client::Error& error) {
  std::cerr << name << ": " << what << ": " << NameOf(error.kind) << " " << error.http_status << " "
            << error.message << "\n";
}

client::Role RoleOf(const std::string& role) {
  return client::detail::RoleOf(client::detail::Json{{"role", role}});
}

}  // namespace

std::string Peer::PutBlob(std::string_view bytes, const std::string& group,
                          const std::string& key) const {
  const auto put = http_.typed().PutBytes(bytes, {.group = group, .key = key}, kTypedCall);
  if (put.ok()) return put->id;
  Say(name_, "put " + key, put.error());
  return {};
}

std::string Peer::PutFile(const std::string& path, const std::string& group,
                          const std::string& key) const {
  const auto put = http_.typed().PutFile(path, {.group = group, .key = key}, kTypedCall);
  if (put.ok()) return put->id;
  Say(name_, "put " + path, put.error());
  return {};
}

int Peer::SetRef(const std::string& group, const std::string& key, const std::string& blob) const {
  const auto set = http_.typed().SetRef(group, key, blob, kTypedCall);
  return set.ok() ? 200 : set.error().http_status;
}

int Peer::DeleteRef(const std::string& group, const std::string& key) const {
  const auto deleted = http_.typed().DeleteRef(group, key, kTypedCall);
  return deleted.ok() ? 204 : deleted.error().http_status;
}

std::string Peer::CreateGroup(const std::string& name, const std::string& role) const {
  const auto group = http_.typed().CreateGroup({.name = name, .role = RoleOf(role)}, kTypedCall);
  if (group.ok()) return group->id;
  Say(name_, "create group " + name, group.error());
  return {};
}

std::string Peer::Invite(const std::string& group, int uses) const {
  const auto invite = http_.typed().CreateInvite(group, {.uses = uses}, kTypedCall);
  if (invite.ok()) return invite->invite;
  Say(name_, "invite", invite.error());
  return {};
}

std::string Peer::Join(const std::string& invite, const std::string& role) const {
  const auto group = http_.typed().Join(invite, RoleOf(role), kTypedCall);
  if (group.ok()) return group->id;
  Say(name_, "join", group.error());
  return {};
}

bool Peer::Has(const std::string& blob) const {
  const auto has = http_.typed().Has(blob, kTypedCall);
  return has.ok() && *has;
}

std::optional<std::string> Peer::Bytes(const std::string& blob) const {
  auto bytes = http_.typed().GetBytes(blob, {.fetch = false}, kTypedCall);
  if (!bytes.ok()) return std::nullopt;
  HoldAgainstSecrets(*bytes, "blob " + blob);
  return *std::move(bytes);
}

}  // namespace waypost::integration
