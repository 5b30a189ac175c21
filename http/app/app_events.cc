#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "http/app/app_handlers.h"
#include "http/app/json_render.h"
#include "http/message/errors.h"
#include "http/message/text.h"

// Events as a stream, from a position that the client names. Who was away too long, or names a
// position of an earlier start, is told of the gap first and then gets everything that is kept. A
// step sends a bounded number, and comes again at once if there are more.

namespace waypost::http {
namespace {

constexpr base::Millis kKeepAlive{15000};
// Events of one step: some 20 KiB.
constexpr std::size_t kEventsAtOnce = 100;

class EventStream final : public Subscription {
 public:
  // `gap_first`: what the caller saw last is of another start.
  EventStream(base::EventLog& events, uint64_t after, bool gap_first)
      : events_(events), after_(after), gap_first_(gap_first) {}
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
    for (const base::Event& event : page.events) {
      // The kind is ours and has no line break; the data is one line of JSON.
      absl::StrAppend(&result.bytes, "id: ", events_.boot_id(), "-", event.number,
                      "\nevent: ", event.kind,
                      "\ndata: ", Dump(EventJson(event, events_.boot_id())), "\n\n");
      after_ = event.number;
    }
    if (result.bytes.empty() && now >= last_bytes_ + kKeepAlive) result.bytes = ": still here\n\n";
    if (!result.bytes.empty()) last_bytes_ = now;
    result.next_deadline = page.events.size() == kEventsAtOnce ? now : last_bytes_ + kKeepAlive;
    return result;
  }

 private:
  base::EventLog& events_;
  uint64_t after_;
  bool gap_first_;
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

}  // namespace

absl::StatusOr<Response> GetEvents(AppContext& context, Request& request) {
  base::EventLog& events = context.parts.events;
  uint64_t after = events.last_number();
  bool gap_first = false;
  const auto last_id = request.Header("last-event-id");
  const auto since = request.Query("since");
  if (last_id) {
    RETURN_IF_ERROR(ReadPosition(*last_id, events, after, gap_first));
  } else if (since) {
    RETURN_IF_ERROR(ReadPosition(*since, events, after, gap_first));
  }
  Response response;
  response.body =
      std::shared_ptr<Subscription>(std::make_shared<EventStream>(events, after, gap_first));
  return response;
}

}  // namespace waypost::http
