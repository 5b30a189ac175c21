#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/index.h"
#include "signpost/signpost.h"

// Table `signposts`, key: the 32 bytes of the blob id.
namespace waypost::signpost {

std::optional<Signpost> LoadSignpost(base::ReadTxn& txn, const base::BlobId& blob);
// Only syncgroup's Ledger calls these two: due rows and counts follow every change.
void StoreSignpost(base::WriteTxn& txn, const base::BlobId& blob, const Signpost& signpost);
void DeleteSignpost(base::WriteTxn& txn, const base::BlobId& blob);

std::string EncodeSignpost(const Signpost& signpost);
std::optional<Signpost> DecodeSignpost(std::string_view payload);

// What a scan reads of a signpost without decoding it.
struct MentionView {
  std::string_view group;  // 32 bytes
  uint32_t keys = 0;
  bool set_here = false;
  bool wanted = false;
};
struct SignpostView {
  std::vector<MentionView> mentions;  // into the payload
  bool asked = false;                 // for the blob, by an app
  bool stopped = false;
  bool wanted = false;  // somewhere, or asked for: wanted_since is set
  uint64_t size_hint_bytes = 0;
};

// False when the payload does not parse; `view` is then worth nothing. One view is for use again
// and again, so that it allocates once. Several million rows a second.
bool ReadView(std::string_view payload, SignpostView& view);

}  // namespace waypost::signpost
