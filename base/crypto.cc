#include "base/crypto.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/file_system.h"
#include "base/status.h"

namespace waypost::base {
namespace {

constexpr std::size_t kSeedBytes = crypto_sign_SEEDBYTES;
constexpr std::string_view kIdentityHeader = "waypost-identity-1 ";
constexpr std::size_t kIdentityFileBytes = kIdentityHeader.size() + 2 * kSeedBytes + 1;

const unsigned char* Bytes(std::string_view s) {
  return reinterpret_cast<const unsigned char*>(s.data());
}

std::string Tagged(std::string_view tag, std::string_view message) {
  std::string input(tag);
  input.push_back('\0');
  input.append(message);
  return input;
}

PeerId PublicKeyOf(const unsigned char* seed) {
  std::array<uint8_t, PeerId::kBytes> public_key{};
  unsigned char secret_key[crypto_sign_SECRETKEYBYTES];
  crypto_sign_seed_keypair(public_key.data(), secret_key, seed);
  sodium_memzero(secret_key, sizeof(secret_key));
  return PeerId(public_key);
}

}  // namespace

bool InitCrypto() { return sodium_init() >= 0; }

std::string RandomBytes(std::size_t count) {
  std::string bytes(count, '\0');
  randombytes_buf(bytes.data(), count);
  return bytes;
}

bool ConstantTimeEqual(std::string_view a, std::string_view b) {
  return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

uint64_t Checksum64(const std::array<uint8_t, 16>& key, std::string_view data) {
  unsigned char out[crypto_shorthash_BYTES];
  crypto_shorthash(out, Bytes(data), data.size(), key.data());
  uint64_t value = 0;
  std::memcpy(&value, out, sizeof(value));
  return value;
}

std::array<uint8_t, 32> Hash256(std::string_view data) {
  std::array<uint8_t, 32> out{};
  crypto_generichash(out.data(), out.size(), Bytes(data), data.size(), nullptr, 0);
  return out;
}

std::unique_ptr<Identity> Identity::Generate() {
  std::unique_ptr<Identity> identity(new Identity());
  identity->seed_ = static_cast<unsigned char*>(sodium_malloc(kSeedBytes));
  CHECK(identity->seed_ != nullptr);
  randombytes_buf(identity->seed_, kSeedBytes);
  identity->peer_id_ = PublicKeyOf(identity->seed_);
  return identity;
}

Identity::~Identity() {
  if (seed_ != nullptr) sodium_free(seed_);  // wipes it
}

absl::StatusOr<std::unique_ptr<Identity>> Identity::Load(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) {
    if (errno == ELOOP) {
      return absl::FailedPreconditionError(
          absl::StrCat(path, " is a symbolic link; put the key file itself there"));
    }
    return ErrnoStatus(errno, absl::StrCat("cannot open ", path));
  }
  absl::Cleanup close_fd = [fd] { close(fd); };
  struct stat info {};
  if (fstat(fd, &info) != 0) return ErrnoStatus(errno, absl::StrCat("cannot stat ", path));
  if (!S_ISREG(info.st_mode) || info.st_uid != geteuid() || (info.st_mode & 077) != 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        path, " must be a regular file of this user that nobody else can read: chmod 600 it"));
  }
  char text[kIdentityFileBytes + 1];
  absl::Cleanup wipe = [&text] { sodium_memzero(text, sizeof(text)); };
  const ssize_t got = read(fd, text, sizeof(text));
  std::unique_ptr<Identity> identity(new Identity());
  identity->seed_ = static_cast<unsigned char*>(sodium_malloc(kSeedBytes));
  CHECK(identity->seed_ != nullptr);
  std::size_t decoded = 0;
  const char* end = nullptr;
  const bool sound =
      got == static_cast<ssize_t>(kIdentityFileBytes) &&
      std::string_view(text, kIdentityHeader.size()) == kIdentityHeader &&
      text[kIdentityFileBytes - 1] == '\n' &&
      sodium_hex2bin(identity->seed_, kSeedBytes, text + kIdentityHeader.size(), 2 * kSeedBytes,
                     nullptr, &decoded, &end) == 0 &&
      decoded == kSeedBytes;
  if (!sound) {
    return absl::DataLossError(
        absl::StrCat(path, " is not an identity file; restore it from a backup"));
  }
  identity->peer_id_ = PublicKeyOf(identity->seed_);
  return identity;
}

absl::Status Identity::Save(const std::string& path) const {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return ErrnoStatus(errno, absl::StrCat("cannot create ", path));
  char text[kIdentityFileBytes + 1];
  absl::Cleanup wipe = [&text] { sodium_memzero(text, sizeof(text)); };
  std::memcpy(text, kIdentityHeader.data(), kIdentityHeader.size());
  sodium_bin2hex(text + kIdentityHeader.size(), 2 * kSeedBytes + 1, seed_, kSeedBytes);
  text[kIdentityFileBytes - 1] = '\n';
  const bool written = write(fd, text, kIdentityFileBytes) == static_cast<ssize_t>(kIdentityFileBytes) &&
                       fsync(fd) == 0;
  const int error = errno;
  close(fd);
  if (!written) {
    unlink(path.c_str());
    return ErrnoStatus(error, absl::StrCat("cannot write ", path));
  }
  const std::size_t slash = path.rfind('/');
  return NewPosixFileSystem()->SyncDir(slash == std::string::npos ? "." : path.substr(0, slash));
}

std::string Identity::Sign(std::string_view tag, std::string_view message) const {
  unsigned char public_key[crypto_sign_PUBLICKEYBYTES];
  unsigned char secret_key[crypto_sign_SECRETKEYBYTES];
  crypto_sign_seed_keypair(public_key, secret_key, seed_);
  const std::string input = Tagged(tag, message);
  std::string signature(crypto_sign_BYTES, '\0');
  crypto_sign_detached(reinterpret_cast<unsigned char*>(signature.data()), nullptr, Bytes(input),
                       input.size(), secret_key);
  sodium_memzero(secret_key, sizeof(secret_key));
  return signature;
}

bool VerifySignature(const PeerId& peer, std::string_view tag, std::string_view message,
                     std::string_view signature) {
  if (signature.size() != crypto_sign_BYTES) return false;
  const std::string input = Tagged(tag, message);
  return crypto_sign_verify_detached(Bytes(signature), Bytes(input), input.size(),
                                     Bytes(peer.bytes())) == 0;
}

}  // namespace waypost::base
