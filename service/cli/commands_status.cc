#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/status.h"
#include "base/units.h"
#include "service/cli/commands.h"
#include "service/cli/lists.h"
#include "service/cli/print.h"
#include "service/cli/progress.h"
#include "service/cli/shown.h"

// Commands that show how things are and wait for them to be so. Waiting is done by the service, in
// slices, so that progress is drawn in between and the time that was given is kept.

namespace waypost::service {
namespace {

constexpr base::Millis kWaitDefault{60'000};
// How long one waiting call lasts: progress is drawn between them.
constexpr base::Millis kSlice{2'000};
// Between two calls, where the service answers at once though it was to wait.
constexpr base::Millis kLookAgain{100};

base::Millis Left(base::SteadyTime deadline) {
  const auto left = std::chrono::duration_cast<base::Millis>(deadline - base::SteadyNow());
  return std::max(left, base::Millis(0));
}

// Asks `target` (which takes wait=) until `done` holds of the answer or the time is up; the last
// answer.
absl::StatusOr<Json> AskUntil(Client& client, const std::string& target,
                              std::optional<base::Millis> timeout,
                              const std::function<bool(const Json&)>& done,
                              const std::function<void(const Json&)>& meanwhile) {
  const base::SteadyTime deadline = base::SteadyNow() + timeout.value_or(kWaitDefault);
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

// References of a group by the blobs that they name, of these blobs alone. Reads the whole list.
absl::StatusOr<std::multimap<std::string, Json>> RefsOfBlobs(Client& client,
                                                             const std::string& group,
                                                             const std::set<std::string>& blobs) {
  std::multimap<std::string, Json> refs;
  if (blobs.empty()) return refs;
  RETURN_IF_ERROR(client.ForEach(GroupPath(group, "/refs"), [&](const Json& ref) {
    const std::string blob = TextOf(ref, "blob");
    if (blobs.contains(blob)) refs.emplace(blob, ref);
    return absl::OkStatus();
  }));
  return refs;
}

// A reference to a wanted blob, for people.
struct Mention {
  std::string key, group;
};

// One for each of these items, where there is one.
absl::StatusOr<std::map<std::string, Mention>> MentionsOf(Client& client, const Json& items) {
  std::map<std::string, std::set<std::string>> by_group;
  for (const Json& item : items) {
    if (!item.contains("groups") || !item["groups"].is_array()) continue;
    for (const Json& group : item["groups"]) {
      if (group.is_string()) by_group[group.get<std::string>()].insert(TextOf(item, "blob"));
    }
  }
  std::map<std::string, Mention> mentions;
  for (const auto& [group, blobs] : by_group) {
    const auto info = client.Get(GroupPath(group));
    if (absl::IsNotFound(info.status())) continue;  // it is being left
    RETURN_IF_ERROR(info.status());
    std::multimap<std::string, Json> refs;
    ASSIGN_OR_RETURN(refs, RefsOfBlobs(client, group, blobs));
    for (const auto& [blob, ref] : refs) {
      mentions.emplace(blob, Mention{.key = TextOf(ref, "key"), .group = TextOf(*info, "name")});
    }
  }
  return mentions;
}

// A row for each reference: who set it, when.
absl::Status AddWhoMentioned(Client& client, const std::string& group, const std::string& blob,
                             const ListLook& look, Rows& rows) {
  std::multimap<std::string, Json> refs;
  ASSIGN_OR_RETURN(refs, RefsOfBlobs(client, group, {blob}));
  std::map<std::string, std::string> names;
  RETURN_IF_ERROR(client.ForEach(GroupPath(group, "/members"), [&](const Json& member) {
    names[TextOf(member, "peer")] = TextOf(member, "name");
    return absl::OkStatus();
  }));
  for (const auto& [unused, ref] : refs) {
    const std::string origin = TextOf(ref, "origin"), updated = TextOf(ref, "updated");
    const auto name = names.find(origin);
    rows.push_back({"", "",
                    absl::StrCat(TextOf(ref, "key"), ": by ",
                                 name == names.end() ? "a peer that left" : name->second, " (",
                                 look.whole ? origin : BriefPeer(origin), "), ",
                                 look.whole ? updated : Ago(updated, look.now))});
  }
  return absl::OkStatus();
}

// Keys of what is not there yet: the first of them, and how many more blobs there are.
constexpr std::size_t kMissingShown = 20;
absl::StatusOr<std::vector<std::string>> MissingKeys(Client& client, const std::string& group,
                                                     const Json& held) {
  std::set<std::string> blobs;
  if (held.contains("missing_blobs") && held["missing_blobs"].is_array()) {
    for (const Json& blob : held["missing_blobs"]) {
      if (blob.is_string()) blobs.insert(blob.get<std::string>());
    }
  }
  std::multimap<std::string, Json> refs;
  ASSIGN_OR_RETURN(refs, RefsOfBlobs(client, group, blobs));
  std::vector<std::string> keys;
  for (const auto& [unused, ref] : refs) keys.push_back(TextOf(ref, "key"));
  std::sort(keys.begin(), keys.end());
  return keys;
}

}  // namespace

Exit ShowStatus(const Common& common, Client& client) {
  Json status;
  ASSIGN_OR_RETURN(status, client.Get("/v1/status"));
  if (common.json || common.whole) {
    PrintObject(common.json, status);
    return kExitOk;
  }
  Json groups;
  ASSIGN_OR_RETURN(groups, client.All("/v1/groups"));
  for (const std::string& line : StatusLines(status, groups, base::SystemClock().WallNow())) {
    PrintLine(line);
  }
  return kExitOk;
}

Exit Wanted(const Common& common, Client& client, const WantedArgs& args) {
  std::string target = "/v1/wanted?";
  if (!args.state.empty()) absl::StrAppend(&target, "state=", http::EscapeSegment(args.state), "&");
  if (!args.group.empty()) {
    std::string id;
    ASSIGN_OR_RETURN(id, client.ResolveGroup(args.group));
    absl::StrAppend(&target, "group=", http::EscapeSegment(id), "&");
  }
  target.pop_back();
  Json list;
  ASSIGN_OR_RETURN(list, client.All(target));
  if (common.json) {
    PrintJson(list);
    return kExitOk;
  }
  std::map<std::string, Mention> mentions;
  ASSIGN_OR_RETURN(mentions, MentionsOf(client, list));
  std::vector<std::vector<std::string>> rows = {
      {"KEY", "GROUP", "BLOB", "STATE", "SIZE", "TRIED", "NEXT", "REASON"}};
  const base::WallTime now = base::SystemClock().WallNow();
  for (const Json& item : list) {
    const std::string blob = TextOf(item, "blob");
    const auto mention = mentions.find(blob);
    const bool sized = item.contains("size") && item["size"].is_number();
    rows.push_back({mention == mentions.end() ? "-" : mention->second.key,
                    mention == mentions.end() ? "-" : mention->second.group,
                    common.whole ? blob : blob.substr(0, 8), TextOf(item, "state"),
                    sized ? base::HumanSize(NumberOf(item, "size")) : "?",
                    TextOf(item, "fetch_attempts"),
                    common.whole ? TextOf(item, "next_attempt", "never")
                                 : Ago(TextOf(item, "next_attempt"), now),
                    ReasonOf(item)});
  }
  PrintTable(common.whole ? rows : Fitted(std::move(rows), {26, 16}));
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
  Rows rows;
  const ListLook look = LookOf(common);
  for (const Json& step : why["steps"]) {
    rows.push_back(
        {TextOf(step, "step"), TextOf(step, "verdict"), WhyDetail(step, look.now, look.whole)});
    if (TextOf(step, "step") == "mentioned" && step.contains("group")) {
      RETURN_IF_ERROR(AddWhoMentioned(client, TextOf(step, "group"), id, look, rows));
    }
  }
  PrintTable(WhyRows(rows, look));
  return kExitOk;
}

Exit Peers(const Common& common, Client& client) {
  Json list;
  ASSIGN_OR_RETURN(list, client.All("/v1/peers"));
  PrintList(common.json, list, PeerRows(list, LookOf(common)));
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
  Progress progress("held", "blobs");
  Json answer;
  uint64_t most = 0;  // that were missing at once
  ASSIGN_OR_RETURN(answer,
                   AskUntil(client, GroupPath(group, absl::StrCat("/held?servers=", args.servers)),
                            args.timeout, held, [&](const Json& now) {
                              const uint64_t missing = NumberOf(now, "missing");
                              most = std::max(most, missing);
                              progress.Show(most - missing, most,
                                            absl::StrCat(missing, " not there yet"));
                            }));
  progress.Finish();
  std::vector<std::string> keys;
  if (!held(answer)) {
    ASSIGN_OR_RETURN(keys, MissingKeys(client, group, answer));
  }
  if (common.json) {
    answer["missing_keys"] = keys;
    PrintJson(answer);
    return held(answer) ? kExitOk : kExitNotComplete;
  }
  answer.erase("missing_blobs");
  PrintObject(/*json=*/false, answer);
  for (std::size_t i = 0; i < std::min(keys.size(), kMissingShown); ++i) {
    PrintLine("not there: " + keys[i]);
  }
  if (keys.size() > kMissingShown) {
    PrintLine(absl::StrCat("and ", keys.size() - kMissingShown, " more: --json has them"));
  }
  return held(answer) ? kExitOk : kExitNotComplete;
}

}  // namespace waypost::service
