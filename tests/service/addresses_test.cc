#include "service/addresses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fakes/fake_clock.h"

namespace waypost::service {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST(AddressesTest, HostAndPortAreTakenApartAndPutTogether) {
  struct Case {
    const char* text;
    const char* host;
    int port;
  };
  for (const Case& c :
       {Case{"127.0.0.1:7440", "127.0.0.1", 7440}, Case{"[::1]:0", "::1", 0},
        Case{"nas.local:65535", "nas.local", 65535}, Case{"[fd00::5]:1", "fd00::5", 1}}) {
    const auto parsed = base::ParseHostPort(c.text);
    ASSERT_TRUE(parsed.ok()) << c.text;
    EXPECT_EQ(parsed->host, c.host);
    EXPECT_EQ(parsed->port, c.port);
    EXPECT_EQ(parsed->ToString(), c.text);
  }
  for (const char* text :
       {"", "7440", ":7440", "host:", "host:65536", "host:-1", "host:7x", "::1:7440",
        "[127.0.0.1]:1", "[::1]", "a b:1", "host:000001", "-x:1", "h/x:1"}) {
    EXPECT_EQ(base::ParseHostPort(text).status().code(), absl::StatusCode::kInvalidArgument)
        << text;
  }
}

TEST(AddressesTest, ListenersTakeNumericAddressesOnly) {
  EXPECT_TRUE(CheckListenAddress("0.0.0.0:0").ok());
  EXPECT_TRUE(CheckListenAddress("[::]:7441").ok());
  EXPECT_FALSE(CheckListenAddress("localhost:7440").ok());
  EXPECT_FALSE(CheckListenAddress("127.0.0.1").ok());
}

TEST(AddressesTest, OthersMustBeAbleToConnectToWhatIsAdvertised) {
  EXPECT_TRUE(CheckAdvertisedAddress("nas.local:7441").ok());
  EXPECT_FALSE(CheckAdvertisedAddress("nas.local:0").ok());
  EXPECT_FALSE(CheckAdvertisedAddress("0.0.0.0:7441").ok());
  EXPECT_FALSE(CheckAdvertisedAddress("[::]:7441").ok());
}

TEST(AddressesTest, RangesHaveAnAddressAndBits) {
  for (const char* text : {"127.0.0.0/8", "0.0.0.0/0", "10.1.2.3/32", "fd00::/8", "::/128"}) {
    EXPECT_TRUE(CheckCidr(text).ok()) << text;
  }
  for (const char* text : {"", "127.0.0.0", "127.0.0.0/", "127.0.0.0/33", "fd00::/129", "x/8",
                           "127.0.0.0/-1", "127.0.0.0/8 "}) {
    EXPECT_FALSE(CheckCidr(text).ok()) << text;
  }
}

TEST(AddressesTest, OnlyGlobalAndPrivateAddressesAreTold) {
  for (const char* address :
       {"192.168.1.5", "10.0.0.1", "8.8.8.8", "100.64.1.1", "2a01::1", "fd00::1"}) {
    EXPECT_TRUE(IsAdvertisable(address)) << address;
  }
  for (const char* address : {"127.0.0.1", "169.254.3.4", "0.0.0.0", "224.0.0.1", "255.255.255.255",
                              "::1", "::", "fe80::1", "ff02::1", "name"}) {
    EXPECT_FALSE(IsAdvertisable(address)) << address;
  }
}

TEST(AddressesTest, WhatIsConfiguredGoesBeforeWhatIsBoundAndAWildcardMeansTheInterfaces) {
  const std::vector<std::string> interfaces = {"127.0.0.1", "192.168.1.5", "fe80::1", "fd00::1",
                                               "10.0.0.7"};
  EXPECT_THAT(AddressesToAdvertise({"nas:1"}, {.host = "0.0.0.0", .port = 7441}, interfaces),
              ElementsAre("nas:1"));
  EXPECT_THAT(AddressesToAdvertise({}, {.host = "127.0.0.1", .port = 7441}, interfaces),
              ElementsAre("127.0.0.1:7441"));
  EXPECT_THAT(AddressesToAdvertise({}, {.host = "0.0.0.0", .port = 7441}, interfaces),
              ElementsAre("10.0.0.7:7441", "192.168.1.5:7441"));
  EXPECT_THAT(AddressesToAdvertise({}, {.host = "::", .port = 7441}, interfaces),
              ElementsAre("10.0.0.7:7441", "192.168.1.5:7441", "[fd00::1]:7441"));
  EXPECT_THAT(AddressesToAdvertise({}, {.host = "0.0.0.0", .port = 7441}, {"127.0.0.1"}),
              IsEmpty());
}

TEST(AddressesTest, NoMoreAreToldThanOthersTakeAndThoseThatLeadOutAreKept) {
  std::vector<std::string> interfaces = {"2a01::1", "192.168.1.5"};
  for (int bridge = 17; bridge < 47; ++bridge) {
    interfaces.push_back("172." + std::to_string(bridge) + ".0.1");
    interfaces.push_back("fd00::" + std::to_string(bridge));
  }
  const base::HostPort all{.host = "::", .port = 7441};
  const auto told = AddressesToAdvertise({}, all, interfaces);
  EXPECT_EQ(told.size(), 16u);
  EXPECT_THAT(told, Contains("192.168.1.5:7441"));
  EXPECT_THAT(told, Contains("172.31.0.1:7441"));
  EXPECT_THAT(told, Not(Contains("172.32.0.1:7441")));
  EXPECT_THAT(told, Each(Not(HasSubstr("["))));
  // Where IPv4 leaves room the first of the others are told too.
  interfaces.resize(10);
  EXPECT_EQ(AddressesToAdvertise({}, all, interfaces).size(), 10u);
  EXPECT_THAT(AddressesToAdvertise({}, all, interfaces, 6), Contains("[2a01::1]:7441"));
  // Twice the same takes no room.
  interfaces.insert(interfaces.begin(), 20, "10.0.0.1");
  EXPECT_EQ(AddressesToAdvertise({}, all, interfaces).size(), 11u);
}

TEST(AddressesTest, LoopbackIsWhatOnlyThisMachineReaches) {
  for (const char* host : {"127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"}) {
    EXPECT_TRUE(base::IsLoopback(host)) << host;
  }
  for (const char* host : {"0.0.0.0", "::", "10.0.0.1", "fe80::1", "::2", "::ffff:10.0.0.1", ""}) {
    EXPECT_FALSE(base::IsLoopback(host)) << host;
  }
}

TEST(AddressesTest, TheInterfacesAreLookedAtOnceAMinute) {
  base::FakeClock clock;
  int looks = 0;
  AdvertisedAddresses addresses(clock, {}, {.host = "0.0.0.0", .port = 1}, [&looks] {
    ++looks;
    return std::vector<std::string>{"10.0.0." + std::to_string(looks)};
  });
  EXPECT_THAT(addresses.Get(), ElementsAre("10.0.0.1:1"));
  clock.Advance(base::Millis(59'999));
  EXPECT_THAT(addresses.Get(), ElementsAre("10.0.0.1:1"));
  clock.Advance(base::Millis(1));
  EXPECT_THAT(addresses.Get(), ElementsAre("10.0.0.2:1"));
  EXPECT_EQ(looks, 2);
}

TEST(AddressesTest, AFreePortLiesBelowThoseOfOutgoingConnections) {
  const auto port = PickFreePort("127.0.0.1");
  ASSERT_TRUE(port.ok()) << port.status();
  EXPECT_GE(*port, 10'240);
  EXPECT_LT(*port, 32'000);
  EXPECT_FALSE(PickFreePort("203.0.113.1").ok());  // not an address of this machine
}

}  // namespace
}  // namespace waypost::service
