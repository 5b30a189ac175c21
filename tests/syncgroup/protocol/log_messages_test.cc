#include "syncgroup/protocol/log_messages.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "syncgroup/protocol/wire_codec.h"

namespace waypost::syncgroup {
namespace {

base::EntryHash HashFilledWith(char fill) {
  return *base::EntryHash::FromBytes(std::string(base::EntryHash::kBytes, fill));
}
base::GroupId GroupOf(char fill) { return *base::GroupId::FromBytes(std::string(32, fill)); }
LogHead Head(uint64_t generation) {
  return {HashFilledWith('n'), generation, HashFilledWith(generation == 1 ? 'n' : 'h')};
}

LogAsk SomeAsk() {
  return {.group = GroupOf('g'),
          .digest = HashFilledWith('d'),
          .heads_since = LogCursor{*base::Incarnation::FromBytes(std::string(16, 'l')), 5},
          .wants = {{Head(9), Head(4)}, {Head(1), {}}},
          .probes = {{Head(1000), {1, 17, 1000}}},
          .acts = {HashFilledWith('a')}};
}
LogAnswer SomeAnswer() {
  return {.group = GroupOf('g'),
          .member = true,
          .digest = HashFilledWith('d'),
          .heads = {Head(9)},
          .cursor = LogCursor{*base::Incarnation::FromBytes(std::string(16, 'l')), 7},
          .from_beginning = true,
          .more_heads = true,
          .entries = {{.bytes = "entry", .signature = std::string(64, 's')}},
          .more = true,
          .parted = {Head(8)},
          .gone = {Head(7)},
          .probed = {{Head(1), Head(17)}, {}},
          .acts = {Head(3)},
          .recovery = {{.saying = "saying", .signatures = {{2, std::string(64, 'r')}}}}};
}

TEST(LogMessages, ComeBackAsTheyWere) {
  const LogAsks asks{.groups = {SomeAsk(), {.group = GroupOf('h'), .digest = HashFilledWith('e')}}};
  const auto asked = DecodeLogAsks(*EncodeLogAsks(asks));
  ASSERT_TRUE(asked.ok()) << asked.status();
  EXPECT_EQ(*asked, asks);
  const LogAnswers answers{
      .groups = {SomeAnswer(), {.group = GroupOf('h'), .digest = HashFilledWith('e')}},
      .more = true,
      .now = base::FromMs(1700000000123)};
  const auto answered = DecodeLogAnswers(*EncodeLogAnswers(answers));
  ASSERT_TRUE(answered.ok()) << answered.status();
  EXPECT_EQ(*answered, answers);
}

TEST(LogMessages, AGroupIsNamedOnce) {
  EXPECT_FALSE(DecodeLogAsks(*EncodeLogAsks({.groups = {SomeAsk(), SomeAsk()}})).ok());
  EXPECT_FALSE(DecodeLogAnswers(*EncodeLogAnswers({.groups = {SomeAnswer(), SomeAnswer()}})).ok());
}

TEST(LogMessages, WhatContradictsItselfIsRefused) {
  const auto taken = [](auto change) {
    LogAsk ask = SomeAsk();
    change(ask);
    return DecodeLogAsks(*EncodeLogAsks({.groups = {ask}})).ok();
  };
  EXPECT_TRUE(taken([](LogAsk&) {}));
  EXPECT_FALSE(taken([](LogAsk& ask) { ask.wants[0].after = Head(9); }));
  EXPECT_FALSE(taken([](LogAsk& ask) { ask.wants[0].after->numbering = HashFilledWith('m'); }));
  EXPECT_FALSE(taken([](LogAsk& ask) { ask.wants[0].head.generation = 0; }));
  EXPECT_FALSE(taken([](LogAsk& ask) { ask.probes[0].generations = {5, 5}; }));
  EXPECT_FALSE(taken([](LogAsk& ask) { ask.probes[0].generations = {0}; }));
  EXPECT_FALSE(taken([](LogAsk& ask) { ask.probes[0].generations = {1001}; }));
  EXPECT_FALSE(taken([](LogAsk& ask) { ask.heads_since->sequence = kGenerationMax + 1; }));
}

// Of each list so many, and one more is refused before anything is made of it.
TEST(LogMessages, EachListIsBounded) {
  const auto asks = [](auto change) {
    LogAsk ask = SomeAsk();
    change(ask);
    return DecodeLogAsks(*EncodeLogAsks({.groups = {ask}})).ok();
  };
  const auto answers = [](auto change) {
    LogAnswer answer = SomeAnswer();
    change(answer);
    return DecodeLogAnswers(*EncodeLogAnswers({.groups = {answer}})).ok();
  };
  for (const std::size_t more : {0, 1}) {
    const bool fits = more == 0;
    EXPECT_EQ(asks([&](LogAsk& a) { a.wants.assign(kLogWantsMax + more, {Head(9), {}}); }), fits);
    EXPECT_EQ(asks([&](LogAsk& a) {
                a.probes.assign(kLogProbesMax + more, {Head(9), {2}});
              }),
              fits);
    EXPECT_EQ(asks([&](LogAsk& a) { a.acts.assign(kLogActsMax + more, HashFilledWith('a')); }),
              fits);
    EXPECT_EQ(asks([&](LogAsk& a) {
                a.probes[0].generations.clear();
                for (uint64_t i = 1; i <= kProbedAtOnce + more; ++i) {
                  a.probes[0].generations.push_back(i);
                }
              }),
              fits);
    EXPECT_EQ(answers([&](LogAnswer& a) { a.heads.assign(kLogHeadsMax + more, Head(9)); }), fits);
    EXPECT_EQ(answers([&](LogAnswer& a) { a.parted.assign(kLogWantsMax + more, Head(9)); }), fits);
    EXPECT_EQ(answers([&](LogAnswer& a) { a.gone.assign(kLogWantsMax + more, Head(9)); }), fits);
    EXPECT_EQ(answers([&](LogAnswer& a) { a.probed.assign(kLogProbesMax + more, {}); }), fits);
    EXPECT_EQ(answers([&](LogAnswer& a) { a.probed[0].assign(kProbedAtOnce + more, Head(9)); }),
              fits);
    EXPECT_EQ(answers([&](LogAnswer& a) { a.acts.assign(kLogActsMax + more, Head(9)); }), fits);
    EXPECT_EQ(answers([&](LogAnswer& a) {
                const RecoveryPaper paper = a.recovery[0];
                a.recovery.assign(kRecoveryPapersMax + more, paper);
              }),
              fits);
  }
}

TEST(LogMessages, WhatIsTooMuchForItsReaderIsNotSent) {
  LogAnswer answer = SomeAnswer();
  answer.entries.assign(6, {.bytes = std::string(1 << 20, 'e'), .signature = std::string(64, 's')});
  EXPECT_TRUE(absl::IsResourceExhausted(EncodeLogAnswers({.groups = {answer}}).status()));
}

TEST(LogMessages, HaveTheseBytesForEver) {
  EXPECT_EQ(base::ToHex(*EncodeLogAsks({.groups = {SomeAsk()}})),
            "0abe030a2067676767676767676767676767676767676767676767676767676767676767671220646464"
            "64646464646464646464646464646464646464646464646464646464641a140a106c6c6c6c6c6c6c6c6c"
            "6c6c6c6c6c6c6c10052290010a460a206e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e"
            "6e6e6e6e6e6e10091a206868686868686868686868686868686868686868686868686868686868686868"
            "12460a206e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e10041a206868"
            "68686868686868686868686868686868686868686868686868686868686822480a460a206e6e6e6e6e6e"
            "6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e10011a206e6e6e6e6e6e6e6e6e6e6e6e"
            "6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e2a630a470a206e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e"
            "6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e10e8071a20686868686868686868686868686868686868686868"
            "686868686868686868686812180000000000000001000000000000001100000000000003e83220616161"
            "6161616161616161616161616161616161616161616161616161616161");
  EXPECT_EQ(base::ToHex(*EncodeLogAnswers(
                {.groups = {SomeAnswer()}, .more = true, .now = base::FromMs(1700000000123)})),
            "0ab2050a20676767676767676767676767676767676767676767676767676767676767676710011a2064"
            "6464646464646464646464646464646464646464646464646464646464646422460a206e6e6e6e6e6e6e"
            "6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e10091a2068686868686868686868686868"
            "686868686868686868686868686868686868682a140a106c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c100730"
            "01380142490a05656e747279124073737373737373737373737373737373737373737373737373737373"
            "737373737373737373737373737373737373737373737373737373737373737373737373480152460a20"
            "6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e10081a20686868686868"
            "68686868686868686868686868686868686868686868686868685a460a206e6e6e6e6e6e6e6e6e6e6e6e"
            "6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e10071a20686868686868686868686868686868686868"
            "68686868686868686868686868686290010a460a206e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e"
            "6e6e6e6e6e6e6e6e6e6e6e10011a206e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e"
            "6e6e6e6e6e0a460a206e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e10"
            "111a20686868686868686868686868686868686868686868686868686868686868686862006a460a206e"
            "6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e10031a2068686868686868"
            "68686868686868686868686868686868686868686868686868724e0a06736179696e6712440802124072"
            "727272727272727272727272727272727272727272727272727272727272727272727272727272727272"
            "727272727272727272727272727272727272727272100118fbd095ffbc31");
}

}  // namespace
}  // namespace waypost::syncgroup
