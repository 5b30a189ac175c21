#include "service/node_name.h"

#include <gtest/gtest.h>

namespace waypost::service {
namespace {

TEST(NodeName, OfAMachineIsOneThatEveryPeerTakes) {
  const struct {
    std::string host, name;
  } cases[] = {
      {"nas", "nas"},
      {"", "waypost"},
      {"küche", "küche"},
      {"k\xfc"
       "che",
       "k?che"},  // Latin-1
      {"a\xed\xa0\x80"
       "b",
       "a???b"},                      // a surrogate
      {"a\nb\x7f\xc2\x9b", "a?b??"},  // controls, one of them of two bytes
      {"\xff\xfe", "??"},
      {std::string(201, 'n'), std::string(200, 'n')},
      {std::string(199, 'n') + "\xc3\xbc", std::string(199, 'n')},  // never half a character
  };
  for (const auto& c : cases) {
    EXPECT_EQ(NodeNameOf(c.host), c.name);
    EXPECT_TRUE(CheckNodeName(NodeNameOf(c.host)).ok()) << c.host;
  }
}

TEST(NodeName, OneThatPeersRefuseIsRefusedHere) {
  EXPECT_TRUE(CheckNodeName("").ok());  // that of the machine
  EXPECT_TRUE(CheckNodeName("Büro 2").ok());
  for (const std::string name : {"k\xfc"
                                 "che",
                                 "a\nb", "\xc2\x9b"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(CheckNodeName(name))) << name;
  }
  EXPECT_FALSE(CheckNodeName(std::string(201, 'n')).ok());
}

}  // namespace
}  // namespace waypost::service
