#include "base/crypto.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/entropy.h"
#include "base/file_system.h"
#include "base/secret_file.h"
#include "base/status.h"

// Everything that libsodium does for us, and the identity key on the disk. Secrets stay in memory
// that it locks, what is copied to the stack is wiped, and every signature is over a tag and a zero
// byte before its message, so that one made for one use never passes for another.

namespace waypost::base {
namespace {

// identity.key is this, the seed in hexadecimal, and a newline.
constexpr std::string_view kKeyHeader = "waypost-identity-1 ";
constexpr std::size_t kKeyFileBytes = kKeyHeader.size() + 2 * crypto_sign_SEEDBYTES + 1;

const unsigned char* Bytes(std::string_view s) {
  return reinterpret_cast<const unsigned char*>(s.data());
}

std::string Tagged(std::string_view tag, std::string_view message) {
  CHECK(tag.find('\0') == std::string_view::npos);
  std::string text;
  text.reserve(tag.size() + 1 + message.size());
  text.append(tag).push_back('\0');
  text.append(message);
  return text;
}

absl::Status CheckKeyFile(int fd, const std::string& path) {
  RETURN_IF_ERROR(CheckSecretFile(fd, path));
  struct stat info;
  if (fstat(fd, &info) != 0) return ErrnoStatus(errno, path);
  if (info.st_size != static_cast<off_t>(kKeyFileBytes)) {
    return absl::DataLossError(absl::StrCat(path, " is not a Waypost identity key: it should have ",
                                            kKeyFileBytes, " bytes; restore it from a copy"));
  }
  return absl::OkStatus();
}

}  // namespace

bool InitCrypto() { return sodium_init() >= 0; }

bool ConstantTimeEqual(std::string_view a, std::string_view b) {
  return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

uint64_t Checksum64(const std::array<uint8_t, 16>& key, std::string_view data) {
  static_assert(crypto_shorthash_KEYBYTES == 16 && crypto_shorthash_BYTES == 8);
  unsigned char out[crypto_shorthash_BYTES];
  crypto_shorthash(out, Bytes(data), data.size(), key.data());
  uint64_t value = 0;
  for (int i = 7; i >= 0; --i) value = value << 8 | out[i];
  return value;
}

std::array<uint8_t, 32> Hash256(std::string_view data) {
  std::array<uint8_t, 32> hash;
  crypto_generichash(hash.data(), hash.size(), Bytes(data), data.size(), nullptr, 0);
  return hash;
}

void WipeSecret(void* bytes, std::size_t count) { sodium_memzero(bytes, count); }

std::string Mac256(std::string_view key, std::string_view data) {
  CHECK(key.size() >= crypto_generichash_KEYBYTES_MIN &&
        key.size() <= crypto_generichash_KEYBYTES_MAX);
  std::string mac(32, '\0');
  crypto_generichash(reinterpret_cast<unsigned char*>(mac.data()), mac.size(), Bytes(data),
                     data.size(), Bytes(key), key.size());
  return mac;
}

std::unique_ptr<Identity> Identity::Generate() {
  CHECK(InitCrypto());
  std::unique_ptr<Identity> identity(new Identity());
  identity->AllocateSeed();
  DrawEntropy(identity->seed_, crypto_sign_SEEDBYTES);
  identity->DerivePublicKey();
  return identity;
}

std::unique_ptr<Identity> Identity::FromSeed(const std::array<uint8_t, 32>& seed) {
  static_assert(crypto_sign_SEEDBYTES == 32);
  CHECK(InitCrypto());
  std::unique_ptr<Identity> identity(new Identity());
  identity->AllocateSeed();
  std::memcpy(identity->seed_, seed.data(), seed.size());
  identity->DerivePublicKey();
  return identity;
}

absl::StatusOr<std::unique_ptr<Identity>> Identity::Load(const std::string& path) {
  CHECK(InitCrypto());
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) {
    if (errno == ELOOP) {
      return absl::FailedPreconditionError(
          absl::StrCat(path, " is a link: put the key file itself here"));
    }
    return ErrnoStatus(errno, path);
  }
  const auto close_fd = absl::MakeCleanup([fd] { close(fd); });
  RETURN_IF_ERROR(CheckKeyFile(fd, path));

  char text[kKeyFileBytes];
  const auto wipe = absl::MakeCleanup([&text] { sodium_memzero(text, sizeof text); });
  std::size_t have = 0;
  while (have < sizeof text) {
    const ssize_t got = read(fd, text + have, sizeof text - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, path);
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  std::unique_ptr<Identity> identity(new Identity());
  identity->AllocateSeed();
  std::size_t seed_bytes = 0;
  const bool sound =
      have == sizeof text && std::memcmp(text, kKeyHeader.data(), kKeyHeader.size()) == 0 &&
      text[sizeof text - 1] == '\n' &&
      sodium_hex2bin(identity->seed_, crypto_sign_SEEDBYTES, text + kKeyHeader.size(),
                     2 * crypto_sign_SEEDBYTES, nullptr, &seed_bytes, nullptr) == 0 &&
      seed_bytes == crypto_sign_SEEDBYTES;
  if (!sound) {
    return absl::DataLossError(
        absl::StrCat(path, " is damaged or no Waypost identity key: restore it from a copy"));
  }
  identity->DerivePublicKey();
  return identity;
}

std::string_view Identity::seed() const {
  return {reinterpret_cast<const char*>(seed_), crypto_sign_SEEDBYTES};
}

absl::Status Identity::Save(const std::string& path) const {
  const std::size_t slash = path.rfind('/');
  CHECK(slash != std::string::npos);  // absolute
  const std::string dir = slash == 0 ? "/" : path.substr(0, slash);
  // Without a name until it is whole, so that a crash leaves no half key that could not be
  // replaced.
  const auto fs = NewPosixFileSystem();
  ASSIGN_OR_RETURN(const auto file, fs->CreateUnnamed(dir));
  char text[kKeyFileBytes + 1];
  const auto wipe = absl::MakeCleanup([&text] { sodium_memzero(text, sizeof text); });
  std::memcpy(text, kKeyHeader.data(), kKeyHeader.size());
  sodium_bin2hex(text + kKeyHeader.size(), 2 * crypto_sign_SEEDBYTES + 1, seed_,
                 crypto_sign_SEEDBYTES);
  text[kKeyFileBytes - 1] = '\n';
  RETURN_IF_ERROR(file->WriteAt(0, std::string_view(text, kKeyFileBytes)));
  RETURN_IF_ERROR(file->Sync());
  RETURN_IF_ERROR(fs->Link(*file, path));
  return fs->SyncDir(dir);
}

Identity::~Identity() {
  sodium_free(seed_);  // wipes it
}

void Identity::AllocateSeed() {
  seed_ = static_cast<unsigned char*>(sodium_malloc(crypto_sign_SEEDBYTES));
  CHECK(seed_ != nullptr);
}

void Identity::DerivePublicKey() {
  unsigned char public_key[crypto_sign_PUBLICKEYBYTES];
  unsigned char secret_key[crypto_sign_SECRETKEYBYTES];
  CHECK(crypto_sign_seed_keypair(public_key, secret_key, seed_) == 0);
  sodium_memzero(secret_key, sizeof secret_key);
  peer_id_ = *PeerId::FromBytes({reinterpret_cast<const char*>(public_key), sizeof public_key});
}

std::string Identity::Sign(std::string_view tag, std::string_view message) const {
  const std::string text = Tagged(tag, message);
  // libsodium's secret key is the seed followed by the public key.
  unsigned char secret_key[crypto_sign_SECRETKEYBYTES];
  static_assert(sizeof secret_key == crypto_sign_SEEDBYTES + PeerId::kBytes);
  std::memcpy(secret_key, seed_, crypto_sign_SEEDBYTES);
  std::memcpy(secret_key + crypto_sign_SEEDBYTES, peer_id_.array().data(), PeerId::kBytes);
  std::string signature(crypto_sign_BYTES, '\0');
  CHECK(crypto_sign_detached(reinterpret_cast<unsigned char*>(signature.data()), nullptr,
                             Bytes(text), text.size(), secret_key) == 0);
  sodium_memzero(secret_key, sizeof secret_key);
  return signature;
}

bool VerifySignature(const PeerId& peer, std::string_view tag, std::string_view message,
                     std::string_view signature) {
  if (signature.size() != crypto_sign_BYTES) return false;
  const std::string text = Tagged(tag, message);
  return crypto_sign_verify_detached(Bytes(signature), Bytes(text), text.size(),
                                     peer.array().data()) == 0;
}

}  // namespace waypost::base
