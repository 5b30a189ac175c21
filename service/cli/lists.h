#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/time.h"
#include "service/cli/client.h"

// Lists of the service as tables: names before ids, keys before hashes, times as how long ago, and
// no line over 80 columns; or, for who asks for all, whole ids and times as wide as they are. Pure.
namespace waypost::service {

using Row = std::vector<std::string>;
using Rows = std::vector<Row>;

// How a list is to be shown.
struct ListLook {
  bool whole = false;                              // --long
  base::WallTime now;                              // kNever: times as they are
  std::map<std::string, std::string> groups = {};  // names by id, of those that are known
};

// "removed", or what this peer is in the group.
std::string RoleOf(const Json& group);
// What `group show` says, one thing a line.
std::vector<std::string> GroupLines(const Json& group, base::WallTime now);

// Each begins with its head.
Rows GroupRows(const Json& groups, const ListLook& look);
// What is wrong with a member stands below it.
Rows MemberRows(const Json& members, const ListLook& look);
Rows InviteRows(const Json& invites, const ListLook& look);
Rows TokenRows(const Json& tokens, const ListLook& look);
Rows AuditRows(const Json& acts, const ListLook& look);
Rows LinkRows(const Json& links, const ListLook& look);
Rows PeerRows(const Json& peers, const ListLook& look);
// Without a head.
Rows RefRows(const Json& refs, const ListLook& look);
// Steps and what else `why` has to say of them.
Rows WhyRows(const Rows& steps, const ListLook& look);

// One event on one line.
std::string EventLine(const Json& event, const ListLook& look);

}  // namespace waypost::service
