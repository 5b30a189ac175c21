#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// What the calls of the Waypost client take and give. Ids are 64 lower-case hexadecimal digits;
// sizes are bytes; what the service says of itself and of others is explained in docs/openapi.yaml.
namespace waypost::client {

using Time = std::chrono::sys_time<std::chrono::milliseconds>;

// kUnknown: a word of a newer service.
enum class Role { kUnknown, kServer, kNormal, kLeaf };
enum class Authority { kUnknown, kAdmin, kWriter, kReader };

// ---- lists ----

struct PageRequest {
  std::string cursor;  // `next` of the page before; empty: the first
  int limit = 100;     // 1 to 1,000
};
// A page may be short or empty and yet have a `next`: read on until that is empty.
template <class T>
struct Page {
  std::vector<T> items;
  std::string next;
};

// ---- blobs ----

struct PutOptions {
  std::string id;     // where it is known: the service refuses other bytes (422)
  std::string group;  // referenced there in the same step; empty: put only
  std::string key;    // in the group; empty: under its id
};
struct PutResult {
  std::string id;
  uint64_t size_bytes = 0;
  bool was_here = false;  // and was checked all the same
};

struct Range {
  uint64_t first = 0;
  std::optional<uint64_t> count;  // nullopt: to the end
};
struct GetOptions {
  // What is not here is fetched, verified and then served; false: kRefused with 404.
  bool fetch = true;
  // How long the service waits for the fetch, at most 10 min; nullopt: its own 30 s. Beyond that it
  // answers 504, or 503 at once when it cannot be had in time. The fetch goes on all the same.
  std::optional<std::chrono::milliseconds> wait;
  std::optional<Range> range;
};
struct GetResult {
  uint64_t bytes = 0;       // received
  uint64_t blob_bytes = 0;  // the whole blob's size
};

struct LastError {
  std::string error_class;  // "unreachable"
  std::string message;
  std::string peer;  // empty: none
  std::optional<Time> at;
};
struct FetchState {
  enum class Kind { kUnknown, kPending, kLocating, kFetching, kParked, kStopped, kDone, kFailed };
  Kind kind = Kind::kUnknown;
  std::string blocked_by;               // of kPending
  uint64_t received_bytes = 0;          // of kFetching
  std::optional<uint64_t> total_bytes;  // of kFetching, when it is known
  std::string source;                   // of kFetching: the peer
  std::optional<Time> until;            // of kParked
  std::optional<LastError> error;       // of kFailed
  bool will_retry = false;              // of kFailed
  std::optional<Time> next_attempt;     // of kFailed
};
struct WhyStep {
  std::string step, verdict, detail;
  std::map<std::string, std::string> fields;  // the others; they depend on the step
};

struct Location {
  std::string peer, name;
  std::optional<Time> when_seen, denied;
  bool is_server = false, is_proxy = false;
};
struct WantedFilter {
  std::string state;  // due, waiting, fetching, parked or stopped; empty: any
  std::string group;  // empty: any
};
struct Wanted {
  std::string blob;
  std::vector<std::string> groups;
  std::optional<uint64_t> size_bytes;
  std::string lane;   // new, retry
  std::string state;  // as in WantedFilter
  uint64_t fetch_attempts = 0, failures = 0;
  std::optional<Time> wanted_since, next_attempt;
  std::optional<LastError> last_error;
  std::vector<Location> locations;
};

// ---- references ----

struct Ref {
  std::string key, blob;
  std::optional<uint64_t> size_bytes;  // nullopt: nobody has said
  std::optional<Time> updated;
  std::string origin;  // the peer that set it
};
// All or none; up to 1,000 together.
struct RefChanges {
  std::vector<std::pair<std::string, std::string>> put;  // key, blob
  std::vector<std::string> remove;                       // keys
};

// ---- groups ----

struct NewGroup {
  std::string name;
  std::string description;
  bool is_public = false;  // whoever knows its id may read
  std::optional<Role> role;
  bool duplicate = false;  // a name that a group here has already is allowed
};
// What is left out stays.
struct GroupChange {
  std::optional<std::string> name, description;
  std::optional<bool> is_public;
  std::optional<Authority> inviters;
};
struct Group {
  std::string id, name, description;
  bool is_public = false;
  Authority inviters = Authority::kUnknown;  // the least with which a member may invite
  Role role = Role::kUnknown;                // this peer's
  Authority authority = Authority::kUnknown;
  uint64_t members = 0, refs = 0, wanted = 0, bytes_wanted = 0, blobs = 0, bytes = 0;
  std::optional<Time> created;
};
struct MemberChange {
  std::optional<Role> role;
  std::optional<Authority> authority;
};
struct Member {
  std::string peer, name;
  Role role = Role::kUnknown;
  Authority authority = Authority::kUnknown;
  std::vector<std::string> addresses;
  bool self = false, online = false, clock_ahead = false;
  std::optional<Time> last_seen, last_sync;
  uint64_t bytes_fetched_for = 0;
  std::string last_error;
};

struct NewInvite {
  std::optional<Role> role;  // nullopt: the joiner chooses
  std::optional<Authority> authority;
  int uses = 1;                                           // 1 to 1,000
  std::chrono::seconds expires = std::chrono::hours(24);  // at most 168 h
};
struct Invite {
  std::string invite;  // a secret, to be handed over by other means
  std::string id;      // none: by it the invite is listed and revoked
  std::string group;
  std::optional<Time> expires;
};
struct OpenInvite {
  std::string id;
  Role role = Role::kUnknown;
  Authority authority = Authority::kUnknown;
  uint64_t uses_left = 0;
  std::optional<Time> created, expires;
};

// ---- is everything here, is everything there ----

struct Completeness {
  bool complete = false;
  // complete, not_a_server, held_back, not_synced, not_heard, not_scanned, paused, wanted,
  // no_groups
  std::string because;
  uint64_t wanted = 0, bytes_wanted = 0, fetching = 0, parked = 0, stopped = 0;
  std::optional<std::chrono::milliseconds> oldest_wanted;
  std::optional<Time> last_full_scan;
  std::vector<std::pair<std::string, std::optional<Time>>> heard;  // peer, last round
  std::vector<std::string> not_heard;
};
struct Held {
  bool held = false;
  uint64_t servers = 0;
  uint64_t blobs = 0;                      // mentioned here
  uint64_t missing = 0;                    // on fewer servers than asked for
  std::vector<std::string> missing_blobs;  // at most 1,000 of them
  std::vector<std::string> answered, not_answered;
};

// ---- the service ----

struct Event {
  std::string id;  // to go on from; empty of "gap"
  std::string kind;
  std::optional<Time> at;
  uint64_t count = 1;  // of a kind, which came together
  std::map<std::string, std::string> fields;
};
struct Status {
  std::string name, peer, version;
  std::chrono::milliseconds uptime{0};
  std::vector<std::string> addresses;
  uint64_t blobs = 0, bytes = 0, groups = 0, refs = 0, signposts = 0;
  uint64_t wanted = 0, bytes_wanted = 0;
  std::map<std::string, uint64_t> wanted_states;
  bool paused = false;
  std::string pause_reason;  // operator, space, disk, index; empty: not paused
  uint64_t disk_free = 0, disk_total = 0, index_size = 0, bad_rows = 0;
  bool clock_behind = false, clock_ahead = false;
};

}  // namespace waypost::client
