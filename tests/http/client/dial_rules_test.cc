#include "http/client/dial_rules.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <string>

namespace waypost::http {
namespace {

std::string WhyNot(const DialRules& rules, const std::string& address, uint16_t port = 7441) {
  sockaddr_in6 v6{.sin6_family = AF_INET6, .sin6_port = htons(port)};
  if (inet_pton(AF_INET6, address.c_str(), &v6.sin6_addr) == 1) {
    return rules.WhyNot(reinterpret_cast<const sockaddr&>(v6));
  }
  sockaddr_in v4{.sin_family = AF_INET, .sin_port = htons(port)};
  EXPECT_EQ(inet_pton(AF_INET, address.c_str(), &v4.sin_addr), 1) << address;
  return rules.WhyNot(reinterpret_cast<const sockaddr&>(v4));
}

DialRules Allowing(const std::vector<std::string>& ranges) {
  std::vector<AddressRange> parsed;
  for (const std::string& range : ranges) parsed.push_back(*ParseAddressRange(range));
  return DialRules::ForPeers(std::move(parsed));
}

TEST(DialRules, PeersAreDialledAtGlobalAndPrivateAddressesOnly) {
  const DialRules rules = Allowing({});
  for (const char* address :
       {"8.8.8.8", "10.1.2.3", "192.168.1.9", "172.16.0.1", "100.64.0.1", "2001:4860:4860::8888",
        "fd12:3456::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"}) {
    EXPECT_EQ(WhyNot(rules, address), "") << address;
  }
  const std::pair<const char*, const char*> refused[] = {
      {"127.0.0.1", "loopback"},
      {"127.255.1.2", "loopback"},
      {"::1", "loopback"},
      {"::ffff:127.0.0.1", "loopback"},
      {"::127.0.0.1", "loopback"},
      {"64:ff9b::7f00:1", "loopback"},
      {"2002:7f00:1::", "loopback"},
      {"169.254.169.254", "link-local"},
      {"::ffff:169.254.169.254", "link-local"},
      {"169.254.1.1", "link-local"},
      {"fe80::1", "link-local"},
      {"febf::1", "link-local"},
      {"fd00:ec2::254", "metadata"},
      {"100.100.100.200", "metadata"},
      {"0.0.0.0", "unspecified"},
      {"0.1.2.3", "unspecified"},
      {"::", "unspecified"},
      {"224.0.0.1", "multicast"},
      {"239.255.255.250", "multicast"},
      {"255.255.255.255", "reserved"},
      {"ff02::1", "multicast"},
  };
  for (const auto& [address, why] : refused) {
    EXPECT_NE(WhyNot(rules, address).find(why), std::string::npos)
        << address << ": \"" << WhyNot(rules, address) << "\"";
  }
  EXPECT_NE(WhyNot(rules, "127.0.0.1").find("peer.allow_cidr"), std::string::npos);
  EXPECT_NE(WhyNot(rules, "8.8.8.8", 0), "");
}

TEST(DialRules, ARangeIsAllowedByName) {
  const DialRules rules = Allowing({"127.0.0.0/8", "fe80::/10", "169.254.7.0/24"});
  EXPECT_EQ(WhyNot(rules, "127.0.0.1"), "");
  EXPECT_EQ(WhyNot(rules, "::ffff:127.0.0.1"), "");
  EXPECT_EQ(WhyNot(rules, "fe80::1"), "");
  EXPECT_EQ(WhyNot(rules, "169.254.7.9"), "");
  EXPECT_NE(WhyNot(rules, "169.254.169.254"), "");
  EXPECT_NE(WhyNot(rules, "::1"), "");
  // Nobody is at such an address, whatever is allowed.
  EXPECT_NE(WhyNot(Allowing({"0.0.0.0/0", "::/0"}), "224.0.0.1"), "");
  EXPECT_EQ(WhyNot(Allowing({"0.0.0.0/0", "::/0"}), "::1"), "");
}

TEST(DialRules, OurOwnServiceMayBeAnywhere) {
  EXPECT_EQ(WhyNot(DialRules::Anywhere(), "127.0.0.1"), "");
  EXPECT_NE(WhyNot(DialRules::Anywhere(), "0.0.0.0"), "");
}

TEST(DialRules, WhatIsNoRange) {
  for (const char* bad : {"", "127.0.0.1", "127.0.0.1/", "127.0.0.1/33", "::1/129", "localhost/8",
                          "127.0.0.1/-1", "127.0.0.1/8x", "/8", "10.0.0.0/0008"}) {
    EXPECT_FALSE(ParseAddressRange(bad).ok()) << bad;
  }
  EXPECT_TRUE(ParseAddressRange("::/0").ok());
}

}  // namespace
}  // namespace waypost::http
