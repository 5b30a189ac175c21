#include "base/tables.h"

#include "base/status.h"

// The names of the tables in LMDB. They are stored bytes: a name that changed would be a new, empty
// table.

namespace waypost::base {

const char* TableName(Table table) {
  switch (table) {
    case Table::kBlobs:
      return "blobs";
    case Table::kInline:
      return "inline";
    case Table::kSignposts:
      return "signposts";
    case Table::kDue:
      return "due";
    case Table::kPeers:
      return "peers";
    case Table::kGroups:
      return "groups";
    case Table::kMembers:
      return "members";
    case Table::kRefs:
      return "refs";
    case Table::kLog:
      return "log";
    case Table::kKnowledge:
      return "knowledge";
    case Table::kCursors:
      return "cursors";
    case Table::kCounts:
      return "counts";
    case Table::kInvites:
      return "invites";
    case Table::kMeta:
      return "meta";
    case Table::kSettings:
      return "settings";
    case Table::kBadRows:
      return "bad_rows";
    case Table::kTokens:
      return "tokens";
    case Table::kAudit:
      return "audit";
    case Table::kLost:
      return "lost";
  }
  CheckFailed(__FILE__, __LINE__, "a table of base/tables.h");
}

}  // namespace waypost::base
