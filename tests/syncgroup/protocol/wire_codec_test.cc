#include "syncgroup/protocol/wire_codec.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <functional>
#include <string>

#include "base/ids.h"
#include "syncgroup/ledger/keys.h"
#include "syncgroup/protocol/wire_fields.h"
#include "tests/support/filled_ids.h"
#include "tests/syncgroup/test_node.h"

namespace waypost::syncgroup {
namespace {

using support::Blob;
using support::Group;
using support::Peer;

base::Incarnation Inc(char c) { return *base::Incarnation::FromBytes(std::string(16, c)); }
base::EntryHash Hash(char c) { return *base::EntryHash::FromBytes(std::string(32, c)); }

Entry SomeEntry() {
  return {.group = Group('g'),
          .place = {Peer('p'), Inc('i'), 300},
          .previous = Hash('h'),
          .time = base::FromMs(1700000000123),
          .ops = {PutRefOp{"a/b", Blob('b'), 7}, PutRefOp{"c", Blob('c'), {}}, DeleteRefOp{"d"},
                  AdmitOp{Peer('q'), Inc('j'), Role::kServer, Authority::kReader},
                  RemoveOp{Peer('r'), Inc('k'), 5},
                  ProfileOp{"name", {"host:1", "[::1]:2"}, Role::kLeaf},
                  SettingsOp{"group", "text", true, {}}}};
}
SealedEntry Sealed(char c) { return {std::string("entry ") + c, std::string(64, c)}; }
Papers SomePapers() { return {Group('g'), {Sealed('1'), Sealed('2')}}; }
Knowledge SomeKnowledge() {
  return {{{Peer('p'), Inc('i')}, {9, Hash('h'), 0}}, {{Peer('p'), Inc('j')}, {3, Hash('x'), 2}}};
}

// A message that is cut anywhere is refused or says less; it never passes for the whole, and never
// reads beyond its end.
void CutEverywhere(const std::string& bytes,
                   const std::function<std::string(std::string_view)>& decode_and_encode) {
  ASSERT_EQ(decode_and_encode(bytes), bytes);
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    // Of its own allocation, so that a sanitizer sees a read past the end.
    const std::string cut(bytes.data(), length);
    EXPECT_NE(decode_and_encode(cut), bytes) << "cut at " << length;
  }
}
template <class Decode, class Encode>
std::function<std::string(std::string_view)> Both(Decode decode, Encode encode) {
  return [=](std::string_view bytes) -> std::string {
    const auto message = decode(bytes);
    if (!message.ok()) return {};
    const absl::StatusOr<std::string> said = encode(*message);
    return said.ok() ? *said : std::string();
  };
}

TEST(WireCodec, WhatIsTooLargeIsNoMessage) {
  Papers papers = SomePapers();
  papers.entries = {{std::string(kEntryBytesMax, 'e'), ""}};
  HelloReply reply{.name = "n"};
  for (std::size_t i = 0; i < kReplyBytesMax / kEntryBytesMax; ++i) reply.papers.push_back(papers);
  EXPECT_TRUE(absl::IsResourceExhausted(EncodeHelloReply(reply).status()));
  EXPECT_TRUE(absl::IsResourceExhausted(EncodeHelloRequest({.papers = {papers}}).status()));
  SyncReply synced;
  synced.groups.push_back({.group = papers.group});
  for (const Papers& each : reply.papers) synced.groups[0].entries.push_back(each.entries[0]);
  EXPECT_TRUE(absl::IsResourceExhausted(EncodeSyncReply(synced).status()));
}

TEST(WireCodec, AMessageNamesSoManyGroupsAndEachOnce) {
  const auto group = [](std::size_t number) {
    std::string id(32, 'g');
    id[0] = static_cast<char>(number % 256);
    id[1] = static_cast<char>(number / 256);
    return *base::GroupId::FromBytes(id);
  };
  for (const std::size_t count : {kSyncGroupsMax, kSyncGroupsMax + 1}) {
    HelloRequest hello;
    SyncRequest sync;
    SyncReply reply;
    PokeRequest poke;
    for (std::size_t i = 0; i < count; ++i) {
      poke.groups.push_back(group(i));
      hello.papers.push_back({.group = group(i)});
      sync.groups.push_back({.group = group(i)});
      reply.groups.push_back({.group = group(i)});
    }
    const bool fits = count == kSyncGroupsMax;
    EXPECT_EQ(DecodeHelloRequest(*EncodeHelloRequest(hello)).ok(), fits) << count;
    EXPECT_EQ(DecodeSyncRequest(*EncodeSyncRequest(sync)).ok(), fits) << count;
    EXPECT_EQ(DecodeSyncReply(*EncodeSyncReply(reply)).ok(), fits) << count;
    EXPECT_EQ(DecodePokeRequest(EncodePokeRequest(poke)).ok(), fits) << count;
  }
  const HelloRequest hello{.papers = {{.group = group(1)}, {.group = group(1)}}};
  EXPECT_TRUE(absl::IsInvalidArgument(DecodeHelloRequest(*EncodeHelloRequest(hello)).status()));
  const SyncRequest sync{.groups = {{.group = group(1)}, {.group = group(1)}}};
  EXPECT_TRUE(absl::IsInvalidArgument(DecodeSyncRequest(*EncodeSyncRequest(sync)).status()));
}

TEST(WireCodec, TheRightToInviteTravels) {
  Entry entry = SomeEntry();
  for (const bool invites : {false, true}) {
    for (const bool as_inviter : {false, true}) {
      entry.ops.push_back(AdmitOp{.peer = Peer('s'),
                                  .incarnation = Inc('m'),
                                  .invites = invites,
                                  .as_inviter = as_inviter});
    }
  }
  for (const Authority inviters : {Authority::kAdmin, Authority::kWriter, Authority::kReader}) {
    entry.ops.push_back(SettingsOp{.inviters = inviters});
  }
  EXPECT_EQ(*DecodeEntry(EncodeEntry(entry)), entry);
  entry.ops.push_back(SettingsOp{.inviters = static_cast<Authority>(4)});
  EXPECT_FALSE(DecodeEntry(EncodeEntry(entry)).ok());
}

TEST(WireCodec, WhoHasNoRoomAsksForWhatDecidesAboutMembers) {
  SyncRequest request{.groups = {{.group = Group('g'), .cursor = {Inc('l'), 5}}}};
  const std::string all = *EncodeSyncRequest(request);
  EXPECT_FALSE(DecodeSyncRequest(all)->groups.at(0).deciding);
  request.groups[0].deciding = true;
  const std::string some = *EncodeSyncRequest(request);
  EXPECT_TRUE(DecodeSyncRequest(some)->groups.at(0).deciding);
  // Field 7 of the group, a varint.
  EXPECT_EQ(base::ToHex(some.substr(2)), base::ToHex(all.substr(2)) + "3801");
}

TEST(WireCodec, APageOfARangeHasTheseBytesForEver) {
  const OriginKey first{Peer('o'), Inc('i')}, end{Peer('p'), Inc('j')};
  const SyncRequest request{.groups = {{.group = Group('g'),
                                        .cursor = {Inc('l'), 5},
                                        .probes = {{first, 2}},
                                        .range = NumberingRange{first, end},
                                        .until = LogCursor{Inc('l'), 9}}}};
  const auto asked = EncodeSyncRequest(request);
  ASSERT_TRUE(asked.ok());
  EXPECT_EQ(base::ToHex(*asked),
            "0aec010a20676767676767676767676767676767676767676767676767676767676767676712140a106c"
            "6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c100522360a206f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f"
            "6f6f6f6f6f6f6f6f6f6f6f12106969696969696969696969696969696918022a640a306f6f6f6f6f6f6f"
            "6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6969696969696969696969696969696912"
            "3070707070707070707070707070707070707070707070707070707070707070706a6a6a6a6a6a6a6a6a"
            "6a6a6a6a6a6a6a32140a106c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c1009");
  SyncReply reply{.groups = {{.group = Group('g'),
                              .member = true,
                              .cursor = {Inc('l'), 9},
                              .of_caller = {{first, {7, Hash('h'), 0}}},
                              .claimed = {{"entry", std::string(64, 's')}},
                              .probes_answered = 1,
                              .ranged = true}}};
  const auto answered = EncodeSyncReply(reply);
  ASSERT_TRUE(answered.ok());
  EXPECT_EQ(base::ToHex(*answered),
            "0ae3010a206767676767676767676767676767676767676767676767676767676767676767100122140a"
            "106c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c100932580a206f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f6f"
            "6f6f6f6f6f6f6f6f6f6f6f6f6f1210696969696969696969696969696969691807222068686868686868"
            "68686868686868686868686868686868686868686868686868480150015a490a05656e74727912407373"
            "737373737373737373737373737373737373737373737373737373737373737373737373737373737373"
            "7373737373737373737373737373737373737373");
  EXPECT_EQ(DecodeSyncRequest(*asked)->groups.at(0).range, request.groups[0].range);
}

TEST(WireCodec, AnEntryHasTheseBytesForEver) {
  const std::string bytes = EncodeEntry(SomeEntry());
  EXPECT_EQ(base::ToHex(bytes),
            "0a2067676767676767676767676767676767676767676767676767676767676767671220707070707070"
            "70707070707070707070707070707070707070707070707070701a1069696969696969696969696969"
            "69696920ac022a20686868686868686868686868686868686868686868686868686868686868686830"
            "fbd095ffbc313a2b0a290a03612f62122062626262626262626262626262626262626262626262626262"
            "6262626262626218073a270a250a01631220636363636363636363636363636363636363636363636363"
            "63636363636363633a0512030a01643a3a1a380a20717171717171717171717171717171717171717171"
            "717171717171717171717112106a6a6a6a6a6a6a6a6a6a6a6a6a6a6a6a180120033a3822360a20727272"
            "727272727272727272727272727272727272727272727272727272727212106b6b6b6b6b6b6b6b6b6b6b"
            "6b6b6b6b6b18053a1b2a190a046e616d651206686f73743a3112075b3a3a315d3a3218033a1132"
            "0f0a0567726f75701204746578741801");
  const auto decoded = DecodeEntry(bytes);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(*decoded, SomeEntry());
  EXPECT_EQ(PeekPlace(bytes), SomeEntry().place);
  CutEverywhere(bytes, Both(DecodeEntry, EncodeEntry));
}

TEST(WireCodec, PeekFindsThePlaceOrNothingInEveryCut) {
  const std::string bytes = EncodeEntry(SomeEntry());
  for (std::size_t length = 0; length <= bytes.size(); ++length) {
    const std::string cut(bytes.data(), length);
    const auto place = PeekPlace(cut);
    if (place) {
      EXPECT_EQ(*place, SomeEntry().place) << length;
    }
  }
  EXPECT_FALSE(PeekPlace("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff").has_value());
}

TEST(WireCodec, RefusesWhatIsNoEntry) {
  const auto refused = [](const std::function<void(Entry&)>& spoil) {
    Entry entry = SomeEntry();
    spoil(entry);
    return absl::IsInvalidArgument(DecodeEntry(EncodeEntry(entry)).status());
  };
  EXPECT_FALSE(refused([](Entry&) {}));
  EXPECT_TRUE(refused([](Entry& entry) { entry.place.generation = 0; }));
  EXPECT_TRUE(refused([](Entry& entry) { entry.place.generation = kGenerationMax + 1; }));
  EXPECT_TRUE(refused([](Entry& entry) { entry.time = base::FromMs(-1); }));
  EXPECT_TRUE(refused([](Entry& entry) { entry.ops = {DeleteRefOp{""}}; }));
  EXPECT_TRUE(refused([](Entry& entry) { entry.ops = {DeleteRefOp{std::string(401, 'k')}}; }));
  EXPECT_TRUE(refused([](Entry& entry) { entry.ops = {DeleteRefOp{"a\x01"}}; }));
  EXPECT_TRUE(refused([](Entry& entry) { entry.ops = {DeleteRefOp{"\xc3"}}; }));
  EXPECT_TRUE(refused([](Entry& entry) {
    entry.ops = {AdmitOp{Peer('q'), Inc('j'), static_cast<Role>(9), Authority::kReader}};
  }));
  EXPECT_TRUE(
      refused([](Entry& entry) { entry.ops.assign(kOpsPerEntryMax + 1, DeleteRefOp{"k"}); }));
  EXPECT_TRUE(refused([](Entry& entry) {
    entry.ops = {ProfileOp{std::string(201, 'n'), {}, {}}};
  }));
  EXPECT_TRUE(refused([](Entry& entry) {
    entry.ops = {ProfileOp{"n", std::vector<std::string>(17, "h:1"), {}}};
  }));
  EXPECT_TRUE(absl::IsInvalidArgument(DecodeEntry(std::string(kEntryBytesMax + 1, 'x')).status()));
}

TEST(WireCodec, AnEntryWithTwoPlacesIsRefused) {
  // Those who skip what they know by its place would see another entry than those who decode it.
  Entry other = SomeEntry();
  other.place.generation = 301;
  const auto twice = DecodeEntry(EncodeEntry(SomeEntry()) + EncodeEntry(other));
  EXPECT_TRUE(absl::IsInvalidArgument(twice.status())) << twice.status();
}

TEST(WireCodec, HelloGoesThere) {
  const HelloRequest hello{
      .version = 3, .name = "n", .addresses = {"h:1"}, .papers = {SomePapers()}};
  CutEverywhere(*EncodeHelloRequest(hello), Both(DecodeHelloRequest, EncodeHelloRequest));
  const HelloReply reply{.version = 3, .name = "n", .addresses = {"h:1"}, .papers = {SomePapers()}};
  CutEverywhere(*EncodeHelloReply(reply), Both(DecodeHelloReply, EncodeHelloReply));
  const auto decoded = DecodeHelloRequest(*EncodeHelloRequest(hello));
  EXPECT_EQ(decoded->version, 3u);
  EXPECT_EQ(decoded->papers.at(0).entries, SomePapers().entries);
  HelloRequest too_many = hello;
  too_many.papers[0].entries.assign(kPapersMax + 1, Sealed('x'));
  EXPECT_FALSE(DecodeHelloRequest(*EncodeHelloRequest(too_many)).ok());
}

TEST(WireCodec, SyncGoesThereAndBack) {
  SyncRequest request{.groups = {{.group = Group('g'),
                                  .cursor = {Inc('l'), 77},
                                  .knowledge = SomeKnowledge(),
                                  .probes = {{{Peer('p'), Inc('i')}, 4}}}}};
  CutEverywhere(*EncodeSyncRequest(request), Both(DecodeSyncRequest, EncodeSyncRequest));
  const auto decoded = DecodeSyncRequest(*EncodeSyncRequest(request));
  EXPECT_EQ(decoded->groups.at(0).knowledge, SomeKnowledge());
  EXPECT_EQ(decoded->groups.at(0).probes, request.groups[0].probes);
  EXPECT_EQ(decoded->groups.at(0).cursor, request.groups[0].cursor);
  SyncReply reply{.groups = {{.group = Group('g'),
                              .member = true,
                              .entries = {Sealed('1')},
                              .cursor = {Inc('l'), 78},
                              .more = true,
                              .of_caller = SomeKnowledge(),
                              .forks = {{Sealed('2'), Sealed('3')}},
                              .probed = {Sealed('4')}}},
                  .more = true};
  CutEverywhere(*EncodeSyncReply(reply), Both(DecodeSyncReply, EncodeSyncReply));
  request.groups[0].probes.assign(kProbesMax + 1, request.groups[0].probes[0]);
  EXPECT_FALSE(DecodeSyncRequest(*EncodeSyncRequest(request)).ok());
}

TEST(WireCodec, ATimeOfNoCalendarIsRefused) {
  const int64_t year_9999 = 253402300799999;
  for (const auto& [ms, taken] : {std::pair<int64_t, bool>{0, true},
                                  {year_9999, true},
                                  {year_9999 + 1, false},
                                  {-1, false},
                                  {std::numeric_limits<int64_t>::max(), false},
                                  {std::numeric_limits<int64_t>::min(), false}}) {
    const SyncReply reply{.now = base::FromMs(ms)};
    EXPECT_EQ(DecodeSyncReply(*EncodeSyncReply(reply)).ok(), taken) << ms;
    const JoinRequest join{.group = Group('g'),
                           .invite_id = "id",
                           .proof = "proof",
                           .incarnation = Inc('i'),
                           .now = base::FromMs(ms)};
    EXPECT_EQ(DecodeJoinRequest(EncodeJoinRequest(join)).ok(), taken) << ms;
  }
}

TEST(WireCodec, PokeJoinHeldAndMissGoThereAndBack) {
  const PokeRequest poke{.groups = {Group('g')}, .haves = {Blob('b'), Blob('c')}};
  CutEverywhere(EncodePokeRequest(poke), Both(DecodePokeRequest, EncodePokeRequest));
  const JoinRequest join{.group = Group('g'),
                         .invite_id = "id",
                         .proof = "proof",
                         .incarnation = Inc('i'),
                         .role = Role::kLeaf,
                         .name = "n",
                         .addresses = {"h:1"}};
  CutEverywhere(EncodeJoinRequest(join), Both(DecodeJoinRequest, EncodeJoinRequest));
  EXPECT_EQ(DecodeJoinRequest(EncodeJoinRequest(join))->role, Role::kLeaf);
  const JoinReply joined{.group = {.id = Group('g'),
                                   .name = "n",
                                   .description = "d",
                                   .is_public = true,
                                   .members = 2,
                                   .created = base::FromMs(5)},
                         .papers = {SomePapers()},
                         .members = {{.peer = Peer('p'),
                                      .incarnation = Inc('i'),
                                      .name = "m",
                                      .addresses = {"h:1"},
                                      .admitted = base::FromMs(6)}}};
  CutEverywhere(*EncodeJoinReply(joined), Both(DecodeJoinReply, EncodeJoinReply));
  EXPECT_EQ(DecodeJoinReply(*EncodeJoinReply(joined))->members, joined.members);
  const WrongRequest wrong{.group = Group('g'), .blob = Blob('b')};
  CutEverywhere(EncodeWrongRequest(wrong), Both(DecodeWrongRequest, EncodeWrongRequest));
  EXPECT_EQ(EncodeWrongRequest(wrong),
            "\x0a\x20" + std::string(32, 'g') + "\x12\x20" + std::string(32, 'b'))
      << "these bytes for ever";
  const HeldRequest held{.group = Group('g'), .blobs = {Blob('b')}};
  CutEverywhere(EncodeHeldRequest(held), Both(DecodeHeldRequest, EncodeHeldRequest));
  CutEverywhere(EncodeHeldReply({{Blob('b')}}), Both(DecodeHeldReply, EncodeHeldReply));
  BatchRequest batch{
      .groups = {Group('g'), Group('h')}, .blobs = {Blob('b'), Blob('c')}, .blob_bytes_max = 7};
  CutEverywhere(EncodeBatchRequest(batch), Both(DecodeBatchRequest, EncodeBatchRequest));
  EXPECT_EQ(DecodeBatchRequest(EncodeBatchRequest(batch))->blobs, batch.blobs);
  EXPECT_EQ(DecodeBatchRequest(EncodeBatchRequest(batch))->blob_bytes_max, 7u);
  batch.blobs.assign(kBatchBlobsMax + 1, Blob('b'));
  EXPECT_FALSE(DecodeBatchRequest(EncodeBatchRequest(batch)).ok());
  batch.blobs.clear();
  EXPECT_FALSE(DecodeBatchRequest(EncodeBatchRequest(batch)).ok());
  Elsewhere miss{.size_hint_bytes = 9};
  miss.locations[Peer('p')] = {.when_seen = base::FromMs(5), .is_server = true, .is_proxy = true};
  CutEverywhere(EncodeElsewhere(miss), Both(DecodeElsewhere, EncodeElsewhere));
  EXPECT_EQ(DecodeElsewhere(EncodeElsewhere(miss))->locations, miss.locations);
  PokeRequest many;
  many.haves.assign(kHavesMax + 1, Blob('b'));
  EXPECT_FALSE(DecodePokeRequest(EncodePokeRequest(many)).ok());
}

// Two bytes an item.
std::string EmptyItems(char tag, std::size_t bytes) {
  std::string items;
  while (items.size() < bytes) items += {tag, '\0'};
  return items;
}
// A field with a length, as a message.
std::string Inside(char tag, const std::string& message) {
  std::string out(1, tag);
  for (std::size_t left = message.size(); true; left >>= 7) {
    out.push_back(static_cast<char>(left < 0x80 ? left : (left & 0x7f) | 0x80));
    if (left < 0x80) break;
  }
  return out + message;
}
std::string Inside(const std::string& message) { return Inside('\x0a', message); }

TEST(WireCodec, RepeatedFieldsAreCountedBeforeTheyAreObjects) {
  const auto memory_kb = [] {
    rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
  };
  const long before = memory_kb();
  // A reply of entries without bytes; 12 MiB made 0.9 GB.
  const std::string group = "\x0a\x20" + std::string(32, 'g');
  const auto reply = DecodeSyncReply(Inside(group + EmptyItems('\x1a', kReplyBytesMax - 64)));
  EXPECT_TRUE(absl::IsInvalidArgument(reply.status()));
  EXPECT_NE(reply.status().message().find("field 3 has 0 bytes"), std::string::npos)
      << reply.status();
  EXPECT_FALSE(DecodeSyncReply(EmptyItems('\x0a', kReplyBytesMax)).ok());
  EXPECT_FALSE(DecodeSyncRequest(Inside(group + EmptyItems('\x1a', kRequestBytesMax - 64))).ok());
  EXPECT_FALSE(DecodeHelloRequest("\x08\x01" + EmptyItems('\x22', kRequestBytesMax - 2)).ok());
  EXPECT_FALSE(DecodeEntry(EmptyItems('\x3a', kEntryBytesMax)).ok());
  EXPECT_FALSE(DecodePokeRequest(EmptyItems('\x12', kRequestBytesMax)).ok());
  EXPECT_FALSE(DecodeHeldReply(EmptyItems('\x0a', kReplyBytesMax)).ok());
  EXPECT_FALSE(DecodeJoinReply(EmptyItems('\x1a', kReplyBytesMax)).ok());
  EXPECT_FALSE(DecodeElsewhere(EmptyItems('\x0a', kMissBytesMax)).ok());
  EXPECT_LT(memory_kb() - before, 150 * 1024);
}

// Protobuf passes over a group of a field that it does not know; a walk that ends there counts
// nothing.
TEST(WireCodec, AGroupDoesNotHideWhatIsRepeatedBehindIt) {
  const std::string group("\x9b\x06\x9c\x06", 4);  // field 99, begin and end
  const std::string of("\x0a\x20" + std::string(32, 'g'));
  EXPECT_TRUE(absl::IsInvalidArgument(
      DecodeSyncReply(group + EmptyItems('\x0a', kReplyBytesMax - 4)).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(
      DecodeSyncReply(Inside(of + group + std::string("\x1a\x00", 2))).status()));
  const PokeRequest poke{.groups = {Group('g')}};
  EXPECT_FALSE(DecodePokeRequest(group + EncodePokeRequest(poke)).ok());
  EXPECT_FALSE(DecodeEntry(group + EncodeEntry(SomeEntry())).ok());
}

// Each time with as many addresses as one may have.
TEST(WireCodec, AProfileThatComesTwiceInOneOperationDoesNotAddUp) {
  wire::Op op;
  for (std::size_t i = 0; i < kAddressesMax; ++i) op.mutable_profile()->add_addresses("h:1");
  const std::string profile = op.SerializeAsString();
  EXPECT_TRUE(CheckShape(Inside('\x3a', profile), fields::kEntryShape).ok());
  EXPECT_FALSE(CheckShape(Inside('\x3a', profile + profile), fields::kEntryShape).ok());
}

TEST(WireCodec, WhatALaterVersionAddsIsIgnored) {
  // Field 99, varint 1.
  const std::string extra("\x98\x06\x01", 3);
  const PokeRequest poke{.groups = {Group('g')}};
  const auto decoded = DecodePokeRequest(EncodePokeRequest(poke) + extra);
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->groups, poke.groups);
  EXPECT_EQ(PeekPlace(extra + EncodeEntry(SomeEntry())), SomeEntry().place);
}

TEST(WireCodec, AnInviteIsOneWordThatNobodyMistypesUnseen) {
  const Invite invite{.group = Group('g'),
                      .group_name = "photos",
                      .inviter = Peer('p'),
                      .addresses = {"h:1"},
                      .id = "id",
                      .secret = "secret",
                      .role = Role::kServer,
                      .authority = Authority::kAdmin,
                      .expires = base::FromMs(9)};
  const std::string text = EncodeInvite(invite);
  EXPECT_TRUE(text.starts_with("waypost1."));
  EXPECT_EQ(text.find_first_of(" +/=\n"), std::string::npos);
  const auto parsed = ParseInvite(text);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->group, invite.group);
  EXPECT_EQ(parsed->addresses, invite.addresses);
  EXPECT_EQ(parsed->secret, invite.secret);
  EXPECT_EQ(parsed->role, invite.role);
  EXPECT_EQ(parsed->authority, invite.authority);
  EXPECT_EQ(parsed->expires, invite.expires);
  for (const char* bad :
       {"", "hello", "waypost1.", "waypost2.AAAA", "waypost1.!!!!", "waypost1.AAAA"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseInvite(bad).status())) << bad;
  }
  for (std::size_t length = 0; length < text.size(); ++length) {
    const auto cut = ParseInvite(std::string_view(text).substr(0, length));
    EXPECT_TRUE(!cut.ok() || EncodeInvite(*cut) != text) << length;
  }
}

