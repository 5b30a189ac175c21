#include "syncgroup/sync/haves_meter.h"

#include <gtest/gtest.h>

#include "tests/support/filled_ids.h"

namespace waypost::syncgroup {
namespace {

using base::Millis;
using base::SteadyTime;
using support::Peer;

SteadyTime At(int64_t ms) { return SteadyTime() + Millis(ms); }

TEST(HavesMeter, TakesABurstAndThenSoManyASecond) {
  HavesMeter meter;
  const HavesMeter::Rate rate{100, 10};
  EXPECT_FALSE(meter.Take(Peer(1), 100, rate, At(0)));
  EXPECT_EQ(meter.Take(Peer(1), 20, rate, At(0)), Millis(2001));
  EXPECT_FALSE(meter.Take(Peer(2), 100, rate, At(0))) << "each its own";
  EXPECT_TRUE(meter.Take(Peer(1), 20, rate, At(1999)));
  EXPECT_FALSE(meter.Take(Peer(1), 20, rate, At(2000)));
  EXPECT_EQ(meter.Take(Peer(1), 100'000, rate, At(2000)), Millis(60'000)) << "and asks again then";
  EXPECT_EQ(meter.Take(Peer(1), 101, {100, 0}, At(1'000'000)), Millis(60'000));
}

TEST(HavesMeter, ForgetsWhoseBucketRanDry) {
  HavesMeter meter;
  const HavesMeter::Rate rate{100, 10};
  const auto peer = [](int i) {
    std::string bytes(32, 'p');
    bytes[0] = static_cast<char>(i % 256);
    bytes[1] = static_cast<char>(i / 256);
    return *base::PeerId::FromBytes(bytes);
  };
  for (int i = 0; i < 20'000; ++i) EXPECT_FALSE(meter.Take(peer(i), 1, rate, At(i)));
  EXPECT_LT(meter.size(), 1200u)
      << "they came one a millisecond, and each leaked for a tenth of one";
  EXPECT_FALSE(meter.Take(peer(1), 100, rate, At(20'000)));
  for (int i = 2; i < 5'000; ++i) EXPECT_FALSE(meter.Take(peer(i), 1, rate, At(20'001)));
  EXPECT_TRUE(meter.Take(peer(1), 100, rate, At(20'002))) << "not one with something in it";
}

}  // namespace
}  // namespace waypost::syncgroup
