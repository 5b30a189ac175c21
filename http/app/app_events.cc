#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "base/utf8.h"
#include "http/app/app_handlers.h"
#include "http/app/json_render.h"
#include "http/message/errors.h"
#include "http/message/text.h"
#include "syncgroup/ledger/ledger.h"

// Events as a stream, from a position that the client names. Who was away too long, or names a
// position of an earlier start, is told of the gap first and then gets everything that is kept. A
// step sends a bounded number, and comes again at once if there are more.

namespace waypost::http {
namespace {

constexpr base::Millis kKeepAlive{15000};
// Events of one step: some 20 KiB.
constexpr std::size_t kEventsAtOnce = 100;

// What a caller wants to hear of.
struct Wish {
  std::set<base::EventKind> kinds;  // empty: all
  std::optional<base::GroupId> group;
};

std::optional<std::string_view> FieldOf(const base::Event& event, std::string_view name) {
  for (const auto& [field, value] : event.fields) {
    if (field == name) return value;
  }
  return std::nullopt;
}

class EventStream final : public Subscription {
 public:
  // `gap_first`: what the caller saw last is of another start.
  // `until_number`: it ends there.
  EventStream(AppContext& context, Wish wish, uint64_t after, bool gap_first,
              std::optional<uint64_t> until_number)
      : context_(context),
        events_(context.parts.events),
        wish_(std::move(wish)),
        after_(after),
        gap_first_(gap_first),
        until_number_(until_number) {}
  std::string content_type() const override { return "text/event-stream"; }
  void Start(std::function<void()> wake) override {
    changed_ = events_.changed().Register(std::move(wake));
  }

  Result Step(base::SteadyTime now) override {
    Result result;
    const base::EventLog::Page page = events_.Read(after_, kEventsAtOnce);
    if (!begun_) result.bytes = ": events of this service\n\n";
    begun_ = true;
    if (page.gap || gap_first_) result.bytes += "event: gap\ndata: {\"kind\":\"gap\"}\n\n";
    gap_first_ = false;
    for (base::Event event : page.events) {
      after_ = event.number;
      if (!Wanted(event)) continue;
      // The kind is ours and has no line break; the data is one line of JSON.
      absl::StrAppend(&result.bytes, "id: ", events_.boot_id(), "-", event.number,
                      "\nevent: ", base::EventKindName(event.kind),
                      "\ndata: ", Dump(EventJson(event, events_.boot_id())), "\n\n");
    }
    if (result.bytes.empty() && now >= last_bytes_ + kKeepAlive) result.bytes = ": still here\n\n";
    if (!result.bytes.empty()) last_bytes_ = now;
    const bool more = page.events.size() == kEventsAtOnce;
    result.end = until_number_ && (!more || after_ >= *until_number_);
    result.next_deadline = more ? now : last_bytes_ + kKeepAlive;
    return result;
  }

 private:
  // May add the group of a blob's event.
  bool Wanted(base::Event& event) const {
    if (!wish_.kinds.empty() && !wish_.kinds.contains(event.kind)) return false;
    const auto group = FieldOf(event, "group");
    if (group) return !wish_.group || *group == wish_.group->ToHex();
    const auto blob = FieldOf(event, "blob");
    const auto id = blob ? base::ParseBlobId(*blob) : std::nullopt;
    if (!id) return !wish_.group;
    const std::vector<base::GroupId> groups = GroupsOf(*id);
    const bool in_it =
        wish_.group && std::find(groups.begin(), groups.end(), *wish_.group) != groups.end();
    if (wish_.group && !in_it) return false;
    if (in_it || groups.size() == 1) {
      event.fields.emplace_back("group", (in_it ? *wish_.group : groups.front()).ToHex());
    }
    return true;
  }
  // Those that mention the blob now.
  std::vector<base::GroupId> GroupsOf(const base::BlobId& blob) const {
    std::vector<base::GroupId> groups;
    // Where the index cannot be read the event is told without them.
    (void)context_.parts.index.Read([&](base::ReadTxn& txn) {
      const syncgroup::BlobRecord record = context_.parts.ledger.Load(txn, blob);
      if (!record.signpost) return;
      for (const auto& item : record.signpost->groups) groups.push_back(item.first);
    });
    return groups;
  }

  AppContext& context_;
  base::EventLog& events_;
  const Wish wish_;
  uint64_t after_;
  bool gap_first_;
  const std::optional<uint64_t> until_number_;
  bool begun_ = false;
  base::SteadyTime last_bytes_;
  base::Notifier::Registration changed_;
};

// "<boot>-<n>", or only n: of this start.
absl::Status ReadPosition(std::string_view text, const base::EventLog& events, uint64_t& after,
                          bool& gap_first) {
  const std::size_t dash = text.rfind('-');
  const auto number = ParseDecimal(dash == std::string_view::npos ? text : text.substr(dash + 1));
  if (!number) return absl::InvalidArgumentError("since must be an event's number or id");
  const bool other_start =
      dash != std::string_view::npos && text.substr(0, dash) != events.boot_id();
  // Everything that is kept of this start, after a gap.
  after = other_start ? 0 : *number;
  gap_first = other_start || *number > events.last_number();
  if (gap_first) after = 0;
  return absl::OkStatus();
}

// ?kinds=a,b&group=G
absl::StatusOr<Wish> WishIn(AppContext& context, const Request& request) {
  Wish wish;
  if (const auto group = request.Query("group")) {
    ASSIGN_OR_RETURN(wish.group, GroupIn(*group));
    RETURN_IF_ERROR(context.parts.groups.Find(*wish.group).status());
  }
  auto kinds = request.Query("kinds");
  while (kinds) {
    const std::size_t comma = kinds->find(',');
    const std::string_view word = kinds->substr(0, comma);
    // A word that is none of these would wait for ever.
    const auto kind = base::EventKindNamed(word);
    if (!kind) {
      return absl::InvalidArgumentError(absl::StrCat(
          "kinds: \"", base::CutText(word, 100), "\" is none; known are: ",
          absl::StrJoin(base::kEventKinds, ", ", [](std::string* out, base::EventKind each) {
            out->append(base::EventKindName(each));
          })));
    }
    wish.kinds.insert(*kind);
    if (comma == std::string_view::npos) break;
    kinds->remove_prefix(comma + 1);
  }
  return wish;
}

}  // namespace

absl::StatusOr<Response> GetEvents(AppContext& context, Request& request) {
  base::EventLog& events = context.parts.events;
  ASSIGN_OR_RETURN(Wish wish, WishIn(context, request));
  uint64_t after = events.last_number();
  bool gap_first = false;
  const auto last_id = request.Header("last-event-id");
  const auto since = request.Query("since");
  if (last_id) {
    RETURN_IF_ERROR(ReadPosition(*last_id, events, after, gap_first));
  } else if (since) {
    RETURN_IF_ERROR(ReadPosition(*since, events, after, gap_first));
  }
  const std::string_view follow = request.Query("follow").value_or("true");
  if (follow != "true" && follow != "false") {
    return absl::InvalidArgumentError("follow must be true or false");
  }
  std::optional<uint64_t> until_number;
  if (follow == "false") until_number = events.last_number();
  Response response;
  response.body = std::shared_ptr<Subscription>(
      std::make_shared<EventStream>(context, std::move(wish), after, gap_first, until_number));
  return response;
}

}  // namespace waypost::http
