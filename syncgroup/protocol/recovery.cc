#include "syncgroup/protocol/recovery.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

// What recovery keys say, checked against the rule of their group, and the secrets as people write
// them down. The text of a secret passes through no buffer that is not wiped.

namespace waypost::syncgroup {
namespace {

absl::Status BadRecovery(const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("recovery: ", what));
}

constexpr std::size_t kSeedBytes = 32;
constexpr std::size_t kCheckBytes = 3;
constexpr std::size_t kSecretDigits = (kSeedBytes + kCheckBytes) * 8 / 5;  // none is left over
constexpr std::size_t kGroupDigits = 4;
constexpr std::string_view kBase32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
static_assert((kSeedBytes + kCheckBytes) * 8 % 5 == 0);

using SecretBytes = std::array<uint8_t, kSeedBytes + kCheckBytes>;

// Wiped when it goes.
struct Secret {
  SecretBytes bytes{};
  Secret() = default;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() { base::WipeSecret(bytes.data(), bytes.size()); }
  std::string_view seed() const {
    return {reinterpret_cast<const char*>(bytes.data()), kSeedBytes};
  }
  // Of the seed, in its place behind it.
  std::array<uint8_t, kCheckBytes> Check() const {
    const std::string mac = base::Mac256(seed(), "waypost-recovery-secret");
    std::array<uint8_t, kCheckBytes> check{};
    std::copy_n(mac.begin(), kCheckBytes, check.begin());
    return check;
  }
};

// The digit that a character stands for; nullopt: none.
std::optional<uint32_t> Base32Digit(char character) {
  char upper = static_cast<char>(std::toupper(static_cast<unsigned char>(character)));
  if (upper == '0') upper = 'O';
  if (upper == '1') upper = 'I';
  if (upper == '8') upper = 'B';
  const std::size_t at = kBase32.find(upper);
  if (at == std::string_view::npos) return std::nullopt;
  return static_cast<uint32_t>(at);
}

bool IsBetweenGroups(char character) {
  return character == '-' || std::isspace(static_cast<unsigned char>(character)) != 0;
}

absl::Status NoSecret(const std::string& why) {
  return absl::InvalidArgumentError(
      absl::StrCat("not a recovery secret: ", why, "; it is ", kSecretDigits / kGroupDigits,
                   " groups of ", kGroupDigits, " letters and digits, as it was shown"));
}

}  // namespace

absl::Status CheckRecoveryRule(const RecoveryRule& rule) {
  if (rule.keys.size() > kRecoveryKeysMax) {
    return BadRecovery(absl::StrCat(rule.keys.size(), " keys, at most ", kRecoveryKeysMax));
  }
  if (rule.need > rule.keys.size()) {
    return BadRecovery(
        absl::StrCat(rule.need, " keys are needed, and there are ", rule.keys.size()));
  }
  if (rule.need == 0 && !rule.keys.empty()) {
    return BadRecovery("at least one of the keys is needed");
  }
  if (std::set<RecoveryKey>(rule.keys.begin(), rule.keys.end()).size() != rule.keys.size()) {
    return BadRecovery("a key is named twice");
  }
  return absl::OkStatus();
}

base::EntryHash RecoveryIdentity(std::string_view saying) {
  std::string text(kRecoveryTag);
  text.push_back('\0');
  text.append(saying);
  return base::EntryHash(base::Hash256(text));
}

absl::StatusOr<RecoverySaying> OpenRecoveryPaper(const base::GroupId& group,
                                                 const RecoveryRule& rule,
                                                 const RecoveryPaper& paper) {
  ASSIGN_OR_RETURN(RecoverySaying saying, DecodeRecoverySaying(paper.saying));
  if (saying.group != group) return BadRecovery("it is about another group");
  std::set<uint32_t> signed_by;
  for (const RecoveryPaper::Signature& signature : paper.signatures) {
    if (signature.key >= rule.keys.size() || signed_by.contains(signature.key)) continue;
    if (base::VerifySignature(rule.keys[signature.key], kRecoveryTag, paper.saying,
                              signature.bytes)) {
      signed_by.insert(signature.key);
    }
  }
  if (rule.need == 0) return absl::PermissionDeniedError("the group has no recovery keys");
  if (signed_by.size() < rule.need) {
    return absl::PermissionDeniedError(absl::StrCat(
        signed_by.size(), " of the group's recovery keys signed this, ", rule.need, " are needed"));
  }
  return saying;
}

RecoverySecret RecoverySecret::Generate() { return RecoverySecret(base::Identity::Generate()); }

absl::StatusOr<RecoverySecret> RecoverySecret::Parse(std::string_view text) {
  Secret secret;
  std::size_t digits = 0;
  uint32_t bits = 0;
  int count = 0;
  std::size_t at = 0;
  for (const char character : text) {
    if (IsBetweenGroups(character)) continue;
    const auto digit = Base32Digit(character);
    if (!digit) return NoSecret("a character does not belong there");
    if (++digits > kSecretDigits) break;
    bits = bits << 5 | *digit;
    count += 5;
    if (count < 8) continue;
    count -= 8;
    secret.bytes[at++] = static_cast<uint8_t>(bits >> count & 0xff);
  }
  bits = 0;
  if (digits != kSecretDigits) {
    return NoSecret(digits < kSecretDigits ? "it is too short" : "it is too long");
  }
  const auto check = secret.Check();
  if (!std::equal(check.begin(), check.end(), secret.bytes.begin() + kSeedBytes)) {
    return NoSecret("its check digits do not fit: a letter is wrong, or two are exchanged");
  }
  std::array<uint8_t, kSeedBytes> seed{};
  std::copy_n(secret.bytes.begin(), kSeedBytes, seed.begin());
  RecoverySecret parsed(base::Identity::FromSeed(seed));
  base::WipeSecret(seed.data(), seed.size());
  return parsed;
}

std::string RecoverySecret::Text() const {
  Secret secret;
  std::copy_n(identity_->seed().begin(), kSeedBytes, secret.bytes.begin());
  const auto check = secret.Check();
  std::copy(check.begin(), check.end(), secret.bytes.begin() + kSeedBytes);
  std::string text;
  // At once, so that no piece of it stays where a smaller text was.
  text.reserve(kSecretDigits + kSecretDigits / kGroupDigits);
  for (std::size_t digit = 0; digit < kSecretDigits; ++digit) {
    if (digit > 0 && digit % kGroupDigits == 0) text.push_back('-');
    uint32_t value = 0;
    for (std::size_t bit = digit * 5; bit < digit * 5 + 5; ++bit) {
      value = value << 1 | (secret.bytes[bit / 8] >> (7 - bit % 8) & 1u);
    }
    text.push_back(kBase32[value]);
  }
  return text;
}

}  // namespace waypost::syncgroup
