#include <array>
#include <map>

#include "base/status.h"
#include "blobstore/blob_row.h"
#include "blobstore/partial.h"
#include "signpost/due.h"
#include "signpost/peer_row.h"
#include "signpost/signpost_table.h"
#include "syncgroup/ledger/codec.h"
#include "tests/fuzz/fuzz_target.h"

// Rows of the index as a damaged disk may have them: a decoder answers nullopt or a row that can be
// stored again, and the scan's parsers by hand agree with the decoders.

namespace waypost::fuzz {
namespace {

template <class Decode, class Encode>
void CheckRow(std::string_view payload, Decode decode, Encode encode) {
  const auto row = decode(payload);
  if (!row) return;
  const std::string stored = encode(*row);
  const auto again = decode(stored);
  CHECK(again && encode(*again) == stored);
}

// The scan reads signposts by hand, everything else decodes them: they must not disagree.
void CheckSignpost(std::string_view payload) {
  CheckRow(payload, signpost::DecodeSignpost, signpost::EncodeSignpost);
  const auto row = signpost::DecodeSignpost(payload);
  signpost::SignpostView view;
  if (!row || !signpost::ReadView(payload, view)) return;
  CHECK(view.asked == (row->asked_until != base::kNever));
  CHECK(view.stopped == (row->stopped != base::kNever));
  CHECK(view.wanted == (row->wanted_since != base::kNever));
  CHECK(view.size_hint_bytes == row->size_hint_bytes.value_or(0));
  // A group that is there twice counts as it was last.
  std::map<base::GroupId, signpost::GroupMention> groups;
  for (const auto& mention : view.mentions) {
    const auto group = base::GroupId::FromBytes(mention.group);
    CHECK(group);
    groups[*group] = {.keys = mention.keys, .set_here = mention.set_here, .wanted = mention.wanted};
  }
  CHECK(groups == row->groups);
}

void CheckBlobRow(std::string_view payload) {
  CheckRow(payload, blobstore::DecodeBlobRow, blobstore::EncodeBlobRow);
  const auto row = blobstore::DecodeBlobRow(payload);
  blobstore::HoldingsView view;
  if (!row || !blobstore::ReadView(payload, view)) return;
  CHECK(view.size_bytes == row->size_bytes);
  for (std::string_view group : view.groups) {
    CHECK(row->holdings.contains(*base::GroupId::FromBytes(group)));
  }
}

base::PeerId SomePeer() { return *base::PeerId::FromBytes(std::string(32, 'p')); }

// What reads the role alone, too.
void CheckMember(std::string_view payload) {
  const auto decode = [](std::string_view bytes) {
    return syncgroup::DecodeMember(SomePeer(), bytes);
  };
  CheckRow(payload, decode, syncgroup::EncodeMember);
  const auto member = decode(payload);
  const auto role = syncgroup::DecodeRoleOfMember(payload);
  CHECK(!member || !role || *role == member->role);
}

using Check = void (*)(std::string_view payload);
constexpr std::array<Check, 14> kRowChecks = {
    CheckSignpost,
    CheckBlobRow,
    [](std::string_view p) {
      CheckRow(
          p, [](std::string_view b) { return signpost::DecodePeerRow(SomePeer(), b); },
          signpost::EncodePeerRow);
    },
    [](std::string_view p) { CheckRow(p, signpost::DecodeDueKey, signpost::EncodeDueKey); },
    [](std::string_view p) { signpost::DecodeWantedSince(p); },
    [](std::string_view p) { CheckRow(p, syncgroup::DecodeGroupRow, syncgroup::EncodeGroupRow); },
    CheckMember,
    [](std::string_view p) { CheckRow(p, syncgroup::DecodeCut, syncgroup::EncodeCut); },
    [](std::string_view p) { CheckRow(p, syncgroup::DecodeRefRow, syncgroup::EncodeRefRow); },
    [](std::string_view p) { CheckRow(p, syncgroup::DecodeLogRow, syncgroup::EncodeLogRow); },
    [](std::string_view p) { CheckRow(p, syncgroup::DecodeKnowledge, syncgroup::EncodeKnowledge); },
    [](std::string_view p) { CheckRow(p, syncgroup::DecodeCursor, syncgroup::EncodeCursor); },
    [](std::string_view p) { CheckRow(p, syncgroup::DecodeCounts, syncgroup::EncodeCounts); },
    [](std::string_view p) { CheckRow(p, blobstore::DecodeMark, blobstore::EncodeMark); },
};

void RunRow(std::string_view input) {
  if (input.empty()) return;
  const auto which = static_cast<unsigned char>(input[0]);
  if (which < kRowChecks.size()) kRowChecks[which](input.substr(1));
}

std::vector<std::string> RowSeeds() {
  const auto group = *base::GroupId::FromBytes(std::string(32, 'g'));
  const auto blob = *base::BlobId::FromBytes(std::string(32, 'b'));
  const auto incarnation = *base::Incarnation::FromBytes(std::string(16, 'i'));
  const auto hash = *base::EntryHash::FromBytes(std::string(32, 'h'));
  const base::PeerId peer = SomePeer();
  const auto at = base::FromMs(1690000000000);
  const syncgroup::SealedEntry sealed{"entry", std::string(64, 's')};

  signpost::Signpost post;
  post.locations[peer] = {.when_seen = at, .is_server = true, .denied = at};
  post.groups[group] = {.keys = 2, .set_here = true, .wanted = true};
  post.size_hint_bytes = 9;
  post.partial_bytes = 5;
  post.fetch_attempts = 3;
  post.asked_until = post.stopped = post.wanted_since = at;
  post.last_error = {signpost::ErrorClass::kBusy, peer, at, "busy"};

  blobstore::BlobRow row{.size_bytes = 5, .stored = at, .verified = at};
  row.holdings[group] = {.acquired = at, .via = blobstore::Via::kFetch, .shares = 1};

  signpost::PeerBook::KnownPeer entry;
  entry.name = "n";
  entry.addresses = {"host:1"};
  entry.health.last_error = post.last_error;

  syncgroup::GroupRow group_row{.name = "g", .created = at, .incarnation = incarnation};
  group_row.retired.push_back({incarnation, true, 4, false});

  const std::vector<std::string> rows = {
      signpost::EncodeSignpost(post),
      blobstore::EncodeBlobRow(row),
      signpost::EncodePeerRow(entry),
      signpost::EncodeDueKey({peer, signpost::DueLane::kRetry, at, blob}),
      std::string(8, '\1'),
      syncgroup::EncodeGroupRow(group_row),
      syncgroup::EncodeMember({.peer = peer, .incarnation = incarnation, .name = "m"}),
      syncgroup::EncodeCut({}),
      syncgroup::EncodeRefRow(
          {.blob = blob, .size_bytes = 5, .stamp = {at, {peer, incarnation, 3}, 1}}),
      syncgroup::EncodeLogRow({sealed, incarnation}),
      syncgroup::EncodeKnowledge({{9, hash, 2}, {sealed, sealed}}),
      syncgroup::EncodeCursor({incarnation, 7}),
      syncgroup::EncodeCounts({}),
      blobstore::EncodeMark({4096, "0123-4567"}),
  };
  std::vector<std::string> seeds;
  for (std::size_t i = 0; i < rows.size(); ++i) seeds.push_back(static_cast<char>(i) + rows[i]);
  return seeds;
}

}  // namespace

const Target kRow = {"row", RunRow, RowSeeds};

}  // namespace waypost::fuzz