TEST(Keys, HaveTheseBytesForEver) {
  const std::string g(64, '6');
  const auto hex = [](const std::string& key) { return base::ToHex(key); };
  const base::GroupId group = *base::GroupId::FromHex(g);
  const EntryPlace place{Peer('p'), Inc('i'), 258};
  const std::string place_hex =
      hex(std::string(32, 'p') + std::string(16, 'i')) + "0000000000000102";
  EXPECT_EQ(hex(MemberKey(group, Peer('p'))), g + "6d" + hex(std::string(32, 'p')));
  EXPECT_EQ(hex(CutKey(group, Peer('p'))), g + "63" + hex(std::string(32, 'p')));
  EXPECT_EQ(hex(LogKey(group, 1)), g + "0000000000000001");
  EXPECT_EQ(hex(PlaceKey(group, place)), g + "ffffffffffffffff" + place_hex);
  EXPECT_EQ(hex(PaperKey(group, place)), g + "70" + place_hex);
  EXPECT_EQ(hex(MembershipOpKey(group, {base::FromMs(3), place, 4})),
            g + "6f" + "0000000000000003" + place_hex + "0000000000000004");
  EXPECT_EQ(hex(RefRowKey(group, "a/b")), g + "612f62");
  EXPECT_EQ(hex(KnowledgeKey(group, {Peer('p'), Inc('i')})),
            g + hex(std::string(32, 'p') + std::string(16, 'i')));
  EXPECT_EQ(hex(CursorKey(group, Peer('p'))), g + hex(std::string(32, 'p')));
}

TEST(Keys, ComeBackAsTheyWere) {
  const EntryPlace place{Peer('p'), Inc('i'), 258};
  const Stamp stamp{base::FromMs(3), place, 4};
  EXPECT_EQ(StampOfMembershipOpKey(MembershipOpKey(Group('g'), stamp)), stamp);
  EXPECT_EQ(SequenceOfLogKey(LogKey(Group('g'), 77)), 77u);
  EXPECT_EQ(SequenceOfLogKey(PlaceKey(Group('g'), place)), std::nullopt);
  EXPECT_EQ(NumberingOfKey(KnowledgeKey(Group('g'), {Peer('p'), Inc('i')})),
            (OriginKey{Peer('p'), Inc('i')}));
  EXPECT_EQ(MemberOfKey(MemberKey(Group('g'), Peer('p'))), Peer('p'));
  EXPECT_EQ(GroupOfKey(RefRowKey(Group('g'), "k")), Group('g'));
  EXPECT_EQ(KeyOfRefRow(RefRowKey(Group('g'), "k")), "k");
  // A log is read to its end without meeting the index of places.
  EXPECT_LT(LogKey(Group('g'), kGenerationMax), PlaceKey(Group('g'), place));
}

}  // namespace
}  // namespace waypost::syncgroup
