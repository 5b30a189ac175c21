#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
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
  bool set_here = false;
  bool wanted = false;
};

// Calls `visit` for each group; sets `asked` when an app asked for the blob and `stopped` when it
// is stopped. False when the payload does not parse; `visit` may have been called before that
// showed. Several million rows a second.
bool VisitMentions(std::string_view payload, absl::FunctionRef<void(const MentionView&)> visit,
                   bool& asked, bool& stopped);

}  // namespace waypost::signpost
