#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "blobstore/blob_store.h"
#include "syncgroup/group/core.h"
#include "syncgroup/group/work.h"
#include "syncgroup/protocol/types.h"

namespace waypost::syncgroup {

// Whether a change may be made, by what is under its key in the transaction that makes it; nullopt:
// nothing. Not set: it may. Called by the index's thread, so it must not wait.
using RefCondition = std::function<bool(const std::optional<base::BlobId>& now)>;

// A change to references, as an app asks for it.
struct RefChange {
  std::string key;
  std::optional<base::BlobId> blob;  // nullopt: delete
  RefCondition only_if = nullptr;
};

// The references of this peer's groups, and the put of a blob, which may set one. Thread-safe;
// methods that change something return when it is durable. Errors carry the API's meaning:
// kNotFound (no such group or key), kInvalidArgument, kFailedPrecondition, kPermissionDenied,
// kAborted (a condition does not hold).
// Borrows what the groups share; it outlives them.
class Refs {
 public:
  Refs(const Core& core, GroupWork& work) : core_(core), work_(work) {}

  absl::StatusOr<Ref> Get(const base::GroupId& group, std::string_view key) const;
  // In key order, after `after`, those that begin with `prefix`.
  absl::StatusOr<std::vector<Ref>> List(const base::GroupId& group, std::string_view prefix,
                                        std::string_view after, std::size_t limit) const;
  // As List, with the keys that go on behind `prefix` with a slash told of together, as a folder
  // does with what is in it. `after`: what `next` of the page before said.
  struct Page {
    std::vector<Ref> refs;
    std::vector<std::string> prefixes;  // each with its slash
    std::string next;                   // empty: that was the last
  };
  absl::StatusOr<Page> ListFolders(const base::GroupId& group, std::string_view prefix,
                                   std::string_view after, std::size_t limit) const;
  // One entry, all or nothing, at most kOpsPerEntryMax.
  absl::Status Change(const base::GroupId& group, const std::vector<RefChange>& changes);
  // Makes a staged blob known: row, holdings in the groups that may read it now and, with `target`,
  // the reference in the same transaction: if that is refused nothing is kept.
  struct PutResult {
    bool created = false;  // it was not here
    uint64_t size_bytes = 0;
    // That of `target`, and those where this peer's own app has set a reference to it.
    std::vector<base::GroupId> granted;
  };
  struct Target {
    base::GroupId group;
    std::string key;
    RefCondition only_if = nullptr;
  };
  absl::StatusOr<PutResult> Put(const blobstore::StagedBlob& staged,
                                const std::optional<Target>& target);

 private:
  // As List, or as ListFolders.
  absl::StatusOr<Page> ListPage(const base::GroupId& group, std::string_view prefix,
                                std::string_view after, std::size_t limit, bool folders) const;
  const Core& core_;
  GroupWork& work_;
};

}  // namespace waypost::syncgroup
