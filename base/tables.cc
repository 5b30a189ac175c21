#include "base/tables.h"

#include <array>

namespace waypost::base {

const char* TableName(Table table) {
  static constexpr std::array<const char*, kTableCount> kNames = {
      "blobs", "inline", "signposts", "due",     "peers",  "groups", "members",  "refs",
      "log",   "knowledge", "cursors", "counts", "invites", "meta",  "settings", "bad_rows"};
  return kNames[static_cast<unsigned>(table)];
}

}  // namespace waypost::base
