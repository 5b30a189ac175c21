#pragma once

// What the files of the app API (app_*.cc) share. Nobody else includes it.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "http/app/app_api.h"
#include "http/app/audit_log.h"
#include "http/app/link_store.h"
#include "http/app/token_store.h"
#include "http/message/json.h"
#include "http/message/message.h"
#include "http/message/router.h"

namespace waypost::http {

struct AppContext {
  AppParts parts;
  AppInfo info;
  TokenStore tokens{parts.index, parts.clock};
  AuditLog audit{parts.index, parts.clock};
  LinkStore links{parts.index, parts.clock};

  // What was done by the request's caller. After it is done.
  void Note(const Request& request, std::string act, std::optional<base::GroupId> group,
            std::string what);

  // A peer's name, empty when unknown.
  std::string NameOfPeer(const base::PeerId& peer) const;
};

// ---- input ----
absl::StatusOr<base::BlobId> BlobIn(std::string_view text);
absl::StatusOr<base::GroupId> GroupIn(std::string_view text);
absl::StatusOr<base::PeerId> PeerIn(std::string_view text);
// The longest that any request may ask to wait.
inline constexpr base::Millis kWaitMax{600000};
// ?name=30s; `fallback` without it.
absl::StatusOr<base::Millis> DurationIn(const Request& request, std::string_view name,
                                        base::Millis fallback, base::Millis max);
struct Paging {
  std::size_t limit = 100;
  std::string after;  // decoded cursor, empty: from the start
};
absl::StatusOr<Paging> PagingIn(const Request& request);
// If-Match and If-None-Match, asked of the reference that the request changes; null without them.
absl::StatusOr<syncgroup::RefCondition> ConditionIn(const Request& request);

// ---- output ----
Response EmptyResponse(int status = 204);
// {"items": [...], "next": cursor or null}
Response ListResponse(Json items, const std::string& next_position);

// As what the bytes of a blob are served: under an id they never change, under a key they may.
struct ServedAs {
  std::string key;    // of the reference that led to them; empty: they were asked for by their id
  bool save = false;  // to be saved, not shown: only with a key
  bool may_end = false;  // what was asked for may be gone tomorrow though the blob is not
};
// GET and HEAD of a blob, here or not; also for ?content of a reference.
absl::StatusOr<Response> AnswerBlob(AppContext& context, const Request& request,
                                    const base::BlobId& blob, const ServedAs& as);

// ---- waiting ----
// An answer that comes when something elsewhere is done: Resolve may be called from any thread,
// once, also after the client has left.
class PendingAnswer {
 public:
  // At `deadline` it is answered with `late`.
  static std::shared_ptr<PendingAnswer> Make(base::SteadyTime deadline, absl::Status late);
  void Resolve(Response response);
  std::shared_ptr<Subscription> subscription() const;

 private:
  struct State;
  explicit PendingAnswer(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

// An answer that is looked at again when one of `changed` says so, at most ten times a second, and
// given when `look` is satisfied or at the deadline, when `last` is true and it must answer.
std::shared_ptr<Subscription> WaitUntil(std::vector<base::Notifier*> changed,
                                        base::SteadyTime deadline,
                                        std::function<std::unique_ptr<Response>(bool last)> look);

}  // namespace waypost::http
