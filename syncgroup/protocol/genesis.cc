#include "syncgroup/protocol/genesis.h"

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "syncgroup/protocol/wire_codec.h"

// A group's id is the hash of its sealed genesis, so bytes that hash to the id were what its
// founder made; the signature then says that the founder holds the key. OpenGenesis checks both,
// ReadGenesis neither: it is for bytes that were checked when they came.

namespace waypost::syncgroup {

std::string SealGenesis(const base::Identity& identity, const Genesis& genesis) {
  CHECK(genesis.founder.peer == identity.peer_id());
  std::string bytes = EncodeGenesis(genesis);
  std::string signature = identity.Sign(kGenesisTag, bytes);
  return EncodeSealedEntry({std::move(bytes), std::move(signature)});
}

base::GroupId GroupIdOf(std::string_view sealed) {
  std::string text("waypost-group-1");
  text.push_back('\0');
  text.append(sealed);
  return base::GroupId(base::Hash256(text));
}

absl::StatusOr<Genesis> ReadGenesis(std::string_view sealed) {
  if (sealed.size() > kGenesisBytesMax) return absl::InvalidArgumentError("genesis: too long");
  ASSIGN_OR_RETURN(const SealedEntry parts, DecodeSealedEntry(sealed));
  return DecodeGenesis(parts.bytes);
}

absl::StatusOr<Genesis> OpenGenesis(const base::GroupId& group, std::string_view sealed) {
  if (GroupIdOf(sealed) != group) {
    return absl::InvalidArgumentError(
        absl::StrCat("the genesis shown is not that of group ", group.ToHex()));
  }
  ASSIGN_OR_RETURN(const Genesis genesis, ReadGenesis(sealed));
  ASSIGN_OR_RETURN(const SealedEntry parts, DecodeSealedEntry(sealed));
  if (!base::VerifySignature(genesis.founder.peer, kGenesisTag, parts.bytes, parts.signature)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the genesis of group ", group.ToHex(), " is not signed by its founder"));
  }
  return genesis;
}

}  // namespace waypost::syncgroup
