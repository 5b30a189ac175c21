#include "service/cli/client.h"

#include <sys/stat.h>

#include <cerrno>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/short_id.h"
#include "base/status.h"
#include "http/message/errors.h"
#include "service/data_dir.h"
#include "service/unusable.h"

// The command line's way to a running service: its socket in the data folder, or endpoints and
// token from there, then calls over the API. What people type for a group, peer or blob is resolved
// to one id, or refused with what it could have meant.

namespace waypost::service {
namespace {

using base::Abs;

// Marks errors whose exit status is not that of their code.
constexpr char kExitPayload[] = "waypost.exit";
// Carries what the service said of an error beside its message.
constexpr char kErrorPayload[] = "waypost.error";
constexpr std::size_t kErrorBytesMax = 64 << 10;
// Digits of an id that may stand for it.
constexpr std::size_t kPrefixMin = 8;

absl::Status WithExit(absl::Status status, int exit_status) {
  status.SetPayload(kExitPayload, absl::Cord(std::to_string(exit_status)));
  return status;
}

bool IsHex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

absl::StatusOr<Json> Parse(const std::string& body) {
  if (body.empty()) return Json::object();
  Json json = Json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return absl::DataLossError("the service answered with no JSON");
  return json;
}

// The one of `found`, or an error that says why not.
absl::StatusOr<std::string> TheOnly(const std::set<std::string>& found, const std::string& what,
                                    const std::string& text) {
  if (found.size() == 1) return *found.begin();
  if (found.empty()) return absl::NotFoundError(absl::StrCat("no ", what, " \"", text, "\" here"));
  return absl::InvalidArgumentError(
      absl::StrCat("\"", text, "\" is ambiguous: ", absl::StrJoin(found, ", ")));
}

const char* CodeOf(const absl::Status& status) {
  switch (ExitOf(status)) {
    case kExitUsage:
      return "usage";
    case kExitNotReachable:
      return "not_reachable";
    case kExitOutput:
      return "output";
    case kExitUnusable:
      return "unusable";
    default:
      return http::ErrorOf(status).code;
  }
}

}  // namespace

int ExitOf(const absl::Status& status) {
  if (status.ok()) return kExitOk;
  if (const auto payload = status.GetPayload(kExitPayload))
    return std::atoi(std::string(*payload).c_str());
  if (IsUnusable(status)) return kExitUnusable;
  return absl::IsDeadlineExceeded(status) ? kExitNotComplete : kExitError;
}

absl::Status UsageError(std::string_view message) {
  return WithExit(absl::InvalidArgumentError(Abs(message)), kExitUsage);
}

absl::Status OutputError(absl::Status status) {
  return status.ok() ? status : WithExit(std::move(status), kExitOutput);
}

Client::Client(http::AppClient::Options options) : options_(options), client_(std::move(options)) {}

absl::StatusOr<std::unique_ptr<Client>> Client::Connect(const std::string& data_dir) {
  const auto fs = base::NewPosixFileSystem();
  const auto endpoints = ReadEndpoints(*fs, data_dir);
  if (!endpoints.ok()) return WithExit(endpoints.status(), kExitNotReachable);
  http::AppClient::Options options{.address = "localhost",
                                   .socket_path = data_dir + "/control.sock"};
  struct stat folder {
  }, socket{};
  if (stat(data_dir.c_str(), &folder) != 0) return base::ErrnoStatus(errno, data_dir);
  if (lstat(options.socket_path.c_str(), &socket) == 0) {
    options.owner = folder.st_uid;
    return std::unique_ptr<Client>(new Client(std::move(options)));
  }
  options = {.address = endpoints->http, .tls_sha256 = endpoints->http_tls_sha256};
  ASSIGN_OR_RETURN(options.token, ReadToken(data_dir, "api.token"));
  // After a crash another program may listen there, also one with the same certificate.
  options.prove = true;
  return std::unique_ptr<Client>(new Client(std::move(options)));
}

std::unique_ptr<Client> Client::Another() const {
  return std::unique_ptr<Client>(new Client(options_));
}

absl::StatusOr<http::AppClient::Reply> Client::Any(const http::AppClient::Call& call) {
  // Send tells a service that is not there apart from one that answers 503; Must does not.
  const std::string& where = options_.socket_path.empty() ? options_.address : options_.socket_path;
  auto reply = client_.Send(call);
  if (!absl::IsUnavailable(reply.status())) return reply;
  return WithExit(base::Annotate(reply.status(), absl::StrCat("no answer from ", where)),
                  kExitNotReachable);
}

absl::StatusOr<http::AppClient::Reply> Client::Must(const http::AppClient::Call& call) {
  const auto reply = Any(call);
  RETURN_IF_ERROR(reply.status());
  if (reply->status >= 200 && reply->status < 300) return *reply;
  return ErrorOfAnswer(reply->status, reply->body);
}

absl::StatusOr<Json> Client::GetAnyStatus(const std::string& target) {
  http::AppClient::Reply reply;
  ASSIGN_OR_RETURN(reply, Any({.target = target}));
  return Parse(reply.body);
}

absl::StatusOr<Json> Client::Get(const std::string& target) {
  http::AppClient::Reply reply;
  ASSIGN_OR_RETURN(reply, Must({.target = target}));
  return Parse(reply.body);
}

absl::StatusOr<Json> Client::Send(const std::string& method, const std::string& target,
                                  const Json& body) {
  http::AppClient::Call call{.method = method, .target = target};
  call.body =
      body.is_null() ? std::string() : body.dump(-1, ' ', false, Json::error_handler_t::replace);
  http::AppClient::Reply reply;
  ASSIGN_OR_RETURN(reply, Must(call));
  return Parse(reply.body);
}

absl::Status Client::ForEach(const std::string& target,
                             const std::function<absl::Status(const Json&)>& visit) {
  std::string cursor;
  const char* separator = target.find('?') == std::string::npos ? "?" : "&";
  while (true) {
    std::string page_target = absl::StrCat(target, separator, "limit=1000");
    if (!cursor.empty()) absl::StrAppend(&page_target, "&cursor=", http::EscapeSegment(cursor));
    Json page;
    ASSIGN_OR_RETURN(page, Get(page_target));
    if (!page.is_object() || !page.contains("items") || !page["items"].is_array()) {
      return absl::DataLossError(target + ": the service answered with no list");
    }
    for (const Json& item : page["items"]) RETURN_IF_ERROR(visit(item));
    cursor = TextOf(page, "next");
    if (cursor.empty()) return absl::OkStatus();
  }
}

absl::StatusOr<Json> Client::All(const std::string& target) {
  Json list = Json::array();
  RETURN_IF_ERROR(ForEach(target, [&](const Json& item) {
    list.push_back(item);
    return absl::OkStatus();
  }));
  return list;
}

absl::StatusOr<std::map<std::string, std::string>> Client::GroupNames() {
  std::map<std::string, std::string> names;
  RETURN_IF_ERROR(ForEach("/v1/groups", [&](const Json& group) {
    names[TextOf(group, "id")] = TextOf(group, "name");
    return absl::OkStatus();
  }));
  return names;
}

absl::StatusOr<std::string> Client::ResolveGroup(const std::string& text) {
  if (text.size() == 64 && IsHex(text)) return text;
  std::set<std::string> found;
  RETURN_IF_ERROR(ForEach("/v1/groups", [&](const Json& group) {
    if (TextOf(group, "name") == text) found.insert(TextOf(group, "id"));
    return absl::OkStatus();
  }));
  return TheOnly(found, "group", text);
}

absl::StatusOr<std::string> Client::ResolveBlob(const std::string& text) {
  if (const auto blob = base::ParseBlobId(text)) return blob->ToHex();
  std::string prefix = text;
  if (absl::StartsWith(prefix, "sha256:")) prefix.erase(0, 7);
  if (prefix.size() < 8 || prefix.size() > 64 || !IsHex(prefix)) {
    return UsageError(
        absl::StrCat("\"", text, "\" is no blob id: 64 hexadecimal digits, or at least 8 of them"));
  }
  std::set<std::string> found;
  const auto note = [&](const char* field) {
    return [&found, &prefix, field](const Json& item) {
      std::string id = TextOf(item, field);
      if (absl::StartsWith(id, prefix)) found.insert(std::move(id));
      return absl::OkStatus();
    };
  };
  RETURN_IF_ERROR(ForEach("/v1/blobs", note("id")));
  RETURN_IF_ERROR(ForEach("/v1/wanted", note("blob")));
  std::vector<std::string> groups;
  RETURN_IF_ERROR(ForEach("/v1/groups", [&](const Json& group) {
    groups.push_back(TextOf(group, "id"));
    return absl::OkStatus();
  }));
  for (const std::string& group : groups)
    RETURN_IF_ERROR(ForEach(GroupPath(group, "/refs"), note("blob")));
  return TheOnly(found, "blob", text);
}

absl::StatusOr<std::string> Client::ResolveBlob(const std::vector<std::string>& what) {
  if (what.size() == 1) return ResolveBlob(what[0]);
  if (what.size() != 2) return UsageError("name a blob: its ID, or GROUP and KEY");
  std::string group;
  ASSIGN_OR_RETURN(group, ResolveGroup(what[0]));
  Json ref;
  ASSIGN_OR_RETURN(ref, Get(RefPath(group, what[1])));
  return TextOf(ref, "blob");
}

absl::StatusOr<Client::FoundMember> Client::ResolveMember(const std::string& group,
                                                          const std::string& text) {
  std::map<std::string, Json> by_id, by_name;
  RETURN_IF_ERROR(ForEach(GroupPath(group, "/members"), [&](const Json& member) {
    const std::string id = TextOf(member, "peer");
    const auto peer = base::PeerId::FromHex(id);
    const bool self = text == "self" && TextOf(member, "self") == "true";
    const bool by_prefix = text.size() >= kPrefixMin && IsHex(text) && absl::StartsWith(id, text);
    if (self || by_prefix || (peer && base::IsShortIdOf(text, *peer))) by_id[id] = member;
    if (TextOf(member, "name") == text) by_name[id] = member;
    return absl::OkStatus();
  }));
  const bool is_id = text == "self" || (text.size() >= kPrefixMin && IsHex(text)) ||
                     base::IsShortId(text) || !by_id.empty();
  const auto& found = is_id ? by_id : by_name;
  // Who is no member is for the service to say.
  if (found.empty() && (text == "self" || (text.size() == 64 && IsHex(text)))) {
    return FoundMember{.id = text};
  }
  std::set<std::string> ids;
  for (const auto& each : found) ids.insert(each.first);
  FoundMember one{.by_name = !is_id};
  ASSIGN_OR_RETURN(one.id, TheOnly(ids, "member", text));
  one.member = found.at(one.id);
  return one;
}

absl::Status ErrorOfAnswer(int http_status, const std::string& body) {
  absl::Status status = http::StatusOf(http_status, body);
  const Json json = body.size() > kErrorBytesMax
                        ? Json()
                        : Json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (json.is_object() && json.contains("error") && json["error"].is_object()) {
    status.SetPayload(kErrorPayload, absl::Cord(json["error"].dump(
                                         -1, ' ', false, Json::error_handler_t::replace)));
  }
  return status;
}

Json ErrorJson(const absl::Status& status) {
  Json error = {{"code", CodeOf(status)}, {"message", std::string(status.message())}};
  if (const auto payload = status.GetPayload(kErrorPayload)) {
    const Json answered = Json::parse(std::string(*payload), nullptr, /*allow_exceptions=*/false);
    // The message may have been told more on the way.
    for (const auto& field : answered.items()) {
      if (field.key() != "message") error[field.key()] = field.value();
    }
  }
  return {{"error", std::move(error)}};
}

std::string GroupPath(const std::string& group, std::string_view rest) {
  return absl::StrCat("/v1/groups/", http::EscapeSegment(group), Abs(rest));
}

std::string BlobPath(const std::string& blob, std::string_view rest) {
  return absl::StrCat("/v1/blobs/", http::EscapeSegment(blob), Abs(rest));
}

std::string RefPath(const std::string& group, const std::string& key) {
  return GroupPath(group, "/refs/" + http::EscapeSegment(key));
}

std::string TextOf(const Json& json, const char* key, const std::string& otherwise) {
  if (!json.is_object() || !json.contains(key)) return otherwise;
  const Json& value = json[key];
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number() || value.is_boolean()) return value.dump();
  return otherwise;
}

std::string ShortPeer(const std::string& id) {
  const auto peer = base::PeerId::FromHex(id);
  return peer ? base::ShortId(*peer) : id;
}

uint64_t NumberOf(const Json& json, const char* key) {
  if (!json.is_object() || !json.contains(key) || !json[key].is_number()) return 0;
  return json[key].get<uint64_t>();
}

}  // namespace waypost::service
