#include <array>

#include "base/status.h"
#include "syncgroup/group/papers.h"
#include "syncgroup/protocol/wire_codec.h"
#include "tests/fuzz/fuzz_target.h"

// Messages of peers, entries and invites: what is taken can be said again and then means the same.
// The first byte of an input says which decoder gets the rest.

namespace waypost::fuzz {
namespace {

using namespace syncgroup;  // NOLINT: every name here is of that room

// What was taken can be said again, and then means the same.
template <class Decode, class Encode>
void CheckMessage(std::string_view bytes, Decode decode, Encode encode_message) {
  const auto encode = [&](const auto& message) -> absl::StatusOr<std::string> {
    return encode_message(message);
  };
  const auto message = decode(bytes);
  if (!message.ok()) {
    CHECK(absl::IsInvalidArgument(message.status()));
    return;
  }
  const auto said = encode(*message);
  if (!said.ok()) return;  // fields that were left out are written, and then it is too large
  const auto again = decode(*said);
  CHECK(again.ok());
  CHECK(*encode(*again) == *said);
}

void CheckEntry(std::string_view bytes) {
  CheckMessage(bytes, DecodeEntry, EncodeEntry);
  const auto entry = DecodeEntry(bytes);
  const auto place = PeekPlace(bytes);
  // Those who only look at the place must see the one that counts.
  if (entry.ok()) CHECK(place && *place == entry->place);
  Papers papers;
  if (entry.ok()) papers.group = entry->group;
  papers.entries.push_back({std::string(bytes), std::string()});
  CHECK(ReadPapers(papers, base::FromMs(1700000000000)).size() <= 1);
}

using Check = void (*)(std::string_view bytes);
constexpr std::array<Check, 18> kMessageChecks = {
    [](std::string_view b) { CheckMessage(b, DecodeHelloRequest, EncodeHelloRequest); },
    [](std::string_view b) { CheckMessage(b, DecodeHelloReply, EncodeHelloReply); },
    [](std::string_view b) { CheckMessage(b, DecodeSyncRequest, EncodeSyncRequest); },
    [](std::string_view b) { CheckMessage(b, DecodeSyncReply, EncodeSyncReply); },
    [](std::string_view b) { CheckMessage(b, DecodePokeRequest, EncodePokeRequest); },
    [](std::string_view b) { CheckMessage(b, DecodeJoinRequest, EncodeJoinRequest); },
    [](std::string_view b) { CheckMessage(b, DecodeJoinReply, EncodeJoinReply); },
    [](std::string_view b) { CheckMessage(b, DecodeHeldRequest, EncodeHeldRequest); },
    [](std::string_view b) { CheckMessage(b, DecodeHeldReply, EncodeHeldReply); },
    [](std::string_view b) { CheckMessage(b, DecodeBatchRequest, EncodeBatchRequest); },
    [](std::string_view b) { CheckMessage(b, DecodeElsewhere, EncodeElsewhere); },
    [](std::string_view b) { CheckMessage(b, DecodeSealedEntry, EncodeSealedEntry); },
    [](std::string_view b) { CheckMessage(b, DecodeOp, EncodeOp); },
    CheckEntry,
    [](std::string_view b) { CheckMessage(b, ParseInvite, EncodeInvite); },
    // An invite whose text is right, so that the bytes inside get further than their alphabet.
    [](std::string_view b) {
      CheckMessage("waypost1." + std::string(b), ParseInvite, EncodeInvite);
    },
    [](std::string_view b) { CheckMessage(b, DecodeGenesis, EncodeGenesis); },
    [](std::string_view b) { CheckMessage(b, DecodeWrongRequest, EncodeWrongRequest); },
};

void RunPeerMessage(std::string_view input) {
  if (input.empty()) return;
  const auto which = static_cast<unsigned char>(input[0]);
  if (which < kMessageChecks.size()) kMessageChecks[which](input.substr(1));
}

template <class Id>
Id IdOf(char c) {
  return *Id::FromBytes(std::string(Id::kBytes, c));
}

std::vector<std::string> PeerMessageSeeds() {
  const auto group = IdOf<base::GroupId>('g');
  const auto peer = IdOf<base::PeerId>('p');
  const auto blob = IdOf<base::BlobId>('b');
  const auto incarnation = IdOf<base::Incarnation>('i');
  const auto hash = IdOf<base::EntryHash>('h');
  const Entry entry{
      .group = group,
      .place = {peer, incarnation, 300},
      .previous = hash,
      .time = base::FromMs(1690000000000),
      .ops = {PutRefOp{"a/b", blob, 7}, DeleteRefOp{"d"},
              AdmitOp{peer, incarnation, Role::kServer, Authority::kReader},
              RemoveOp{peer, incarnation, 5}, ProfileOp{"name", {"host:1", "[::1]:2"}, Role::kLeaf},
              SettingsOp{"group", "text", true}}};
  const SealedEntry sealed{EncodeEntry(entry), std::string(64, 's')};
  const Papers papers{group, {sealed, sealed}};
  const Knowledge knowledge{{{peer, incarnation}, {9, hash, 2}}};
  Elsewhere miss{.size_hint_bytes = 9};
  miss.locations[peer] = {.when_seen = base::FromMs(5), .is_server = true, .is_proxy = true};
  const Invite invite{.group = group,
                      .group_name = "photos",
                      .inviter = peer,
                      .addresses = {"host:1"},
                      .id = "id",
                      .secret = "secret",
                      .role = Role::kServer,
                      .authority = Authority::kAdmin,
                      .expires = base::FromMs(9)};
  const std::string invitation = EncodeInvite(invite);
  const std::vector<std::string> messages = {
      *EncodeHelloRequest({.name = "n", .addresses = {"host:1"}, .papers = {papers}}),
      *EncodeHelloReply({.name = "n", .addresses = {"host:1"}, .papers = {papers}}),
      *EncodeSyncRequest({.groups = {{.group = group,
                                      .cursor = {incarnation, 77},
                                      .knowledge = knowledge,
                                      .probes = {{{peer, incarnation}, 4}}}}}),
      *EncodeSyncReply({.groups = {{.group = group,
                                    .member = true,
                                    .entries = {sealed},
                                    .cursor = {incarnation, 78},
                                    .more = true,
                                    .of_caller = knowledge,
                                    .forks = {{sealed, sealed}},
                                    .probed = {sealed}}},
                        .more = true}),
      EncodePokeRequest({.groups = {group}, .haves = {blob, blob}}),
      EncodeJoinRequest({.group = group,
                         .invite_id = "id",
                         .proof = "proof",
                         .incarnation = incarnation,
                         .role = Role::kLeaf,
                         .name = "n",
                         .addresses = {"host:1"}}),
      *EncodeJoinReply({.group = {.id = group,
                                  .name = "n",
                                  .description = "d",
                                  .is_public = true,
                                  .members = 2,
                                  .created = base::FromMs(5)},
                        .papers = {papers},
                        .members = {{.peer = peer,
                                     .incarnation = incarnation,
                                     .name = "m",
                                     .addresses = {"host:1"},
                                     .admitted = base::FromMs(6)}}}),
      EncodeHeldRequest({.group = group, .blobs = {blob}}),
      EncodeHeldReply({{blob}}),
      EncodeBatchRequest({.groups = {group}, .blobs = {blob, blob}, .blob_bytes_max = 99}),
      EncodeElsewhere(miss),
      EncodeSealedEntry(sealed),
      EncodeOp(entry.ops[2]),
      EncodeEntry(entry),
      invitation,
      invitation.substr(kInvitePrefix.size()),
      EncodeGenesis(
          {.name = "g", .is_public = true, .founder = {peer, incarnation, base::FromMs(5)}}),
      EncodeWrongRequest({.group = group, .blob = blob}),
  };
  std::vector<std::string> seeds;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    seeds.push_back(static_cast<char>(i) + messages[i]);
  }
  return seeds;
}

}  // namespace

const Target kPeerMessage = {"peer_message", RunPeerMessage, PeerMessageSeeds};

}  // namespace waypost::fuzz
