#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "service/cli/commands.h"
#include "service/cli/lists.h"
#include "service/cli/print.h"

// What the service says of itself as a whole: whether it can work, its figures, its description,
// and what happens in it. Each event is printed as it comes.

namespace waypost::service {
namespace {

// {"status", "reasons"}, also where the status is 503.
absl::StatusOr<Json> Ask(Client& client, const char* target) {
  Json answer;
  ASSIGN_OR_RETURN(answer, client.GetAnyStatus(target));
  if (answer.contains("status")) return answer;
  return absl::DataLossError(absl::StrCat(target, ": the service answered with something else"));
}

std::string Line(const char* what, const Json& answer) {
  std::string text = absl::StrCat(what, "  ", TextOf(answer, "status"));
  if (!answer.contains("reasons") || !answer["reasons"].is_array()) return text;
  for (const Json& reason : answer["reasons"]) {
    if (reason.is_string()) absl::StrAppend(&text, "\n  ", reason.get<std::string>());
  }
  return text;
}

// A text of the service as it is, or as one string.
Exit PrintAnswer(const Common& common, Client& client, const char* target, const char* name) {
  http::AppClient::Reply reply;
  ASSIGN_OR_RETURN(reply, client.Must({.target = target}));
  if (common.json) {
    PrintJson({{name, reply.body}});
  } else {
    PrintText(reply.body);
  }
  return kExitOk;
}

}  // namespace

Exit Health(const Common& common, Client& client) {
  Json alive, ready;
  ASSIGN_OR_RETURN(alive, Ask(client, "/healthz"));
  ASSIGN_OR_RETURN(ready, Ask(client, "/readyz"));
  if (common.json) {
    PrintJson({{"healthz", alive}, {"readyz", ready}});
  } else {
    PrintText(Line("alive", alive) + "\n" + Line("ready", ready) + "\n");
  }
  const bool fine = TextOf(alive, "status") == "ok" && TextOf(ready, "status") == "ok";
  return fine ? kExitOk : kExitError;
}

Exit Metrics(const Common& common, Client& client) {
  return PrintAnswer(common, client, "/metrics", "metrics");
}

Exit OpenApi(const Common& common, Client& client) {
  return PrintAnswer(common, client, "/v1/openapi.yaml", "openapi");
}

Exit Events(const Common& common, Client& client, const EventsArgs& args) {
  std::string target = args.follow ? "/v1/events?follow=true" : "/v1/events?follow=false&since=0";
  if (!args.kinds.empty()) {
    absl::StrAppend(&target, "&kinds=", http::EscapeSegment(absl::StrJoin(args.kinds, ",")));
  }
  if (!args.group.empty()) {
    std::string group;
    ASSIGN_OR_RETURN(group, client.ResolveGroup(args.group));
    absl::StrAppend(&target, "&group=", http::EscapeSegment(group));
  }
  ListLook look;
  ASSIGN_OR_RETURN(look, LookWithGroups(common, client));
  // What is printed now is read later: how long ago it was changes meanwhile.
  if (args.follow) look.now = base::kNever;
  Json list = Json::array();
  http::AppClient::Call call{.target = target};
  call.line_sink = [&](std::string_view line) -> absl::Status {
    constexpr std::string_view kData = "data: ";
    if (line.substr(0, kData.size()) != kData) return absl::OkStatus();
    Json event = Json::parse(line.substr(kData.size()), nullptr, /*allow_exceptions=*/false);
    if (!event.is_object()) return absl::OkStatus();
    if (common.json && !args.follow) {
      list.push_back(std::move(event));
      return absl::OkStatus();
    }
    PrintLine(common.json ? std::string(line.substr(kData.size())) : EventLine(event, look));
    return FlushOutput();
  };
  RETURN_IF_ERROR(client.Must(call).status());
  if (common.json && !args.follow) PrintJson(list);
  return kExitOk;
}

}  // namespace waypost::service
