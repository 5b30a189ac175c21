#include "base/clock.h"
#include "base/status.h"
#include "service/cli/commands.h"

// How the lists of a command are to be shown: as the line says, with what is known of the names in
// them.

namespace waypost::service {

ListLook LookOf(const Common& common) {
  return {.whole = common.whole, .now = base::SystemClock().WallNow()};
}

absl::StatusOr<ListLook> LookWithGroups(const Common& common, Client& client) {
  ListLook look = LookOf(common);
  if (!common.json && !common.whole) {
    ASSIGN_OR_RETURN(look.groups, client.GroupNames());
  }
  return look;
}

}  // namespace waypost::service
