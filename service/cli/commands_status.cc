#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/clock.h"
#include "base/status.h"
#include "base/units.h"
#include "service/cli/commands.h"
#include "service/cli/print.h"
#include "service/cli/progress.h"

// Commands that show how things are and wait for them to be so. Waiting is done by the service, in
// slices, so that progress is drawn in between and the time that was given is kept.

namespace waypost::service {
namespace {

// How long one waiting call lasts: progress is drawn between them.
constexpr base::Millis kSlice{2'000};
// Between two looks at a scan that runs.
constexpr base::Millis kLookAgain{100};

base::Millis Left(base::SteadyTime deadline) {
  const auto left = std::chrono::duration_cast<base::Millis>(deadline - base::SteadyNow());
  return std::max(left, base::Millis(0));
}

// Asks `target` (which takes wait=) until `done` holds of the answer or the time is up; the last
// answer.
absl::StatusOr<Json> AskUntil(Client& client, const std::string& target, base::Millis timeout,
                              const std::function<bool(const Json&)>& done,
                              const std::function<void(const Json&)>& meanwhile) {
  const base::SteadyTime deadline = base::SteadyNow() + timeout;
  while (true) {
    const base::Millis left = Left(deadline);
    const base::SteadyTime asked = base::SteadyNow();
    Json answer;
    ASSIGN_OR_RETURN(
        answer, client.Get(absl::StrCat(target, absl::StrContains(target, "?") ? "&" : "?",
                                        "wait=", base::FormatDuration(std::min(left, kSlice)))));
    if (done(answer) || left <= base::Millis(0)) return answer;
    meanwhile(answer);
    // A service that answers at once is not asked at once again.
    base::WaitUntil(std::min(asked + kLookAgain, deadline));
  }
}

}  // namespace

Exit ShowStatus(const Common& common, Client& client) {
  Json status;
  ASSIGN_OR_RETURN(status, client.Get("/v1/status"));
  PrintObject(common.json, status);
  return kExitOk;
}

Exit Wanted(const Common& common, Client& client, const std::string& state,
            const std::string& group) {
  Json list = Json::array();
  std::vector<std::vector<std::string>> rows = {
      {"BLOB", "STATE", "SIZE", "ATTEMPTS", "FAILURES", "NEXT ATTEMPT"}};
  std::string target = "/v1/wanted?";
  if (!state.empty()) absl::StrAppend(&target, "state=", http::EscapeSegment(state), "&");
  if (!group.empty()) {
    std::string id;
    ASSIGN_OR_RETURN(id, client.ResolveGroup(group));
    absl::StrAppend(&target, "group=", http::EscapeSegment(id), "&");
  }
  target.pop_back();
  RETURN_IF_ERROR(client.ForEach(target, [&](const Json& item) {
    if (common.json) {
      list.push_back(item);
      return absl::OkStatus();
    }
    const bool sized = item.contains("size") && item["size"].is_number();
    rows.push_back({TextOf(item, "blob"), TextOf(item, "state"),
                    sized ? base::HumanSize(NumberOf(item, "size")) : "?",
                    TextOf(item, "fetch_attempts"), TextOf(item, "failures"),
                    TextOf(item, "next_attempt", "-")});
    return absl::OkStatus();
  }));
  PrintList(common.json, list, rows);
  return kExitOk;
}

Exit ShowSignpost(const Common& common, Client& client, const std::vector<std::string>& what) {
  std::string id;
  ASSIGN_OR_RETURN(id, client.ResolveBlob(what));
  Json signpost;
  ASSIGN_OR_RETURN(signpost, client.Get(BlobPath(id, "/signpost")));
  PrintObject(common.json, signpost);
  return kExitOk;
}

Exit Why(const Common& common, Client& client, const std::vector<std::string>& what) {
  std::string id;
  ASSIGN_OR_RETURN(id, client.ResolveBlob(what));
  Json why;
  ASSIGN_OR_RETURN(why, client.Get(BlobPath(id, "/why")));
  if (common.json || !why.contains("steps") || !why["steps"].is_array()) {
    PrintObject(common.json, why);
    return kExitOk;
  }
  std::vector<std::vector<std::string>> rows;
  for (const Json& step : why["steps"]) {
    rows.push_back({TextOf(step, "step"), TextOf(step, "verdict"), TextOf(step, "detail")});
  }
  PrintTable(rows);
  return kExitOk;
}

Exit Peers(const Common& common, Client& client) {
  Json list = Json::array();
  std::vector<std::vector<std::string>> rows = {
      {"NAME", "ONLINE", "LAST SEEN", "ADDRESSES", "PEER"}};
  RETURN_IF_ERROR(client.ForEach("/v1/peers", [&](const Json& peer) {
    list.push_back(peer);
    std::vector<std::string> addresses;
    if (peer.contains("addresses") && peer["addresses"].is_array()) {
      for (const Json& address : peer["addresses"]) {
        if (address.is_string()) addresses.push_back(address.get<std::string>());
      }
    }
    rows.push_back({TextOf(peer, "name"), TextOf(peer, "online"), TextOf(peer, "last_seen", "-"),
                    absl::StrJoin(addresses, " "), ShortPeer(TextOf(peer, "peer"))});
    return absl::OkStatus();
  }));
  PrintList(common.json, list, rows);
  return kExitOk;
}

Exit WaitComplete(const Common& common, Client& client, const WaitArgs& args) {
  std::string target = "/v1/complete?heard=" + http::EscapeSegment(args.heard);
  if (!args.group.empty()) {
    std::string group;
    ASSIGN_OR_RETURN(group, client.ResolveGroup(args.group));
    absl::StrAppend(&target, "&group=", http::EscapeSegment(group));
  }
  const auto complete = [](const Json& answer) { return TextOf(answer, "complete") == "true"; };
  // Waiting will not make a server of this peer.
  const auto done = [&](const Json& answer) {
    const std::string because = TextOf(answer, "because");
    return complete(answer) || because == "not_a_server" || because == "no_groups";
  };
  Progress progress("complete");
  Json answer;
  uint64_t most = 0;  // bytes that were wanted at once
  ASSIGN_OR_RETURN(
      answer, AskUntil(client, target, args.timeout, done, [&](const Json& now) {
        const uint64_t left = NumberOf(now, "bytes_wanted");
        most = std::max(most, left);
        progress.Show(most - left, most,
                      absl::StrCat(NumberOf(now, "wanted"), " wanted, ", TextOf(now, "because")));
      }));
  progress.Finish();
  PrintObject(common.json, answer);
  return complete(answer) ? kExitOk : kExitNotComplete;
}

Exit WaitHeld(const Common& common, Client& client, const WaitArgs& args) {
  std::string group;
  ASSIGN_OR_RETURN(group, client.ResolveGroup(args.group));
  const auto held = [](const Json& answer) { return TextOf(answer, "held") == "true"; };
  Progress progress("held");
  Json answer;
  ASSIGN_OR_RETURN(answer,
                   AskUntil(client, GroupPath(group, absl::StrCat("/held?servers=", args.servers)),
                            args.timeout, held, [&](const Json& now) {
                              progress.Show(0, 0, TextOf(now, "missing", "?") + " not there yet");
                            }));
  progress.Finish();
  PrintObject(common.json, answer);
  return held(answer) ? kExitOk : kExitNotComplete;
}

}  // namespace waypost::service
