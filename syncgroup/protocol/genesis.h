#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/crypto.h"
#include "base/ids.h"
#include "syncgroup/protocol/recovery.h"
#include "syncgroup/protocol/types.h"

// How a group begins. Its id is the hash of what its founder signed, so that whoever knows the id
// needs nobody's word for who founded it: all authority in the group goes back to that key.
namespace waypost::syncgroup {

struct Genesis {
  std::string name;  // at the beginning; settings change it
  bool is_public = false;
  // The founder's incarnation at the start is the nonce that makes two groups of one name two.
  Founder founder;
  std::optional<Role> role;  // of the founder, where its genesis says it
  RecoveryRule recovery;     // for ever
};

// "Sealed": the exact bytes that are hashed, a message with the genesis and its founder's Ed25519
// signature under the tag "waypost-genesis-1".
inline constexpr std::string_view kGenesisTag = "waypost-genesis-1";
inline constexpr std::size_t kGenesisBytesMax = 1024;

// `identity`: the founder's.
std::string SealGenesis(const base::Identity& identity, const Genesis& genesis);
// BLAKE2b-256 of "waypost-group-1", a zero byte and the sealed bytes.
base::GroupId GroupIdOf(std::string_view sealed);
// kInvalidArgument unless it is the genesis of this group and signed by its founder.
absl::StatusOr<Genesis> OpenGenesis(const base::GroupId& group, std::string_view sealed);
// Of bytes that OpenGenesis accepted once: checks no signature.
absl::StatusOr<Genesis> ReadGenesis(std::string_view sealed);

}  // namespace waypost::syncgroup
