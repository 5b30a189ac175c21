#pragma once

#include <set>
#include <vector>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "http/app/app_context.h"

// What a token that is good for some groups only may see: what they hold and mention. Everything
// else is answered as if it did not exist. A token without groups sees the whole peer, and all of
// this lets it pass.
namespace waypost::http {

// What a call is about, by which a token for groups is judged before its handler runs.
enum class Scope {
  kWhole,  // this peer as a whole: for tokens without groups
  kGroup,  // the group in the path
  kAsked,  // ?group=, which may be left out with a token for one group
  kOwn,    // its handler looks at who asks
};

// Turns group names in the path and the query into ids, then judges. kNotFound with the words of
// what is not here; kInvalidArgument where a group is to be named, or a name is that of several.
absl::Status CheckScope(AppContext& context, Request& request, Scope scope);

// What a caller calls a group: its id, or "name:" and its name, looked for among the groups that
// the caller sees. kNotFound; kInvalidArgument names those of which it is the name. An id is not
// judged.
absl::StatusOr<base::GroupId> GroupNamed(AppContext& context, const Request& request,
                                         std::string_view text);

// May the caller have the bytes: are they here, held under one of its groups? kNotFound otherwise.
absl::Status CheckHeld(AppContext& context, const Request& request, const base::BlobId& blob);
// Of these, each that is here and that the caller may have, once.
absl::StatusOr<std::set<base::BlobId>> HeldOf(AppContext& context, const Request& request,
                                              const std::vector<base::BlobId>& blobs);
// As CheckHeld, or one of its groups mentions the blob, so that it may wait for it.
absl::Status CheckMentioned(AppContext& context, const Request& request, const base::BlobId& blob);

// "blob ... is not here".
absl::Status NotHere(const base::BlobId& blob);

}  // namespace waypost::http
