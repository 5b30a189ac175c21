#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "service/cli/client.h"
#include "service/cli/lists.h"
#include "service/config.h"

// The commands of the command line, one function each: they print, and answer an exit status or an
// error.
namespace waypost::service {

struct Common {
  std::string data;  // the data folder, absolute
  bool json = false;
  bool whole = false;  // --long: whole ids and times, as wide as they are
};
using Exit = absl::StatusOr<int>;

// ---- look.cc ----
ListLook LookOf(const Common& common);
// ... of what names groups by their ids: their names are asked for where they are shown.
absl::StatusOr<ListLook> LookWithGroups(const Common& common, Client& client);

// ---- commands_service.cc: without a running service ----
struct InitArgs {
  std::string name, listen, peer_listen;
  std::vector<std::string> advertise;
};
Exit Init(const Common& common, const InitArgs& args);
struct ServeArgs {
  std::string config_file;
  std::vector<std::pair<std::string, std::string>> settings;  // "section.key" and text
  bool init = false;       // make the data folder where there is none
  bool new_index = false;  // see ServiceOptions
};
// Returns when the service has stopped.
Exit Serve(const Common& common, const ServeArgs& args);
// Of a file, or where none is named of the data folder: its file, what was set in the running
// service or the one that ran last, and the environment.
Exit ConfigCheck(const Common& common, const std::string& file);
// Takes back what `config set` did, with a running service or without.
Exit ConfigUnset(const Common& common, const std::string& key);
Exit Version(const Common& common);

// ---- commands_identity.cc: without a running service ----
Exit IdentityShow(const Common& common);
struct IdentityArgs {
  std::string file;             // "-": standard input or output
  std::string passphrase_file;  // empty: asked for on the terminal
  bool force = false;           // overwrite a file with other bytes
};
Exit IdentityBackup(const Common& common, const IdentityArgs& args);
Exit IdentityRestore(const Common& common, const IdentityArgs& args);
// "api", "read", or empty: both.
Exit TokenRotate(const Common& common, const std::string& which);

// ---- commands_config.cc ----
// As SIGHUP; what is no good stays as it was, and is said.
Exit ReloadFiles(const Common& common, Client& client);

// ---- commands_access.cc ----
struct TokenArgs {
  std::string name, rights, expires;
  std::vector<std::string> groups;
};
// Prints the token's text, this once.
Exit TokenCreate(const Common& common, Client& client, const TokenArgs& args);
Exit TokenList(const Common& common, Client& client);
Exit TokenRevoke(const Common& common, Client& client, const std::string& name);
struct AuditArgs {
  std::string group, since;
};
Exit Audit(const Common& common, Client& client, const AuditArgs& args);

// ---- put.cc ----
struct PutArgs {
  std::vector<std::string> paths;
  bool recursive = false;
  bool follow = false;   // links in folders
  bool quiet = false;    // errors only
  bool dry_run = false;  // nothing is sent or referenced
  std::vector<std::string> excludes;
  bool no_default_excludes = false;
  std::string group, key, prefix;
};
Exit Put(const Common& common, Client& client, const PutArgs& args);

// ---- commands_blobs.cc ----
struct GetArgs {
  std::vector<std::string> what;  // ID, or G and KEY
  std::string output;             // empty or "-": standard output
  bool force = false;             // overwrite a file with other bytes
  // How long to wait for a blob that is not here; nullopt: Get decides.
  std::optional<base::Millis> timeout;
};
Exit Get(const Common& common, Client& client, const GetArgs& args);
// Of `what` everywhere: ID, or G and KEY.
Exit Fetch(const Common& common, Client& client, const std::vector<std::string>& what);
// With sizes where all is asked for.
Exit Ls(const Common& common, Client& client, const std::string& group);

// ---- export.cc ----
struct ExportArgs {
  std::string group, dir, prefix;
  bool force = false;  // overwrite files with other bytes
};
Exit Export(const Common& common, Client& client, const ExportArgs& args);

// ---- commands_groups.cc ----
Exit RefSet(const Common& common, Client& client, const std::string& group, const std::string& key,
            const std::vector<std::string>& what);
Exit RefGet(const Common& common, Client& client, const std::string& group, const std::string& key);
Exit RefDel(const Common& common, Client& client, const std::string& group, const std::string& key);
Exit RefLs(const Common& common, Client& client, const std::string& group,
           const std::string& prefix);
struct GroupCreateArgs {
  std::string name, role;
  bool is_public = false;
};
Exit GroupCreate(const Common& common, Client& client, const GroupCreateArgs& args);
struct GroupSetArgs {
  std::string group;
  std::optional<std::string> name, description, inviters;
  std::optional<bool> is_public;
};
Exit GroupSet(const Common& common, Client& client, const GroupSetArgs& args);
Exit GroupList(const Common& common, Client& client);
Exit GroupShow(const Common& common, Client& client, const std::string& group);
Exit GroupMembers(const Common& common, Client& client, const std::string& group);
struct GroupInviteArgs {
  std::string group, role, authority, expires;
  std::optional<uint32_t> uses;
};
Exit GroupInvite(const Common& common, Client& client, const GroupInviteArgs& args);
Exit GroupInvites(const Common& common, Client& client, const std::string& group);
Exit GroupRevoke(const Common& common, Client& client, const std::string& group,
                 const std::string& invite_id);
Exit GroupLeave(const Common& common, Client& client, const std::string& group);
// Whom a command of members is about. A name is what that peer calls itself: with one, and without
// --yes, the short id is shown and asked for.
struct MemberArgs {
  std::string group, peer;  // `peer` "self" for this one
  bool yes = false;
};
Exit GroupRemove(const Common& common, Client& client, const MemberArgs& args);
// `field`: "role" or "authority".
Exit GroupChange(const Common& common, Client& client, const MemberArgs& args,
                 const std::string& field, const std::string& value);
// Says on standard error where nobody is a server of the group.
void SayWithoutServer(const Json& group);
Exit Join(const Common& common, Client& client, const std::string& invite, const std::string& role);

// ---- commands_status.cc ----
Exit ShowStatus(const Common& common, Client& client);
struct WantedArgs {
  std::string state, group;
};
Exit Wanted(const Common& common, Client& client, const WantedArgs& args);
Exit Why(const Common& common, Client& client, const std::vector<std::string>& what);
Exit ShowSignpost(const Common& common, Client& client, const std::vector<std::string>& what);
Exit Peers(const Common& common, Client& client);
struct WaitArgs {
  std::string group;
  uint32_t servers = 1;                 // of wait-held
  std::string heard = "servers";        // of wait-complete
  std::optional<base::Millis> timeout;  // nullopt: a minute
};
Exit WaitComplete(const Common& common, Client& client, const WaitArgs& args);
Exit WaitHeld(const Common& common, Client& client, const WaitArgs& args);

// ---- commands_work.cc ----
// An empty `what`: all.
Exit Retry(const Common& common, Client& client, const std::vector<std::string>& what);
Exit Stop(const Common& common, Client& client, const std::vector<std::string>& what);
Exit Scan(const Common& common, Client& client, bool wait);
// `kind`: "fetch" or "scan". Without `how_long` until it is resumed.
Exit Pause(const Common& common, Client& client, const std::string& kind,
           const std::string& how_long);
Exit Resume(const Common& common, Client& client, const std::string& kind);

// ---- commands_service_state.cc ----
Exit Health(const Common& common, Client& client);
Exit Metrics(const Common& common, Client& client);
Exit OpenApi(const Common& common, Client& client);
struct EventsArgs {
  bool follow = false;
  std::vector<std::string> kinds;
  std::string group;
};
Exit Events(const Common& common, Client& client, const EventsArgs& args);

// ---- commands_links.cc ----
struct LinkArgs {
  std::vector<std::string> what;
  std::string expires, id;
};
// Prints the address, this once.
Exit LinkCreate(const Common& common, Client& client, const LinkArgs& args);
Exit LinkList(const Common& common, Client& client);
Exit LinkRevoke(const Common& common, Client& client, const std::string& id);

// ---- commands_config.cc, of a running service ----
Exit ConfigShow(const Common& common, Client& client);
// What `config set` and `unset` say, of settings as the service answers them.
std::vector<std::string> SettingChangeLines(const std::string& key, const Json& before,
                                            const Json& after);
Exit ConfigGet(const Common& common, Client& client, const std::string& key);
Exit ConfigSet(const Common& common, Client& client, const std::string& key,
               const std::string& value);

}  // namespace waypost::service
