#include <utility>

#include "absl/strings/str_cat.h"
#include "base/file_system.h"
#include "base/ids.h"
#include "base/status.h"
#include "service/cli/commands.h"
#include "service/cli/lists.h"
#include "service/cli/print.h"
#include "service/data_dir.h"

// Links: one thing that may be read by whoever has the address. The address is printed once, alone
// on its line, and kept nowhere.

namespace waypost::service {
namespace {

// What a link is to be for: a blob by itself, or a key of a group; with a group and a whole id the
// blob, which is then read as members of the group may.
absl::StatusOr<Json> BodyOf(Client& client, const LinkArgs& args) {
  Json body = Json::object();
  if (args.what.size() == 1) {
    ASSIGN_OR_RETURN(body["blob"], client.ResolveBlob(args.what));
  } else {
    ASSIGN_OR_RETURN(body["group"], client.ResolveGroup(args.what[0]));
    const auto blob = base::ParseBlobId(args.what[1]);
    body[blob ? "blob" : "key"] = blob ? blob->ToHex() : args.what[1];
  }
  if (!args.expires.empty()) body["expires"] = args.expires;
  return body;
}

}  // namespace

Exit LinkCreate(const Common& common, Client& client, const LinkArgs& args) {
  Json body, made;
  ASSIGN_OR_RETURN(body, BodyOf(client, args));
  ASSIGN_OR_RETURN(made, client.Send("POST", "/v1/links", body));
  if (common.json) {
    PrintJson(made);
    return kExitOk;
  }
  // As this machine reaches the service; from others it is behind another name.
  const auto endpoints = ReadEndpoints(*base::NewPosixFileSystem(), common.data);
  RETURN_IF_ERROR(endpoints.status());
  PrintLine(absl::StrCat(endpoints->http_tls_sha256.empty() ? "http://" : "https://",
                         endpoints->http, TextOf(made, "url")));
  return kExitOk;
}

Exit LinkList(const Common& common, Client& client) {
  Json list;
  ASSIGN_OR_RETURN(list, client.All("/v1/links"));
  ListLook look;
  ASSIGN_OR_RETURN(look, LookWithGroups(common, client));
  PrintList(common.json, list, LinkRows(list, look));
  return kExitOk;
}

Exit LinkRevoke(const Common& common, Client& client, const std::string& id) {
  RETURN_IF_ERROR(client.Send("DELETE", "/v1/links/" + http::EscapeSegment(id), nullptr).status());
  if (common.json) PrintJson({{"id", id}, {"revoked", true}});
  return kExitOk;
}

}  // namespace waypost::service
