#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/crypto.h"
#include "base/ids.h"
#include "base/time.h"
#include "syncgroup/protocol/log_entry.h"

// Keys above all members of a group: k of the n public keys in its genesis, together, admit and
// remove whomever they will. The secrets are written down by people and kept nowhere else; an act
// of theirs is a paper of its own, that stands in nobody's log. Nothing reads such papers yet.
namespace waypost::syncgroup {

// An Ed25519 public key; of the type by which signatures are checked, but nobody's identity.
using RecoveryKey = base::PeerId;

inline constexpr std::size_t kRecoveryKeysMax = 8;

// Of a group, from its genesis and for ever.
struct RecoveryRule {
  uint32_t need = 0;  // so many of the keys sign; 0: the group has no recovery
  std::vector<RecoveryKey> keys;
  friend bool operator==(const RecoveryRule&, const RecoveryRule&) = default;
};
// kInvalidArgument: more needed than there are, keys and no need, one twice, more than
// kRecoveryKeysMax.
absl::Status CheckRecoveryRule(const RecoveryRule& rule);

// What the keys say: an admission or a removal, never as an inviter nor of named bases only.
struct RecoverySaying {
  base::GroupId group;
  base::WallTime time;  // later than all that it names; what it pins may be missing here
  std::variant<AdmitAct, RemoveAct> act;
  friend bool operator==(const RecoverySaying&, const RecoverySaying&) = default;
};

// As it travels and is stored. Its identity is without the signatures: the same act with other
// signatures is the same act.
struct RecoveryPaper {
  std::string saying;  // EncodeRecoverySaying's bytes
  struct Signature {
    uint32_t key = 0;  // its place in the rule
    std::string bytes;
    friend bool operator==(const Signature&, const Signature&) = default;
  };
  std::vector<Signature> signatures;
  friend bool operator==(const RecoveryPaper&, const RecoveryPaper&) = default;
};
inline constexpr std::size_t kRecoverySayingBytesMax = std::size_t{64} << 10;

// Ed25519 by a recovery key over this tag, a zero byte and the bytes of the saying.
inline constexpr std::string_view kRecoveryTag = "waypost-recovery-1";

// Deterministic, as entries are.
std::string EncodeRecoverySaying(const RecoverySaying& saying);
absl::StatusOr<RecoverySaying> DecodeRecoverySaying(std::string_view bytes);
std::string EncodeRecoveryPaper(const RecoveryPaper& paper);
absl::StatusOr<RecoveryPaper> DecodeRecoveryPaper(std::string_view bytes);
// BLAKE2b-256 of the tag, a zero byte and the bytes of the saying.
base::EntryHash RecoveryIdentity(std::string_view saying);

// kInvalidArgument: it is no saying about this group. kPermissionDenied: fewer keys than the rule
// needs have signed it; wrong signatures, and more of one key, count for nothing.
absl::StatusOr<RecoverySaying> OpenRecoveryPaper(const base::GroupId& group,
                                                 const RecoveryRule& rule,
                                                 const RecoveryPaper& paper);

// The secret half of a recovery key, in locked memory. Only the command line makes and reads it.
class RecoverySecret {
 public:
  static RecoverySecret Generate();
  // As Text() wrote it: in either case, with or without blanks and dashes, and with the digits that
  // people write for letters (0 for O, 1 for I, 8 for B). kInvalidArgument: it is not as long as
  // one, has a character that does not belong there, or its check digits do not fit. The message
  // repeats nothing of it.
  static absl::StatusOr<RecoverySecret> Parse(std::string_view text);

  // Base32 (RFC 4648) of the 32 bytes of the seed and 3 bytes of a hash of them, 14 groups of four
  // letters. Of two that differ in a letter one in 16,000,000 passes for the other.
  std::string Text() const;
  const RecoveryKey& key() const { return identity_->peer_id(); }
  std::string Sign(std::string_view saying) const { return identity_->Sign(kRecoveryTag, saying); }

 private:
  explicit RecoverySecret(std::unique_ptr<base::Identity> identity)
      : identity_(std::move(identity)) {}
  std::unique_ptr<base::Identity> identity_;
};

}  // namespace waypost::syncgroup
