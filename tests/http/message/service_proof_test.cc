// The text by which a service shows that it knows a token.
#include "http/message/service_proof.h"

#include <gtest/gtest.h>

namespace waypost::http {
namespace {

const std::string kToken(64, '7');
const ProofOf kOf{.nonce = std::string(64, '0'), .address = "127.0.0.1:7440"};

// Made with another implementation of BLAKE2b; also in docs/security.md.
TEST(ServiceProof, ItIsTheVectorOfTheFormat) {
  EXPECT_EQ(ProofFor(ProofKeyOf(kToken), kOf).value(),
            "ac1ebdbe90ab68ae05b70e17514bfe8d7fb0aa7ba583ce2423e42fbc9ca097a1");
}

TEST(ServiceProof, AnotherTokenNonceOrAddressMakesAnotherOne) {
  const std::string proof = ProofFor(ProofKeyOf(kToken), kOf).value();
  ProofOf other = kOf;
  other.address = "127.0.0.1:7441";
  EXPECT_NE(ProofFor(ProofKeyOf(kToken), other).value(), proof);
  other = kOf;
  other.nonce.back() = '1';
  EXPECT_NE(ProofFor(ProofKeyOf(kToken), other).value(), proof);
  EXPECT_NE(ProofFor(ProofKeyOf(std::string(64, '8')), kOf).value(), proof);
}

TEST(ServiceProof, NoProofLetsATokenBeGuessedAndNoNonceIsAnyText) {
  EXPECT_EQ(ProofKeyOf(std::string(kProvedTokenMin - 1, '7')), "");
  EXPECT_NE(ProofKeyOf(std::string(kProvedTokenMin, '7')), "");
  EXPECT_EQ(ProofFor("", kOf).status().code(), absl::StatusCode::kFailedPrecondition);
  for (const std::string& nonce : {std::string(), std::string(63, '0'), std::string(65, '0'),
                                   std::string(64, 'G'), std::string(64, '\0')}) {
    EXPECT_EQ(ProofFor(ProofKeyOf(kToken), {.nonce = nonce, .address = "a:1"}).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace waypost::http
