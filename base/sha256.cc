#include "base/sha256.h"

#include <openssl/evp.h>

#include <array>

#include "base/status.h"

// SHA-256 by OpenSSL, which uses the instructions that processors have for it. A failure of the
// library is a broken invariant: there is no way to go on without hashes.

namespace waypost::base {
namespace {

// Looked up once: OpenSSL 3 takes longer to find an algorithm than to hash a small blob. Never
// freed.
const EVP_MD* Algorithm() {
  static const EVP_MD* const md = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  CHECK(md != nullptr);
  return md;
}

EVP_MD_CTX* Context(void* context) { return static_cast<EVP_MD_CTX*>(context); }

}  // namespace

void Sha256::Deleter::operator()(void* context) const { EVP_MD_CTX_free(Context(context)); }

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  CHECK(context_ != nullptr);
  CHECK(EVP_DigestInit_ex(Context(context_.get()), Algorithm(), nullptr) == 1);
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::Update(std::string_view data) {
  CHECK(EVP_DigestUpdate(Context(context_.get()), data.data(), data.size()) == 1);
}

BlobId Sha256::Finish() {
  std::array<uint8_t, BlobId::kBytes> digest;
  unsigned int size = 0;
  CHECK(EVP_DigestFinal_ex(Context(context_.get()), digest.data(), &size) == 1);
  CHECK(size == digest.size());
  return BlobId(digest);
}

BlobId Sha256::Of(std::string_view data) {
  Sha256 hasher;
  hasher.Update(data);
  return hasher.Finish();
}

}  // namespace waypost::base
