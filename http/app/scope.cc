#include "http/app/scope.h"

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "http/app/caller.h"
#include "syncgroup/ledger/ledger.h"

// Holdings decide who gets bytes, and mentions who may wait for them, as between peers: knowing a
// hash, or naming it in a reference, opens nothing.

namespace waypost::http {
namespace {

// Whether the request's token sees everything.
bool Whole(const Request& request) { return request.caller == nullptr || request.caller->Whole(); }

absl::Status CheckGroup(const Request& request, std::string_view text) {
  const auto group = base::GroupId::FromHex(text);
  // What is no id is refused by the handler, in the same words for everybody.
  if (!group || request.caller->Sees(*group)) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat("no group ", group->ToHex(), " here"));
}

struct Sight {
  bool held = false, mentioned = false;
};
Sight LookIn(base::ReadTxn& txn, AppContext& context, const Request& request,
             const base::BlobId& blob) {
  Sight sight;
  const syncgroup::BlobRecord record = context.parts.ledger.Load(txn, blob);
  for (const base::GroupId& group : *request.caller->groups) {
    // One that is being left is nowhere for apps, although its rows go later.
    if (!context.parts.groups.Has(txn, group)) continue;
    sight.held |= record.row && record.row->holdings.contains(group);
    sight.mentioned |= record.signpost && record.signpost->groups.contains(group);
  }
  return sight;
}

absl::StatusOr<Sight> Look(AppContext& context, const Request& request, const base::BlobId& blob) {
  Sight sight;
  RETURN_IF_ERROR(context.parts.index.Read(
      [&](base::ReadTxn& txn) { sight = LookIn(txn, context, request, blob); }));
  return sight;
}

}  // namespace

absl::Status NotHere(const base::BlobId& blob) {
  return absl::NotFoundError(absl::StrCat("blob ", blob.ToHex(), " is not here"));
}

absl::Status CheckScope(AppContext&, Request& request, Scope scope) {
  if (Whole(request)) return absl::OkStatus();
  switch (scope) {
    case Scope::kOwn:
      return absl::OkStatus();
    case Scope::kGroup:
      return CheckGroup(request, request.params["g"]);
    case Scope::kAsked: {
      if (const auto group = request.Query("group")) return CheckGroup(request, *group);
      const auto& groups = *request.caller->groups;
      if (groups.size() != 1) {
        return absl::InvalidArgumentError("this token is for several groups: name one, ?group=ID");
      }
      request.query.emplace_back("group", groups.begin()->ToHex());
      return absl::OkStatus();
    }
    case Scope::kWhole:
      break;
  }
  return absl::NotFoundError(
      "no such path for a token of some groups; docs/openapi.yaml lists all");
}

absl::Status CheckHeld(AppContext& context, const Request& request, const base::BlobId& blob) {
  if (Whole(request)) return absl::OkStatus();
  ASSIGN_OR_RETURN(const Sight sight, Look(context, request, blob));
  return sight.held ? absl::OkStatus() : NotHere(blob);
}

absl::StatusOr<std::set<base::BlobId>> HeldOf(AppContext& context, const Request& request,
                                              const std::vector<base::BlobId>& blobs) {
  std::set<base::BlobId> held;
  RETURN_IF_ERROR(context.parts.index.Read([&](base::ReadTxn& txn) {
    held.clear();
    for (const base::BlobId& blob : blobs) {
      const bool may = Whole(request) ? context.parts.ledger.Load(txn, blob).row.has_value()
                                      : LookIn(txn, context, request, blob).held;
      if (may) held.insert(blob);
    }
  }));
  return held;
}

absl::Status CheckMentioned(AppContext& context, const Request& request, const base::BlobId& blob) {
  if (Whole(request)) return absl::OkStatus();
  ASSIGN_OR_RETURN(const Sight sight, Look(context, request, blob));
  return sight.held || sight.mentioned ? absl::OkStatus() : NotHere(blob);
}

}  // namespace waypost::http
