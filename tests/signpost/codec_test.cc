#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <tuple>
#include <vector>

#include "signpost/peer_row.h"
#include "signpost/signpost_table.h"
#include "tests/fakes/temp_dir.h"
#include "tests/signpost/samples.h"

namespace waypost::signpost {
namespace {

using base::FromMs;
using base::ToHex;

std::string Hex(const std::string& byte, int times) {
  std::string hex;
  for (int i = 0; i < times; ++i) hex += byte;
  return hex;
}

// ---- stored bytes: a contract. A change here loses what users have on disk. ----

TEST(SignpostCodec, GoldenBytes) {
  Signpost signpost;
  signpost.locations[Peer(0x11)] = {
      .when_seen = FromMs(1), .is_server = true, .is_proxy = true, .denied = FromMs(2)};
  signpost.groups[Group(0x22)] = {.keys = 3, .set_here = true, .wanted = true};
  signpost.size_hint_bytes = 4;
  signpost.fetch_attempts = 5;
  signpost.failures = 6;
  signpost.next_attempt = FromMs(7);
  signpost.evidence = 8;
  signpost.stopped = FromMs(9);
  signpost.asked_until = FromMs(10);
  signpost.wanted_since = FromMs(11);
  signpost.last_error = {
      .error = ErrorClass::kBusy, .peer = Peer(0x33), .at = FromMs(12), .message = "no"};
  signpost.created = FromMs(13);
  signpost.updated = FromMs(14);
  const std::string expected =
      "0a2a"
      "0a20" +
      Hex("11", 32) +
      "1001"
      "1801"
      "2001"
      "2802"
      "1228"
      "0a20" +
      Hex("22", 32) +
      "1003"
      "1801"
      "2001"
      "1804"
      "2005"
      "2806"
      "3007"
      "3808"
      "4009"
      "480a"
      "500b"
      "5a2a"
      "0803"
      "1220" +
      Hex("33", 32) +
      "180c"
      "22026e6f"
      "600d"
      "680e";
  EXPECT_EQ(ToHex(EncodeSignpost(signpost)), expected);
  EXPECT_EQ(DecodeSignpost(EncodeSignpost(signpost)), signpost);
}

TEST(PeerCodec, GoldenBytes) {
  PeerBook::KnownPeer entry;
  entry.peer = Peer(1);
  entry.name = "n";
  entry.addresses = {"a:1", "b:2"};
  entry.last_good_address = "b:2";
  entry.health = {.consecutive_failures = 1,
                  .cool_down_end = FromMs(2),
                  .last_success = FromMs(3),
                  .last_error = {.error = ErrorClass::kUnreachable, .at = FromMs(4), .message = ""},
                  .suspect = true,
                  .returns = 99};
  entry.last_seen = FromMs(5);
  entry.bytes_in = 6;
  entry.bytes_out = 7;
  entry.health.blob_debt = 9;
  entry.health.slow_until = FromMs(10);
  entry.health.last_blob = FromMs(11);
  EXPECT_EQ(ToHex(EncodePeerRow(entry)),
            "0a016e"
            "1203613a31"
            "1203623a32"
            "1a03623a32"
            "2001"
            "2802"
            "3003"
            "3a0408021804"
            "4001"
            "4805"
            "5006"
            "5807"
            "6009"
            "680a"
            "700b");
  const auto decoded = DecodePeerRow(Peer(1), EncodePeerRow(entry));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->name, "n");
  EXPECT_EQ(decoded->addresses, entry.addresses);
  EXPECT_EQ(decoded->last_good_address, "b:2");
  entry.health.returns = 0;  // counts since this start
  EXPECT_EQ(decoded->health, entry.health);
  EXPECT_EQ(decoded->last_seen, FromMs(5));
  EXPECT_EQ(decoded->bytes_in, 6u);
  EXPECT_EQ(decoded->bytes_out, 7u);
}

// ---- round trips ----

TEST(SignpostCodec, AnySignpostComesBackAsItWas) {
  Samples samples;
  SCOPED_TRACE(samples.seed());
  for (int round = 0; round < 2000; ++round) {
    const Signpost signpost = samples.AnySignpost();
    ASSERT_EQ(DecodeSignpost(EncodeSignpost(signpost)), signpost);
  }
}

TEST(SignpostCodec, AnUnknownErrorClassDoesNotParse) {
  EXPECT_TRUE(DecodeSignpost(std::string("\x5a\x02\x08\x08", 4)));
  EXPECT_FALSE(DecodeSignpost(std::string("\x5a\x02\x08\x09", 4)));
}

TEST(SignpostCodec, AnIdOfAnotherLengthDoesNotParse) {
  EXPECT_FALSE(DecodeSignpost(std::string("\x0a\x03\x0a\x01\x41", 5)));
  EXPECT_FALSE(DecodeSignpost(std::string("\x12\x03\x0a\x01\x41", 5)));
}

TEST(SignpostCodec, ALongMessageIsCutBetweenCharacters) {
  Signpost signpost;
  signpost.last_error = {.error = ErrorClass::kDisk, .message = std::string(199, 'x') + "\u00e9"};
  EXPECT_EQ(DecodeSignpost(EncodeSignpost(signpost))->last_error.message, std::string(199, 'x'));
}

TEST(ErrorClassName, IsWhatTheApiShows) {
  EXPECT_STREQ(ErrorClassName(ErrorClass::kNone), "none");
  EXPECT_STREQ(ErrorClassName(ErrorClass::kNotHere), "not_here");
  EXPECT_STREQ(ErrorClassName(ErrorClass::kResumeMismatch), "resume_mismatch");
}

// ---- the hand parser against the decoder ----

void ExpectAgrees(const SignpostView& view, const Signpost& signpost) {
  ASSERT_EQ(view.asked, signpost.asked_until != base::kNever);
  ASSERT_EQ(view.stopped, signpost.stopped != base::kNever);
  ASSERT_EQ(view.wanted, signpost.wanted_since != base::kNever);
  ASSERT_EQ(view.size_hint_bytes, signpost.size_hint_bytes.value_or(0));
  // The last of several rows of one group wins in the decoder.
  std::map<base::GroupId, GroupMention> by_group;
  for (const MentionView& mention : view.mentions) {
    by_group[*base::GroupId::FromBytes(mention.group)] = {
        .keys = mention.keys, .set_here = mention.set_here, .wanted = mention.wanted};
  }
  ASSERT_EQ(by_group, signpost.groups);
}

TEST(ReadView, AgreesWithTheDecoderOnAnySignpost) {
  Samples samples;
  SCOPED_TRACE(samples.seed());
  SignpostView view;
  for (int round = 0; round < 2000; ++round) {
    const Signpost signpost = samples.AnySignpost();
    const std::string payload = EncodeSignpost(signpost);
    ASSERT_TRUE(ReadView(payload, view));  // what the round before left in it is gone
    ASSERT_NO_FATAL_FAILURE(ExpectAgrees(view, signpost));
  }
}

// Where both accept they say the same; the decoder looks at more, so it may refuse more.
TEST(ReadView, AgreesWithTheDecoderOnDamagedBytes) {
  Samples samples;
  SCOPED_TRACE(samples.seed());
  int accepted = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string payload = EncodeSignpost(samples.AnySignpost());
    if (samples.Chance(30)) {
      payload.resize(samples.Below(payload.size() + 1));
    } else if (samples.Chance(30)) {
      payload = samples.Bytes(samples.Below(60));
    } else {
      for (uint64_t flips = 1 + samples.Below(3); flips > 0 && !payload.empty(); --flips) {
        payload[samples.Below(payload.size())] ^= static_cast<char>(1u << samples.Below(8));
      }
    }
    const auto decoded = DecodeSignpost(payload);
    if (!decoded) continue;
    SignpostView view;
    // Groups, an old kind of field, are skipped by the decoder and refused by the parser.
    if (!ReadView(payload, view)) continue;
    ++accepted;
    ASSERT_NO_FATAL_FAILURE(ExpectAgrees(view, *decoded)) << ToHex(payload);
  }
  EXPECT_GT(accepted, 1000);
}

