#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/file_system.h"
#include "base/ids.h"
#include "http/client/app_client.h"

namespace waypost::service {

using Json = nlohmann::ordered_json;

// Exit statuses of the command line.
inline constexpr int kExitOk = 0;
inline constexpr int kExitError = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitNotComplete = 3;
inline constexpr int kExitNotReachable = 4;
inline constexpr int kExitOutput = 5;
// Of `serve`: the data folder or the configuration is not to be used as it is (EX_CONFIG in BSD).
// Starting again changes nothing.
inline constexpr int kExitUnusable = 78;

// The exit status that an error means: a deadline is "not complete".
int ExitOf(const absl::Status& status);
// An error in how the command was called: exit status 2.
absl::Status UsageError(std::string_view message);
// An error of writing what was asked for: exit status 5. OK stays OK.
absl::Status OutputError(absl::Status status);

// What client commands call the service with. Finds it through the data folder. One thread.
class Client {
 public:
  // By control.sock, which only the owner of the folder and root can open, and which needs no
  // token; where the folder holds none, by the app API, after what listens there has proved that it
  // knows the token. Errors say that no service runs there: exit status 4.
  static absl::StatusOr<std::unique_ptr<Client>> Connect(const std::string& data_dir);
  // Another connection to the same service, for another thread.
  std::unique_ptr<Client> Another() const;

  // Any answer, whatever its status; errors are of the way there.
  absl::StatusOr<http::AppClient::Reply> Any(const http::AppClient::Call& call);
  // An answer that is no 2xx is its error.
  absl::StatusOr<http::AppClient::Reply> Must(const http::AppClient::Call& call);
  absl::StatusOr<Json> Get(const std::string& target);
  // As Get, of an answer that has its value whatever its status is.
  absl::StatusOr<Json> GetAnyStatus(const std::string& target);
  absl::StatusOr<Json> Send(const std::string& method, const std::string& target, const Json& body);
  // Calls `visit` with each item of a list, page by page; `target` without limit and cursor.
  absl::Status ForEach(const std::string& target,
                       const std::function<absl::Status(const Json&)>& visit);

  // All items of a list.
  absl::StatusOr<Json> All(const std::string& target);
  // Of the groups here, by id.
  absl::StatusOr<std::map<std::string, std::string>> GroupNames();

  // A group's id from an id or a name that is unambiguous here.
  absl::StatusOr<std::string> ResolveGroup(const std::string& text);
  // A blob id from an id, with or without "sha256:", or a unique prefix of at least 8 digits of a
  // blob that is here, wanted here or mentioned in a group here.
  absl::StatusOr<std::string> ResolveBlob(const std::string& text);
  // The blob that one word names as above, or that a reference names in two: its group and its key.
  absl::StatusOr<std::string> ResolveBlob(const std::vector<std::string>& what);
  // A member from "self", an id, a short id, a unique prefix of at least 8 digits of the id, or an
  // unambiguous name. What is an id, whole or in part, is never taken for a name: a peer chooses
  // its name itself.
  struct FoundMember {
    std::string id;
    bool by_name = false;
    Json member;  // as the list of members has it; null for a whole id that is not in it
  };
  absl::StatusOr<FoundMember> ResolveMember(const std::string& group, const std::string& text);

 private:
  explicit Client(http::AppClient::Options options);
  const http::AppClient::Options options_;
  http::AppClient client_;
};

// "/v1/groups/ID", escaped where needed.
std::string GroupPath(const std::string& group, std::string_view rest = {});
// "/v1/blobs/ID"
std::string BlobPath(const std::string& blob, std::string_view rest = {});
std::string RefPath(const std::string& group, const std::string& key);

// The error that an answer is, with all that its body says of it.
absl::Status ErrorOfAnswer(int http_status, const std::string& body);
// {"error": {"code", "message", ...}}: of the service as it answered, of the command line with a
// code of its own where the exit status is one: usage, not_reachable, output, unusable.
Json ErrorJson(const absl::Status& status);

// Fields of answers; the fallback where they are missing or null.
std::string TextOf(const Json& json, const char* key, const std::string& otherwise = "");
// The short id of a peer's id, for people; the text itself if it is none.
std::string ShortPeer(const std::string& id);
uint64_t NumberOf(const Json& json, const char* key);

}  // namespace waypost::service
