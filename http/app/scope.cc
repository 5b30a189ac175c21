#include "http/app/scope.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "base/utf8.h"
#include "http/app/caller.h"
#include "syncgroup/ledger/ledger.h"

// Holdings decide who gets bytes, and mentions who may wait for them, as between peers: knowing a
// hash, or naming it in a reference, opens nothing. A group's name is looked for among those that
// the token sees alone, so that nobody learns by guessing what other groups are called.

namespace waypost::http {
namespace {

// Whether the request's token sees everything.
bool Whole(const Request& request) { return request.caller == nullptr || request.caller->Whole(); }

constexpr std::string_view kNamed = "name:";
// Of groups, looked at for a name in one transaction.
constexpr std::size_t kPage = 100;

// Those that the caller sees and that are called so.
absl::StatusOr<std::vector<base::GroupId>> GroupsCalled(AppContext& context, const Request& request,
                                                        std::string_view name) {
  std::vector<base::GroupId> found;
  if (!Whole(request)) {
    RETURN_IF_ERROR(context.parts.index.Read([&](base::ReadTxn& txn) {
      found.clear();
      for (const base::GroupId& group : *request.caller->groups) {
        const auto info = context.parts.groups.FindGroup(txn, group);
        if (info && info->name == name) found.push_back(group);
      }
    }));
    return found;
  }
  for (base::GroupId after;;) {
    ASSIGN_OR_RETURN(const auto page, context.parts.groups.List(after, kPage));
    for (const auto& info : page) {
      if (info.name == name) found.push_back(info.id);
    }
    if (page.size() < kPage) return found;
    after = page.back().id;
  }
}

// "name:NAME" becomes the id that it stands for. Handlers see ids alone.
absl::Status NameToId(AppContext& context, const Request& request, std::string& text) {
  if (!text.starts_with(kNamed)) return absl::OkStatus();
  ASSIGN_OR_RETURN(const base::GroupId group, GroupNamed(context, request, text));
  text = group.ToHex();
  return absl::OkStatus();
}

absl::Status NamesToIds(AppContext& context, Request& request) {
  const auto in_path = request.params.find("g");
  if (in_path != request.params.end()) {
    RETURN_IF_ERROR(NameToId(context, request, in_path->second));
  }
  for (auto& [name, text] : request.query) {
    if (name == "group") RETURN_IF_ERROR(NameToId(context, request, text));
  }
  return absl::OkStatus();
}

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

absl::StatusOr<base::GroupId> GroupNamed(AppContext& context, const Request& request,
                                         std::string_view text) {
  if (!text.starts_with(kNamed)) return GroupIn(text);
  const std::string_view name = text.substr(kNamed.size());
  ASSIGN_OR_RETURN(const std::vector<base::GroupId> found, GroupsCalled(context, request, name));
  const std::string called = base::CutText(name, 100);
  if (found.empty()) return absl::NotFoundError(absl::StrCat("no group \"", called, "\" here"));
  if (found.size() == 1) return found.front();
  const auto ids = absl::StrJoin(found, ", ", [](std::string* out, const base::GroupId& group) {
    absl::StrAppend(out, group.ToHex());
  });
  return absl::InvalidArgumentError(
      absl::StrCat("several groups are called \"", called, "\", use an id: ", ids));
}

absl::Status CheckScope(AppContext& context, Request& request, Scope scope) {
  RETURN_IF_ERROR(NamesToIds(context, request));
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