TEST(ReadView, RefusesEveryCutThatIsNotBetweenFields) {
  Samples samples;
  SCOPED_TRACE(samples.seed());
  Signpost signpost;
  signpost.groups[samples.AnyId<base::GroupId>()] = {.keys = 300, .wanted = true};
  signpost.asked_until = FromMs(1'750'000'000'000);
  const std::string payload = EncodeSignpost(signpost);
  for (std::size_t size = 0; size < payload.size(); ++size) {
    const std::string cut = payload.substr(0, size);
    SignpostView view;
    EXPECT_EQ(ReadView(cut, view), DecodeSignpost(cut).has_value()) << size;
  }
}

// ---- the table ----

TEST(SignpostTable, ARowThatDoesNotParseIsAbsentAndReported) {
  base::TempDir dir;
  auto index = base::Index::Open({.dir = dir.path()});
  ASSERT_TRUE(index.ok()) << index.status();
  Signpost signpost;
  signpost.fetch_attempts = 3;
  ASSERT_TRUE((*index)
                  ->Update(base::Index::Lane::kForeground,
                           [&](base::WriteTxn& txn) {
                             StoreSignpost(txn, Blob(1), signpost);
                             txn.Put(base::Table::kSignposts, Blob(2).bytes(), "\x0a\x7f");
                             return absl::OkStatus();
                           })
                  .ok());
  ASSERT_TRUE((*index)
                  ->Read([&](base::ReadTxn& txn) {
                    EXPECT_EQ(LoadSignpost(txn, Blob(1)), signpost);
                    EXPECT_EQ(LoadSignpost(txn, Blob(2)), std::nullopt);
                    EXPECT_EQ(LoadSignpost(txn, Blob(3)), std::nullopt);
                  })
                  .ok());
  ASSERT_TRUE((*index)
                  ->Update(base::Index::Lane::kForeground,
                           [&](base::WriteTxn& txn) {
                             DeleteSignpost(txn, Blob(1));
                             EXPECT_EQ(LoadSignpost(txn, Blob(1)), std::nullopt);
                             return absl::OkStatus();
                           })
                  .ok());
  (*index)->Shutdown();  // what it was asked for is done
  EXPECT_EQ((*index)->bad_rows(), 1u);
}

}  // namespace
}  // namespace waypost::signpost
