#include "base/secret_box.h"

#include <sodium.h>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/escaping.h"
#include "base/crypto.h"
#include "base/random.h"
#include "base/status.h"

// A salt and a nonce of their own for each text, the key from the passphrase by Argon2id, and a box
// that is opened whole or not at all. The format and its costs are in the header; they are stored
// bytes.

namespace waypost::base {
namespace {

constexpr std::size_t kSalt = crypto_pwhash_SALTBYTES;
constexpr std::size_t kNonce = crypto_secretbox_NONCEBYTES;

bool DeriveKey(std::string_view passphrase, std::string_view salt, unsigned char* key) {
  return crypto_pwhash(key, crypto_secretbox_KEYBYTES, passphrase.data(), passphrase.size(),
                       reinterpret_cast<const unsigned char*>(salt.data()),
                       crypto_pwhash_OPSLIMIT_MODERATE, crypto_pwhash_MEMLIMIT_MODERATE,
                       crypto_pwhash_ALG_ARGON2ID13) == 0;
}

}  // namespace

std::string SealWithPassphrase(std::string_view secret, std::string_view passphrase) {
  CHECK(InitCrypto());
  const std::string salt = RandomBytes(kSalt);
  const std::string nonce = RandomBytes(kNonce);
  unsigned char key[crypto_secretbox_KEYBYTES];
  const auto wipe = absl::MakeCleanup([&key] { sodium_memzero(key, sizeof key); });
  CHECK(DeriveKey(passphrase, salt, key));
  std::string box(secret.size() + crypto_secretbox_MACBYTES, '\0');
  CHECK(crypto_secretbox_easy(reinterpret_cast<unsigned char*>(box.data()),
                              reinterpret_cast<const unsigned char*>(secret.data()), secret.size(),
                              reinterpret_cast<const unsigned char*>(nonce.data()), key) == 0);
  return absl::WebSafeBase64Escape(salt + nonce + box);
}

absl::StatusOr<std::string> OpenWithPassphrase(std::string_view text, std::string_view passphrase) {
  CHECK(InitCrypto());
  std::string bytes;
  if (!absl::WebSafeBase64Unescape(Abs(text), &bytes) ||
      bytes.size() < kSalt + kNonce + crypto_secretbox_MACBYTES) {
    return absl::InvalidArgumentError("the text is cut off or no backup");
  }
  unsigned char key[crypto_secretbox_KEYBYTES];
  const auto wipe = absl::MakeCleanup([&key] { sodium_memzero(key, sizeof key); });
  if (!DeriveKey(passphrase, bytes.substr(0, kSalt), key)) {
    return absl::ResourceExhaustedError("256 MiB of memory are needed to open it");
  }
  const std::string nonce = bytes.substr(kSalt, kNonce);
  const std::string box = bytes.substr(kSalt + kNonce);
  std::string secret(box.size() - crypto_secretbox_MACBYTES, '\0');
  if (crypto_secretbox_open_easy(reinterpret_cast<unsigned char*>(secret.data()),
                                 reinterpret_cast<const unsigned char*>(box.data()), box.size(),
                                 reinterpret_cast<const unsigned char*>(nonce.data()), key) != 0) {
    return absl::PermissionDeniedError("the passphrase does not open it, or the text is damaged");
  }
  return secret;
}

}  // namespace waypost::base
